"""Text forms of numbers and strings, read as CPython's C unpickler reads them."""

from __future__ import annotations

import re

_STRTOL = re.compile(rb"[ \t\n\v\f\r]*([+-]?)(0[xX][0-9a-fA-F]+|[0-9]+)(.?)", re.DOTALL)
_ESCAPE = re.compile(rb"\\([0-7]{1,3}|x[0-9a-fA-F]{2}|.|$)", re.DOTALL)
_SIMPLE = {
    b"\\": b"\\", b"'": b"'", b'"': b'"', b"a": b"\a", b"b": b"\b", b"f": b"\f", b"n": b"\n",
    b"r": b"\r", b"t": b"\t", b"v": b"\v", b"\n": b"",
}  # fmt: skip
_LONG_MAX = 1 << 63
_PLAIN = re.compile(rb"-?(0|[1-9][0-9]*)L?")


class TooLong(ValueError):
    """More digits than allowed."""


def is_plain(text: bytes) -> bool:
    """Whether a pickler would have written the number so."""
    return _PLAIN.fullmatch(text) is not None


def integer(text: bytes, digits: int) -> int | bool:
    """INT. C tries ``strtol(s, &end, 0)``: hexadecimal and octal forms count, a NUL ends the text,
    and any two characters that come to 0 or 1 are a bool ("01", but "+1" and " 1" too)."""
    found = _STRTOL.match(text)
    if found is not None and found[3] in (b"", b"\0") and len(text) <= digits:
        sign, number = found[1], found[2]
        octal = number.startswith(b"0") and number.isdigit()
        base = 8 if octal else 0
        if not octal or not re.search(rb"[89]", number):
            value = int(sign + number, base)
            if -_LONG_MAX <= value < _LONG_MAX:
                return bool(value) if len(text) == 2 and value in (0, 1) else value
    return long(text, digits)


def long(text: bytes, digits: int) -> int:
    """LONG, without its "L": ``PyLong_FromString(s, NULL, 0)``. ``ValueError`` if it is none."""
    text = text.partition(b"\0")[0]
    if len(text) > digits:
        raise TooLong(f"{len(text)} digits")
    return int(text.decode("ascii"), 0)


def decimal(text: bytes, digits: int) -> int:
    """GET and PUT: ``PyLong_FromString(s, NULL, 10)``."""
    text = text.partition(b"\0")[0]
    if len(text) > digits:
        raise TooLong(f"{len(text)} digits")
    return int(text.decode("ascii"))


def string(line: bytes) -> bytes:
    """STRING: quotes taken off, escapes resolved. ``ValueError`` where C refuses."""
    if len(line) < 2 or line[:1] != line[-1:] or line[:1] not in (b"'", b'"'):
        raise ValueError("the STRING argument is not quoted")
    return _ESCAPE.sub(_unescape, line[1:-1])


def _unescape(found: re.Match[bytes]) -> bytes:
    code = found[1]
    if not code:
        raise ValueError("a backslash ends the string")
    if code in _SIMPLE:
        return _SIMPLE[code]
    if code[:1] in b"01234567":
        return bytes([int(code, 8) & 0xFF])
    if code[:1] == b"x":
        if len(code) != 3:
            raise ValueError("an incomplete \\x escape")
        return bytes.fromhex(code[1:].decode())
    return b"\\" + code
