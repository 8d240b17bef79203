"""Real bytes, small tensors: each issue names its tensors and its remedy."""

from __future__ import annotations

from collections.abc import Callable

import numpy
import pytest

from scanner import health, weights
from scanner.health import blocks
from scanner.identify import identify, known
from scanner.identify.anatomy import Anatomy
from scanner.identify.architectures.table import ARCHITECTURES
from scanner.limits import DEFAULT
from scanner.report import Component, Format, HealthIssue, Identity, State
from scanner.source import BytesSource
from scanner.tensors import Storage, Tensor, TensorTable, contiguous_stride

_DTYPES = {"F32": numpy.float32, "F16": numpy.float16, "I64": numpy.int64, "F64": numpy.float64}
_RANDOM = numpy.random.default_rng(5)


def _tensor(name: str, values: numpy.ndarray, dtype: str = "F32") -> Tensor:
    data = values.astype(_DTYPES[dtype]).tobytes()
    shape = values.shape
    return Tensor(name, dtype, shape, contiguous_stride(shape), Storage(name, len(data),
                  BytesSource(data)))  # fmt: skip


def _noise(*shape: int) -> numpy.ndarray:
    return _RANDOM.standard_normal(shape)


def _check(
    *tensors: Tensor, identity: Identity | None = None, big_endian: bool = False
) -> dict[str, HealthIssue]:
    table = TensorTable(tensors, big_endian=big_endian)
    known = identity or identify(table, format=Format.SAFETENSORS, limits=DEFAULT)
    return {issue.issue: issue for issue in health.check(Anatomy(table), known, DEFAULT)}


@pytest.mark.parametrize("dtype", ["F32", "F16", "F64"])
def test_nan_and_infinity_are_told_apart_and_named(dtype: str) -> None:
    bad, huge = _noise(300, 300), _noise(300, 300)
    bad[299, 299] = numpy.nan
    huge[0, 5] = -numpy.inf
    issues = _check(
        _tensor("good", _noise(9, 9), dtype), _tensor("bad", bad, dtype),
        _tensor("huge", huge, dtype),
    )  # fmt: skip
    assert issues["nan"].tensors == ("bad",)
    assert issues["infinite"].tensors == ("huge",)
    assert issues["nan"].severity == "error"


def test_bf16_and_fp8_have_their_own_nan() -> None:
    def raw(name: str, dtype: str, data: bytes, count: int) -> Tensor:
        return Tensor(name, dtype, (count,), (1,), Storage(name, len(data), BytesSource(data)))

    issues = _check(
        raw("bf16", "BF16", b"\xc1\x7f\x00\x3f", 2), raw("bf16 infinite", "BF16", b"\x80\x7f", 1),
        raw("e4m3", "F8_E4M3", b"\x01\xff", 2), raw("e5m2", "F8_E5M2", b"\x7d\x02", 2),
        raw("largest e4m3", "F8_E4M3", b"\x7e\x01", 2),
    )  # fmt: skip
    assert issues["nan"].tensors == ("bf16", "e4m3", "e5m2")
    assert issues["infinite"].tensors == ("bf16 infinite",)


def test_big_endian_values_are_read_as_such() -> None:
    values = _noise(40, 40).astype(">f4")
    data = values.tobytes()
    tensor = Tensor("w", "F32", (40, 40), (40, 1), Storage("w", len(data), BytesSource(data)))
    assert "nan" not in _check(tensor, big_endian=True)


def test_blank_matrices_are_named_and_vectors_are_not() -> None:
    issues = _check(
        _tensor("w", _noise(8, 8)), _tensor("blank", numpy.zeros((8, 8))),
        _tensor("flat", numpy.full((8, 8), 2.5)), _tensor("bias", numpy.zeros(8)),
        _tensor("norm", numpy.ones(8)),
    )  # fmt: skip
    assert issues["zero"].tensors == ("blank",)
    assert issues["constant"].tensors == ("flat",)


def test_fp16_in_disguise_is_proven_value_by_value() -> None:
    half = _noise(200, 200).astype(numpy.float16).astype(numpy.float32)
    half[0, :4] = (65504.0, 2.0**-24, -(2.0**-14), 0.0)
    assert _check(_tensor("w", half))["fp16-in-fp32"].tensors == ("w",)


@pytest.mark.parametrize("value", [65520.0, 2.0**-25, 3.0 * 2.0**-25, 1.0 + 2.0**-11, 1e-40])
def test_one_value_that_fp16_cannot_hold_is_enough(value: float) -> None:
    half = _noise(200, 200).astype(numpy.float16).astype(numpy.float32)
    half[150, 3] = value
    assert "fp16-in-fp32" not in _check(_tensor("w", half))


