"""Takes the fingerprints while the weights pass by."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import blake3

from scanner.identify.anatomy import Anatomy
from scanner.identify.matching import Part
from scanner.lineage.halves import DTYPES, halves
from scanner.lineage.orders import Place, order
from scanner.lineage.turning import Turner, turns
from scanner.report import Fingerprint, Fingerprints
from scanner.tensors import Tensor
from scanner.weights import Feed, Span

#: How digests and samples are made; another word when that changes, so that nothing is compared
#: that was made differently.
METHOD = "fp16-blake3-1"
#: Bytes of a place's digest, and how many of its values are told as they are.
_DIGEST = 8
_SAMPLE = 4

#: The halves of an autoencoder: often only the decoder is trained anew.
_VAE = {"encoder": "vae_encoder", "quant_conv": "vae_encoder",
        "decoder": "vae_decoder", "post_quant_conv": "vae_decoder"}  # fmt: skip


@dataclass(slots=True)
class _Print:
    """The values of one place so far; ``left`` counts those that have still to come."""

    start: int
    count: int
    left: int
    hasher: blake3.blake3 = field(default_factory=blake3.blake3)
    sample: bytes = b""

    def feed(self, at: int, values: memoryview) -> None:
        """The tensor's ``values``, two bytes each, from its number ``at`` on; some may be ours."""
        low, high = self.start - at, self.start + self.count - at
        mine = values[2 * max(low, 0) : 2 * max(high, 0)]
        if not mine:
            return
        self.hasher.update(mine)
        self.left -= len(mine) // 2
        # From the middle: the rims of a matrix are more often alike.
        first = low + self.count // 2
        last = min(first + _SAMPLE, high)
        self.sample += bytes(values[2 * max(first, 0) : 2 * max(last, 0)])


class _Taker:
    """Hands one tensor's values, in their order, to all of its prints."""

    def __init__(self, prints: Sequence[_Print]) -> None:
        self._prints = prints
        self._at = 0

    def take(self, values: memoryview) -> None:
        for print_ in self._prints:
            print_.feed(self._at, values)
        self._at += len(values) // 2


@dataclass(frozen=True, slots=True)
class _Slot:
    """A place of a component's order, and its print; None where the tensor is not there, or not
    of the right shape."""

    place: Place
    print: _Print | None

    @property
    def digest(self) -> bytes | None:
        """None where not every value was seen."""
        return None if self.print is None or self.print.left else self.print.hasher.digest()

    @property
    def sample(self) -> bytes:
        seen = self.print is not None and not self.print.left
        return (self.print.sample if self.print and seen else b"").ljust(2 * _SAMPLE, b"\0")

    @property
    def count(self) -> int:
        return self.place.count if self.print is None else self.print.count


class Prints:
    """Wants to see the weights of every component that the census found."""

    def __init__(self, anatomy: Anatomy) -> None:
        self._big_endian = anatomy.table.big_endian
        self._wanted: dict[str, list[_Print]] = {}
        self._components = [
            (name, part.architecture.name, key, slots)
            for part in anatomy.census.parts
            for name, key, slots in self._slots(part)
        ]

    def _slots(self, part: Part) -> Iterator[tuple[str, str, tuple[_Slot, ...]]]:
        """Component, name of its order, slots: of a VAE for each half."""
        held = {tensor.name: tensor for tensor in part.tensors}
        for name in part.misshapen:
            held.pop(name, None)
        told = order(part.architecture)
        divided: dict[str, list[_Slot]] = {}
        for place in told.places:
            tensor = held.get(part.prefix + place.name)
            half = _VAE[place.name.split(".")[0]] if part.component == "vae" else part.component
            divided.setdefault(half, []).append(_Slot(place, self._expect(place, tensor)))
        for half, slots in divided.items():
            yield half, told.name, tuple(slots)

    def _expect(self, place: Place, tensor: Tensor | None) -> _Print | None:
        if tensor is None:
            return None
        # An inpainting model's first convolution is larger than the blueprint's.
        count = place.count if place.fused else tensor.numel
        print_ = _Print(place.start, count, count)
        self._wanted.setdefault(tensor.name, []).append(print_)
        return print_

    def begin(self, spans: Sequence[Span]) -> Feed | None:
        takers = [taker for span in spans if (taker := self._taker(span.tensor)) is not None]
        if not takers:
            return None
        dtype = spans[0].tensor.dtype

        def feed(block: bytes) -> None:
            values = halves(block, dtype, big_endian=self._big_endian)
            for take in takers:
                take(values)

        return feed

    def _taker(self, tensor: Tensor) -> Callable[[memoryview], None] | None:
        """What takes the tensor's values as they lie; None where nobody wants them, or their
        order cannot be made out."""
        prints = self._wanted.get(tensor.name)
        if not prints or tensor.dtype not in DTYPES:
            return None
        taker = _Taker(prints)
        if tensor.contiguous:
            return taker.take
        turner = Turner(tensor) if turns(tensor) else None
        if turner is None:
            return None

        def turn(values: memoryview) -> None:
            for turned in turner.turned(values):
                taker.take(turned)

        return turn

    def told(self) -> Fingerprints:
        """The fingerprints, after the pass."""
        return Fingerprints(
            METHOD,
            {name: _fingerprint(arch, key, slots) for name, arch, key, slots in self._components},
        )


def _fingerprint(arch: str, key: str, slots: tuple[_Slot, ...]) -> Fingerprint:
    digests = [slot.digest for slot in slots]
    needed = [
        digest for slot, digest in zip(slots, digests, strict=True) if not slot.place.spare
    ]  # fmt: skip
    whole = b"".join(digest or b"" for digest in needed)
    short = ((digest or bytes(_DIGEST))[:_DIGEST].hex() for digest in digests)
    return Fingerprint(
        arch=arch,
        order=key,
        digest=None if None in needed else blake3.blake3(whole).hexdigest(),
        sizes=tuple(slot.count for slot in slots),
        tensors="".join(short),
        samples="".join(slot.sample.hex() for slot in slots),
    )
