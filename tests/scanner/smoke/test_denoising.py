"""How the reference picture comes into latent space."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from scanner.smoke.denoising import latents_of  # noqa: E402
from scanner.smoke.reference import drawn  # noqa: E402


class Vae:
    """Says in which precision it was asked; in fp16 its values overflow."""

    device = torch.device("cpu")

    def __init__(self, dtype: Any, *, force_upcast: bool) -> None:
        self.dtype = dtype
        self.config = SimpleNamespace(force_upcast=force_upcast, scaling_factor=1.0)
        self.asked: list[Any] = []

    def to(self, *, dtype: Any) -> Vae:
        self.dtype = dtype
        return self

    def encode(self, x: Any) -> Any:
        assert x.dtype == self.dtype
        self.asked.append(x.dtype)
        return SimpleNamespace(latent_dist=SimpleNamespace(mode=lambda: x[:, :1]))


@pytest.mark.parametrize(
    ("dtype", "force_upcast", "asked"),
    [
        ("float16", True, "float32"),
        ("float16", False, "float16"),
        ("bfloat16", True, "bfloat16"),
        ("float32", True, "float32"),
    ],
)
def test_a_vae_that_overflows_in_fp16_encodes_in_fp32(
    dtype: str, force_upcast: bool, asked: str
) -> None:
    vae = Vae(getattr(torch, dtype), force_upcast=force_upcast)
    latents = latents_of(vae, drawn(64))
    assert vae.asked == [getattr(torch, asked)]
    assert latents.dtype == vae.dtype == getattr(torch, dtype)
