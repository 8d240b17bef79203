"""Where a file's bytes go: every one in a named row, and what could go without loss."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from scanner.extents import Extent, Part
from scanner.identify import precision
from scanner.identify.anatomy import Anatomy
from scanner.identify.leftovers import Use
from scanner.ledger.expected import anomalies, expected
from scanner.naming import words
from scanner.report import HealthIssue, Identity, Ledger, LedgerRow, State
from scanner.tensors import Storage, Tensor

#: What rows call the components and uses; a diffusion transformer is no UNet.
_LABELS: Mapping[str, str] = {
    "unet": "UNet", "ema": "EMA", "text_encoder": "CLIP", "text_encoder_2": "CLIP 2",
    "text_encoder_3": "CLIP 3", "vae": "VAE", "image_encoder": "image encoder",
    "depth_model": "depth model", Use.SCHEDULE.value: "schedule buffers",
    Use.OPTIMISER.value: "optimiser state", Use.LOSS.value: "loss and discriminator",
    Use.OTHER.value: "other tensors",
}  # fmt: skip
_ARCHITECTURES: Mapping[str, str] = {
    "clip-l": "CLIP-L", "openclip-h": "OpenCLIP-H", "openclip-g": "OpenCLIP-G", "t5-xxl": "T5-XXL",
}  # fmt: skip
_KINDS: Mapping[str, str] = {
    "lora": "LoRA", "embedding": "embedding", "hypernetwork": "hypernetwork",
    "controlnet": "ControlNet", "ip_adapter": "IP-Adapter", "t2i_adapter": "T2I-Adapter",
    "upscaler": "upscaler", "clip_vision": "CLIP vision", "unet": "UNet",
    "text_encoder": "text encoder",
}  # fmt: skip
_PARTS: Mapping[Part, str] = {
    Part.PICKLE: "pickle", Part.HEADER: "container overhead", Part.PADDING: "container overhead",
    Part.OTHER: "other members",
}  # fmt: skip
_REMOVABLE = frozenset({"ema", Use.OPTIMISER.value, Use.LOSS.value})
#: Issues that prove two bytes enough for a number of four.
_NARROWER = ("fp16-in-fp32", "bf16-in-fp32")
_UNUSED = "storage that no tensor uses"
_TRAINING = (_LABELS[Use.OPTIMISER.value], _LABELS[Use.LOSS.value])

#: (row, whether it can go)
_Row = tuple[str, bool]


def account(
    size: int,
    extents: tuple[Extent, ...],
    anatomy: Anatomy | None,
    identity: Identity,
    health: tuple[HealthIssue, ...] = (),
) -> Ledger:
    """Attribute ``size`` bytes; the rows and ``unexplained`` add up to it exactly.

    ``health`` may prove that fp32 tensors hold fp16 or bf16 values, which lowers the lossless
    minimum.
    """
    sums: dict[_Row, int] = defaultdict(int)
    owners = _Owners(anatomy, identity)
    for extent in extents:
        if extent.part is Part.STORAGE:
            for row, count in owners.shares(extent):
                sums[row] += count
        elif extent.part in _PARTS:
            sums[(_PARTS[extent.part], False)] += extent.size
    rows = [LedgerRow(what, count, gone) for (what, gone), count in sums.items() if count]
    rows.sort(key=_place)
    explained = sum(row.bytes for row in rows)
    removable = sum(row.bytes for row in rows if row.removable)
    minimum = size - removable - owners.halved(health)
    sizes = expected(anatomy, identity) if anatomy else {}
    return Ledger(
        rows=tuple(rows),
        removable=removable,
        lossless_minimum=minimum,
        unexplained=size - explained,
        summary=_summary(size, rows, removable, minimum, size - explained),
        expected=sizes,
        anomalies=tuple(anomalies(size, tuple(rows), size - explained, identity, sizes)),
        words=words(identity, leftovers=any(row.what.startswith(_TRAINING) for row in rows)),
    )


#: Beginnings of rows in the order in which they are told: the model, then what surrounds it.
_ORDER = ("UNet", "transformer", "EMA", "CLIP", "OpenCLIP", "T5", "VAE", "image", "depth")
_LAST = ("schedule", "other tensors", _UNUSED, "pickle", "other members", "container")


def _place(row: LedgerRow) -> tuple[int, int]:
    for rank, start in enumerate(_ORDER):
        if row.what.startswith(start):
            return rank, -row.bytes
    for rank, start in enumerate(_LAST):
        if row.what.startswith(start):
            return 100 + rank, -row.bytes
    return 50, -row.bytes


class _Owners:
    """Which row each stored byte belongs to."""

    def __init__(self, anatomy: Anatomy | None, identity: Identity) -> None:
        self._identity = identity
        self._tensors: dict[str, list[Tensor]] = defaultdict(list)
        self._owner: Mapping[str, str] = {}
        if anatomy is not None:
            self._owner = anatomy.owners
            for tensor in anatomy.table:
                self._tensors[tensor.storage.key].append(tensor)

    def _row(self, tensor: Tensor) -> _Row:
        owner = self._owner[tensor.name]
        if owner == Use.OTHER and not self._identity.components:
            label = _KINDS.get(self._identity.kind, _LABELS[owner])
        else:
            label = self._label(owner)
        removable = owner in _REMOVABLE and not self._sole(owner)
        if owner == Use.SCHEDULE:
            return label, removable
        kept = precision.of(tensor) or self._beside(owner)
        return (f"{label} {kept}" if kept else label), removable

    def _sole(self, owner: str) -> bool:
        """An EMA copy without a UNet beside it is the model."""
        unet = self._identity.components.get("unet")
        return owner == "ema" and (unet is None or unet.state is State.ABSENT)

    def _label(self, owner: str) -> str:
        component = self._identity.components.get(owner)
        arch = component.arch if component else None
        if owner.startswith("text_encoder") and "text_encoder_2" in self._identity.components:
            return _ARCHITECTURES.get(arch or "", _LABELS[owner])
        if owner.startswith("text_encoder") and arch == "openclip-h":
            return "OpenCLIP-H"
        if owner == "unet" and arch is not None and arch.startswith(("sd3", "flux")):
            return "transformer"
        return _LABELS[owner]

    def _beside(self, owner: str) -> str | None:
        """Counters and position ids go with the component that they serve."""
        component = self._identity.components.get(owner)
        return component.precision if component else None

    def shares(self, extent: Extent) -> Iterable[tuple[_Row, int]]:
        """The extent's bytes by row. What is packed is shared out as its content is."""
        tensors = self._tensors.get(extent.key, [])
        if not tensors:
            return [((_UNUSED, True), extent.size)]
        storage = tensors[0].storage
        claimed = self._claimed(tensors, storage)
        return _scaled(claimed, storage.nbytes, extent.size)

    def _claimed(self, tensors: list[Tensor], storage: Storage) -> dict[_Row, int]:
        """Bytes of the storage by row; of aliases the first one counts."""
        counts: dict[_Row, int] = defaultdict(int)
        end = 0
        for tensor in sorted(tensors, key=lambda item: item.byte_offset):
            start, stop = tensor.byte_offset, tensor.byte_offset + _reach(tensor)
            fresh = min(stop, storage.nbytes) - max(start, end)
            if fresh > 0:
                counts[self._row(tensor)] += fresh
                end = max(end, stop)
        unused = storage.nbytes - sum(counts.values())
        if unused > 0:
            counts[(_UNUSED, True)] += unused
        return counts

    def halved(self, health: tuple[HealthIssue, ...]) -> int:
        """Bytes that two a number would save in what stays, where health proved it harmless."""
        proven = {name for issue in health if issue.issue in _NARROWER for name in issue.tensors}
        seen: set[tuple[str, int]] = set()
        saved = 0
        for tensors in self._tensors.values() if proven else ():
            for tensor in tensors:
                place = tensor.storage.key, tensor.byte_offset
                if tensor.name in proven and place not in seen and not self._row(tensor)[1]:
                    seen.add(place)
                    saved += tensor.nbytes // 2
        return saved


