"""Merged weights against those of diffusers and peft, which load the same file their own way."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from torch import Tensor

from tests.scanner.smoke.addons import pipelines
from tests.scanner.smoke.addons.pipelines import Weights

torch = pytest.importorskip("torch")
pytest.importorskip("peft")

from safetensors import safe_open  # noqa: E402
from safetensors.torch import load_file, save_file  # noqa: E402

from scanner.smoke.addons.lora import Lora  # noqa: E402
from scanner.smoke.addons.names import ldm  # noqa: E402

CLOSE = 2e-5
#: A few layers of every sort: peft needs a while for each.
SOME = (
    "attentions.1.transformer_blocks.0.attn2",
    "blocks.1.attentions.0.proj_in",
    "mid_block.attentions.0.transformer_blocks.0.ff.net",
    "layers.0.self_attn",
    "layers.1.mlp.fc",
)
Naming = Callable[[str, str], str]


def low_rank(name: str, weight: Tensor, alpha: float | None, ends: tuple[str, str]) -> Weights:
    """Random factors for one layer."""
    rank = 3
    down = torch.randn(rank, *weight.shape[1:]) * 0.1
    up = torch.randn(weight.shape[0], rank, *(1 for _ in weight.shape[2:])) * 0.1
    made = {name + ends[0]: down, name + ends[1]: up}
    return made if alpha is None else {**made, name + ".alpha": torch.tensor(alpha)}


def adapter(
    pipeline: Any,
    naming: Naming,
    *,
    alpha: float | None = 2.0,
    ends: tuple[str, str] = (".lora_down.weight", ".lora_up.weight"),
    only: tuple[str, ...] = SOME,
) -> Weights:
    state: Weights = {}
    for part, path, weight in layers(pipeline):
        if any(word in path for word in only):
            state |= low_rank(naming(part, path), weight, alpha, ends)
    assert state
    return state


def layers(pipeline: Any) -> Iterator[tuple[str, str, Tensor]]:
    for part, module in pipelines.parts(pipeline).items():
        for path, layer in module.named_modules():
            if isinstance(layer, torch.nn.Linear | torch.nn.Conv2d):
                yield part, path, layer.weight


def hugging(path: str) -> str:
    """A text encoder's layer as files have it, whatever transformers calls it today."""
    return path if path.startswith(("text_model.", "text_projection")) else f"text_model.{path}"


def kohya(part: str, path: str) -> str:
    if part == "unet":
        return "lora_unet_" + path.replace(".", "_")
    return "lora_te_" + hugging(path).replace(".", "_")


def kohya_xl(part: str, path: str) -> str:
    if part == "unet":
        return "lora_unet_" + next(ldm(path, 2)).replace(".", "_")
    number = "2" if part.endswith("2") else "1"
    return f"lora_te{number}_" + hugging(path).replace(".", "_")


def dotted(part: str, path: str) -> str:
    return f"{part}.{path if part == 'unet' else hugging(path)}"


def merged(pipeline: Any, path: Path, strength: float = 1.0) -> Weights:
    """Ours; the pipeline is as it was before."""
    before = pipelines.weights(pipeline)
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata() or {}
    lora = Lora(pipelines.parts(pipeline), load_file(path), metadata)
    assert (lora.fit.unmatched, lora.fit.misfit) == ((), ())
    with lora.at(strength):
        within = pipelines.weights(pipeline)
    after = pipelines.weights(pipeline)
    assert pipelines.changed(before, after) == set()
    assert pipelines.changed(before, within)
    return within


def expected(pipeline: Any, path: Path, strength: float = 1.0) -> Weights:
    """What diffusers and peft make of the file."""
    pipeline.load_lora_weights(str(path.parent), weight_name=path.name)
    pipeline.fuse_lora(lora_scale=strength)
    pipeline.unload_lora_weights()
    return pipelines.weights(pipeline)


@pytest.mark.parametrize("strength", [0.5, 1.0])
def test_kohyas_names(tmp_path: Path, strength: float) -> None:
    save_file(adapter(pipelines.sd1(), kohya), tmp_path / "lora.safetensors")
    ours = merged(pipelines.sd1(), tmp_path / "lora.safetensors", strength)
    theirs = expected(pipelines.sd1(), tmp_path / "lora.safetensors", strength)
    assert pipelines.furthest(ours, theirs) < CLOSE


