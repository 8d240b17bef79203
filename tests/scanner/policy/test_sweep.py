"""What the standard library's own source runs or imports is in the table."""

from __future__ import annotations

from pathlib import Path

from tests import policy_sweep


def test_functions_that_reach_a_sink_are_found(tmp_path: Path) -> None:
    source = tmp_path / "helpers.py"
    source.write_text(
        "import subprocess\n"
        "def quiet(command):\n    return subprocess.run(command)\n"
        "def fixed():\n    return subprocess.run('ls')\n"
        "class Runner:\n    def __init__(self, text):\n        exec(text)\n"
    )
    found = {
        (candidate.name, candidate.sink)
        for candidate in policy_sweep.unlisted(iter([("helpers", source)]))
    }
    assert found == {("quiet", "subprocess.run"), ("Runner", "exec")}


def test_the_standard_librarys_own_are_listed() -> None:
    modules = (
        (module, path)
        for module, path in policy_sweep.standard_library()
        # Its tests are not installed everywhere, and named by their own packages.
        if module.partition(".")[0] not in ("test", "site-packages")
    )
    missing = {f"{c.module}:{c.name}" for c in policy_sweep.unlisted(modules)}
    assert not missing
