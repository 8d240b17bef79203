from __future__ import annotations

import subprocess
import sys


def test_importing_the_package_does_not_import_torch() -> None:
    code = (
        "import sys, scanner.smoke; print([m for m in ('torch', 'diffusers') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
