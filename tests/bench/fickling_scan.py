"""Run by fickling's own interpreter: ``python fickling_scan.py FILE…`` prints a JSON line a file.

fickling's command reads bare pickles only, so this calls the two functions that its library has
for files. An exception counts as flagged, as an error does in the other tools.
"""

import json
import sys
import zipfile

from fickling.loader import scan_file, scan_zip_archive

worst = 0
for path in sys.argv[1:]:
    try:
        if zipfile.is_zipfile(path):
            results = list(scan_zip_archive(path, graceful=True).values())
        else:
            results = [scan_file(path, graceful=True)]
        flagged = not all(result.is_safe for result in results)
    except Exception:
        flagged = True
    print(json.dumps({"file": path, "flagged": flagged}), flush=True)
    worst = max(worst, flagged)
sys.exit(worst)
