from __future__ import annotations

from collections.abc import Callable

import pytest

from scanner.report import Identity
from scanner.tensors import Leaf, TensorTable

Make = Callable[..., TensorTable]
Known = Callable[..., Identity]


@pytest.mark.parametrize("name", ["emb_params", "string_to_param.*", "<cat>", "*", "EasyNegative"])
@pytest.mark.parametrize(("width", "base"), [(768, "sd1"), (1024, "sd2"), (32, "sd1-mini")])
def test_every_single_vector_format(
    make_table: Make, known_as: Known, name: str, width: int, base: str
) -> None:
    found = known_as(make_table({name: (3, width)}))
    assert (found.kind, found.base) == ("embedding", base)
    assert found.embedding is not None
    assert found.embedding.vectors == 3


def test_two_encoders_are_sdxl(make_table: Make, known_as: Known) -> None:
    found = known_as(make_table({"clip_l": (8, 768), "clip_g": (8, 1280)}))
    assert found.base == "sdxl"
    assert found.embedding is not None
    assert found.embedding.dims == {"clip_l": 768, "clip_g": 1280}


def test_the_token_of_webui_dicts(make_table: Make, known_as: Known) -> None:
    leaves = (Leaf(("string_to_token", "猫"), "int", 265),)
    found = known_as(make_table({"string_to_param.猫": (1, 768)}, leaves=leaves))
    assert found.embedding is not None
    assert found.embedding.tokens == ("猫",)


def test_a_lone_tensor_of_another_width_is_no_embedding(make_table: Make, known_as: Known) -> None:
    assert known_as(make_table({"thing": (5, 500)})).kind == "unknown"
    assert known_as(make_table({"layer.weight": (5, 768)})).kind == "unknown"


def test_a_hypernetwork_and_its_structure(make_table: Make, known_as: Known) -> None:
    shapes = {
        f"{dim}.{side}.linear.{layer}.weight": shape
        for dim in (320, 768)
        for side in (0, 1)
        for layer, shape in ((0, (2 * dim, dim)), (1, (dim, 2 * dim)))
    }
    leaves = (Leaf(("activation_func",), "str", "relu"),)
    found = known_as(make_table(shapes, leaves=leaves))
    assert (found.kind, found.base) == ("hypernetwork", "sd1")
    assert found.hypernetwork is not None
    assert found.hypernetwork.dims == (320, 768)
    assert found.hypernetwork.layers == (1.0, 2.0, 1.0)
    assert found.hypernetwork.activation == "relu"
