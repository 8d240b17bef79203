"""What torch saves, whole or in views, converts to what torch would load, bit for bit."""

from __future__ import annotations

import io
import struct
import tarfile
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file

from scanner.convert import to_file

_DTYPES = [
    torch.float32, torch.float16, torch.bfloat16, torch.float64, torch.int64, torch.int32,
    torch.int16, torch.int8, torch.uint8, torch.bool, torch.uint16, torch.float8_e4m3fn,
    torch.float8_e5m2, torch.complex64,
]  # fmt: skip
_LEGACY_DTYPES = _DTYPES[:10]
_FORMS = [
    {},
    {"pickle_protocol": 4},
    {"_use_new_zipfile_serialization": False},
    {"_use_new_zipfile_serialization": False, "pickle_protocol": 3},
]


def bits(tensor: torch.Tensor) -> bytes:
    # Not contiguous(): of a dimension of one, it leaves any stride.
    fresh = torch.empty(tensor.numel(), dtype=tensor.dtype)
    fresh.copy_(tensor.detach().reshape(-1))
    return fresh.view(torch.uint8).numpy().tobytes()


def assert_equal(path: Path, expected: Mapping[str, torch.Tensor]) -> None:
    target = path.with_suffix(".safetensors")
    done = to_file(path, target)
    loaded = load_file(target)
    assert set(loaded) == set(expected)
    assert done.tensors == len(expected)
    for name, tensor in expected.items():
        got = loaded[name]
        assert (got.dtype, got.shape) == (tensor.dtype, tensor.shape), name
        assert bits(got) == bits(tensor), name


@st.composite
def tensors(draw: st.DrawFn, dtypes: list[torch.dtype]) -> torch.Tensor:
    """A tensor of random bits, or a view of one."""
    dtype = draw(st.sampled_from(dtypes))
    shape = draw(st.lists(st.integers(0, 6), max_size=4))
    count = max(torch.Size(shape).numel(), 1) * dtype.itemsize
    seed = draw(st.integers(0, 1 << 30))
    raw = torch.randint(0, 256, (count,), generator=torch.Generator().manual_seed(seed))
    if dtype is torch.bool:
        raw %= 2
    flat = raw.to(torch.uint8).view(dtype)
    tensor = flat[: torch.Size(shape).numel()].reshape(shape)
    match draw(st.integers(0, 5)):
        case 1 if tensor.dim() > 1:
            return tensor.transpose(0, -1)
        case 2 if tensor.dim():
            return tensor[tensor.shape[0] // 2 :]
        case 3 if tensor.dim():
            return tensor[..., ::2]
        case 4:
            return tensor.expand(3, *tensor.shape)
        case 5 if dtype.is_floating_point:
            return torch.nn.Parameter(tensor, requires_grad=draw(st.booleans()))
    return tensor


@st.composite
def state_dicts(draw: st.DrawFn, dtypes: list[torch.dtype]) -> dict[str, torch.Tensor]:
    names = st.text("abz.é_0", min_size=1, max_size=12).filter(lambda name: name.strip("."))
    named = draw(st.dictionaries(names, tensors(dtypes), min_size=1, max_size=8))
    if draw(st.booleans()):
        # The same storage under a second name.
        named["tied.weight"] = next(iter(named.values()))
    return named


@settings(max_examples=40, deadline=None)
@given(st.data(), st.sampled_from(_FORMS), st.sampled_from([None, "state_dict"]))
def test_random_trees_convert_to_what_torch_loads(
    data: st.DataObject, form: dict[str, object], wrapper: str | None
) -> None:
    legacy = "_use_new_zipfile_serialization" in form
    given = data.draw(state_dicts(_LEGACY_DTYPES if legacy else _DTYPES))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.ckpt")
        tree = {wrapper: given, "global_step": 7} if wrapper else given
        torch.save(tree, path, **form)  # type: ignore[arg-type]
        # We made it just now; the safe loader does not know every protocol.
        loaded = torch.load(path, weights_only=False)
        assert_equal(path, loaded[wrapper] if wrapper else loaded)


def rewritten(path: Path, *, method: int = zipfile.ZIP_STORED, big: bool = False) -> Path:
    """The same torch file with its members compressed, or its four-byte elements big-endian."""
    out = path.with_name(f"rewritten-{path.name}")
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(out, "w", method) as new:
        for name in old.namelist():
            data = old.read(name)
            if big and "/data/" in name:
                data = struct.pack(
                    f">{len(data) // 4}I", *struct.unpack(f"<{len(data) // 4}I", data)
                )
            new.writestr(name, b"big" if big and name.endswith("byteorder") else data)
    return out


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    path = tmp_path / "model.ckpt"
    base = torch.arange(600, dtype=torch.float32).reshape(20, 30)
    torch.save({"state_dict": {"a": base, "b": base.t(), "c": torch.randn(9)}}, path)
    return path


def test_deflated_members_are_inflated(plain: Path) -> None:
    path = rewritten(plain, method=zipfile.ZIP_DEFLATED)
    assert_equal(path, torch.load(plain, weights_only=True)["state_dict"])


def test_big_endian_files_are_turned_round(plain: Path) -> None:
    path = rewritten(plain, big=True)
    expected = torch.load(path, weights_only=True)["state_dict"]
    assert torch.equal(expected["a"], torch.arange(600.0).reshape(20, 30))
    assert_equal(path, expected)


def test_a_file_saved_into_a_stream_converts(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    torch.save({"w": torch.randn(4, 4)}, buffer)
    path = tmp_path / "streamed.bin"
    path.write_bytes(buffer.getvalue())
    assert_equal(path, torch.load(path, weights_only=True))


def test_a_plain_tar_is_no_model(tmp_path: Path) -> None:
    from scanner.errors import Refused

    path = tmp_path / "x.tar"
    with tarfile.open(path, "w") as tar:
        tar.addfile(tarfile.TarInfo("readme"))
    with pytest.raises(Refused):
        to_file(path, tmp_path / "x.safetensors")
    assert [item.name for item in tmp_path.iterdir()] == ["x.tar"]


def test_safetensors_come_out_equal_and_keep_their_metadata(tmp_path: Path) -> None:
    from safetensors import safe_open
    from safetensors.torch import save_file

    path, target = tmp_path / "in.safetensors", tmp_path / "out.safetensors"
    given = {"a": torch.randn(3, 5), "b": torch.arange(4)}
    save_file(given, path, {"ss_base_model_version": "sd_v1"})
    to_file(path, target)
    loaded = load_file(target)
    assert all(torch.equal(loaded[name], tensor) for name, tensor in given.items())
    with safe_open(target, "pt") as opened:
        assert opened.metadata()["ss_base_model_version"] == "sd_v1"
        assert opened.metadata()["format"] == "pt"