def test_values_born_as_bf16_are_no_disguised_fp16() -> None:
    bits = (_noise(200, 200) * 1e-6).astype(numpy.float32).view(numpy.uint32) & 0xFFFF0000
    assert "fp16-in-fp32" not in _check(_tensor("w", bits.view(numpy.float32)))


def test_bf16_in_disguise_is_proven_value_by_value() -> None:
    # Too small for fp16, so that only bf16 holds them.
    bits = (_noise(200, 200) * 1e-6).astype(numpy.float32).view(numpy.uint32) & 0xFFFF0000
    issues = _check(_tensor("w", bits.view(numpy.float32)))
    assert issues["bf16-in-fp32"].tensors == ("w",)
    assert "--precision bf16" in issues["bf16-in-fp32"].message
    bits[150, 3] |= 1
    assert "bf16-in-fp32" not in _check(_tensor("w", bits.view(numpy.float32)))


def test_what_both_narrow_formats_hold_is_called_fp16() -> None:
    issues = _check(_tensor("w", numpy.round(_noise(200, 200) * 8)))
    assert "fp16-in-fp32" in issues
    assert "bf16-in-fp32" not in issues


@pytest.mark.parametrize("dtype", ["F32", "F64"])
@pytest.mark.parametrize(("value", "found"), [(65519.0, False), (-65520.0, True)])
def test_values_beyond_fp16_are_named(dtype: str, value: float, found: bool) -> None:
    values = _noise(200, 200)
    values[150, 3] = value
    issues = _check(_tensor("w", values, dtype))
    assert ("fp16-overflow" in issues) is found
    if found:
        assert issues["fp16-overflow"].tensors == ("w",)
        assert "--precision fp16" in issues["fp16-overflow"].message


def test_infinity_itself_is_not_beyond_fp16() -> None:
    values = _noise(200, 200)
    values[0, 0], values[0, 1] = numpy.inf, numpy.nan
    assert "fp16-overflow" not in _check(_tensor("w", values))


def _vae() -> dict[str, numpy.ndarray]:
    item = next(
        item for item in ARCHITECTURES if (item.name, item.layout) == ("vae-mini", "ldm-vae")
    )
    return {name: _noise(*shape) for name, shape in item.build().shapes.items()}


@pytest.mark.parametrize("damage", [None, 0.0, numpy.nan, numpy.inf])
def test_a_damaged_vae_is_named_as_such(damage: float | None) -> None:
    values = _vae()
    if damage is not None:
        values["decoder.conv_out.weight"][:] = damage
    # What training begins with is no damage.
    values["decoder.norm_out.bias"][:] = 0
    issues = _check(*(_tensor(f"first_stage_model.{name}", held) for name, held in values.items()))
    assert ("vae-damaged" in issues) is (damage is not None)
    if damage is not None:
        assert issues["vae-damaged"].tensors == ("first_stage_model.decoder.conv_out.weight",)


def test_only_a_digest_says_that_a_vae_overflows_in_fp16() -> None:
    tensors = [_tensor(f"first_stage_model.{name}", held) for name, held in _vae().items()]
    anatomy = Anatomy(TensorTable(tuple(tensors)))
    identity = identify(anatomy.table, format=Format.SAFETENSORS, limits=DEFAULT)
    digests = {item.vae_overflows: digest for digest, item in known.RELEASES.items()}
    for overflows, digest in digests.items():
        issues = health.check(anatomy, identity, DEFAULT, sha256=digest)
        assert ("vae-fp16" in {issue.issue for issue in issues}) is overflows


@pytest.mark.parametrize(("damage", "found"), [(0, False), (1, True)])
def test_position_ids_are_looked_at(damage: int, found: bool) -> None:
    ids = numpy.arange(77).reshape(1, 77)
    ids[0, 76] -= damage
    name = "cond_stage_model.transformer.text_model.embeddings.position_ids"
    issues = _check(_tensor(name, ids, "I64"))
    assert ("position-ids" in issues) is found
    if found:
        assert "place 76 holds 75" in issues["position-ids"].message
        assert "--fix position-ids" in issues["position-ids"].message


@pytest.mark.parametrize("dtype", ["F32", "F16"])
@pytest.mark.parametrize(("merged", "found"), [(76.0, False), (75.9375, True)])
def test_position_ids_that_a_merge_made_floats(dtype: str, merged: float, found: bool) -> None:
    ids = numpy.arange(77, dtype=numpy.float64).reshape(1, 77)
    ids[0, 76] = merged
    assert ("position-ids" in _check(_tensor("text_model.embeddings.position_ids", ids, dtype))
            ) is found  # fmt: skip


