"""numpy's arrays: only element types that surely hold no objects are taken for plain bytes."""

from __future__ import annotations

import io

import numpy as np
import pytest

from scanner.report import Format
from tests.scanner.formats.files import EVIL, imports, read, rules


def _npy(header: str, body: bytes, version: int = 1) -> bytes:
    raw = header.ljust(117).encode() + b"\n"
    width = 2 if version == 1 else 4
    return b"\x93NUMPY" + bytes((version, 0)) + len(raw).to_bytes(width, "little") + raw + body


def _of(descr: str) -> str:
    return f"{{'descr': {descr}, 'fortran_order': False, 'shape': (1,), }}"


@pytest.mark.parametrize("version", [1, 2, 3])
@pytest.mark.parametrize(
    "descr",
    [
        "'|O'", "'O'", "'object'", "'object_'", r"'|\x4f'", r"'|\117'", "'obj' 'ect'", "'O8'",
        "[('a', '|O')]", "[('a', '<i4'), ('b', [('c', 'O')])]", "('O', (2,))",
        "{'names': ['a'], 'formats': ['O']}",
    ],
)  # fmt: skip
def test_a_pickle_behind_any_spelling_of_object_is_traced(descr: str, version: int) -> None:
    assert "os.system" in imports(read(_npy(_of(descr), EVIL, version)))


@pytest.mark.parametrize(
    "array",
    [
        np.zeros(2, np.float32), np.array(["a", "bc"]), np.array([b"a"]),
        np.array(["2020-01-01"], dtype="M8[D]"), np.zeros(1, dtype="V7"),
        np.zeros(2, dtype=[("Ordinal", "i4"), ("O", "f4", (2,)), ("n", [("x", "u1")])]),
    ],
)  # fmt: skip
def test_plain_elements_are_no_pickle(array: np.ndarray) -> None:
    file = io.BytesIO()
    np.save(file, array)
    found = read(file.getvalue())
    assert found.format is Format.NUMPY
    assert not found.traces
    assert not found.findings


def test_a_literal_that_python_cannot_parse_is_no_crash() -> None:
    found = read(_npy(_of("[" + "-" * 50_000 + "1]"), b""))
    assert "engine-error" not in rules(found)
