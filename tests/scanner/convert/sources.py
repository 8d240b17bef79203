"""Files for a conversion's tests: genuine ones by torch, in every form that torch ever read, and
what torch makes of them. Hostile ones are built elsewhere, and are never loaded."""

from __future__ import annotations

import io
import pickle
import struct
import tarfile
import zipfile
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file

from scanner.convert import Conversion, to_file

Name = tuple[str | int, ...]


def bits(tensor: torch.Tensor) -> bytes:
    """The elements in order, as they are in memory: not a number is not equal to itself."""
    # Not contiguous(): of a dimension of one, it leaves any stride.
    fresh = torch.empty(tensor.numel(), dtype=tensor.dtype)
    fresh.copy_(tensor.detach().reshape(-1))
    return fresh.view(torch.uint8).numpy().tobytes()


def assert_equal(path: Path, expected: Mapping[str, torch.Tensor]) -> Conversion:
    """Converts ``path`` and finds ``expected`` in the result, and nothing else."""
    target = path.with_suffix(".safetensors")
    done = to_file(path, target)
    loaded = load_file(target)
    assert set(loaded) == set(expected)
    assert done.tensors == len(expected)
    for name, tensor in expected.items():
        got = loaded[name]
        assert (got.dtype, got.shape) == (tensor.dtype, tensor.shape), name
        assert bits(got) == bits(tensor), name
    return done


def loaded(path: Path) -> object:
    """What torch makes of a file that we made just now. The safe loader reads protocol 2 alone."""
    try:
        return torch.load(path, weights_only=True)
    except pickle.UnpicklingError:
        return torch.load(path, weights_only=False)


def flat(value: object, way: Name = ()) -> Iterator[tuple[Name, object]]:
    """Every leaf of a loaded tree with the keys that lead to it."""
    if isinstance(value, torch.nn.ParameterDict):
        value = dict(value.items())
    if isinstance(value, torch.nn.ParameterList):
        value = list(value)
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from flat(item, (*way, key))
    elif isinstance(value, (list, tuple)) and not isinstance(value, torch.Size):
        for number, item in enumerate(value):
            yield from flat(item, (*way, number))
    else:
        yield way, value


# -- other forms of the same file ----------------------------------------------------------------


def rewritten(
    path: Path,
    *,
    method: int = zipfile.ZIP_STORED,
    byteorder: bytes | None = None,
    streamed: bool = False,
    zip64: bool = False,
) -> Path:
    """The same torch file with its members compressed; with another ``byteorder`` (the elements
    stay as they lie, so they mean something else); written into a pipe, which puts the sizes
    behind the data; or with 64-bit sizes throughout."""
    out = path.with_name(f"rewritten-{path.name}")
    with out.open("wb") as file, zipfile.ZipFile(path) as old:
        into = _Pipe(file) if streamed else file
        with zipfile.ZipFile(into, "w") as new:  # type: ignore[arg-type]
            for name in old.namelist():
                data = old.read(name)
                if byteorder is not None and name.endswith("/byteorder"):
                    data = byteorder
                member = zipfile.ZipInfo(name)
                member.compress_type = method
                with new.open(member, "w", force_zip64=zip64) as written:
                    written.write(data)
    return out


class _Pipe:
    """A file that can only be written forwards."""

    def __init__(self, file: io.BufferedWriter) -> None:
        self._file = file

    def write(self, data: bytes) -> int:
        return self._file.write(data)

    def flush(self) -> None:
        self._file.flush()


def tarred(state: Mapping[str, torch.Tensor], path: Path, *, views: bool = False) -> Path:
    """``state`` as the first releases of torch saved it. With ``views`` every tensor looks into a
    part of its storage that has a name of its own, as those releases wrote shared storages."""
    storages: dict[int, tuple[int, torch.Tensor]] = {}
    for tensor in state.values():
        storages.setdefault(_address(tensor), (100 + len(storages), tensor))
    parts = [
        (300 + number, storages[_address(tensor)][0], *_span(tensor))
        for number, tensor in enumerate(state.values())
    ]
    tensors = b"".join(
        _tensor(200 + number, tensor, part[0] if views else part[1], part[2] if views else 0)
        for number, (tensor, part) in enumerate(zip(state.values(), parts, strict=True))
    )
    wide = pickle.dumps(len(state), 2) + tensors
    with tarfile.open(path, "w") as tar:
        for name, data in (
            ("sys_info", pickle.dumps({"protocol_version": 1000, "little_endian": True}, 2)),
            ("pickle", _pointing({name: 200 + n for n, name in enumerate(state)})),
            ("tensors", wide),
            ("storages", _storages(storages.values(), parts if views else [])),
        ):
            record = tarfile.TarInfo(name)
            record.size = len(data)
            tar.addfile(record, io.BytesIO(data))
    return path


def _address(tensor: torch.Tensor) -> int:
    return tensor.untyped_storage().data_ptr()


def _span(tensor: torch.Tensor) -> tuple[int, int]:
    """The first element of the storage that the tensor uses, and how many up to the last."""
    if not tensor.numel():
        return 0, 0
    steps = zip(tensor.shape, tensor.stride(), strict=True)
    return tensor.storage_offset(), 1 + sum((size - 1) * step for size, step in steps)


def _storages(
    storages: Iterable[tuple[int, torch.Tensor]], views: list[tuple[int, int, int, int]]
) -> bytes:
    """A count; each storage's key, element count and elements; the views."""
    found = list(storages)
    data = pickle.dumps(len(found), 2)
    for key, tensor in found:
        kind = getattr(torch, tensor.type().rpartition(".")[2].replace("Tensor", "Storage"))
        raw = bytes(tensor.untyped_storage().tolist())
        data += pickle.dumps((key, "cpu", kind), 2)
        data += struct.pack("<q", len(raw) // tensor.element_size()) + raw
    return data + pickle.dumps(views, 2)


def _tensor(key: int, tensor: torch.Tensor, storage: int, skipped: int) -> bytes:
    dims = tensor.dim()
    numbers = (*tensor.shape, *tensor.stride(), max(tensor.storage_offset() - skipped, 0))
    head = pickle.dumps((key, storage, torch.FloatTensor), 2)
    return head + struct.pack("<ii", dims, 0) + struct.pack(f"<{2 * dims + 1}q", *numbers)


class _Pointer:
    def __init__(self, key: int) -> None:
        self.key = key


class _Pickler(pickle.Pickler):
    def persistent_id(self, value: object) -> int | None:
        return value.key if isinstance(value, _Pointer) else None


def _pointing(keys: Mapping[str, int]) -> bytes:
    """The dict, with a persistent id where each tensor would be."""
    file = io.BytesIO()
    _Pickler(file, 2).dump(OrderedDict((name, _Pointer(key)) for name, key in keys.items()))
    return file.getvalue()
