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


@pytest.mark.parametrize(
    "header",
    [
        # numpy takes the last of two, and only a literal.
        f"{{'descr': '|O', 'fortran_order': False, {_of(chr(39) + '<f4' + chr(39))[1:]}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (__import__('os').system('x'),), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (-1,), }",
        "{'shape': (1,), 'fortran_order': False, 'descr': '|O', }",
    ],
)
def test_a_header_that_numpy_does_not_write_is_unreadable(header: str) -> None:
    found = read(_npy(header, EVIL))
    assert "numpy-header" in rules(found)
    assert "os.system" in imports(found)


@pytest.mark.parametrize(
    "descr", ["'<f4'", "'|S4'", "'<U1'", "[('a', '<i2'), ('b', '<i2')]", "'<M8[ns]'"]
)
def test_bytes_behind_an_array_are_reported(descr: str) -> None:
    size = 8 if "M8" in descr else 4
    assert not rules(read(_npy(_of(descr), bytes(size))))
    found = read(_npy(_of(descr), bytes(size) + EVIL))
    assert "bytes-left-over" in rules(found)
    assert "os.system" in imports(found)
