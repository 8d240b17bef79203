"""What may be asked of a conversion, and what it answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from scanner.report import Json


class Precision(StrEnum):
    KEEP = "keep"
    FP16 = "fp16"
    BF16 = "bf16"


class Weights(StrEnum):
    """Which copy of the UNet stays when only one does."""

    EMA = "ema"
    RAW = "raw"


class Container(StrEnum):
    """What the target is: safetensors, or a torch file that we write for tools that load nothing
    else."""

    SAFETENSORS = "safetensors"
    TORCH = "torch"

    @classmethod
    def of(cls, target: Path) -> Container:
        """As the target's name says."""
        return cls.TORCH if target.suffix.lower() in _TORCH else cls.SAFETENSORS


_TORCH = frozenset({".pt", ".ckpt"})


@dataclass(frozen=True, slots=True)
class Options:
    """The default keeps every tensor as it is. ``prune`` leaves out what only training needs and
    keeps one copy of the UNet; ``position_ids`` writes CLIP's position ids anew; ``vae`` is a file
    whose VAE takes the place of the model's; ``digest`` asks for the result's sha256;
    ``metadata`` is added to the file's own (the source's digest, say); ``container`` and ``name``
    follow from what the target is called."""

    precision: Precision = Precision.KEEP
    prune: bool = False
    weights: Weights = Weights.EMA
    position_ids: bool = False
    vae: Path | None = None
    digest: bool = False
    metadata: Mapping[str, str] = field(default_factory=dict)
    container: Container = Container.SAFETENSORS
    name: str = ""


@dataclass(frozen=True, slots=True)
class Dropped:
    """Something in the source that is not in the target, or not as it was, and why."""

    name: str
    why: str


@dataclass(frozen=True, slots=True)
class Conversion:
    """What came of it. ``kept`` names tensors that a cast would have made infinite and that
    therefore stayed as they were; ``weights`` says which UNet a pruned file has; ``changed``
    whether any tensor is other than in the source, or under another name."""

    source: str
    target: str
    tensors: int
    dropped: tuple[Dropped, ...] = ()
    kept: tuple[str, ...] = ()
    weights: str | None = None
    size: int = 0
    sha256: str | None = None
    changed: bool = True

    def to_json(self) -> dict[str, Json]:
        """As the command line prints it; what does not apply is left out."""
        body: dict[str, Json] = {
            "source": self.source,
            "target": self.target,
            "tensors": self.tensors,
            "dropped": [{"name": item.name, "why": item.why} for item in self.dropped],
            "changed": self.changed,
        }
        if self.kept:
            body["kept"] = list(self.kept)
        if self.weights:
            body["weights"] = self.weights
        if self.sha256:
            body["sha256"] = self.sha256
        return body
