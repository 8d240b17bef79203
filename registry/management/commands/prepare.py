"""``manage.py prepare``: what has to be there before any service of a site starts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand

from registry import blobs, startup


class Command(BaseCommand):
    help = "Migrate the database, gather the static files and make the first admin."

    def handle(self, *args: Any, **options: Any) -> None:
        call_command("migrate", verbosity=0, interactive=False)
        startup.collect_static()
        if blobs.is_local():
            # A web server that sends published files itself has this folder mounted.
            Path(settings.STORAGES["blobs"]["OPTIONS"]["location"], blobs.PUBLIC).mkdir(
                parents=True, exist_ok=True
            )
        password = startup.first_admin(settings.ENV.admin_password)
        if password:
            self.stdout.write(f"The first admin: name {startup.ADMIN}, password {password}")
            self.stdout.write("This password is shown once; change it after signing in.")
