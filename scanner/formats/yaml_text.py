"""Just enough of YAML to know what a loader would be told to make.

Not a parser: the text is cut into scalars, keys, tags and aliases, and their nesting is left
aside. Whatever goes beyond what configurations use is refused, and then counts as unread. No
object is made, an alias is looked up and never expanded.
"""

from __future__ import annotations

import re
from functools import cache
from typing import NamedTuple

from scanner.errors import FileError

_MOST_TOKENS = 50_000
_STANDARD = "tag:yaml.org,2002:"
_ESCAPES = {
    "0": "\0", "a": "\a", "b": "\b", "t": "\t", "n": "\n", "v": "\v", "f": "\f", "r": "\r",
    "e": "\x1b", "N": "\x85", "_": "\xa0", "L": "\u2028", "P": "\u2029",
}  # fmt: skip


class _Patterns:
    """Compiled when first needed: most files hold no YAML."""

    def __init__(self) -> None:
        #: What YAML 1.1 takes for the end of a line.
        self.breaks = re.compile("\r\n|[\r\x85\u2028\u2029]")
        self.single = re.compile(r"'((?:[^']|'')*+)'")
        self.double = re.compile(r'"((?:[^"\\]|\\.)*+)"', re.DOTALL)
        self.escape = re.compile(
            r"\\(x[0-9A-Fa-f]{2}|u[0-9A-Fa-f]{4}|U[0-9A-Fa-f]{8}|\n[ \t]*|.)", re.DOTALL
        )
        self.fold = re.compile(r"[ \t]*\n[ \t\n]*")
        self.name = re.compile(r"[\w-]+")
        self.tag = re.compile(r"!(?:<([^>\s]*)>|([^\s,\[\]{}]*))")
        #: ``%TAG``: a short form for the beginnings of tags.
        self.short = re.compile(r"%TAG +(!(?:[\w-]*!)?) +(\S+)[ \t]*(?:#.*)?")
        self.percent = re.compile(r"(?:%[0-9A-Fa-f]{2})+")
        self.plain = re.compile(r"(?:[^\s:#]|:(?=\S)|(?<=\S)#|[ \t]+(?![#\s]))+")
        self.plain_in_flow = re.compile(
            r"(?:[^\s:#,?\[\]{}]|:(?=[^\s,\[\]{}])|(?<=\S)#|[ \t]+(?![#\s]))+"
        )
        self.head = re.compile(r"[|>]([1-9]?[+-]?|[+-][1-9])[ ]*(?:[ ]#[^\n]*)?(?=\n|\Z)")


@cache
def _patterns() -> _Patterns:
    return _Patterns()


#: No plain scalar begins with one of these.
_INDICATORS = frozenset("@`%")


class Text:
    """``pairs`` are the keys with the scalars that follow them, whatever the depth; ``tags`` the
    tags but for those that every YAML file may have, written out."""

    def __init__(self) -> None:
        self.pairs: list[tuple[str, str]] = []
        self.tags: list[str] = []
        #: Keys, also those whose value is no scalar.
        self.keys: set[str] = set()


class _Token(NamedTuple):
    kind: str
    value: str = ""


_VALUES = ("scalar", "alias")


