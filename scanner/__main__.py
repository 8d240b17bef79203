"""``python -m scanner``."""

import gc

# Nothing that is imported is ever garbage, and to look through it again and again takes a tenth of
# a short run. The child that reads the file collects as usual.
gc.disable()

from scanner.cli import main  # noqa: E402

if __name__ == "__main__":
    raise SystemExit(main())
