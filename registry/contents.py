"""Keeping and reading what is in a file: its list of tensors, and its components' fingerprints.

Both come with an inspection, and belong to the digest whatever the policy. They are packed, since
a model has thousands of either.
"""

from __future__ import annotations

import json
import zlib
from array import array
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from registry.models import Blob, Fingerprint, TensorList

#: Bytes of a place's digest and of its samples, in a fingerprint.
_DIGEST = 8
_SAMPLES = 8
#: Halves of one thing, walked in one order: what is compared is the half.
_HALVES = frozenset({"vae_encoder", "vae_decoder"})


class Tensor(NamedTuple):
    """A row of the list. ``component`` may also be a use: schedule, optimiser, loss, other."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    component: str
    bytes: int


@dataclass(frozen=True, slots=True)
class Values:
    """A fingerprint's places: how many numbers each has, its digest as a number (0: not known), and
    four of its values as they are."""

    sizes: array[int]
    digests: array[int]
    samples: bytes


def keep(blob: Blob, data: Mapping[str, Any]) -> None:
    """Keep the sections of an inspection that was asked for them; others stay as they are."""
    if isinstance(data.get("tensors"), dict):
        _keep_tensors(blob, data["tensors"])
    if isinstance(data.get("fingerprints"), dict):
        _keep_fingerprints(blob, data["fingerprints"], data.get("identity") or {})


def are_told(blob: Blob) -> bool:
    """Whether the blob was inspected since tensors are listed."""
    return TensorList.objects.filter(blob=blob).exists()


def are_all_told(digests: Collection[str]) -> bool:
    return TensorList.objects.filter(blob__in=digests).count() == len(digests)


def tensors(blob: Blob | str) -> tuple[Tensor, ...]:
    """The rows of a blob's list; empty where there is none."""
    kept = TensorList.objects.filter(blob=blob).first()
    if kept is None:
        return ()
    rows = json.loads(zlib.decompress(kept.packed))
    return tuple(
        Tensor(name, dtype, tuple(shape), owner, size) for name, dtype, shape, owner, size in rows
    )


def values(fingerprint: Fingerprint) -> Values:
    raw = zlib.decompress(fingerprint.packed)
    count = len(raw) // (8 + _DIGEST + _SAMPLES)
    sizes, digests = array("Q"), array("Q")
    sizes.frombytes(raw[: 8 * count])
    digests.frombytes(raw[8 * count : 16 * count])
    return Values(sizes, digests, raw[16 * count :])


def _keep_tensors(blob: Blob, section: Mapping[str, Any]) -> None:
    rows = json.dumps(section["rows"], separators=(",", ":"), ensure_ascii=False)
    TensorList.objects.update_or_create(
        blob=blob,
        defaults={
            "total": section["total"],
            "left_out": section["left_out"],
            "packed": zlib.compress(rows.encode()),
        },
    )


def _keep_fingerprints(blob: Blob, section: Mapping[str, Any], identity: Mapping[str, Any]) -> None:
    method = str(section["method"])
    found: Mapping[str, Mapping[str, Any]] = section["components"]
    blob.fingerprints.exclude(component__in=found).delete()
    candidates = identity.get("candidates") or []
    release = str(identity.get("release") or "")[:120]
    for component, told in found.items():
        half = f":{component}" if component in _HALVES else ""
        fields = {
            "places": f"{method}:{told['order']}{half}"[:120],
            "digest": told["digest"] or "",
            "release": release,
            "stands_for": str(candidates[0])[:32] if release and len(candidates) == 1 else "",
            "packed": _packed(told),
        }
        kept = blob.fingerprints.filter(component=component).first()
        if kept is None:
            Fingerprint.objects.create(blob=blob, component=component, **fields)
        elif any(_differs(getattr(kept, name), value) for name, value in fields.items()):
            Fingerprint.objects.filter(pk=kept.pk).update(**fields, compared=False)


def _differs(was: object, now: object) -> bool:
    # PostgreSQL hands bytes out as a memoryview.
    return (bytes(was) if isinstance(was, memoryview) else was) != now


def _packed(told: Mapping[str, Any]) -> bytes:
    sizes = array("Q", told["sizes"])
    digests, samples = bytes.fromhex(told["tensors"]), bytes.fromhex(told["samples"])
    if len(digests) != _DIGEST * len(sizes) or len(samples) != _SAMPLES * len(sizes):
        raise ValueError("a fingerprint's lists differ in length")
    return zlib.compress(sizes.tobytes() + digests + samples)
