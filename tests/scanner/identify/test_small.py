from __future__ import annotations

from collections.abc import Callable

import pytest

from scanner.report import Identity
from scanner.tensors import TensorTable

_CROSS = "input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight"


@pytest.mark.parametrize(
    ("kind", "base", "shapes"),
    [
        ("controlnet", "sd1", {"control_model.zero_convs.0.0.weight": (320, 320, 1, 1),
                               "control_model.input_hint_block.0.weight": (16, 3, 3, 3),
                               f"control_model.{_CROSS}": (320, 768)}),
        ("controlnet", "sdxl", {"controlnet_cond_embedding.conv_in.weight": (16, 3, 3, 3),
                                "down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_k.weight":
                                (640, 2048)}),
        ("ip_adapter", "sd1", {"image_proj.proj.weight": (3072, 1024),
                               "ip_adapter.1.to_k_ip.weight": (320, 768)}),
        ("t2i_adapter", "sd1", {"adapter.body.0.resnets.0.block1.weight": (320, 320, 3, 3),
                                "adapter.conv_in.weight": (320, 192, 3, 3)}),
        ("t2i_adapter", "sdxl", {"body.0.block1.weight": (320, 320, 3, 3),
                                 "conv_in.weight": (320, 768, 3, 3)}),
        ("upscaler", None, {"conv_first.weight": (64, 3, 3, 3),
                            "body.0.rdb1.conv1.weight": (32, 64, 3, 3)}),
        ("upscaler", None, {"model.0.weight": (64, 3, 3, 3),
                            "model.1.sub.0.RDB1.conv1.0.weight": (32, 64, 3, 3)}),
    ],
)  # fmt: skip
def test_kinds_told_by_marker_names(
    make_table: Callable[..., TensorTable],
    known_as: Callable[..., Identity],
    kind: str,
    base: str | None,
    shapes: dict[str, tuple[int, ...]],
) -> None:
    found = known_as(make_table(shapes))
    assert (found.kind, found.base) == (kind, base)


def test_an_unknown_layout_is_called_unknown(
    make_table: Callable[..., TensorTable], known_as: Callable[..., Identity]
) -> None:
    found = known_as(make_table({f"encoder.block{index}.w": (7, 7) for index in range(50)}))
    assert (found.kind, found.base, found.components) == ("unknown", None, {})
    assert known_as(make_table({})).kind == "unknown"
