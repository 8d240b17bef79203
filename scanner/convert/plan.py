"""What the target will hold: one piece for each of its tensors, in no particular order yet."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from scanner.convert import leaves
from scanner.convert.options import Dropped
from scanner.errors import Refused
from scanner.tensors import Leaf, Tensor, TensorTable

#: Metadata that is true of one file's bytes alone.
_DIGESTS = ("modelspec.hash_", "sshs_model_hash", "sshs_legacy_hash")
#: How a file was made. Only we say so, and only of the file that we make.
_OURS = "weighhouse."
#: Functions that make sparse, quantised and other tensors.
_REBUILT = ("torch._utils._rebuild_", "torch._tensor._rebuild_")


@dataclass(frozen=True, slots=True)
class Piece:
    """One tensor of the target. ``tensor`` says where its values come from; ``fd`` is the file
    they are in; ``dtype`` differs from the tensor's when it is cast. ``values`` are bytes that we
    made ourselves and stand in for the tensor's. ``parts`` are pieces whose bytes follow one
    another in this one; ``tensor`` is then the first one's."""

    name: str
    tensor: Tensor
    fd: int
    dtype: str
    shape: tuple[int, ...]
    swapped: bool = False
    values: bytes | None = None
    parts: tuple[Piece, ...] = ()

    @property
    def sources(self) -> tuple[Piece, ...]:
        """The pieces that bytes are copied from: the parts, or the piece itself."""
        return self.parts or (self,)

    def cast(self, dtype: str) -> Piece:
        """The same values in another dtype."""
        parts = tuple(part.cast(dtype) for part in self.parts)
        return replace(self, dtype=dtype, parts=parts)


@dataclass(frozen=True, slots=True)
class Plan:
    pieces: tuple[Piece, ...]
    metadata: Mapping[str, str] = field(default_factory=dict)
    dropped: tuple[Dropped, ...] = ()
    weights: str | None = None

    def keeping(self, pieces: Iterable[Piece], *dropped: Dropped) -> Plan:
        """The same with these pieces and these further omissions."""
        return replace(self, pieces=tuple(pieces), dropped=self.dropped + dropped)

    def with_metadata(self, metadata: Mapping[str, str]) -> Plan:
        return replace(self, metadata={**self.metadata, **metadata})


def dotted(path: Iterable[str | int]) -> str:
    return ".".join(str(part) for part in path)


def of_table(table: TensorTable, fd: int) -> Plan:
    """Every tensor as it is, under its own name; what is no tensor is dropped."""
    stale = sorted(key for key in table.metadata if key.startswith(_DIGESTS))
    return Plan(
        pieces=tuple(_named(table, fd)),
        metadata={
            key: text
            for key, text in table.metadata.items()
            if not key.startswith((*_DIGESTS, _OURS))
        },
        dropped=(
            *_dropped(leaves.lost(table.leaves)),
            *(Dropped(key, "a digest of the source's own bytes") for key in stale),
        ),
    )


def piece(tensor: Tensor, fd: int, *, name: str | None = None, swapped: bool = False) -> Piece:
    """A tensor unchanged, but perhaps for its name."""
    label = tensor.name if name is None else name
    return Piece(label, tensor, fd, tensor.dtype, tensor.shape, swapped)


def _named(table: TensorTable, fd: int) -> Iterable[Piece]:
    uses = Counter(tensor.name for tensor in table)
    taken: set[str] = set()
    for tensor in table:
        # With wrapper keys taken off, two tensors may come to one name; in full they differ.
        name = tensor.name if uses[tensor.name] == 1 else dotted(tensor.path)
        if not name or name in taken or name == "__metadata__":
            why = f"two tensors would be called {name!r}" if name else "a tensor has no name"
            raise Refused("convert.name", why)
        taken.add(name)
        yield piece(tensor, fd, name=name, swapped=table.big_endian)


def _dropped(lost: Iterable[Leaf]) -> Iterable[Dropped]:
    """Leaves by what they lie in: an optimiser has thousands of numbers, and one line says so."""
    groups: dict[str, list[Leaf]] = {}
    for leaf in lost:
        if leaf.type.startswith(_REBUILT):
            yield Dropped(dotted(leaf.path), f"a tensor that safetensors cannot hold: {leaf.type}")
            continue
        groups.setdefault(str(leaf.path[0]) if leaf.path else "", []).append(leaf)
    for group in groups.values():
        first = group[0]
        if len(group) == 1:
            yield Dropped(dotted(first.path), f"not a tensor: {first.type}")
        else:
            yield Dropped(
                str(first.path[0]) if first.path else "", f"no tensors: {len(group)} values"
            )
