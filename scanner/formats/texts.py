"""Texts beside models: configurations, templates, programs, and plain ones."""

from __future__ import annotations

import ast
import re
import warnings
from functools import cache

from scanner.formats import configs, templates
from scanner.formats.collector import Collector
from scanner.source import Source

_SAMPLE = 64 * 1024
#: Longer texts are vocabularies; what they might call is looked for all the same.
_LONGEST = 64 << 20
_LONGEST_PROGRAM = 256 * 1024
_JSON = configs.Remark("config", "JSON.", "")


def plausible(source: Source) -> bool:
    """Whether the bytes are text in UTF-8, as far as a sample tells."""
    data = source.peek(0, _SAMPLE)
    if any(byte < 32 and byte not in b"\t\n\r\f" for byte in data):
        return False
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        # The sample may end within a character.
        return len(data) == _SAMPLE and error.start >= len(data) - 3
    return True


def read(source: Source, collector: Collector) -> None:
    """Says what the text is, and what a loader would make of it."""
    plain = "text-member" if collector.place.member else "text"
    if source.size > _LONGEST:
        collector.note("text", "It is too long to be looked into.")
        return
    text = source.read(0, source.size).decode("utf-8", "replace")
    remarks = configs.judge(text, collector.place.limits)
    for remark in remarks or ():
        collector.note(remark.rule, remark.detail, argument=remark.argument or None)
    # JSON's texts have been judged one by one: a vocabulary has every sign somewhere.
    if _JSON not in (remarks or ()) and templates.is_template(text):
        for remark in configs.template(text, "template"):
            collector.note(remark.rule, remark.detail, argument=remark.argument)
    if _is_program(text):
        collector.note("program-text")
    elif remarks is None:
        collector.note(plain)


@cache
def _signs() -> re.Pattern[str]:
    return re.compile(
        r"^\s*(?:import\s+\w|from\s+[\w.]+\s+import\b|def\s+\w+\s*\(|class\s+\w+)|"
        r"\b(?:eval|exec|__import__|system|open|compile)\s*\(",
        re.MULTILINE,
    )


def _is_program(text: str) -> bool:
    """Whether the text is a script, or Python that does something."""
    if text.startswith("#!"):
        return True
    if len(text) > _LONGEST_PROGRAM or not _signs().search(text):
        return False
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    acts = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    return any(
        isinstance(node, acts) or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Call))
        for node in tree.body
    )
