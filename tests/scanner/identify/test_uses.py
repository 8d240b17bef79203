"""What a file is good for, from what is in it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from scanner.report import Identity
from scanner.tensors import TensorTable
from tests.scanner.identify.specimens.specimen import Shapes, architecture

Make = Callable[..., TensorTable]
Known = Callable[..., Identity]

_SD1 = architecture("sd1", "ldm-unet")
_LORA: Shapes = {
    "lora_unet_mid_block_attentions_0_transformer_blocks_0_attn2_to_k.lora_down.weight": (8, 768)
}


def _without(shapes: Shapes, ending: str) -> Shapes:
    return {name: shape for name, shape in shapes.items() if not name.endswith(ending)}


@pytest.mark.parametrize(
    ("shapes", "uses"),
    [
        (_SD1, ("generating", "merging")),
        (_SD1 | architecture("sd1", "flat-unet", "model_ema.diffusion_model"),
         ("generating", "fine-tuning", "merging")),
        (architecture("sdxl", "ldm-unet"), ("generating", "fine-tuning", "merging")),
        (_without(_SD1, "out.2.weight"), ()),
        (_SD1 | _without(architecture("vae-4ch", "ldm-vae", "first_stage_model."), "conv_in.bias"),
         ("merging",)),
        (_LORA, ("generating", "merging")),
        (architecture("vae-4ch", "ldm-vae"), ("generating",)),
        ({"emb_params": (4, 768)}, ("generating",)),
        (architecture("clip-l", "clip"), ()),
        ({"thing": (3, 3)}, ()),
    ],
)  # fmt: skip
def test_uses_follow_from_what_is_in_the_file(
    make_table: Make, known_as: Known, shapes: Shapes, uses: tuple[str, ...]
) -> None:
    assert known_as(make_table(shapes)).uses == uses


def test_eight_bits_are_for_generating_only(make_table: Make, known_as: Known) -> None:
    assert known_as(make_table(_SD1, "F8_E4M3")).uses == ("generating",)
