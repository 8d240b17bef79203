"""The community's words for what a file holds, and the name that they make.

A publisher's own words may differ: people call a file with both copies of the UNet ``full`` as
well as ``pruned`` (of everything else). Ours follow from what is in the file alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from scanner.report import Identity, State

#: Every word that we use, and others that mean the like: at the end of a name they are replaced.
WORDS = ("pruned", "full", "ema", "emaonly", "noVAE", "noCLIP", "noT5", "inpainting", "pix2pix",
         "depth", "unclip", "fp32", "fp16", "bf16", "fp8")  # fmt: skip
_REPLACED = frozenset(word.lower() for word in (*WORDS, "no-ema", "noema", "nonema", "inpaint"))
#: Not for the variants: what a model is called after should stay.
_KEPT = frozenset({"inpainting", "inpaint", "pix2pix", "depth", "unclip"})
_VARIANTS = {"inpaint": "inpainting", "pix2pix": "pix2pix", "depth": "depth", "unclip": "unclip"}
_MODELS = frozenset({"checkpoint", "unet"})
_PRECISIONS = frozenset({"fp32", "fp16", "bf16", "fp8"})
_LAST_WORD = re.compile(r"[-_. ]+([^-_. ]+)$")


def words(identity: Identity, *, leftovers: bool) -> tuple[str, ...]:
    """What a model file is called beside its name. ``leftovers`` says that training state
    (optimiser, loss) is in it.

    ``full`` holds both copies of the UNet, or training state; ``pruned`` neither. ``emaonly``
    says that the one UNet is the EMA copy, which nothing but names or a digest can tell."""
    if identity.kind not in _MODELS:
        return ()
    return tuple(word for word in (
        _VARIANTS.get(identity.variant or ""),
        "full" if leftovers or identity.ema == "full" else "pruned",
        {"full": "ema", "only": "emaonly"}.get(identity.ema),
        *_absent(identity),
        identity.precision if identity.precision in _PRECISIONS else None,
    ) if word)  # fmt: skip


def _absent(identity: Identity) -> Iterable[str]:
    lacking = {name for name, part in identity.components.items() if part.state is State.ABSENT}
    encoders = {name for name in identity.components if name.startswith("text_encoder")}
    transformer = (identity.base or "").startswith(("sd3", "flux"))
    # A diffusion transformer usually travels alone: nothing is left out of it.
    if transformer and identity.kind == "unet":
        return
    if "vae" in lacking:
        yield "noVAE"
    if encoders and encoders <= lacking:
        yield "noCLIP"
    elif "text_encoder_3" in lacking:
        yield "noT5"


def suggested(name: str, kind: str, known: Iterable[str], suffix: str = ".safetensors") -> str:
    """A file name for a download: the uploader's stem, its own last words taken off, and ours.

    An embedding's name is its prompt word, so it stays; only the suffix changes."""
    stem = name.rpartition(".")[0] or name
    if kind == "embedding":
        return stem + suffix
    told = list(known)
    bare = _without_words(stem) if told else stem
    lowered = {part.lower() for part in re.split(r"[-_. ]+", bare)}
    return "-".join([bare, *(word for word in told if word.lower() not in lowered)]) + suffix


def _without_words(stem: str) -> str:
    """The stem without the words at its end that tell what a file holds."""
    while (last := _LAST_WORD.search(stem)) is not None:
        word = last.group(1).lower()
        if word not in _REPLACED or word in _KEPT:
            break
        stem = stem[: last.start()]
    return stem
