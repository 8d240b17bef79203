"""Configurations beside models: YAML and JSON that tell a loader what to import and call.

Hydra's ``_target_``, LDM's ``target``, Lightning's ``_instantiator`` and ``class_path``, Keras's
``module`` and ``class_name``, jsonpickle's ``py/…``, YAML's ``!!python/…``, and transformers'
``auto_map``. What they name is judged by the policy, as a pickle's imports are.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import cache
from typing import NamedTuple

from scanner import policy
from scanner.errors import FileError
from scanner.formats import json_header, templates, yaml_text
from scanner.formats.json_header import Object
from scanner.limits import Limits
from scanner.policy.config_targets import INSTANTIATORS, LIBRARIES, TARGETS
from scanner.report import Tier
from scanner.tensors import Leaf

#: Longer texts are data: vocabularies, not configurations.
_LONGEST_JSON = 64 << 20
_LONGEST_YAML = 256 << 10
#: Keys whose value a loader imports and calls.
_CALLED = frozenset({"_target_", "_component_", "_instantiator", "class_path", "_class_path"})
_PYTHON_TAG = "tag:yaml.org,2002:python/"
_MAKES = ("object/apply:", "object/new:", "object:", "name:", "module:")
#: HyperPyYAML's, as SpeechBrain loads them.
_HYPER = ("!apply:", "!new:", "!name:", "!module:")
_REMOTE = frozenset({"auto_map", "custom_pipelines", "custom_pipeline"})
_MOST_ITEMS = 10_000


class Remark(NamedTuple):
    """A rule and what it is about."""

    rule: str
    detail: str
    argument: str


@cache
def _dotted() -> re.Pattern[str]:
    return re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+")


@cache
def _marked() -> re.Pattern[str]:
    return re.compile(
        r"!!?python/|yaml\.org,2002:python|%TAG|\b_target_|\b_component_\b|\b_instantiator\b|\"py/\w+\"|"
        r"^\s*(?:class_path|target)\s*:\s*['\"]?[\w]+(?:\.\w+)+",
        re.MULTILINE,
    )


@cache
def _resolver() -> re.Pattern[str]:
    return re.compile(r"\$\{\s*(?:eval|exec|python|py|sh|shell|system|import|call)\s*:", re.ASCII)


# -- names ---------------------------------------------------------------------------------------


def _tier(path: str) -> Tier:
    """Of a dotted path as a loader would resolve it."""
    if path in TARGETS:
        return Tier.KNOWN
    module, _, name = path.rpartition(".")
    return policy.tier(module or "builtins", name)


def _target(key: str, value: str, *, sure: bool = True) -> Iterator[Remark]:
    """What a key would have called. Where it is not ``sure`` that anything calls it, only what is
    dangerous counts."""
    path = value.strip()
    if not path or path in INSTANTIATORS:
        return
    # Some loaders take "module:name".
    tier = _tier(path.replace(":", "."))
    argument = f"{key}: {path}"[:200]
    if tier is Tier.DANGEROUS:
        yield Remark("config-target", "", argument)
    elif sure and tier is not Tier.KNOWN:
        detail = "It is put together at load time." if "${" in path else ""
        yield Remark("config-unknown-target", detail, argument)


def _tag(tag: str) -> Iterator[Remark]:
    if tag.startswith(_PYTHON_TAG):
        kind = tag.removeprefix(_PYTHON_TAG)
        for prefix in _MAKES:
            if kind.startswith(prefix):
                path = kind.removeprefix(prefix)
                # A module is run by being imported, whatever is taken out of it.
                probe = f"{path}.x" if prefix == "module:" else path
                if _tier(probe) is Tier.DANGEROUS:
                    yield Remark("config-target", "", f"!!python/{kind}"[:200])
                    return
    elif tag.startswith(_HYPER) and _tier(tag.split(":", 1)[1]) is Tier.DANGEROUS:
        yield Remark("config-target", "", tag[:200])
        return
    yield Remark("config-tag", "", tag[:200])


def _scalar(key: str, value: str) -> Iterator[Remark]:
    """A key with a text behind it, wherever they stand."""
    if key in _CALLED or (key == "target" and _dotted().fullmatch(value.strip())):
        yield from _target(key, value)
    elif key.startswith("py/") and key != "py/id":
        found = list(_target(key, value))
        yield from found or [Remark("config-unknown-target", "", f"{key}: {value}"[:200])]
    elif "template" in key:
        yield from template(value, key)
    if "${" in value and _resolver().search(value):
        yield Remark("config-unknown-target", "It is computed at load time.", value[:200])


def template(text: str, key: str) -> Iterator[Remark]:
    place = templates.escape(text)
    if place is not None:
        yield Remark("chat-template-code", f"{key}.", place)
    elif (place := templates.loading(text)) is not None:
        yield Remark("chat-template-loads", f"{key}.", place)


# -- JSON ----------------------------------------------------------------------------------------


def _objects(value: object) -> Iterator[Object]:
    """Every object in the tree, outermost first, without recursion."""
    stack = [value]
    while stack:
        item = stack.pop()
        if isinstance(item, Object):
            yield item
            stack.extend(inner for _, inner in reversed(item.pairs))
        elif isinstance(item, list):
            stack.extend(reversed(item))


def _json(value: object) -> Iterator[Remark]:
    for item in _objects(value):
        fields = dict(item.pairs)
        for key, inner in item.pairs:
            if isinstance(inner, str):
                yield from _scalar(key, inner)
            elif key in _REMOTE or (key == "trust_remote_code" and inner is True):
                yield Remark("config-remote-code", "", key)
            elif "template" in key:
                for text in _texts(inner):
                    yield from template(text, key)
            elif key.startswith("py/") and key not in ("py/id", "py/tuple", "py/set", "py/state"):
                yield from _jsonpickle(key, inner)
        if "_class_name" in fields:
            yield from _pipeline(item)
        yield from _keras(fields)


def _texts(value: object) -> Iterator[str]:
    for item in value if isinstance(value, list) else [value]:
        if isinstance(item, str):
            yield item
        elif isinstance(item, Object):
            yield from (inner for _, inner in item.pairs if isinstance(inner, str))


def _jsonpickle(key: str, value: object) -> Iterator[Remark]:
    named = [inner for inner in _texts(value) if _dotted().fullmatch(inner)]
    found = [remark for name in named for remark in _target(key, name, sure=False)]
    yield from found or [Remark("config-unknown-target", "", key)]


def _pipeline(item: Object) -> Iterator[Remark]:
    """diffusers' index: each part's library and class, which it imports, whatever the index is
    called. Other configurations have pairs of names, too: of those only what is dangerous counts.
    """
    fields = dict(item.pairs)
    named = fields["_class_name"]
    sure = isinstance(named, str) and named.endswith("Pipeline")
    if not isinstance(named, str):
        yield Remark("config-remote-code", "", "_class_name")
    for key, value in item.pairs:
        if key.startswith("_") or not isinstance(value, list) or len(value) != 2:
            continue
        library, name = value
        if not isinstance(library, str) or not isinstance(name, str) or library in LIBRARIES:
            continue
        if _tier(f"{library}.{name}") is Tier.DANGEROUS:
            yield Remark("config-target", "", f"{key}: {library}.{name}"[:200])
        elif sure:
            yield Remark("config-remote-code", "", f"{key}: {library}.{name}"[:200])


def _keras(fields: dict[str, object]) -> Iterator[Remark]:
    """Keras makes objects by module and name, and a Lambda layer from marshalled bytecode
    (CVE-2024-3660, CVE-2025-1550)."""
    named, module, config = fields.get("class_name"), fields.get("module"), fields.get("config")
    if named in ("__lambda__", "Lambda"):
        inner = dict(config.pairs) if isinstance(config, Object) else {}
        function = inner.get("function", inner.get("code"))
        if isinstance(function, (list, Object)) or "code" in inner or named == "__lambda__":
            yield Remark("config-code", "", f"class_name: {named}")
        else:
            yield Remark("config-unknown-target", "", f"class_name: {named}")
    elif isinstance(named, str) and isinstance(module, str):
        name = config if named == "function" and isinstance(config, str) else named
        known = module.split(".", 1)[0] in ("keras", "builtins") and named != "function"
        yield from _target("class_name", f"{module}.{name}", sure=not known)


# -- texts ---------------------------------------------------------------------------------------


def judge(text: str, limits: Limits) -> list[Remark] | None:
    """What a configuration would have made; None where the text is none."""
    stripped = text.lstrip("\ufeff \t\r\n")
    if stripped[:1] in ("{", "[") and len(text) <= _LONGEST_JSON:
        try:
            value = json_header.parse(stripped.encode("utf-8", "surrogatepass"), limits)
        except FileError:
            # YAML's braces are more lenient.
            pass
        else:
            return [Remark("config", "JSON.", ""), *_first(_json(value))]
    try:
        if len(text) > _LONGEST_YAML:
            raise FileError("yaml.beyond", "too long")
        found = yaml_text.read(text)
    except FileError as error:
        match = _marked().search(text)
        if match is None:
            return None
        return [Remark("config-unread", error.message, match[0].strip()[:200])]
    if not found.keys and not found.tags:
        return None
    remarks = list(_first(_yaml(found)))
    # Prose has a colon here and there, too.
    return [Remark("config", "YAML.", ""), *remarks] if remarks or _is_mapping(text) else None


def _first(remarks: Iterable[Remark]) -> list[Remark]:
    """Each once; as many as anybody reads."""
    kept: dict[Remark, None] = {}
    for remark in remarks:
        kept[remark] = None
        if len(kept) >= 200:
            break
    return list(kept)


def _yaml(found: yaml_text.Text) -> Iterator[Remark]:
    for tag in found.tags:
        yield from _tag(tag)
    for key, value in found.pairs:
        yield from _scalar(key, value)
    for key in sorted(found.keys & _REMOTE):
        yield Remark("config-remote-code", "", key)


def _is_mapping(text: str) -> bool:
    """Whether the text's first line that says anything is a key."""
    for line in text.splitlines()[:200]:
        bare = line.split(" #", 1)[0].strip()
        if bare and not bare.startswith("#") and bare != "---" and not bare.startswith("%YAML"):
            head = bare.removeprefix("- ")
            return ":" in head and len(head.split(":", 1)[0].split()) <= 2
    return False


