"""Models and their parts: kind, base, variant and prediction from the components that are there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from scanner.identify import precision, probes
from scanner.identify.architectures.table import FAMILIES
from scanner.identify.matching import Census, Part
from scanner.report import Component, State
from scanner.tensors import Tensor, TensorTable

#: Where the UNets keep the tensor whose spread tells SD2's two predictions apart.
_V_PROBES = (
    "output_blocks.11.1.transformer_blocks.0.norm1.bias",
    "up_blocks.3.attentions.2.transformer_blocks.0.norm1.bias",
    "output_blocks111transformer_blocks0norm1bias",
)
_SD2_PREDICTIONS = {"inpaint": "epsilon", "depth": "epsilon", "unclip": "v"}


class Found(NamedTuple):
    kind: str
    base: str | None
    candidates: tuple[str, ...]
    variant: str | None
    prediction: str | None
    components: Mapping[str, Component]
    ema: str
    evidence: tuple[str, ...]
    conflicts: tuple[str, ...]


def find(table: TensorTable, census: Census) -> Found | None:
    """The model or bare component, or None if no component is known."""
    if not census.parts:
        return None
    model = census.part("unet") or census.part("ema")
    bases = _bases(census, model)
    base = bases[0] if len(bases) == 1 else None
    prediction, why = _prediction(table, base, model)
    return Found(
        kind=_kind(census, model),
        base=base,
        candidates=_candidates(base, bases, model),
        variant=_variant(table, census),
        prediction=prediction,
        components=_components(census, base),
        ema=_ema(census),
        evidence=(*(_evidence(part) for part in census.parts), *why),
        conflicts=_conflicts(census, base, model),
    )


def _kind(census: Census, model: Part | None) -> str:
    components = {part.component for part in census.parts}
    encoders = {name for name in components if name.startswith("text_encoder")}
    if model is not None:
        return "checkpoint" if "vae" in components or encoders else "unet"
    if encoders and "vae" in components:
        return "checkpoint"
    if encoders:
        return "text_encoder"
    if "vae" in components:
        return "vae"
    return "clip_vision" if "image_encoder" in components else "depth_model"


def _bases(census: Census, model: Part | None) -> tuple[str, ...]:
    """The bases that all parts allow; the diffusion model decides alone where there is one."""
    if model is not None:
        return model.architecture.bases
    allowed: tuple[str, ...] | None = None
    for part in census.parts:
        bases = part.architecture.bases
        if bases:
            allowed = tuple(base for base in allowed if base in bases) if allowed else bases
    return allowed or ()


def _candidates(base: str | None, bases: tuple[str, ...], model: Part | None) -> tuple[str, ...]:
    """The releases (or, without a base, the bases) that remain possible."""
    if base is None:
        return bases
    if model is not None and base == "flux":
        return (model.architecture.name,)
    return FAMILIES[base].releases if model is not None and base in FAMILIES else ()


def _variant(table: TensorTable, census: Census) -> str | None:
    """What the input channels say, and what stands in the text encoder's place."""
    part = census.part("unet") or census.part("ema")
    if part is None or part.variant is None:
        return None
    if any(tensor.name == "cc_projection.weight" for tensor in table):
        return "zero123"
    seen = census.part("image_encoder")
    if seen and seen.prefix.startswith("cond_stage_model.") and part.variant == "text-to-image":
        return "image-variation"
    return part.variant


def _ema(census: Census) -> str:
    if census.part("ema") is None:
        return "none"
    return "full" if census.part("unet") else "only"


def _components(census: Census, base: str | None) -> dict[str, Component]:
    """What is there, and what a whole checkpoint of the base would have beside it."""
    found = {part.component: _component(part) for part in census.parts}
    family = FAMILIES.get(base or "")
    for name in family.components if family else ("unet", "text_encoder", "vae"):
        found.setdefault(name, Component(State.ABSENT))
    order = ("unet", "ema", "text_encoder", "text_encoder_2", "text_encoder_3", "vae",
             "image_encoder", "depth_model")  # fmt: skip
    return {name: found[name] for name in order if name in found}


def _component(part: Part) -> Component:
    return Component(
        state=State.PARTIAL if part.missing or part.misshapen else State.WHOLE,
        arch=part.architecture.name,
        precision=precision.common(part.tensors),
        tensors=len(part.tensors),
        params=precision.parameters(part.tensors),
        bytes=sum(tensor.nbytes for tensor in part.tensors),
        missing=part.missing,
        misshapen=part.misshapen,
    )


def _evidence(part: Part) -> str:
    layout = part.architecture.layout
    where = f"below {part.prefix!r}" if part.prefix else "without a prefix"
    text = (
        f"{part.component}: {part.fitting} of {part.expected} tensors of {part.architecture.name} "
        f"({layout}, {where})"
    )
    if part.runner_up and part.runner_up[1]:
        text += f"; next is {part.runner_up[0]} with {part.runner_up[1]}"
    return text


def _conflicts(census: Census, base: str | None, model: Part | None) -> tuple[str, ...]:
    if model is None or base is None:
        return ()
    return tuple(
        f"The {part.component} is {part.architecture.name}, which no released {base} model has."
        for part in census.parts
        if part is not model and part.architecture.bases and not _lent(part, base)
    )


def _lent(part: Part, base: str) -> bool:
    """Whether models of the base hold this part, or borrow it from the family they came from."""
    family = FAMILIES.get(base)
    return bool({base, *(family.lenders if family else ())} & set(part.architecture.bases))


# -- prediction ----------------------------------------------------------------------------------


def _prediction(
    table: TensorTable, base: str | None, model: Part | None
) -> tuple[str | None, tuple[str, ...]]:
    """epsilon, v, flow, or None where the file leaves it open; and what says so."""
    if base is None or model is None or base not in FAMILIES:
        return None, ()
    marked = _marked({tensor.name for tensor in table}) if base in ("sd1", "sd2", "sdxl") else None
    if marked is not None:
        return marked
    if base != "sd2":
        return FAMILIES[base].prediction, ()
    if model.variant in _SD2_PREDICTIONS:
        return _SD2_PREDICTIONS[model.variant], ()
    return _probed(table, model)


def _marked(names: set[str]) -> tuple[str | None, tuple[str, ...]] | None:
    """Empty tensors that trainers leave as a sign to loaders."""
    extra = (f"the marker {name!r} is there" for name in ("ztsnr",) if name in names)
    if "v_pred" in names:
        return "v", ("the marker 'v_pred' is there", *extra)
    if "edm_vpred.sigma_max" in names:
        return "v", ("the marker 'edm_vpred.sigma_max' is there", *extra)
    if "edm_mean" in names and "edm_std" in names:
        return None, ("the markers 'edm_mean' and 'edm_std' are there: EDM sampling",)
    return None


def _probed(table: TensorTable, model: Part) -> tuple[str | None, tuple[str, ...]]:
    wanted = {model.prefix + name for name in _V_PROBES}
    tensor: Tensor | None = next((item for item in model.tensors if item.name in wanted), None)
    if tensor is None:
        return None, ()
    answer, deviation = probes.predicts_v(tensor, big_endian=table.big_endian)
    if answer is None:
        return None, (f"{tensor.name} holds nothing that tells epsilon from v",)
    word = "v" if answer else "epsilon"
    return word, (f"{tensor.name} has a standard deviation of {deviation:.3f}: {word}-prediction",)