def test_stored_twice_is_a_duplicate_and_an_alias_is_not() -> None:
    values = _noise(64, 64)
    first, second = _tensor("a", values), _tensor("b", values)
    alias = Tensor("c", "F32", first.shape, first.stride, first.storage)
    assert _check(first, second, alias)["duplicate"].tensors == ("b",)
    assert "duplicate" not in _check(first, alias)


def test_alike_at_both_ends_only_is_no_duplicate() -> None:
    one = _noise(64, 64)
    other = one.copy()
    other[32, 32] += 1
    assert "duplicate" not in _check(_tensor("a", one), _tensor("b", other))


def test_a_transposed_view_is_looked_at_and_a_gap_is_not() -> None:
    values = _noise(20, 30)
    values[3, 3] = numpy.nan
    data = values.astype(numpy.float32).tobytes()
    storage = Storage("s", len(data), BytesSource(data))
    turned = Tensor("turned", "F32", (30, 20), (1, 30), storage)
    assert _check(turned)["nan"].tensors == ("turned",)
    # Its own elements are the even columns; the NaN lies in an odd one.
    gaps = Tensor("gaps", "F32", (20, 15), (30, 2), storage)
    assert "nan" not in _check(gaps)


def test_a_storage_that_cannot_be_read_is_an_issue() -> None:
    class Short(BytesSource):
        def _pread(self, offset: int, length: int) -> bytes:
            return b""

    tensor = Tensor("w", "F32", (4,), (1,), Storage("w", 16, Short(b"0" * 16)))
    assert _check(tensor)["unreadable"].tensors == ("w",)


def test_leftovers_of_training_are_named_with_their_remedy() -> None:
    issues = _check(
        _tensor("w", _noise(4, 4)), _tensor("optimizer_states.0.state.0.exp_avg", _noise(4, 4)),
        _tensor("first_stage_model.loss.discriminator.main.0.weight", _noise(4, 4)),
    )  # fmt: skip
    assert len(issues["training-leftovers"].tensors) == 2
    assert "--prune" in issues["training-leftovers"].message


def _model(ema: str, vae: State) -> Identity:
    parts = {
        "unet": Component(State.PARTIAL, "sd1", missing=("m",), misshapen=("s",)),
        "text_encoder": Component(State.ABSENT),
        "vae": Component(vae, "vae-4ch"),
    }
    return Identity("checkpoint", "sd1", components=parts, ema=ema)


def test_what_is_missing_or_absent_is_said() -> None:
    issues = _check(_tensor("model_ema.w", _noise(4, 4)), identity=_model("full", State.ABSENT))
    assert issues["missing"].tensors == ("m",)
    assert issues["misshapen"].tensors == ("s",)
    assert "--vae FILE" in issues["no-vae"].message
    assert "--vae FILE" not in issues["missing"].message
    assert "no-text-encoder" in issues
    assert "--prune" in issues["ema"].message
    plain = _check(_tensor("w", _noise(4, 4)), identity=_model("none", State.WHOLE))
    assert not {"ema", "no-vae"} & set(plain)


def test_a_gap_in_the_vae_has_a_remedy() -> None:
    parts = {"vae": Component(State.PARTIAL, "vae-4ch", missing=("m",), misshapen=("s",))}
    issues = _check(_tensor("w", _noise(4, 4)), identity=Identity("vae", components=parts))
    assert "--vae FILE" in issues["missing"].message
    assert "--vae FILE" in issues["misshapen"].message


def test_errors_come_first_and_progress_reaches_the_end() -> None:
    bad = _noise(400, 400)
    bad[0, 0] = numpy.nan
    table = TensorTable((_tensor("z", numpy.zeros((9, 9))), _tensor("bad", bad)))
    seen: list[tuple[int, int]] = []
    values = health.Values(big_endian=False)
    unreadable = weights.read(table, (values,), lambda *step: seen.append(step))
    found = health.check(Anatomy(table), Identity(), DEFAULT, values.found(unreadable))
    assert [issue.severity for issue in found] == ["error", "warning"]
    assert seen[-1][0] == seen[-1][1] == 9 * 9 * 4 + 400 * 400 * 4


def test_blocks_are_small_whatever_the_tensor(monkeypatch: pytest.MonkeyPatch) -> None:
    lengths: list[int] = []
    feed: Callable[[blocks.Scan, bytes, bool], None] = blocks.Scan.feed

    def spy(scan: blocks.Scan, block: bytes, swap: bool) -> None:
        lengths.append(len(block))
        feed(scan, block, swap)

    monkeypatch.setattr(blocks.Scan, "feed", spy)
    _check(_tensor("w", _noise(1024, 512)))
    assert sum(lengths) == 1024 * 512 * 4
    assert max(lengths) <= weights.BLOCK
