"""Chat templates: Jinja that a loader renders, and so runs (CVE-2024-34359)."""

from __future__ import annotations

import re
from functools import cache

#: What a template is looked through for, in characters.
_LONGEST = 1 << 20


@cache
def _patterns() -> tuple[re.Pattern[str], ...]:
    # Names through which a template's sandbox is left; prose and roles have no such words.
    anywhere = re.compile(
        r"__\w+__|\b(?:cycler|joiner|namespace|lipsum|self|request|config)\s*\.\s*_|"
        r"\|\s*attr\s*\(|\\x5f\\x5f|\b(?:popen|subprocess|importlib|os\.system)\b"
    )
    # Between the signs of a template, no genuine one spells an underscore by its number, puts two
    # of them together from parts, or asks for what only leads out.
    inside = re.compile(
        r"\\x5f|\\u005f|\\137|\\N\{|['\"]__['\"]|['\"]_['\"]\s*[*~+]|\|\s*attr\b|"
        r"\b(?:getattr|eval|exec|import_string|mro|func_globals|gi_frame|cr_frame)\s*[(\[.]"
    )
    signs = re.compile(r"\{[{%](.*?)(?:\}\}|%\}|\Z)", re.DOTALL)
    return anywhere, inside, signs


def escape(template: str) -> str | None:
    """The place where the template leaves its sandbox, with a little around it; None if none."""
    anywhere, inside, signs = _patterns()
    match = anywhere.search(template, 0, _LONGEST)
    if match is None:
        for part in signs.finditer(template, 0, _LONGEST):
            match = inside.search(template, part.start(1), part.end(1))
            if match is not None:
                break
        else:
            return None
    return template[max(match.start() - 60, 0) : match.end() + 60]


def is_template(text: str) -> bool:
    """Whether a text is a template at all."""
    return ("{%" in text and "%}" in text) or ("{{" in text and "}}" in text)
