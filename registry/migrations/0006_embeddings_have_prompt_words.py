"""Embeddings that are here already get their prompt words."""

import unicodedata
from pathlib import PurePath

from django.db import migrations
from django.db.models import F


def give_words(apps, schema_editor):
    Artifact = apps.get_model("registry", "Artifact")
    embeddings = Artifact.objects.filter(
        role="upload",
        blob__reports__policy=F("blob__policy"),
        blob__reports__data__identity__kind="embedding",
    )
    for artifact in embeddings.distinct().iterator():
        stem = PurePath(artifact.name).stem or artifact.name
        folded = unicodedata.normalize("NFC", stem).casefold()
        artifact.prompt_word = unicodedata.normalize("NFC", folded)[:255]
        artifact.save(update_fields=["prompt_word"])


class Migration(migrations.Migration):

    dependencies = [
        ("registry", "0005_contents_and_claims"),
    ]

    operations = [
        migrations.RunPython(give_words, migrations.RunPython.noop),
    ]
