"""Looking through a list of tensors."""

from __future__ import annotations

import pytest

from registry import tensors
from registry.contents import Tensor
from registry.errors import UserError
from registry.tensors import Query

ROWS = (
    Tensor("decoder.conv_in.weight", "F16", (512, 4, 3, 3), "vae", 36_864),
    Tensor("model.in.0.0.weight", "F16", (320, 4, 3, 3), "unet", 23_040),
    Tensor("model.in.1.attn2.to_k.weight", "F16", (320, 768), "unet", 491_520),
    Tensor("betas", "F32", (1000,), "schedule", 4_000),
    Tensor("logit_scale", "F32", (), "text_encoder", 4),
)


def names(**asked: str) -> list[str]:
    return [row.name for row in tensors.narrowed(ROWS, Query(**asked))]


def test_every_word_has_to_be_in_the_name_in_any_case() -> None:
    assert names(search="WEIGHT to_k") == ["model.in.1.attn2.to_k.weight"]


def test_component_and_dtype_narrow_together() -> None:
    assert names(component="unet", dtype="F32") == []
    assert len(names(component="unet", dtype="F16")) == 2


@pytest.mark.parametrize("shape", ["320, 4, 3, 3", "320x4x3x3", "[320 × 4 × 3 × 3]", "320 4 3 3"])
def test_a_shape_is_found_however_it_is_written(shape: str) -> None:
    assert names(shape=shape) == ["model.in.0.0.weight"]


def test_a_star_is_any_dimension_and_a_lone_number_any_place() -> None:
    assert names(shape="*, 4, 3, 3") == ["decoder.conv_in.weight", "model.in.0.0.weight"]
    assert names(shape="768") == ["model.in.1.attn2.to_k.weight"]
    assert names(shape="*") == ["betas"]


@pytest.mark.parametrize("shape", ["wide", "-1", "3.5", "²", "9" * 19, "1," * 17])
def test_what_is_no_shape_is_said_to_be_none(shape: str) -> None:
    with pytest.raises(UserError, match="field"):
        tensors.narrowed(ROWS, Query(shape=shape))


def test_components_come_in_the_order_of_a_model_and_the_rest_last() -> None:
    order = [row.component for row in tensors.grouped(ROWS)]
    assert order == ["unet", "unet", "text_encoder", "vae", "schedule"]
    assert next(iter(tensors.components(ROWS).items())) == ("unet", 2)
