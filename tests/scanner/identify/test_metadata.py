"""What a file says of itself: shown, bounded, and held against the tensors."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable

import pytest

from scanner.identify import metadata
from scanner.report import Identity
from scanner.tensors import Leaf, Tensor, TensorTable

Make = Callable[..., TensorTable]
Known = Callable[..., Identity]

_LAYER = "lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_attn2_to_k"
_SD1 = {f"{_LAYER}.lora_down.weight": (8, 768), f"{_LAYER}.lora_up.weight": (640, 8)}


def test_chosen_keys_are_shown_as_one_line_of_text(make_table: Make, known_as: Known) -> None:
    said = {
        "modelspec.title": "  A\nfox\x00 \ud800\u202e ", "ss_output_name": "x" * 9999,
        "modelspec.thumbnail": "data:image/jpeg;base64," + "A" * 977, "ss_tag_frequency": "{}",
        "sshs_model_hash": "None", "somebody's own": "left out",
        "sd_merge_models": json.dumps({"ab": {"name": "one.safetensors"}, "cd": {"name": "two"}}),
    }  # fmt: skip
    shown = known_as(make_table(_SD1, metadata=said)).metadata
    assert shown == {
        "modelspec.title": "A fox", "ss_output_name": "x" * 499 + "…",
        "sd_merge_models": "one.safetensors, two",
        "modelspec.thumbnail": "a picture in 1,000 characters",
    }  # fmt: skip


def test_webui_says_what_an_embedding_was_trained_on(make_table: Make, known_as: Known) -> None:
    leaves = (Leaf(("sd_checkpoint_name",), "str", "v1-5-pruned"), Leaf(("step",), "int", 500))
    found = known_as(make_table({"string_to_param.*": (1, 768)}, leaves=leaves))
    assert found.metadata == {"sd_checkpoint_name": "v1-5-pruned", "step": "500"}


def test_tags_are_counted_over_all_captions() -> None:
    frequency = {"a": {"fox": 3, "1girl": 7}, "b": {"fox": 9, "bad": True, "": 99}}
    said = {"ss_tag_frequency": json.dumps(frequency), "modelspec.tags": "red, forest,"}
    assert metadata.suggested_tags(said) == ("red", "forest", "fox", "1girl")


@pytest.mark.parametrize(
    "text", ["", "[" * 99_999, '{"a": {"b": NaN}}', '{"a": 1}', "nonsense", '{"a": {"b": "c"}}',
             '{"a": {"b": -1}}', '{"a":' * 9 + "{}" + "}" * 9],
)  # fmt: skip
def test_captions_that_are_none_suggest_nothing(text: str) -> None:
    assert metadata.suggested_tags({"ss_tag_frequency": text}) == ()


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ({"ss_v2": "True"}, "ss_v2 is true, but the shapes are those of sd1."),
        ({"ss_network_dim": "64"}, "ss_network_dim is 64, but the ranks are 8."),
        ({"ss_network_alpha": "1.0"}, "ss_network_alpha is 1, but the tensors say 4."),
    ],
)
def test_what_the_tensors_deny_is_a_conflict(
    known_as: Known, make_table: Make, make_tensor: Callable[..., Tensor], said: dict[str, str],
    sentence: str,
) -> None:  # fmt: skip
    alpha = make_tensor(f"{_LAYER}.alpha", (), "F16", struct.pack("<e", 4.0))
    tensors = (*make_table(_SD1).tensors, alpha)
    assert known_as(TensorTable(tensors, said)).conflicts == (sentence,)


@pytest.mark.parametrize(
    "said", [{"ss_v2": "False"}, {"ss_network_dim": "8", "ss_network_alpha": "4.0"},
             {"ss_network_dim": "Dynamic", "ss_network_alpha": "Dynamic"},
             {"ss_network_dim": "nan"}, {"ss_network_dim": "9" * 999}, {}],
)  # fmt: skip
def test_the_truth_is_no_conflict(
    known_as: Known, make_table: Make, make_tensor: Callable[..., Tensor], said: dict[str, str]
) -> None:
    alpha = make_tensor(f"{_LAYER}.alpha", (), "F16", struct.pack("<e", 4.0))
    tensors = (*make_table(_SD1).tensors, alpha)
    assert known_as(TensorTable(tensors, said)).conflicts == ()
