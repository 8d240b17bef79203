"""Whether the web server in this container answers, asked under a name that it goes by."""

import os
import sys
import urllib.request

hosts = os.environ.get("WEIGHHOUSE_HOSTS", "localhost").split(",")
request = urllib.request.Request(
    "http://127.0.0.1:8000/healthz", headers={"Host": hosts[0].strip().lstrip("*.") or "localhost"}
)
with urllib.request.urlopen(request, timeout=4) as answer:
    sys.exit(answer.status != 200)
