from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.scanner.smoke.addons import pipelines

torch = pytest.importorskip("torch")

from scanner.smoke.addons import names  # noqa: E402


@pytest.mark.parametrize("model", [pipelines.sd1, pipelines.sdxl])
def test_every_layer_is_found_under_each_of_its_names(model: Callable[[], Any]) -> None:
    parts = pipelines.parts(model())
    places = names.places(parts)
    depth = parts["unet"].config.layers_per_block
    seen = 0
    for path, layer in parts["unet"].named_modules():
        if not isinstance(getattr(layer, "weight", None), torch.nn.Parameter):
            continue
        originals = list(names.ldm(path, depth))
        assert originals, path
        for name in (path, *originals):
            flat = name.replace(".", "_")
            for spelt in (f"unet.{name}", f"lora_unet_{flat}", f"diffusion_model.{name}"):
                place = names.find(spelt, places)
                assert place is not None, spelt
                assert place.weight is layer.weight, spelt
        seen += 1
    assert seen > 200


@pytest.mark.parametrize(
    ("name", "original"),
    [
        ("conv_in", "input_blocks.0.0"),
        ("time_embedding.linear_2", "time_embed.2"),
        ("add_embedding.linear_1", "label_emb.0.0"),
        ("down_blocks.0.resnets.1.conv2", "input_blocks.2.0.out_layers.3"),
        ("down_blocks.0.downsamplers.0.conv", "input_blocks.3.0.op"),
        ("down_blocks.1.attentions.0.proj_in", "input_blocks.4.1.proj_in"),
        ("down_blocks.2.attentions.1.transformer_blocks.9.ff.net.2",
         "input_blocks.8.1.transformer_blocks.9.ff.net.2"),
        ("mid_block.attentions.0.norm", "middle_block.1.norm"),
        ("mid_block.resnets.1.time_emb_proj", "middle_block.2.emb_layers.1"),
        ("up_blocks.0.resnets.2.conv_shortcut", "output_blocks.2.0.skip_connection"),
        ("up_blocks.0.upsamplers.0.conv", "output_blocks.2.2.conv"),
        ("up_blocks.1.attentions.2.proj_out", "output_blocks.5.1.proj_out"),
        ("conv_out", "out.2"),
    ],
)  # fmt: skip
def test_sdxls_layers_in_the_original_code(name: str, original: str) -> None:
    assert original in names.ldm(name, 2)


def test_the_longest_ending_counts() -> None:
    layers, strange = names.layers({"a.diff_b": torch.zeros(1), "a.b": torch.zeros(1)})
    assert [(layer.name, set(layer.tensors)) for layer in layers] == [("a", {"bias"})]
    assert strange == ("a.b",)
