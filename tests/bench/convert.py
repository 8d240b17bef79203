"""Conversion against copying and hashing: ``python -m tests.bench.convert [--dir D] [--times N]``.

Makes a 4.27 GB fp32 checkpoint (SD1.5's exact key set, random values) and measures as whole
processes, in turn: ``cp`` followed by fsync, our convert, torch.load + save_file, mmap + save_file;
then hashlib's sha256 of the file against our ingest, which converts the file while it is inspected:
safety, identity and all six digests, and once more with the health of the values. About 14 GB of
disk, warm page cache where memory allows.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.bench import runs

ROOT = Path(__file__).resolve().parents[2]

_COPY = 'set -e; cp "$1" "$2"; sync "$2"'
_LOAD = """
import sys, torch
from safetensors.torch import save_file
state = torch.load(sys.argv[1], map_location="cpu", weights_only=True, mmap=sys.argv[3] == "mmap")
save_file(state["state_dict"], sys.argv[2])
"""
_MAKE = """
import sys
from pathlib import Path
from tests.bench import full_size
full_size.make(Path(sys.argv[1]))
"""
_SHA256 = """
import hashlib, sys
with open(sys.argv[1], "rb") as file:
    print(hashlib.file_digest(file, "sha256").hexdigest())
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dir", type=Path, help="where to work (14 GB); default: a temporary one")
    parser.add_argument("--times", type=int, default=5, help="runs of each command that count")
    parser.add_argument("--no-torch", action="store_true", help="leave torch's two ways out")
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="convert-", dir=arguments.dir))
    try:
        source, target = folder / "model.ckpt", folder / "model.safetensors"
        print("making the checkpoint …", file=sys.stderr)
        # In a process of its own: what this one holds would count as its children's peak.
        subprocess.run([sys.executable, "-c", _MAKE, source], cwd=ROOT, check=True)
        print(f"{source.stat().st_size:,} bytes")
        measure(source, target, arguments.times, torch=not arguments.no_torch)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def measure(source: Path, target: Path, times: int, *, torch: bool) -> None:
    python = sys.executable
    commands: dict[str, list[str | Path]] = {
        "cp, fsync": ["sh", "-c", _COPY, "sh", source, target],
        "convert": [python, "-m", "scanner", "convert", source, target, "--json"],
    }
    if torch:
        commands |= {
            "torch.load, save_file": [python, "-c", _LOAD, source, target, "read"],
            "torch.load(mmap), save_file": [python, "-c", _LOAD, source, target, "mmap"],
        }
    found = runs.side_by_side(commands, times=times, folder=ROOT)
    print(runs.table(found, against="cp, fsync"))
    ingest = [python, "-m", "scanner", "convert", source, target, "--json", "--report"]
    commands = {
        "sha256 (hashlib)": [python, "-c", _SHA256, source],
        "ingest: convert, safety, identity, every digest": [*ingest, "safety,identity,hashes"],
        "the same and the health of every value": [*ingest, "safety,identity,hashes,health"],
    }
    found = runs.side_by_side(commands, times=times, folder=ROOT)
    print(runs.table(found, against="sha256 (hashlib)"))


if __name__ == "__main__":
    main()
