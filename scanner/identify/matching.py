"""Which component of which architecture each tensor of a file is.

Prefixes are found, not assumed: a few anchor names give a layout and its prefix away, every
architecture of that layout is held against the tensors below the prefix, and the one with most
tensors of the right name and shape wins.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from math import prod
from typing import NamedTuple

from scanner.identify.architectures import table as architectures
from scanner.identify.architectures.blueprint import Blueprint, Shape
from scanner.identify.architectures.table import ANCHORS, ARCHITECTURES, Architecture
from scanner.tensors import Tensor, TensorTable

#: A part is believed when at least this share of its architecture, or of the tensors that lie
#: below its prefix, fits by name and shape. Listings of a few blocks pass by the second.
_SHARE = 0.5
_LOCAL_SHARE = 0.8
_LEAST = 4

#: Quantised files carry scales beside their weights; they are part of the component they scale.
SCALES = (".scale_weight", ".scale_input", ".weight_scale", ".input_scale", ".weight_scale_2",
          ".comfy_quant", "scaled_fp8", ".absmax", ".quant_map", ".quant_state.bitsandbytes__nf4",
          ".quant_state.bitsandbytes__fp4", ".SCB", ".weight_format")  # fmt: skip


#: What trainers leave beside a model without a prefix.
_BESIDE = ("optimizer", "loss.", "lr_scheduler")


class Part(NamedTuple):
    """One component found in the file. ``tensors`` are those of the right name, whatever their
    shape; ``missing`` and ``misshapen`` are full names."""

    component: str
    architecture: Architecture
    prefix: str
    tensors: tuple[Tensor, ...]
    fitting: int
    expected: int
    missing: tuple[str, ...]
    misshapen: tuple[str, ...]
    runner_up: tuple[str, int] | None
    variant: str | None


class Census(NamedTuple):
    """Every part of a file, and the component of each tensor that belongs to one."""

    parts: tuple[Part, ...]
    owner: Mapping[str, str]

    def part(self, component: str) -> Part | None:
        return next((part for part in self.parts if part.component == component), None)


class _Match(NamedTuple):
    row: int
    prefix: str
    fitting: int
    expected: int
    local: int
    runner_up: tuple[str, int] | None

    @property
    def believable(self) -> bool:
        return self.fitting >= _LEAST and (
            self.fitting >= _SHARE * self.expected or self.fitting >= _LOCAL_SHARE * self.local
        )


_SUFFIXES: dict[str, tuple[str, ...]] = {}
for _layout, _names in ANCHORS.items():
    for _name in _names:
        _SUFFIXES[_name] = (*_SUFFIXES.get(_name, ()), _layout)
_FLAT = ANCHORS["flat-unet"]
#: Dots in the longest anchor; a stranger's names may have any number.
_DOTS = max(name.count(".") for name in _SUFFIXES)


def _shared(first: str, last: str) -> int:
    """Length of what two names begin with."""
    pairs = enumerate(zip(first, last, strict=False))
    return next((at for at, (one, other) in pairs if one != other), min(len(first), len(last)))


def _places(names: Mapping[str, Tensor]) -> Counter[tuple[str, str]]:
    """(prefix, layout) of every anchor in the file, and how many give it away."""
    places: Counter[tuple[str, str]] = Counter()
    # What stands before every name may end in anything.
    shared = _shared(min(names), max(names)) if names else 0
    for name in names:
        for start in (shared, *_starts(name)):
            for layout in _SUFFIXES.get(name[start:], ()):
                places[name[:start], layout] += 1
        if name.endswith(_FLAT):
            anchor = next(anchor for anchor in _FLAT if name.endswith(anchor))
            places[name.removesuffix(anchor), "flat-unet"] += 1
    return places


def _starts(name: str) -> Iterator[int]:
    """Where an anchor may begin in a name: after any of its last dots."""
    at = len(name)
    for _ in range(_DOTS + 1):
        at = name.rfind(".", 0, at)
        yield at + 1
        if at < 0:
            break


class _Local(NamedTuple):
    """What lies below a prefix, by local name. A bare file has no prefix, so everything does.
    ``packed`` are quantised tensors, whose shape is not the layer's."""

    shapes: Mapping[str, Shape]
    packed: Mapping[str, Tensor]
    weighed: int


