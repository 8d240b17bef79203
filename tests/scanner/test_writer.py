"""What we write, torch loads with nothing but plain values allowed."""

from __future__ import annotations

import io
import os
import struct
import tracemalloc
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from scanner import reading, safety
from scanner.convert import to_file
from scanner.errors import EngineError, FileError
from scanner.limits import DEFAULT, MIB
from scanner.report import Tier, Verdict
from scanner.source import FileSource
from scanner.writer import Array, Tree, hypernetwork_tree, write_torch_zip

_NUMPY = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "I16": "<i2",
    "I8": "<i1", "U8": "<u1", "BOOL": "?",
}  # fmt: skip


def written(tmp_path: Path, tree: Tree) -> Path:
    path = tmp_path / "model.pt"
    write_torch_zip(path, tree)
    return path


def loaded(path: Path) -> object:
    return torch.load(path, weights_only=True)


def floats(*shape: int) -> Array:
    values = np.arange(np.prod(shape), dtype="<f4")
    return Array.of_bytes("F32", shape, values.tobytes())


@pytest.mark.parametrize("dtype", _NUMPY)
def test_every_dtype_comes_back_bit_for_bit(tmp_path: Path, dtype: str) -> None:
    values = np.array([[0, 1, 1], [1, 0, 1]]).astype(_NUMPY[dtype])
    tree = loaded(written(tmp_path, {"x": Array.of_bytes(dtype, (2, 3), values.tobytes())}))
    assert isinstance(tree, dict)
    assert torch.equal(tree["x"], torch.from_numpy(values))


def test_a_bfloat_comes_back(tmp_path: Path) -> None:
    data = torch.tensor([1.5, -2.0], dtype=torch.bfloat16)
    raw = data.view(torch.uint8).numpy().tobytes()
    tree = loaded(written(tmp_path, {"x": Array.of_bytes("BF16", (2,), raw)}))
    assert isinstance(tree, dict)
    assert torch.equal(tree["x"], data)


def test_plain_values_come_back_as_they_were(tmp_path: Path) -> None:
    tree: Tree = {
        "text": "é\n'\"", "none": None, "yes": True, "no": False, "float": -1.5e300,
        "ints": [0, 255, 256, 65535, 65536, -1, -(2**31), 2**31, 2**63, -(2**70)],
        "tuples": ((), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4)),
        "nested": {"list": [[], [{}]]}, 320: "a number for a key",
    }  # fmt: skip
    assert loaded(written(tmp_path, tree)) == tree


def test_scalars_and_empty_tensors_keep_their_shape(tmp_path: Path) -> None:
    tree = loaded(written(tmp_path, {"s": floats(), "z": Array.of_bytes("F32", (0, 3), b"")}))
    assert isinstance(tree, dict)
    assert tree["s"].shape == ()
    assert tree["z"].shape == (0, 3)


def test_members_are_stored_aligned_and_their_checksums_hold(tmp_path: Path) -> None:
    path = written(tmp_path, {f"layer.{at}": floats(at + 1) for at in range(20)})
    data = path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        for info in archive.infolist():
            names, extras = struct.unpack_from("<2H", data, info.header_offset + 26)
            start = info.header_offset + 30 + names + extras
            assert info.compress_type == zipfile.ZIP_STORED
            assert start % 64 == 0
            assert zlib.crc32(data[start : start + info.file_size]) == info.CRC


def test_our_own_judgement_is_clean_with_known_names_only(tmp_path: Path) -> None:
    path = written(tmp_path, {"state_dict": {"w": floats(2, 2)}, "epoch": 3})
    with path.open("rb") as file:
        judged = safety.judge(reading.read(FileSource(file.fileno()), DEFAULT), DEFAULT)
    assert judged.verdict is Verdict.CLEAN
    assert {use.tier for use in judged.globals} == {Tier.KNOWN}
    assert "torch._utils._rebuild_tensor_v2" in {use.name for use in judged.globals}