def _reach(tensor: Tensor) -> int:
    """Bytes from the tensor's first element to its last."""
    if tensor.packed_bytes is not None or tensor.contiguous:
        return tensor.nbytes
    if tensor.numel == 0:
        return 0
    elements = 1 + sum(
        (size - 1) * step for size, step in zip(tensor.shape, tensor.stride, strict=True)
    )
    return elements * tensor.nbytes // tensor.numel


def _scaled(counts: Mapping[_Row, int], content: int, size: int) -> list[tuple[_Row, int]]:
    """Shares of ``size`` in proportion to ``counts`` of ``content``; the largest takes the rest."""
    if content == size or content == 0:
        return list(counts.items()) or [((_UNUSED, True), size)]
    shares = {row: count * size // content for row, count in counts.items()}
    largest = max(shares, key=lambda row: shares[row])
    shares[largest] += size - sum(shares.values())
    return list(shares.items())


# -- the sentence ----------------------------------------------------------------------------------


def _size(count: int) -> str:
    """Decimal, in the unit in which people speak of such files."""
    for unit, name, digits in ((1e9, "GB", 2), (1e6, "MB", 1), (1e3, "kB", 1)):
        if count >= unit / 20:
            return f"{count / unit:,.{digits}f} {name}"
    return f"{count} B"


def _summary(
    size: int, rows: list[LedgerRow], removable: int, minimum: int, unexplained: int
) -> str:
    unit, name = (1e9, "GB") if size >= 1e8 else (1e6, "MB") if size >= 1e5 else (1e3, "kB")
    # What rounds to nothing is left to the rows.
    named = [f"{row.what} {row.bytes / unit:.2f}" for row in rows if row.bytes >= unit / 200] or [
        f"{row.what} {row.bytes / unit:.2f}" for row in rows[:1]
    ]
    text = f"{size / unit:,.2f} {name} = {' + '.join(named) if named else 'nothing known'}"
    if removable >= unit / 200:
        text += f"; {removable / unit:.2f} removable"
        if any(row.removable and row.what.startswith("EMA") for row in rows):
            text += " (of the two UNets either may stay; --prune keeps the EMA values)"
    if minimum < size and size - minimum >= unit / 200:
        gib = f" ({minimum / 2**30:.2f} GiB)" if name == "GB" else ""
        text += f"; lossless minimum {minimum / unit:.2f} {name}{gib}"
    if unexplained:
        text += f"; unexplained {_size(unexplained)}"
    return text + "."
