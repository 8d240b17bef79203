"""The same values give the same fingerprint, whatever their precision, names and file."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from math import prod

import numpy
import pytest

from scanner import weights
from scanner.identify.anatomy import Anatomy
from scanner.identify.architectures.table import ARCHITECTURES, Architecture
from scanner.lineage import METHOD, Prints
from scanner.lineage.orders import order
from scanner.report import Fingerprint
from scanner.source import BytesSource
from scanner.tensors import Storage, Tensor, TensorTable, contiguous_stride

Values = Mapping[str, numpy.ndarray]
_UNET, _VAE, _TEXT = "model.diffusion_model.", "first_stage_model.", "cond_stage_model.transformer."
_PARTS = (("sd1-mini", "ldm-unet", _UNET), ("vae-mini", "ldm-vae", _VAE),
          ("clip-mini", "clip", _TEXT + "text_model."))  # fmt: skip


def _shapes(name: str, layout: str) -> dict[str, tuple[int, ...]]:
    item = next(item for item in ARCHITECTURES if (item.name, item.layout) == (name, layout))
    blueprint = item.build()
    shapes = {**blueprint.shapes, **blueprint.spare}
    return {place.name: shapes[place.name] for place in order(item).places}


def _values(name: str, layout: str, seed: int = 1) -> dict[str, numpy.ndarray]:
    """Values by name, the same in every layout: drawn in the order of the places."""
    random = numpy.random.default_rng(seed)
    return {
        key: (random.standard_normal(prod(shape)) * 0.05).astype("<f4").reshape(shape)
        for key, shape in _shapes(name, layout).items()
    }


def _tensor(name: str, values: numpy.ndarray, dtype: str = "F32") -> Tensor:
    if dtype == "BF16":
        data = (values.view("<u4") >> 16).astype("<u2").tobytes()
    else:
        data = values.astype({"F32": "<f4", "F16": "<f2", "F64": "<f8"}[dtype]).tobytes()
    storage = Storage(name, len(data), BytesSource(data))
    return Tensor(name, dtype, values.shape, contiguous_stride(values.shape), storage)


def _prints(*tensors: Tensor) -> Mapping[str, Fingerprint]:
    anatomy = Anatomy(TensorTable(tensors))
    prints = Prints(anatomy)
    weights.read(anatomy.table, (prints,))
    told = prints.told()
    assert told.method == METHOD
    for found in told.components.values():
        assert len(found.tensors) == len(found.samples) == 16 * len(found.sizes)
    return told.components


def _named(prefix: str, values: Values, dtype: str = "F32") -> list[Tensor]:
    return [_tensor(prefix + name, held, dtype) for name, held in values.items()]


def _whole(dtype: str = "F32", seed: int = 1) -> list[Tensor]:
    return [
        tensor for name, layout, prefix in _PARTS
        for tensor in _named(prefix, _values(name, layout, seed), dtype)
    ]  # fmt: skip


def test_a_checkpoint_has_every_component_and_the_vae_in_halves() -> None:
    found = _prints(*_whole())
    assert set(found) == {"unet", "vae_encoder", "vae_decoder", "text_encoder"}
    assert all(part.digest for part in found.values())
    assert sum(found["unet"].sizes) == sum(map(prod, _shapes("sd1-mini", "ldm-unet").values()))


def test_fp32_and_its_fp16_copy_agree_and_other_values_do_not() -> None:
    wide = _prints(*_whole())
    assert _prints(*_whole("F16")) == wide
    assert _prints(*_whole("F64")) == wide
    other = _prints(*_whole(seed=2))
    assert {part.digest for part in other.values()}.isdisjoint(
        part.digest for part in wide.values()
    )


def test_bf16_agrees_with_what_was_bf16_before() -> None:
    values = {
        name: (held.view("<u4") & 0xFFFF0000).view("<f4")
        for name, held in _values("vae-mini", "ldm-vae").items()
    }
    assert _prints(*_named(_VAE, values, "BF16")) == _prints(*_named(_VAE, values, "F32"))
    # Cutting down to bf16 changes values, and the fingerprint says so.
    whole = _values("vae-mini", "ldm-vae")
    assert _prints(*_named(_VAE, whole, "BF16")) != _prints(*_named(_VAE, whole, "F32"))


@pytest.mark.parametrize(
    ("name", "layout", "prefix", "component"),
    [("sd1-mini", "diffusers-unet", "", "unet"), ("sd1-mini", "ldm-unet", "", "unet"),
     ("sd1-mini", "flat-unet", "model_ema.diffusion_model", "ema"),
     ("clip-mini", "clip", _TEXT, "text_encoder"),
     ("clip-mini", "clip", "text_model.", "text_encoder")],
)  # fmt: skip
def test_names_and_prefixes_change_nothing(
    name: str, layout: str, prefix: str, component: str
) -> None:
    expected = _prints(*_whole())["text_encoder" if "clip" in name else "unet"]
    assert _prints(*_named(prefix, _values(name, layout)))[component] == expected


@pytest.mark.parametrize("layout", ["diffusers-vae", "diffusers-old-vae"])
def test_a_vae_in_diffusers_layout_with_squeezed_convolutions(layout: str) -> None:
    values = {
        name: held[:, :, 0, 0] if ".attentions." in name and held.ndim == 4 else held
        for name, held in _values("vae-mini", layout).items()
    }
    expected, found = _prints(*_whole()), _prints(*_named("", values))
    assert found == {name: expected[name] for name in ("vae_encoder", "vae_decoder")}


def test_open_clip_agrees_with_transformers(monkeypatch: pytest.MonkeyPatch) -> None:
    """A miniature in both layouts, since the real one has a third of a billion numbers."""
    from scanner.identify.architectures import table, text

    clip = text.Clip(64, 3, 128, spare=1)
    rows = tuple(
        Architecture(item.name, item.component, item.layout, item.bases, build)
        for item in ARCHITECTURES
        for build in [{("openclip-h", "clip"): lambda: text.hf_clip(clip),
                       ("openclip-h", "open-clip"): lambda: text.open_clip(clip),
                       }.get((item.name, item.layout), item.build)]
    )  # fmt: skip
    for module in ("scanner.identify.architectures.table", "scanner.identify.matching",
                   "scanner.lineage.orders"):  # fmt: skip
        monkeypatch.setattr(f"{module}.ARCHITECTURES", rows)
    table.blueprint.cache_clear()
    try:
        _both_layouts({**text.hf_clip(clip).shapes, **text.hf_clip(clip).spare})
    finally:
        table.blueprint.cache_clear()


def _both_layouts(shapes: Mapping[str, tuple[int, ...]]) -> None:
    random = numpy.random.default_rng(3)
    plain = {key: random.standard_normal(shape).astype("<f4") for key, shape in shapes.items()}
    stacked: dict[str, numpy.ndarray] = {}
    names = (("encoder.layers.", "transformer.resblocks."), ("layer_norm", "ln_"),
             ("mlp.fc1", "mlp.c_fc"), ("mlp.fc2", "mlp.c_proj"), ("self_attn", "attn"),
             ("final_ln_", "ln_final"), ("final_layer_norm", "ln_final"),
             ("embeddings.token", "token"), ("embeddings.position_embedding.weight",
                                             "positional_embedding"))  # fmt: skip
    for key, values in plain.items():
        if "k_proj" in key or "v_proj" in key:
            continue
        if "q_proj" in key:
            values = numpy.concatenate(
                [plain[key.replace("q_proj", part)] for part in ("q_proj", "k_proj", "v_proj")]
            )
            key = key.replace("q_proj.", "in_proj_")
        for theirs, ours in names:
            key = key.replace(theirs, ours) if theirs != "layer_norm" or "final" not in key else key
        stacked[key] = values
    assert _prints(*_named("model.", stacked)) == _prints(*_named("text_model.", plain))


def test_what_is_missing_or_misshapen_leaves_noughts_and_no_digest() -> None:
    tensors = _whole()
    gone, bent = tensors[5], tensors[9]
    shape = (bent.shape[0] + 1, *bent.shape[1:])
    broken = Tensor(bent.name, "F32", shape, contiguous_stride(shape), bent.storage)
    whole = _prints(*tensors)
    found = _prints(*(broken if tensor is bent else tensor
                      for tensor in tensors if tensor is not gone))  # fmt: skip
    assert found["unet"].digest is None
    assert found["vae_decoder"] == whole["vae_decoder"]
    for rank in range(len(whole["unet"].sizes)):
        digest = found["unet"].tensors[16 * rank : 16 * rank + 16]
        same = whole["unet"].tensors[16 * rank : 16 * rank + 16]
        assert digest == ("0" * 16 if rank in (5, 9) else same)


def test_position_ids_and_other_companions_have_no_place() -> None:
    name = _TEXT + "text_model.embeddings.position_ids"
    ids = struct.pack("<77q", *range(77))
    extra = Tensor(name, "I64", (1, 77), (77, 1), Storage(name, len(ids), BytesSource(ids)))
    assert _prints(*_whole(), extra) == _prints(*_whole())


def test_an_unreadable_tensor_leaves_noughts() -> None:
    class Short(BytesSource):
        def _pread(self, offset: int, length: int) -> bytes:
            return b""

    tensors = _whole()
    first = tensors[0]
    lost = Tensor(first.name, "F32", first.shape, first.stride,
                  Storage("lost", first.nbytes, Short(bytes(first.nbytes))))  # fmt: skip
    found = _prints(lost, *tensors[1:])["unet"]
    assert (found.digest, found.tensors[:16], found.samples[:16]) == (None, "0" * 16, "0" * 16)


def test_tensors_that_share_their_bytes_each_have_their_digest() -> None:
    tensors = _whole()
    ema = _named("model_ema.diffusion_model", _values("sd1-mini", "flat-unet"))
    by_place = dict(zip((tensor.name for tensor in ema), tensors, strict=False))
    shared = [Tensor(tensor.name, "F32", tensor.shape, tensor.stride, by_place[tensor.name].storage)
              for tensor in ema]  # fmt: skip
    found = _prints(*tensors, *shared)
    assert found["ema"] == found["unet"]


def _turned(tensor: Tensor, values: numpy.ndarray, axes: tuple[int, ...]) -> Tensor:
    """The same tensor, its numbers laid out in the order of ``axes``."""
    lying = numpy.ascontiguousarray(values.transpose(axes))
    steps = dict(zip(axes, contiguous_stride(lying.shape), strict=True))
    storage = Storage(tensor.name, tensor.nbytes, BytesSource(lying.tobytes()))
    stride = tuple(steps[at] for at in range(values.ndim))
    return Tensor(tensor.name, tensor.dtype, tensor.shape, stride, storage)


@pytest.mark.parametrize("block", [1000, weights.BLOCK])
def test_channels_last_is_the_same_model(monkeypatch: pytest.MonkeyPatch, block: int) -> None:
    monkeypatch.setattr(weights, "BLOCK", block)
    values = _values("vae-mini", "ldm-vae")
    tensors = _named(_VAE, values)
    turned = [
        _turned(tensor, held, (0, 2, 3, 1)) if held.ndim == 4 else tensor
        for tensor, held in zip(tensors, values.values(), strict=True)
    ]
    assert sum(not tensor.contiguous for tensor in turned) > 50
    assert _prints(*turned) == _prints(*tensors)


def test_a_transposed_tensor_has_no_digest() -> None:
    values = _values("clip-mini", "clip")
    name = "encoder.layers.0.mlp.fc1.weight"
    tensors = _named(_TEXT, values)
    at = list(values).index(name)
    tensors[at] = _turned(tensors[at], values[name], (1, 0))
    found = _prints(*tensors)["text_encoder"]
    assert found.digest is None
    assert found.tensors[16 * at : 16 * at + 16] == "0" * 16


def test_blocks_may_end_anywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = _prints(*_whole())
    monkeypatch.setattr(weights, "BLOCK", 1000)
    assert _prints(*_whole()) == expected


def test_samples_are_values_from_the_middle() -> None:
    values = _values("vae-mini", "ldm-vae")
    found = _prints(*_named(_VAE, values))["vae_encoder"]
    first = next(iter(values.values())).ravel()
    middle = first[len(first) // 2 :][:4].astype("<f2").tobytes()
    assert found.samples[:16] == middle.hex()
