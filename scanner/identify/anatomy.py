"""A file's parts, looked for once however many sections want them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

from scanner.identify import leftovers, matching
from scanner.identify.matching import Census
from scanner.tensors import TensorTable


class Anatomy:
    """``census`` and ``owners`` of a table, worked out when they are first asked for."""

    def __init__(self, table: TensorTable) -> None:
        self.table = table

    @cached_property
    def census(self) -> Census:
        return matching.census(self.table)

    @cached_property
    def owners(self) -> Mapping[str, str]:
        """The component or use of every tensor, by name."""
        return leftovers.owners(self.table, self.census)