class _Lexer:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        #: Where the line at hand begins.
        self.line = 0
        self.flow = 0
        self.tokens: list[_Token] = []
        #: Column of the first thing on the line that is no dash: a block scalar's parent.
        self.column: int | None = None
        self.start = True
        #: What short forms stand for, in any of the documents.
        self.handles = {"!": ["!"], "!!": [_STANDARD]}

    def refuse(self, why: str) -> FileError:
        return FileError("yaml.beyond", f"{why} on line {self.text.count(chr(10), 0, self.at) + 1}")

    def run(self) -> list[_Token]:
        while self.at < len(self.text):
            if len(self.tokens) > _MOST_TOKENS:
                raise self.refuse("too many parts")
            self._step()
        if self.flow:
            raise self.refuse("a bracket that stays open")
        return self.tokens

    def _step(self) -> None:
        sign = self.text[self.at]
        if sign == "\n":
            self.at += 1
            self._new_line()
        elif sign == " ":
            self.at += 1
        elif sign == "\t":
            if self.start and not self.flow:
                raise self.refuse("a tab")
            self.at += 1
        elif sign == "#" and self._after_blank():
            end = self.text.find("\n", self.at)
            self.at = len(self.text) if end < 0 else end
        else:
            self._token(sign)
            self.start = False

    def _new_line(self) -> None:
        self.line, self.start, self.column = self.at, True, None

    def _after_blank(self) -> bool:
        return self.at == 0 or self.text[self.at - 1] in " \t\n"

    def _ends(self, at: int) -> bool:
        """Whether an indicator before ``at`` stands alone."""
        return at >= len(self.text) or self.text[at] in " \t\n"

    def _token(self, sign: str) -> None:
        column = self.at - self.line
        if column == 0 and not self.flow and self._document(sign):
            return
        if sign == "-" and not self.flow and self._ends(self.at + 1):
            self._push("-", 1)
            return
        if self.column is None:
            self.column = column
        if sign in "[{":
            self.flow += 1
            self._push(sign, 1)
        elif sign in "]}":
            self.flow -= 1
            if self.flow < 0:
                raise self.refuse("a bracket that was never opened")
            self._push(sign, 1)
        elif sign == "," and self.flow:
            self._push(",", 1)
        elif sign == "?" and (self.flow or self._ends(self.at + 1)):
            self._push("?", 1)
        elif sign == ":" and self._is_value():
            self._push(":", 1)
        else:
            self._node(sign)

    def _is_value(self) -> bool:
        if self._ends(self.at + 1):
            return True
        # Behind a quoted key in braces no blank is needed.
        return bool(self.flow)

    def _document(self, sign: str) -> bool:
        mark = self.text[self.at : self.at + 3]
        if mark in ("---", "...") and self._ends(self.at + 3):
            self._push(mark, 3)
            return True
        if sign == "%":
            end = self.text.find("\n", self.at)
            directive = self.text[self.at : len(self.text) if end < 0 else end]
            short = _patterns().short.fullmatch(directive)
            if short is not None:
                self.handles.setdefault(short[1], []).append(_decoded(short[2]))
            elif not directive.startswith("%YAML "):
                raise self.refuse("a directive")
            self.at += len(directive)
            return True
        return False

    def _push(self, kind: str, length: int, value: str = "") -> None:
        self.tokens.append(_Token(kind, value))
        self.at += length

    def _node(self, sign: str) -> None:
        patterns = _patterns()
        if sign == "!":
            match = patterns.tag.match(self.text, self.at)
            assert match is not None
            self.tokens += (_Token("tag", tag) for tag in self._written_out(match))
            self.at += len(match[0])
        elif sign in "&*":
            match = patterns.name.match(self.text, self.at + 1)
            if match is None:
                raise self.refuse("a nameless anchor")
            self._push("anchor" if sign == "&" else "alias", len(match[0]) + 1, match[0])
        elif sign in "'\"":
            match = (patterns.single if sign == "'" else patterns.double).match(self.text, self.at)
            if match is None:
                raise self.refuse("a quotation that never ends")
            self._push("scalar", len(match[0]), _unquoted(sign, match[1]))
            if "\n" in match[0]:
                self.line = self.text.rfind("\n", 0, self.at) + 1
        elif sign in "|>" and not self.flow:
            self._block()
        elif sign in _INDICATORS:
            raise self.refuse(f"{sign!r} at the start of a word")
        else:
            match = (patterns.plain_in_flow if self.flow else patterns.plain).match(
                self.text, self.at
            )
            if match is None:
                raise self.refuse("a sign that fits nowhere")
            self._push("scalar", len(match[0]), match[0].rstrip(" \t"))

    def _block(self) -> None:
        head = _patterns().head.match(self.text, self.at)
        before = [token.kind for token in self.tokens[-3:] if token.kind not in ("tag", "anchor")]
        if head is None or self.start or not before or before[-1] not in (":", "-", "---"):
            raise self.refuse("a block of text in an odd place")
        parent = -1 if before[-1] == "---" else self._parent()
        self.at = head.end() + 1
        lines: list[str] = []
        indent = 0
        while self.at < len(self.text):
            end = self.text.find("\n", self.at)
            end = len(self.text) if end < 0 else end
            line = self.text[self.at : end]
            depth = len(line) - len(line.lstrip(" "))
            if line.strip(" "):
                if not indent:
                    if depth <= parent:
                        break
                    indent = depth
                if depth < indent:
                    break
            lines.append(line[indent:])
            self.at = end + 1
        self.at = min(self.at, len(self.text))
        self._new_line()
        self.tokens.append(_Token("scalar", "\n".join(lines).strip()))

    def _written_out(self, match: re.Match[str]) -> list[str]:
        """The tag without short forms: more than one where it is not certain which one holds."""
        if match[1] is not None:
            return [_decoded(match[1])]
        name, mark, rest = match[2].partition("!")
        handle, rest = (f"!{name}!", rest) if mark else ("!", name)
        return [prefix + _decoded(rest) for prefix in self.handles.get(handle, [handle])]

    def _parent(self) -> int:
        """The column beyond which a block of text lies: that of its key, or of its dash."""
        if self.column is None or self.column == self.at - self.line:
            return self.text.rfind("-", self.line, self.at) - self.line
        return self.column


