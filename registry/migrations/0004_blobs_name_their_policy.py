"""A blob says under which policy the report was made that counts: so far, the newest."""

from django.db import migrations
from django.db.models import Exists, OuterRef, Subquery


def name_them(apps, schema_editor):
    Blob = apps.get_model("registry", "Blob")
    Report = apps.get_model("registry", "Report")
    reports = Report.objects.filter(blob=OuterRef("pk")).order_by("-created_at", "-id")
    Blob.objects.filter(Exists(reports)).update(policy=Subquery(reports.values("policy")[:1]))


class Migration(migrations.Migration):

    dependencies = [
        ("registry", "0003_reinspection_and_notices"),
    ]

    operations = [
        migrations.RunPython(name_them, migrations.RunPython.noop),
    ]