def test_convolutions(tmp_path: Path) -> None:
    only = ("conv1", "conv_shortcut", "proj_out", "samplers", "time_emb_proj")
    state = adapter(pipelines.sd1(), kohya, only=only)
    assert any(tensor.shape[-1] == 3 for tensor in state.values() if tensor.dim() == 4)
    save_file(state, tmp_path / "locon.safetensors")
    ours = merged(pipelines.sd1(), tmp_path / "locon.safetensors")
    theirs = expected(pipelines.sd1(), tmp_path / "locon.safetensors")
    assert pipelines.furthest(ours, theirs) < CLOSE


def test_kohyas_names_for_two_text_encoders_and_the_original_codes_blocks(tmp_path: Path) -> None:
    state = adapter(pipelines.sdxl(), kohya_xl)
    prefixes = {"_".join(name.split("_")[:3]) for name in state}
    assert prefixes >= {"lora_unet_input", "lora_unet_output", "lora_unet_middle", "lora_te1_text",
                        "lora_te2_text"}  # fmt: skip
    save_file(state, tmp_path / "lora.safetensors")
    ours = merged(pipelines.sdxl(), tmp_path / "lora.safetensors")
    theirs = expected(pipelines.sdxl(), tmp_path / "lora.safetensors")
    assert pipelines.furthest(ours, theirs) < CLOSE


@pytest.mark.parametrize("model", [pipelines.sd1, pipelines.sdxl])
def test_pefts_names(tmp_path: Path, model: Callable[[], Any]) -> None:
    state = adapter(model(), dotted, alpha=None, ends=(".lora_A.weight", ".lora_B.weight"))
    save_file(state, tmp_path / "lora.safetensors")
    ours = merged(model(), tmp_path / "lora.safetensors")
    theirs = expected(model(), tmp_path / "lora.safetensors")
    assert pipelines.furthest(ours, theirs) < CLOSE


@pytest.mark.parametrize(
    "spelt",
    [
        lambda name: name.replace("lora_A", "lora.down").replace("lora_B", "lora.up"),
        lambda name: name.replace("lora_A", "lora_linear_layer.down").replace(
            "lora_B", "lora_linear_layer.up"),
        lambda name: name.replace(".weight", ".default.weight"),
        lambda name: name.replace("unet.", "base_model.model.").replace(
            "text_encoder.", "text_encoder.base_model.model."),
        lambda name: name.replace("unet.", "").replace("text_model.", ""),
        lambda name: name.replace("unet.", "diffusion_model.").replace(
            "text_encoder.", "text_encoders.clip_l.transformer."),
    ],
)  # fmt: skip
def test_other_spellings_of_the_same(tmp_path: Path, spelt: Callable[[str], str]) -> None:
    state = adapter(pipelines.sd1(), dotted, alpha=None, ends=(".lora_A.weight", ".lora_B.weight"))
    save_file(state, tmp_path / "one.safetensors")
    save_file({spelt(name): held for name, held in state.items()}, tmp_path / "two.safetensors")
    first = merged(pipelines.sd1(), tmp_path / "one.safetensors")
    assert pipelines.furthest(first, merged(pipelines.sd1(), tmp_path / "two.safetensors")) == 0


def test_an_alpha_that_peft_wrote_into_the_metadata(tmp_path: Path) -> None:
    from peft import LoraConfig

    trained = pipelines.sd1()
    trained.unet.add_adapter(
        LoraConfig(r=4, lora_alpha=9, target_modules=".*mid.*to_q", init_lora_weights=False)
    )
    before = {name: tensor for name, tensor in trained.unet.state_dict().items() if "lora" in name}
    assert before
    from diffusers.utils import convert_state_dict_to_diffusers
    from peft.utils import get_peft_model_state_dict

    trained.save_lora_weights(
        tmp_path,
        unet_lora_layers=convert_state_dict_to_diffusers(get_peft_model_state_dict(trained.unet)),
        unet_lora_adapter_metadata=trained.unet.peft_config["default"].to_dict(),
    )
    path = tmp_path / "pytorch_lora_weights.safetensors"
    ours, theirs = merged(pipelines.sd1(), path), expected(pipelines.sd1(), path)
    assert pipelines.furthest(ours, theirs) < CLOSE
    with safe_open(path, framework="pt") as file:
        assert "lora_alpha" in str(file.metadata())
    assert not any("alpha" in name for name in load_file(path))