def test_what_we_write_converts_to_what_torch_loads(tmp_path: Path) -> None:
    from safetensors.torch import load_file

    path = written(tmp_path, {"state_dict": {"w": floats(5, 3), "b": floats(5)}})
    to_file(path, tmp_path / "out.safetensors")
    ours, theirs = load_file(tmp_path / "out.safetensors"), loaded(path)
    assert isinstance(theirs, dict)
    assert all(torch.equal(ours[name], theirs["state_dict"][name]) for name in ("w", "b"))


def test_a_large_array_streams_through_little_memory(tmp_path: Path) -> None:
    block = bytes(MIB)

    def chunks() -> Iterator[bytes]:
        for _ in range(64):
            yield block

    tracemalloc.start()
    write_torch_zip(tmp_path / "x.pt", {"x": Array("U8", (64, MIB), chunks)})
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 * MIB


def test_records_beyond_four_gibibytes_are_found(tmp_path: Path) -> None:
    """Headers only: the bytes of the large member are a hole in the file."""
    from scanner.writer.torch_zip import Archive

    path, size = tmp_path / "large.zip", (1 << 32) + 5
    with path.open("xb") as file:
        archive = Archive(file.fileno())
        archive.add("first", b"1")
        start = archive._at
        archive._members.append(_hole(size, start))
        archive._at += size
        archive.add("last", b"2")
        archive.close()
    with zipfile.ZipFile(path) as opened:
        infos = {info.filename: info for info in opened.infolist()}
        assert infos["large"].file_size == size
        assert infos["last"].header_offset > 1 << 32
        assert opened.read("last") == b"2"


def _hole(size: int, at: int) -> object:
    from scanner.writer.torch_zip import _Member

    return _Member(b"large", size, 0, at)


def test_an_array_that_lies_about_its_size_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=r"writer\.size"):
        written(tmp_path, {"x": Array.of_bytes("F32", (4,), bytes(15))})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("tree", "code"),
    [
        ({"x": Array.of_bytes("F8_E4M3", (1,), b"0")}, "writer.dtype"),
        ({"x": b"bytes have no opcode in protocol 2"}, "writer.type"),
        ({"x": 1 << 4000}, "writer.type"),
    ],
)
def test_what_has_no_plain_form_is_refused(tmp_path: Path, tree: Tree, code: str) -> None:
    with pytest.raises(EngineError, match=code):
        written(tmp_path, tree)


def test_a_tree_without_end_is_refused(tmp_path: Path) -> None:
    tree: list[Tree] = []
    tree.append(tree)
    with pytest.raises(EngineError, match=r"writer\.depth"):
        written(tmp_path, tree)


def test_a_hypernetwork_gets_its_pairs_of_nets_back(tmp_path: Path) -> None:
    names = [f"{dim}.{net}.linear.0.weight" for dim in (640, 320) for net in (0, 1)]
    facts = {"layer_structure": "[1, 2, 1]", "activation_func": "relu", "name": "h", "step": "7"}
    arrays = {name: floats(2, 3) for name in names}
    tree = loaded(written(tmp_path, hypernetwork_tree(arrays, facts)))
    assert isinstance(tree, dict)
    assert [key for key in tree if isinstance(key, int)] == [320, 640]
    assert isinstance(tree[320], tuple)
    assert torch.equal(tree[640][1]["linear.0.weight"], torch.arange(6.0).reshape(2, 3))
    assert (tree["layer_structure"], tree["activation_func"], tree["step"]) == (
        [1, 2, 1],
        "relu",
        7,
    )


def test_other_tensors_are_no_hypernetwork() -> None:
    with pytest.raises(FileError, match=r"writer\.hypernetwork"):
        hypernetwork_tree({"model.weight": floats(1)}, {})


def test_an_open_file_can_be_the_target() -> None:
    with open(os.memfd_create("model"), "r+b") as file:  # noqa: PTH123
        write_torch_zip(file.fileno(), {"x": floats(3)})
        tree = torch.load(io.BytesIO(file.read()), weights_only=True)
    assert torch.equal(tree["x"], torch.arange(3.0))
