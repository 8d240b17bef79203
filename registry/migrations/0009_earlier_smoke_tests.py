"""Pictures that are here already stand each for themselves, in the widths that they were made in;
what was skipped for want of a base says of which."""

from django.db import migrations
from django.db.models import F
from django.db.models.functions import Least


def tell(apps, schema_editor):
    Preview = apps.get_model("registry", "Preview")
    Preview.objects.update(
        group=F("position") + 1,
        medium_width=Least(F("width"), 384),
        small_width=Least(F("width"), 192),
    )
    SmokeTest = apps.get_model("registry", "SmokeTest")
    lacking = SmokeTest.objects.filter(data__code__in=["smoke.needs_base", "smoke.needs_parts"])
    for test in lacking.select_related("artifact__version").iterator():
        test.wants = test.artifact.version.base
        test.save(update_fields=["wants"])


class Migration(migrations.Migration):

    dependencies = [
        ("registry", "0008_smoke_tests_on_bases"),
    ]

    operations = [
        migrations.RunPython(tell, migrations.RunPython.noop),
    ]