def test_dora_as_peft_writes_it(tmp_path: Path) -> None:
    from diffusers.utils import convert_state_dict_to_diffusers
    from peft import LoraConfig
    from peft.utils import get_peft_model_state_dict

    trained = pipelines.sd1()
    trained.unet.add_adapter(
        LoraConfig(r=4, lora_alpha=4, target_modules=".*mid.*(to_k|conv1)", init_lora_weights=False,
                   use_dora=True)
    )  # fmt: skip
    state = convert_state_dict_to_diffusers(get_peft_model_state_dict(trained.unet))
    state = {
        name: tensor * 1.5 if "magnitude" in name else tensor for name, tensor in state.items()
    }
    assert any("magnitude" in name for name in state)
    trained.save_lora_weights(tmp_path, unet_lora_layers=state)
    path = tmp_path / "pytorch_lora_weights.safetensors"
    assert (
        pipelines.furthest(merged(pipelines.sd1(), path), expected(pipelines.sd1(), path)) < CLOSE
    )


def test_the_first_adapters_names(tmp_path: Path) -> None:
    """The attention processors had the weights, and no part stood before them."""
    module = "down_blocks.0.attentions.0.transformer_blocks.0.attn1"
    weight = pipelines.sd1().unet.get_submodule(f"{module}.to_q").weight
    state: Weights = {}
    for end in ("to_q", "to_out"):
        ends = ("_lora.down.weight", "_lora.up.weight")
        state |= low_rank(f"{module}.processor.{end}", weight, None, ends)
    path = tmp_path / "lora.safetensors"
    save_file(state, path)
    before = pipelines.weights(pipelines.sd1())
    assert pipelines.changed(merged(pipelines.sd1(), path), before) == {
        f"unet.{module}.to_q.weight", f"unet.{module}.to_out.0.weight"
    }  # fmt: skip


def test_differences_of_weights_and_biases() -> None:
    pipeline = pipelines.sd1()
    norm = pipeline.unet.get_submodule("down_blocks.0.resnets.0.norm1")
    shift = torch.randn_like(norm.bias)
    name = "lora_unet_down_blocks_0_resnets_0_norm1"
    lora = Lora(
        pipelines.parts(pipeline),
        {f"{name}.diff": torch.ones_like(norm.weight), f"{name}.diff_b": shift},
        {},
    )
    weight, bias = norm.weight.detach().clone(), norm.bias.detach().clone()
    with lora.at(0.5):
        assert torch.equal(norm.weight, weight + 0.5)
        assert torch.equal(norm.bias, bias + 0.5 * shift)
    assert torch.equal(norm.weight, weight)
    assert torch.equal(norm.bias, bias)


def test_what_fits_nowhere_is_named() -> None:
    pipeline = pipelines.sd1()
    good = "lora_unet_mid_block_attentions_0_transformer_blocks_0_attn1_to_q"
    weight = pipeline.unet.mid_block.attentions[0].transformer_blocks[0].attn1.to_q.weight
    state = low_rank(good, weight, 1.0, (".lora_down.weight", ".lora_up.weight"))
    state["lora_unet_nowhere.alpha"] = torch.tensor(1.0)
    state["something.else"] = torch.zeros(3)
    bad = good.replace("to_q", "to_k")
    state |= low_rank(bad, weight[:, :7], 1.0, (".lora_down.weight", ".lora_up.weight"))
    fit = Lora(pipelines.parts(pipeline), state, {}).fit
    assert len(fit.applied) == 3
    assert set(fit.unmatched) == {"lora_unet_nowhere.alpha", "something.else"}
    assert {name.split(".")[0] for name in fit.misfit} == {bad}
    assert fit.total == len(state)


def test_half_precision_is_restored_bit_for_bit() -> None:
    pipeline = pipelines.sd1()
    pipeline.to(torch.bfloat16)
    before = pipelines.weights(pipeline)
    lora = Lora(pipelines.parts(pipeline), adapter(pipeline, kohya), {})
    with lora.at(1.0):
        assert pipelines.changed(before, pipelines.weights(pipeline))
    assert pipelines.changed(before, pipelines.weights(pipeline)) == set()


def test_an_error_in_between_restores_as_well() -> None:
    pipeline = pipelines.sd1()
    before = pipelines.weights(pipeline)
    lora = Lora(pipelines.parts(pipeline), adapter(pipeline, kohya), {})
    with pytest.raises(ZeroDivisionError), lora.at(1.0):
        raise ZeroDivisionError
    assert pipelines.changed(before, pipelines.weights(pipeline)) == set()
