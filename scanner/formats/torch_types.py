"""torch's names for element types, and what safetensors calls them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Element(NamedTuple):
    """``dtype`` is None where safetensors has no such type: quantised integers."""

    dtype: str | None
    size: int


_STORAGES: Mapping[str, Element] = {
    "FloatStorage": Element("F32", 4),
    "DoubleStorage": Element("F64", 8),
    "HalfStorage": Element("F16", 2),
    "BFloat16Storage": Element("BF16", 2),
    "LongStorage": Element("I64", 8),
    "IntStorage": Element("I32", 4),
    "ShortStorage": Element("I16", 2),
    "CharStorage": Element("I8", 1),
    "ByteStorage": Element("U8", 1),
    "BoolStorage": Element("BOOL", 1),
    "ComplexFloatStorage": Element("C64", 8),
    "ComplexDoubleStorage": Element("C128", 16),
    "UntypedStorage": Element("U8", 1),
    "QInt8Storage": Element(None, 1),
    "QUInt8Storage": Element(None, 1),
    "QInt32Storage": Element(None, 4),
    "QUInt4x2Storage": Element(None, 1),
    "QUInt2x4Storage": Element(None, 1),
}

_DTYPES: Mapping[str, Element] = {
    "float32": Element("F32", 4),
    "float": Element("F32", 4),
    "float64": Element("F64", 8),
    "double": Element("F64", 8),
    "float16": Element("F16", 2),
    "half": Element("F16", 2),
    "bfloat16": Element("BF16", 2),
    "float8_e4m3fn": Element("F8_E4M3", 1),
    "float8_e5m2": Element("F8_E5M2", 1),
    "float8_e4m3fnuz": Element("F8_E4M3FNUZ", 1),
    "float8_e5m2fnuz": Element("F8_E5M2FNUZ", 1),
    "float8_e8m0fnu": Element("F8_E8M0", 1),
    "int64": Element("I64", 8),
    "long": Element("I64", 8),
    "int32": Element("I32", 4),
    "int": Element("I32", 4),
    "int16": Element("I16", 2),
    "short": Element("I16", 2),
    "int8": Element("I8", 1),
    "uint8": Element("U8", 1),
    "uint16": Element("U16", 2),
    "uint32": Element("U32", 4),
    "uint64": Element("U64", 8),
    "bool": Element("BOOL", 1),
    "complex64": Element("C64", 8),
    "complex128": Element("C128", 16),
}


def storage_element(module: str, name: str) -> Element | None:
    """Of ``torch.FloatStorage`` and its kin, on the CPU or on a GPU."""
    if module not in ("torch", "torch.cuda", "torch.storage"):
        return None
    return _STORAGES.get(name)


def dtype_element(module: str, name: str) -> Element | None:
    """Of ``torch.uint16`` and its kin."""
    return _DTYPES.get(name) if module == "torch" else None
