"""A pickle of protocol 2, written opcode by opcode as torch.save would. Nothing is pickled."""

from __future__ import annotations

import struct
from collections.abc import Mapping

from scanner.errors import EngineError
from scanner.tensors import contiguous_stride
from scanner.writer.arrays import Array, Tree

#: torch's name for a storage of each dtype. Newer dtypes have none that old loaders know.
_STORAGES: Mapping[str, str] = {
    "F64": "DoubleStorage", "F32": "FloatStorage", "F16": "HalfStorage", "BF16": "BFloat16Storage",
    "I64": "LongStorage", "I32": "IntStorage", "I16": "ShortStorage", "I8": "CharStorage",
    "U8": "ByteStorage", "BOOL": "BoolStorage",
}  # fmt: skip
#: Dtypes that a torch file can be written with.
DTYPES = frozenset(_STORAGES)
_DEPTH = 100
_SMALL_TUPLES = {0: b")", 1: b"\x85", 2: b"\x86", 3: b"\x87"}


class Pickle:
    """Collects opcodes, and the arrays in the order of their storage keys: "0", "1", …"""

    def __init__(self) -> None:
        self._out = bytearray(b"\x80\x02")
        self._memo: dict[tuple[str, str], int] = {}
        self.arrays: list[Array] = []

    def finished(self, tree: Tree) -> bytes:
        """The whole pickle of ``tree``."""
        self._value(tree, 0)
        return bytes(self._out + b".")

    def _value(self, tree: Tree, depth: int) -> None:
        if depth > _DEPTH:
            raise EngineError("writer.depth", f"nested more than {_DEPTH} deep")
        match tree:
            case None:
                self._out += b"N"
            case bool():
                self._out += b"\x88" if tree else b"\x89"
            case int():
                self._integer(tree)
            case float():
                self._out += b"G" + struct.pack(">d", tree)
            case str():
                self._text(tree)
            case Array():
                self._array(tree)
            case list():
                self._list(tree, depth)
            case tuple():
                self._tuple(tree, depth)
            case Mapping():
                self._dict(tree, depth)
            case _:
                raise EngineError("writer.type", type(tree).__name__)

    def _integer(self, value: int) -> None:
        if 0 <= value < 1 << 8:
            self._out += b"K" + struct.pack("<B", value)
        elif 0 <= value < 1 << 16:
            self._out += b"M" + struct.pack("<H", value)
        elif -(1 << 31) <= value < 1 << 31:
            self._out += b"J" + struct.pack("<i", value)
        else:
            size = value.bit_length() // 8 + 1
            if size > 255:
                raise EngineError("writer.type", "an integer of more than 255 bytes")
            self._out += (
                b"\x8a" + struct.pack("<B", size) + value.to_bytes(size, "little", signed=True)
            )

    def _text(self, value: str) -> None:
        data = value.encode()
        self._out += b"X" + struct.pack("<I", len(data)) + data

    def _list(self, items: list[Tree], depth: int) -> None:
        self._out += b"]("
        for item in items:
            self._value(item, depth + 1)
        self._out += b"e"

    def _tuple(self, items: tuple[Tree, ...], depth: int) -> None:
        small = _SMALL_TUPLES.get(len(items))
        self._out += b"(" if small is None else b""
        for item in items:
            self._value(item, depth + 1)
        self._out += small or b"t"

    def _dict(self, items: Mapping[str | int, Tree], depth: int) -> None:
        self._out += b"}("
        for key, item in items.items():
            self._value(key, depth + 1)
            self._value(item, depth + 1)
        self._out += b"u"

    def _global(self, module: str, name: str) -> None:
        known = self._memo.get((module, name))
        if known is not None:
            self._out += b"h" + struct.pack("<B", known)
            return
        # There are fewer names than a byte counts.
        self._memo[module, name] = len(self._memo)
        self._out += f"c{module}\n{name}\n".encode() + b"q" + struct.pack("<B", len(self._memo) - 1)

    def _array(self, array: Array) -> None:
        storage = _STORAGES.get(array.dtype)
        if storage is None:
            raise EngineError("writer.dtype", f"torch has no named storage for {array.dtype}")
        key = str(len(self.arrays))
        self.arrays.append(array)
        # _rebuild_tensor_v2(storage, offset, size, stride, requires_grad, hooks)
        self._global("torch._utils", "_rebuild_tensor_v2")
        self._out += b"(("
        self._text("storage")
        self._global("torch", storage)
        self._text(key)
        self._text("cpu")
        self._integer(array.numel)
        self._out += b"tQ"
        self._integer(0)
        self._tuple(array.shape, 0)
        self._tuple(contiguous_stride(array.shape), 0)
        self._out += b"\x89"
        self._global("collections", "OrderedDict")
        self._out += b")RtR"