def _decoded(tag: str) -> str:
    """With ``%`` and two digits for a byte, as in an address."""

    def read(match: re.Match[str]) -> str:
        return bytes.fromhex(match[0].replace("%", "")).decode("utf-8", "replace")

    return _patterns().percent.sub(read, tag)


def _unquoted(sign: str, body: str) -> str:
    if sign == "'":
        return _folded(body.replace("''", "'"))
    parts: list[str] = []
    at = 0
    for match in _patterns().escape.finditer(body):
        parts += (_folded(body[at : match.start()]), _escaped(match[1]))
        at = match.end()
    return "".join((*parts, _folded(body[at:])))


def _folded(body: str) -> str:
    """Lines of a quotation become one; an empty line would stay a break."""
    return _patterns().fold.sub(lambda match: "\n" * (match[0].count("\n") - 1) or " ", body)


def _escaped(escape: str) -> str:
    if escape[0] == "\n":
        return ""
    if len(escape) > 1:
        code = int(escape[1:], 16)
        return chr(code) if code < 0x110000 else "\ufffd"
    return _ESCAPES.get(escape, escape)


_ORDINARY = frozenset(
    f"tag:yaml.org,2002:{name}"
    for name in (
        "str", "int", "float", "bool", "null", "seq", "map", "set", "omap", "pairs", "timestamp",
        "binary", "merge",
    )
) | {"!"}  # fmt: skip


def read(text: str) -> Text:
    """The pairs and tags; ``FileError("yaml.beyond")`` for what is not read."""
    if "\ufeff" in text[1:]:
        raise FileError("yaml.beyond", "a byte order mark within")
    tokens = _Lexer(_patterns().breaks.sub("\n", text.removeprefix("\ufeff"))).run()
    found = Text()
    found.tags = [t.value for t in tokens if t.kind == "tag" and t.value not in _ORDINARY]
    anchors = _anchors(tokens)
    nodes = [token for token in tokens if token.kind not in ("tag", "anchor")]
    for index, token in enumerate(nodes[:-1]):
        if token.kind not in _VALUES or nodes[index + 1].kind != ":":
            continue
        keys = _meant(token, anchors)
        found.keys.update(keys)
        if index + 2 < len(nodes) and nodes[index + 2].kind in _VALUES:
            behind = nodes[index + 3].kind if index + 3 < len(nodes) else ""
            # A scalar with a colon behind it is a key of its own.
            if behind != ":":
                values = _meant(nodes[index + 2], anchors)
                found.pairs += [(key, value) for key in keys for value in values]
    return found


def _anchors(tokens: list[_Token]) -> dict[str, list[str]]:
    """Every scalar that an anchor stands for: it may be set twice."""
    named: dict[str, list[str]] = {}
    for index, token in enumerate(tokens):
        if token.kind == "anchor":
            behind = next((t for t in tokens[index + 1 : index + 4] if t.kind == "scalar"), None)
            if behind is not None and behind.value not in named.setdefault(token.value, []):
                named[token.value].append(behind.value)
    return named


def _meant(token: _Token, anchors: dict[str, list[str]]) -> list[str]:
    if token.kind == "scalar":
        return [token.value]
    return anchors.get(token.value, [])[:16]