def _below(names: Mapping[str, Tensor], prefix: str) -> _Local:
    length = len(prefix)
    held = {name[length:]: tensor for name, tensor in names.items() if name.startswith(prefix)}
    return _Local(
        {name: tensor.shape for name, tensor in held.items()},
        {name: tensor for name, tensor in held.items() if _is_packed(tensor)},
        sum(not name.endswith(SCALES) and not name.startswith(_BESIDE) for name in held),
    )


def _is_packed(tensor: Tensor) -> bool:
    return tensor.packed_bytes is not None or tensor.dtype in ("U8", "I8")


def _holds(tensor: Tensor, shape: Shape) -> bool:
    """Whether a quantised tensor may hold this many numbers: one an element, or two a byte."""
    return prod(shape) in (tensor.numel, 2 * tensor.numel)


def _fitting(blueprint: Blueprint, local: _Local) -> int:
    held = local.shapes
    count = len(blueprint.shapes.items() & held.items())
    for name, shapes in blueprint.alternatives.items():
        count += name in blueprint.shapes and held.get(name) in shapes
    for name, tensor in local.packed.items():
        shape = blueprint.shapes.get(name)
        count += shape is not None and shape != tensor.shape and _holds(tensor, shape)
    return count


def _best(prefix: str, layout: str, local: _Local) -> _Match:
    scored: list[tuple[int, int, int]] = []
    for row in _ordered(layout, local):
        blueprint = architectures.blueprint(row)
        expected = len(blueprint.shapes)
        fitting = _fitting(blueprint, local)
        scored.append((fitting, -expected, row))
        if fitting == expected == local.weighed:
            # Nothing is missing and nothing is left over: no other can fit as well.
            scored = scored[-1:]
            break
    # Of two that fit equally well, the one with less missing.
    scored.sort(key=lambda item: (-item[0], -item[1]))
    fitting, negative, row = scored[0]
    runner_up = (ARCHITECTURES[scored[1][2]].name, scored[1][0]) if len(scored) > 1 else None
    return _Match(row, prefix, fitting, -negative, local.weighed, runner_up)


def _ordered(layout: str, local: _Local) -> list[int]:
    """The rows of the layout, those with the right telling tensor first: what fits wholly ends the
    search, and a description costs milliseconds to make."""
    return sorted(architectures.rows_of(layout), key=lambda row: not _told(row, local))


def _told(row: int, local: _Local) -> bool:
    telling = ARCHITECTURES[row].telling
    return telling is None or local.shapes.get(telling[0]) == telling[1]


def _matches(names: Mapping[str, Tensor]) -> list[_Match]:
    below: dict[str, _Local] = {}
    matches: list[_Match] = []
    explained: list[str] = []
    places = _places(names)
    for prefix, layout in sorted(places, key=lambda place: (-places[place], place)):
        # Below a prefix where all is explained, other anchors are parts of its names.
        if prefix.startswith(tuple(explained)):
            continue
        if prefix not in below:
            below[prefix] = _below(names, prefix)
        match = _best(prefix, layout, below[prefix])
        if match.believable:
            matches.append(match)
        if match.fitting == match.expected == match.local:
            explained.append(prefix)
    matches.sort(key=lambda match: (-match.fitting, match.prefix))
    return matches


