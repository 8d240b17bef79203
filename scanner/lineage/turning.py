"""Row-major order for tensors that were saved in another: a convolution that was trained in
channels-last keeps its strides in a pickle, each of its rows whole and in its place."""

from __future__ import annotations

from collections.abc import Iterator

from scanner.tensors import Tensor
from scanner.weights import prepare

#: Numbers of a row that is turned; the widest convolution known has 23,040.
_MOST = 4 * 1024 * 1024


class Turner:
    """Takes fp16 values as they lie, gives them back row-major, whole rows at a time."""

    def __init__(self, tensor: Tensor) -> None:
        inner = list(zip(tensor.shape[1:], tensor.stride[1:], strict=True))
        #: Inner dimensions as they lie, the outermost first.
        lying = sorted(range(len(inner)), key=lambda at: -inner[at][1])
        self._shape = tuple(inner[at][0] for at in lying)
        self._axes = (0, *(1 + lying.index(at) for at in range(len(inner))))
        self._row = 2 * tensor.numel // tensor.shape[0]
        self._waiting = bytearray()

    def turned(self, values: memoryview) -> Iterator[memoryview]:
        """The rows that are complete with ``values``."""
        numpy = prepare()
        self._waiting += values
        rows = len(self._waiting) // self._row
        if rows:
            whole = bytes(self._waiting[: rows * self._row])
            del self._waiting[: rows * self._row]
            lying = numpy.frombuffer(whole, "<u2").reshape(rows, *self._shape)
            yield numpy.ascontiguousarray(lying.transpose(self._axes)).view("u1").reshape(-1).data


def turns(tensor: Tensor) -> bool:
    """Whether every row (all that one first index holds) is a dense run, one after another."""
    if len(tensor.shape) < 2 or not tensor.numel:
        return False
    row = tensor.numel // tensor.shape[0]
    if row > _MOST or (tensor.shape[0] > 1 and tensor.stride[0] != row):
        return False
    inner = zip(tensor.shape[1:], tensor.stride[1:], strict=True)
    expected = 1
    for size, step in sorted(inner, key=lambda item: (item[1], item[0])):
        if size != 1 and step != expected:
            return False
        expected *= size
    return True
