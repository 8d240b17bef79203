"""The file is the one that the safetensors library would write, byte for byte."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import save

from scanner.convert import layout, plan
from scanner.errors import Refused
from scanner.source import BytesSource
from scanner.tensors import Storage, Tensor, contiguous_stride

_DTYPES = {
    "U64": torch.uint64, "I64": torch.int64, "F64": torch.float64, "C64": torch.complex64,
    "F32": torch.float32, "U32": torch.uint32, "I32": torch.int32, "BF16": torch.bfloat16,
    "F16": torch.float16, "U16": torch.uint16, "I16": torch.int16, "F8_E5M2": torch.float8_e5m2,
    "F8_E4M3": torch.float8_e4m3fn, "I8": torch.int8, "U8": torch.uint8, "BOOL": torch.bool,
    "F8_E5M2FNUZ": torch.float8_e5m2fnuz, "F8_E4M3FNUZ": torch.float8_e4m3fnuz,
    "F8_E8M0": torch.float8_e8m0fnu,
}  # fmt: skip


def piece(name: str, dtype: str, shape: tuple[int, ...]) -> plan.Piece:
    storage = Storage("0", 1 << 20, BytesSource(bytes(1 << 20)))
    return plan.piece(Tensor(name, dtype, shape, contiguous_stride(shape), storage), -1)


def test_header_order_and_padding_are_the_librarys_own() -> None:
    shapes = [(3,), (2, 5), (), (0, 4)]
    given = {
        f"{'zéb'[at % 3]}.{dtype}.{at}": (dtype, shapes[at % 4]) for at, dtype in enumerate(_DTYPES)
    }
    tensors = {
        name: torch.zeros(shape, dtype=torch.uint8).to(_DTYPES[dtype])
        for name, (dtype, shape) in given.items()
    }
    pieces = tuple(piece(name, dtype, shape) for name, (dtype, shape) in given.items())
    ours = layout.lay_out(plan.Plan(pieces, {"format": "pt"}))
    theirs = save(tensors, {"format": "pt"})
    assert theirs.startswith(ours.header)
    assert ours.size == len(theirs)


def test_a_dtype_without_a_word_in_safetensors_is_refused_by_name() -> None:
    with pytest.raises(Refused, match="C128: phases"):
        layout.lay_out(plan.Plan((piece("phases", "C128", (2,)),)))


def test_a_name_that_is_no_text_is_refused() -> None:
    with pytest.raises(Refused, match=r"convert\.name"):
        layout.lay_out(plan.Plan((piece("\udc80", "F32", (2,)),)))


def test_a_header_that_readers_would_not_accept_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layout, "_LARGEST_HEADER", 100)
    with pytest.raises(Refused, match=r"convert\.header"):
        layout.lay_out(plan.Plan(tuple(piece(f"n{at}", "F32", (1,)) for at in range(9))))


def test_the_tensors_follow_the_header_without_gap_or_overlap() -> None:
    pieces = tuple(piece(f"{at:04}", "F16", (3,)) for at in range(2000))
    laid = layout.lay_out(plan.Plan(pieces))
    assert len(laid.header) % 8 == 0
    starts = [placed.start for placed in laid.placed]
    assert starts == sorted(starts)
    assert starts[0] == len(laid.header)
    assert laid.size == len(laid.header) + 2000 * 6
