"""The file's list of tensors, for whoever wants to look through it without the file."""

from __future__ import annotations

from scanner.identify.anatomy import Anatomy
from scanner.limits import Limits
from scanner.report import Tensors


def listed(anatomy: Anatomy, limits: Limits) -> Tensors:
    """Every tensor in the order of the file, as long as the list has room: there is a bound on
    the rows, and one on the characters of their names."""
    rows: list[tuple[str, str, tuple[int, ...], str, int]] = []
    room = limits.listed_chars
    for tensor in anatomy.table:
        room -= len(tensor.name)
        if len(rows) == limits.listed_tensors or room < 0:
            break
        owner = anatomy.owners[tensor.name]
        rows.append((_safe(tensor.name), tensor.dtype, tensor.shape, owner, tensor.nbytes))
    return Tensors(len(anatomy.table), len(anatomy.table) - len(rows), tuple(rows))


def _safe(name: str) -> str:
    """Lone surrogates come from hostile names and would not survive UTF-8."""
    return name.encode("utf-8", "backslashreplace").decode()