def of_metadata(metadata: dict[str, str], limits: Limits) -> Iterator[Remark]:
    """What configurations in a header's texts would have a loader call; of those only what is
    dangerous counts, for most are a trainer's notes."""
    for key, text in metadata.items():
        if (
            len(text) <= _LONGEST_YAML
            and _marked().search(text)
            and text.lstrip()[:1] in ("{", "[")
        ):
            try:
                value = json_header.parse(text.encode("utf-8", "surrogatepass"), limits)
            except FileError:
                continue
            for remark in _first(_json(value)):
                if remark.rule in ("config-target", "config-code"):
                    yield remark._replace(detail=f"{key}.")


# -- pickles -------------------------------------------------------------------------------------


def of_leaves(leaves: Iterable[Leaf]) -> Iterator[Remark]:
    """What the hyper-parameters in a pickle would have Lightning or Hydra make."""
    for leaf in leaves:
        # omegaconf keeps a value in its node's "_val".
        path = [part for part in leaf.path if part not in ("_val", "_content", "_metadata")]
        key = path[-1] if path else ""
        for name, value in _held(str(key), leaf.value):
            if name in _CALLED:
                yield from _target(name, value)
            elif name == "target" and _dotted().fullmatch(value):
                yield from _target(name, value, sure=False)


def _held(key: str, value: object) -> Iterator[tuple[str, str]]:
    """The texts in a plain tree with their keys."""
    stack: list[tuple[str, object]] = [(key, value)]
    seen = 0
    while stack and seen < _MOST_ITEMS:
        name, item = stack.pop()
        seen += 1
        if isinstance(item, str):
            yield name, item
        elif isinstance(item, dict):
            stack.extend((str(inner), part) for inner, part in item.items())
        elif isinstance(item, list):
            stack.extend((name, part) for part in item)
