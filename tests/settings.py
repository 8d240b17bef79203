"""The tests' settings: the product's own, on a state folder that goes when the run ends.

Whatever the environment says of a real site is forgotten first: no test writes there. One variable
is heeded, WEIGHHOUSE_TEST_DATABASE, which ``python -m tests.services`` sets.
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile

_home = tempfile.mkdtemp(prefix="weighhouse-tests-")
atexit.register(shutil.rmtree, _home, ignore_errors=True)
_database = os.environ.get("WEIGHHOUSE_TEST_DATABASE")
for _name in [name for name in os.environ if name.startswith("WEIGHHOUSE_")]:
    del os.environ[_name]
os.environ["WEIGHHOUSE_HOME"] = _home
if _database:
    os.environ["WEIGHHOUSE_DATABASE"] = _database
    os.environ["WEIGHHOUSE_TEST_DATABASE"] = _database

from registry.settings import *  # noqa: E402, F403
from registry.settings import DATABASES, STATIC_ROOT, STORAGES  # noqa: E402

STATIC_ROOT.mkdir(parents=True)
# Files under their own names: nothing has been gathered.
STORAGES["staticfiles"] = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
# The real hash is slow on purpose.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
# A kept connection would stand in the way of dropping the tests' database.
DATABASES["default"]["CONN_MAX_AGE"] = 0
