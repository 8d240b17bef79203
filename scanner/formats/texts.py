"""Texts beside models: configurations, templates, programs, and plain ones."""

from __future__ import annotations

import ast
import codecs
import json
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
    """Whether the bytes are text, as far as a sample tells."""
    data = source.peek(0, _SAMPLE)
    return _is_text(data, json.detect_encoding(data))


def is_utf8(source: Source) -> bool:
    """Whether they are text in UTF-8: what else is called text might be anything."""
    return _is_text(source.peek(0, _SAMPLE), "utf-8")


def _is_text(data: bytes, encoding: str) -> bool:
    try:
        # The sample may end within a character.
        text = codecs.getincrementaldecoder(encoding)().decode(data, len(data) < _SAMPLE)
    except UnicodeDecodeError:
        return False
    return not any(sign < " " and sign not in "\t\n\r\f" for sign in text)


def read(source: Source, collector: Collector) -> None:
    """Says what the text is, and what a loader would make of it."""
    plain = "text-member" if collector.place.member else "text"
    if source.size > _LONGEST:
        collector.note("text", "It is too long to be looked into.")
        return
    data = source.read(0, source.size)
    # As JSON's and YAML's readers do: UTF-16 and UTF-32 are known by their first bytes.
    text = data.decode(json.detect_encoding(data), "replace")
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
