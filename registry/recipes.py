"""How a file is made from another one: what may be asked for, and how that is said."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

PRECISIONS = ("keep", "fp16", "bf16")
WEIGHTS = ("ema", "raw")


@dataclass(frozen=True, slots=True)
class Recipe:
    """The converter's options. ``torch`` writes a ``.pt`` of our own; ``vae`` is the digest of the
    file whose VAE is put in."""

    precision: str = "keep"
    prune: bool = False
    weights: str = "ema"
    position_ids: bool = False
    torch: bool = False
    vae: str = ""

    @property
    def suffix(self) -> str:
        return ".pt" if self.torch else ".safetensors"

    @property
    def is_plain(self) -> bool:
        """Whether nothing is asked for but safetensors."""
        return self == Recipe(weights=self.weights)

    def key(self, source: str) -> str:
        """One name for the same options on the same ``source``, a digest."""
        text = json.dumps({**self.to_json(), "source": source}, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def to_json(self) -> dict[str, Any]:
        """Without what makes no difference: which weights stay is a question of pruning."""
        facts = asdict(self)
        if not self.prune:
            del facts["weights"]
        return facts

    @classmethod
    def of_json(cls, data: Mapping[str, Any]) -> Recipe:
        return cls(**{key: value for key, value in data.items() if key in cls.__slots__})

    def arguments(self) -> Iterator[str]:
        """For ``python -m scanner convert``, but for the other VAE's path."""
        if self.precision != "keep":
            yield from ("--precision", self.precision)
        if self.prune:
            yield from ("--prune", "--weights", self.weights)
        if self.position_ids:
            yield from ("--fix", "position-ids")

    @property
    def asked(self) -> str:
        """The same in one line, for the file's own metadata."""
        vae = (f"--vae sha256:{self.vae}",) if self.vae else ()
        return " ".join((*self.arguments(), *vae))

    @property
    def said(self) -> str:
        """For people: "pruned (EMA weights), fp16"."""
        weights = "EMA" if self.weights == "ema" else "raw"
        words = (
            f"pruned ({weights} weights)" if self.prune else "",
            self.precision if self.precision != "keep" else "",
            "position ids fixed" if self.position_ids else "",
            "with another VAE" if self.vae else "",
            "as .pt" if self.torch else "",
        )
        return ", ".join(word for word in words if word) or "safetensors"
