"""``python -m scanner.smoke.miniature DIR``: the miniature as files of every kind."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from scanner.errors import ScannerError
from scanner.smoke import miniature


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m scanner.smoke.miniature", description=miniature.__doc__
    )
    parser.add_argument("folder", type=Path)
    given = parser.parse_args(arguments)
    try:
        for path in miniature.files(given.folder).values():
            print(f"{path.stat().st_size:>12,}  {path}")
    except (ScannerError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
