"""Tables without bytes: identity looks at names and shapes, and must not need more."""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

import pytest

from scanner.identify import identify
from scanner.limits import DEFAULT
from scanner.report import Format, Identity
from scanner.source import BytesSource
from scanner.tensors import Leaf, Storage, Tensor, TensorTable, contiguous_stride

CORPUS = Path(__file__).resolve().parents[4] / "shared" / "corpora" / "identify"

ABSENT = "needs the corpora beside the project, which are no part of it"
Shape = tuple[int, ...]


def tensor(name: str, shape: Shape, dtype: str = "F16", data: bytes = b"") -> Tensor:
    storage = Storage(name, len(data), BytesSource(data))
    return Tensor(name, dtype, shape, contiguous_stride(shape), storage, path=(name,))


def table(
    shapes: Mapping[str, Shape],
    dtype: str = "F16",
    metadata: Mapping[str, str] | None = None,
    leaves: tuple[Leaf, ...] = (),
) -> TensorTable:
    tensors = tuple(tensor(name, shape, dtype) for name, shape in shapes.items())
    return TensorTable(tensors, metadata or {}, leaves)


def identity(held: TensorTable, **known: str) -> Identity:
    return identify(held, format=Format.SAFETENSORS, limits=DEFAULT, **known)


@pytest.fixture
def make_table() -> Callable[..., TensorTable]:
    return table


@pytest.fixture
def make_tensor() -> Callable[..., Tensor]:
    return tensor


@pytest.fixture
def known_as() -> Callable[..., Identity]:
    return identity


@pytest.fixture
def listing() -> Callable[[str], TensorTable]:
    """A listing of the corpus as a table, read by its rules: ``?`` is F16, -1 is 8."""

    return _read


@cache
def _read(name: str) -> TensorTable:
    if not CORPUS.is_dir():
        pytest.skip(ABSENT)
    with gzip.open(CORPUS / name, "rt") as file:
        body = json.load(file)
    dtypes = {"?": "F16", "int32": "I32"}
    tensors = tuple(
        tensor(key, tuple(8 if size == -1 else size for size in shape), dtypes.get(dtype, dtype))
        for key, (dtype, shape) in body["tensors"].items()
    )
    metadata = body["metadata"] or {}
    texts = {key: value for key, value in metadata.items() if isinstance(value, str)}
    return TensorTable(tensors, texts)


def labels() -> list[dict[str, str]]:
    """The corpus's labels, or one row that will be skipped."""
    if not CORPUS.is_dir():
        return [{"file": "", "kind": "", "base": "", "variant": "", "rank": ""}]
    with (CORPUS / "labels.tsv").open() as file:
        return list(csv.DictReader(file, delimiter="\t"))


def _has_ema(file: str) -> bool:
    with gzip.open(CORPUS / file, "rt") as listing:
        return any(name.startswith("model_ema.diffusion") for name in json.load(listing)["tensors"])


#: What the rows of a test's argument must be.
_CHOICES: Mapping[str, Callable[[dict[str, str]], bool]] = {
    "label": lambda row: True,
    "ranked": lambda row: bool(row["rank"]),
    "lycoris": lambda row: row["file"].startswith("generated_lycoris"),
    "checkpoint": lambda row: row["kind"] == "checkpoint",
    "sd1_checkpoint": lambda row: (row["kind"], row["base"]) == ("checkpoint", "sd1"),
    "ema_checkpoint": lambda row: row["kind"] == "checkpoint" and _has_ema(row["file"]),
}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    for name, wanted in _CHOICES.items():
        if name in metafunc.fixturenames:
            rows = [row for row in labels() if not row["file"] or wanted(row)]
            metafunc.parametrize(name, rows, ids=[row["file"].split(".")[0] for row in rows])
