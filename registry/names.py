"""File names from strangers: what is taken as a name, and what is refused."""

from __future__ import annotations

import unicodedata
from pathlib import PurePath

from registry.errors import UserError

MAX_BYTES = 255
# Forbidden on Windows, where many of these files are used in the end.
_RESERVED = frozenset('<>:"/\\|?*')
_DEVICES = frozenset(
    {"con", "prn", "aux", "nul"} | {f"{port}{n}" for port in ("com", "lpt") for n in range(1, 10)}
)
# Bidirectional overrides, embeddings, isolates. Joiners stay: some scripts are written with them.
_TURNING = frozenset(map(chr, (*range(0x202A, 0x202F), *range(0x2066, 0x206A))))


def checked(name: str) -> str:
    """``name`` in NFC if it can be a file's name anywhere, else ``UserError("file.name")``.

    An embedding's name is its prompt word, so UTF-8 stays as it is; nothing is silently renamed.
    """
    name = unicodedata.normalize("NFC", name).strip()
    reason = _objection(name)
    if reason:
        raise UserError("file.name", reason=reason)
    return name


def prompt_word(name: str) -> str:
    """What prompts call an embedding by: its file name without the ending, folded so that those
    which differ in case or composition alone are alike, as they are on many disks."""
    stem = PurePath(name).stem or name
    folded = unicodedata.normalize("NFC", stem).casefold()
    return unicodedata.normalize("NFC", folded)[:MAX_BYTES]


def label(text: str) -> str:
    """What people call a model, a version or a team: ``UserError("field.invalid")`` if it could
    make a page read otherwise than it is (controls, line breaks, turned writing direction)."""
    text = unicodedata.normalize("NFC", text).strip()
    if not text:
        raise UserError("name.empty")
    if any(unicodedata.category(c) in {"Cc", "Cs", "Zl", "Zp"} or c in _TURNING for c in text):
        raise UserError("field.invalid", detail="The name holds characters that cannot be seen.")
    return text


def with_ending(stem: str, ending: str) -> str:
    """``stem`` and ``ending``, the stem cut short where the whole would be too long for a name."""
    room = MAX_BYTES - len(ending.encode())
    return stem.encode()[:room].decode(errors="ignore").rstrip() + ending


def _objection(name: str) -> str | None:
    if not name:
        return "it is empty"
    if "/" in name or "\\" in name:
        return "it contains a path"
    if name in {".", ".."} or name.startswith("."):
        return "it starts with a dot"
    # Cc, Cs: controls and lone surrogates; Cf: invisible ones such as right-to-left override.
    if any(unicodedata.category(character) in {"Cc", "Cf", "Cs"} for character in name):
        return "it contains control or invisible characters"
    if _RESERVED & set(name):
        return 'it contains one of < > : " | ? *'
    if name.partition(".")[0].rstrip().lower() in _DEVICES:
        return "Windows keeps it for a device"
    if name.endswith("."):
        return "it ends with a dot"
    if len(name.encode()) > MAX_BYTES:
        return f"it is longer than {MAX_BYTES} bytes"
    return None
