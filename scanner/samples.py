"""Sample files of every kind: ``python -m scanner.samples DIR``.

The trained miniature and its add-ons, and one file that is hostile.
"""

from __future__ import annotations

import argparse
import struct
import sys
from pathlib import Path

from scanner.errors import ScannerError
from scanner.smoke import miniature
from scanner.writer.torch_zip import Archive

#: What the hostile sample would run if anything ever loaded it. It must not exist, ever.
MARKER = "/tmp/weighhouse-sample-was-run"


def hostile(target: Path) -> None:
    """A checkpoint whose pickle would run a command before anything else. Written from opcodes:
    there is no object, here or later, that could run it."""
    command = f"touch {MARKER}".encode()
    pickle = b"\x80\x02cposix\nsystem\nX" + struct.pack("<I", len(command)) + command + b"\x85R0"
    pickle += b"}X\x0a\0\0\0state_dict}s."
    with target.open("xb") as file:
        archive = Archive(file.fileno())
        archive.add("archive/data.pkl", pickle)
        archive.add("archive/byteorder", b"little")
        archive.add("archive/version", b"3\n")
        archive.close()


def make(folder: Path) -> tuple[Path, ...]:
    """Write every sample into ``folder``, replacing what is there by the same name."""
    made = miniature.files(folder)
    target = folder / "hostile.ckpt"
    target.unlink(missing_ok=True)
    hostile(target)
    return (*made.values(), target)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m scanner.samples", description=__doc__)
    parser.add_argument("folder", type=Path)
    given = parser.parse_args(arguments)
    try:
        for path in make(given.folder):
            print(f"{path.stat().st_size:>12,}  {path}")
    except (ScannerError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
