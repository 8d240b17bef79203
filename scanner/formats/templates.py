"""Chat templates: Jinja that a loader renders, and so runs (CVE-2024-34359)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import NamedTuple


class _Patterns(NamedTuple):
    opening: re.Pattern[str]
    token: re.Pattern[str]
    raw: re.Pattern[str]
    raw_end: re.Pattern[str]
    escape: re.Pattern[str]
    loading: re.Pattern[str]
    kept: re.Pattern[str]


@cache
def _patterns() -> _Patterns:
    return _Patterns(
        opening=re.compile(r"\{[{%#]"),
        # As Jinja's own lexer: a closing sign within quotation marks or brackets closes nothing.
        token=re.compile(
            r"'(?:[^'\\]|\\.)*+'|\"(?:[^\"\\]|\\.)*+\"|[^'\"%}\])(\[{]++|.", re.DOTALL
        ),
        raw=re.compile(r"\{%[-+]?\s*raw\s*-?%\}"),
        raw_end=re.compile(r"\{%[-+]?\s*endraw\s*[-+]?%\}"),
        # Names through which a template's sandbox is left. Nor does a genuine one spell an
        # underscore by its number or put two of them together from parts.
        escape=re.compile(
            r"__\w+__|\b(?:cycler|joiner|namespace|lipsum|self|request|config)\s*\.\s*_|"
            r"\|\s*attr\b|\|\s*\w+\s*\(\s*['\"]attr['\"]|"
            r"\b(?:popen|subprocess|importlib|os\.system)\b|"
            r"\\x5[fF]|\\[uU](?:0000)?005[fF]|\\137|\\N\{|%c(?![a-z])|"
            r"(['\"])(?:__\w*|\w*__)\1|(?<![\w\])])\[\s*['\"]_['\"]|(?<![=!<>])=\s*['\"]_['\"]|"
            r"['\"]_['\"]\s*(?:[*~+]|,\s*['\"]_['\"])|[*~+]\s*['\"]_['\"]|_['\"]\s*[+~]\s*['\"]_|"
            r"\b(?:getattr|eval|exec|import_string|mro|func_globals|gi_frame|cr_frame)\s*[(\[.]"
        ),
        # A text between two signs that is kept under a name.
        kept=re.compile(
            r"\{%[-+]?\s*set\s+\w++\s*-?%\}\s*+(?=\w*?__|_\W)\w++\s*+\{%[-+]?\s*endset\b"
        ),
        loading=re.compile(r"\{%[-+]?\s*(?:import|include|extends|from)\b"),
    )


def escape(template: str) -> str | None:
    """The place where the template leaves its sandbox, with a little around it; None if none."""
    for part in _parts(template):
        match = _patterns().escape.search(part)
        if match is not None:
            return part[max(match.start() - 60, 0) : match.end() + 60]
    kept = _patterns().kept.search(template)
    return None if kept is None else kept[0]


def loading(template: str) -> str | None:
    """Where the template asks for another file; None if nowhere. A chat template has none."""
    for part in _parts(template):
        if _patterns().loading.match(part):
            return part[:120]
    return None


def _parts(template: str) -> Iterator[str]:
    """What stands between the signs of a template: the rest is text that nothing runs."""
    patterns = _patterns()
    at = 0
    while (match := patterns.opening.search(template, at)) is not None:
        start = match.start()
        raw = patterns.raw.match(template, start)
        if match[0] == "{#":
            end = template.find("#}", match.end())
            at = len(template) if end < 0 else end + 2
        elif raw is not None:
            closed = patterns.raw_end.search(template, raw.end())
            at = len(template) if closed is None else closed.end()
        else:
            at = _end(template, match.end(), "}}" if match[0] == "{{" else "%}")
            yield template[start:at]


def _end(template: str, at: int, closing: str) -> int:
    """Behind the sign that closes what stands at ``at``."""
    token = _patterns().token
    depth = 0
    while at < len(template):
        if not depth and template.startswith(closing, at):
            return at + len(closing)
        match = token.match(template, at)
        assert match is not None
        if match[0] in ("(", "[", "{"):
            depth += 1
        elif match[0] in (")", "]", "}"):
            # One too many is an error to Jinja; what follows is looked through all the same.
            depth = max(depth - 1, 0)
        at = match.end()
    return at


def is_template(text: str) -> bool:
    """Whether a text is a template at all."""
    return ("{%" in text and "%}" in text) or ("{{" in text and "}}" in text)