def _part(match: _Match, names: Mapping[str, Tensor], owner: Mapping[str, str]) -> Part | None:
    """The part that the match makes of the tensors that no better match took."""
    blueprint = architectures.blueprint(match.row)
    found: list[Tensor] = []
    missing: list[str] = []
    misshapen: list[str] = []
    begun = any(match.prefix + local in names for local in blueprint.spare)
    for local in (*blueprint.shapes, *blueprint.spare, *blueprint.optional):
        name = match.prefix + local
        tensor = None if name in owner else names.get(name)
        if tensor is None:
            if local in blueprint.shapes or (begun and local in blueprint.spare):
                missing.append(name)
            continue
        found.append(tensor)
        if not blueprint.fits(local, tensor.shape) and not _unpacks(blueprint, local, tensor):
            misshapen.append(name)
    if len(found) - len(misshapen) < max(_LEAST, match.fitting // 2):
        return None
    architecture = ARCHITECTURES[match.row]
    component = "ema" if "ema." in match.prefix else architecture.component
    return Part(
        component, architecture, match.prefix, tuple(found), match.fitting, match.expected,
        tuple(missing), tuple(misshapen), match.runner_up, _variant(match, architecture, names),
    )  # fmt: skip


def _unpacks(blueprint: Blueprint, local: str, tensor: Tensor) -> bool:
    shape = blueprint.shapes.get(local)
    return shape is not None and _is_packed(tensor) and _holds(tensor, shape)


def _variant(match: _Match, architecture: Architecture, names: Mapping[str, Tensor]) -> str | None:
    """What the input channels say; None where the tensor is not there or says nothing known."""
    values = set(architecture.variants.values())
    if len(values) == 1:
        return values.pop()
    first = names.get(match.prefix + (architecture.input or ""))
    if first is None or len(first.shape) < 2:
        return None
    return architecture.variants.get(first.shape[1])


#: Words in a prefix that say which of several encoders it is.
_NUMBERED: tuple[tuple[str, str], ...] = (
    ("text_encoder_3", "text_encoder_3"), ("t5xxl", "text_encoder_3"),
    ("text_encoder_2", "text_encoder_2"), ("clip_g", "text_encoder_2"),
    ("embedders.1", "text_encoder_2"),
    ("text_encoder", "text_encoder"), ("clip_l", "text_encoder"),
    ("embedders.0", "text_encoder"), ("cond_stage_model", "text_encoder"),
)  # fmt: skip
#: Order in which encoders without a telling prefix are counted.
_ENCODERS = ("clip-l", "clip-mini", "openclip-h", "openclip-g", "t5-xxl",
             "umt5-xxl")  # fmt: skip


def _number(parts: list[Part]) -> Iterator[tuple[Part, str]]:
    """Each part and its component's name: encoders get their number, Flux calls its T5 second."""
    flux = any("flux" in part.architecture.bases for part in parts if part.component == "unet")
    taken: set[str] = set()
    encoders: list[Part] = []
    for part in parts:
        if part.component == "text_encoder":
            encoders.append(part)
        elif part.component not in taken:
            taken.add(part.component)
            yield part, part.component
    encoders.sort(key=lambda part: _ENCODERS.index(part.architecture.name))
    for part in encoders:
        slot = _slot(part.prefix)
        if slot == "text_encoder_3" and flux:
            slot = "text_encoder_2"
        if slot is None or slot in taken:
            free = ("text_encoder", "text_encoder_2", "text_encoder_3")
            slot = next((name for name in free if name not in taken), None)
        if slot is not None:
            taken.add(slot)
            yield part, slot


def _slot(prefix: str) -> str | None:
    lowered = prefix.replace("text_encoders.", "")
    return next((component for word, component in _NUMBERED if word in lowered), None)


def census(table: TensorTable) -> Census:
    """Find every known component. Names are looked at once each and shapes compared, nothing is
    read from the weights."""
    names = {tensor.name: tensor for tensor in table}
    owner: dict[str, str] = {}
    parts: list[Part] = []
    for match in _matches(names):
        part = _part(match, names, owner)
        if part is not None:
            parts.append(part)
            owner.update((tensor.name, part.component) for tensor in part.tensors)
    named: list[Part] = []
    owner = {}
    for part, component in _number(parts):
        part = _as(part, component, names)
        named.append(part)
        owner.update((tensor.name, component) for tensor in part.tensors)
    return Census(tuple(named), owner)


def _as(part: Part, component: str, names: Mapping[str, Tensor]) -> Part:
    """The part under its component's name, with the tensors that only travel along: an EMA copy's
    counters, a text encoder's projection, the scales of quantised weights."""
    known = {tensor.name for tensor in part.tensors}
    extra: list[Tensor] = []
    for name in _companions(part, component, names):
        if name not in known:
            known.add(name)
            extra.append(names[name])
    return Part(
        component, part.architecture, part.prefix, (*part.tensors, *extra), part.fitting,
        part.expected, part.missing, part.misshapen, part.runner_up, part.variant,
    )  # fmt: skip


def _companions(part: Part, component: str, names: Mapping[str, Tensor]) -> Iterator[str]:
    if component == "ema":
        root = part.prefix.partition("diffusion_model")[0]
        yield from (root + word for word in ("decay", "num_updates") if root + word in names)
    if component.startswith("text_encoder") and part.prefix.endswith("text_model."):
        root = part.prefix.removesuffix("text_model.")
        for above in (root, root.removesuffix("transformer.")):
            for word in ("text_projection.weight", "text_projection", "logit_scale"):
                if above + word in names:
                    yield above + word
    for name in names:
        if name.endswith(SCALES) and name.startswith(part.prefix):
            yield name
