"""Which of a file's components are those of others in this registry, or close to them.

Fingerprints are compared once, when they are new, with the newest of their kind; what was found is
kept for pairs. Who may hear of it is asked when it is shown: a file is named only to those who may
know of a version that bears it.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from django.db import transaction
from django.db.models import Case, F, IntegerField, Q, QuerySet, Value, When

from registry import catalogue, contents
from registry.catalogue import Visitor
from registry.contents import Values
from registry.models import Artifact, Blob, Fingerprint, Likeness
from registry.states import ArtifactRole, Stage
from registry.tensors import ORDER

#: With how many others a new fingerprint is compared, the newest first.
CANDIDATES = 200
#: How many likenesses are kept of one, the closest first.
KEPT = 32
#: Less than this is a coincidence: biases of noughts are equal in many models.
LEAST_SHARE = 0.02
#: Values farther apart have nothing to do with each other; 0.7 and more is chance.
MOST_DISTANCE = 0.35
#: Samples of smaller tensors say little.
_LEAST_NUMBERS = 1_024
#: How many others are named for one component.
NAMED = 3
_VAE = ("vae_encoder", "vae_decoder")


@dataclass(frozen=True, slots=True)
class Kin:
    """Another file that shares something with this one.

    ``component`` is this file's ("file": all of it), ``others`` what it is there. ``relation`` is
    identical, similar (``share`` of the numbers lie in equal tensors) or close (``distance`` of the
    values). ``release`` is the published file that the other is, by its digest.
    """

    component: str
    others: str
    relation: str
    artifact: Artifact
    share: float = 1.0
    distance: float | None = 0.0
    release: str = ""
    stands_for: str = ""


# -- learning --------------------------------------------------------------------------------------


def learn(digest: str) -> int:
    """Compare what is new about a blob with what is here; how many likenesses were found. May run
    twice, and beside another."""
    new = Fingerprint.objects.filter(blob=digest, compared=False)
    return sum(_learn(fingerprint) for fingerprint in new)


def learn_after(digest: str) -> None:
    """``learn`` once the transaction is through. What fails is caught up with by the sweeper."""

    def learn_it() -> None:
        learn(digest)

    transaction.on_commit(learn_it, robust=True)


def catch_up(limit: int = 20) -> int:
    """Learn what a crash prevented; how many blobs."""
    left = Fingerprint.objects.filter(compared=False).values_list("blob", flat=True)
    digests = list(left.order_by().distinct()[:limit])
    for digest in digests:
        learn(digest)
    return len(digests)


def _learn(new: Fingerprint) -> int:
    own = contents.values(new)
    others = (
        Fingerprint.objects.filter(places=new.places)
        .exclude(blob=new.blob_id)
        .exclude(Q(digest=new.digest) & ~Q(digest=""))
        .order_by("-pk")[:CANDIDATES]
    )
    found = [(other, *compare(own, contents.values(other))) for other in others]
    near = [item for item in found if _is_near(item[1], item[2])]
    near.sort(key=lambda item: (-item[1], item[2] if item[2] is not None else 1.0))
    with transaction.atomic():
        # Both are locked: neither goes, nor is told anew, while the pair is written.
        pks = [new.pk, *(other.pk for other, *_ in near[:KEPT])]
        locked = Fingerprint.objects.select_for_update().filter(pk__in=pks).order_by("pk")
        there = {row.pk: row for row in locked.defer("packed")}
        if new.pk not in there:
            return 0
        Likeness.objects.filter(Q(one=new) | Q(other=new)).delete()
        pairs = [
            Likeness(one_id=one, other_id=other, share=share, distance=distance)
            for kin, share, distance in near[:KEPT]
            if kin.pk in there
            for one, other in ((new.pk, kin.pk), (kin.pk, new.pk))
        ]
        Likeness.objects.bulk_create(pairs, batch_size=500)
        Fingerprint.objects.filter(pk=new.pk, digest=new.digest).update(compared=True)
    return len(pairs) // 2


def _is_near(share: float, distance: float | None) -> bool:
    return share >= LEAST_SHARE or (distance is not None and distance <= MOST_DISTANCE)


def compare(one: Values, other: Values) -> tuple[float, float | None]:
    """The share of their numbers that lies in equal tensors, and how far the values are apart; see
    docs/identity.md. Of the same places only."""
    both = [
        place
        for place, (size, its, a, b) in enumerate(
            zip(one.sizes, other.sizes, one.digests, other.digests, strict=False)
        )
        if size == its and a and b
    ]
    total = sum(one.sizes[place] for place in both)
    same = sum(one.sizes[place] for place in both if one.digests[place] == other.digests[place])
    return (same / total if total else 0.0), _distance(one, other, both)


def _distance(one: Values, other: Values, places: Iterable[int]) -> float | None:
    apart = size = 0.0
    for place in places:
        if one.sizes[place] < _LEAST_NUMBERS:
            continue
        ours = struct.unpack_from("<4e", one.samples, 8 * place)
        theirs = struct.unpack_from("<4e", other.samples, 8 * place)
        for a, b in zip(ours, theirs, strict=True):
            if math.isfinite(a) and math.isfinite(b):
                apart += abs(a - b)
                size += abs(a) + abs(b)
    return apart / size if size else None


# -- telling ---------------------------------------------------------------------------------------


def of(artifact: Artifact, user: Visitor) -> tuple[Kin, ...]:
    """What of ``artifact`` is in other files that ``user`` may know of: the same file, then each
    component. A fixed number of queries for each component, however many models there are."""
    seen = _seen(artifact, user)
    kin = [
        _kin("file", "file", "identical", other) for other in _same_file(seen, blob=artifact.blob)
    ]
    own = artifact.blob.fingerprints.defer("packed").order_by("component")
    found = _whole_vae({print_.component: _of_component(print_, seen) for print_ in own})
    for component in sorted(found, key=_rank):
        kin += [replace(item, component=component) for item in found[component]]
    return tuple(kin)


def _rank(component: str) -> tuple[int, str]:
    """In the order in which people think of a model."""
    whole = "vae" if component in _VAE else component
    return (ORDER.index(whole) if whole in ORDER else len(ORDER)), component


def _seen(artifact: Artifact, user: Visitor) -> QuerySet[Artifact]:
    """Uploads that may be named: of other versions, and not thrown out."""
    versions = catalogue.visible_versions(user).exclude(pk=artifact.version_id)
    versions = versions.exclude(stage__in=[Stage.QUARANTINED, Stage.REJECTED]).order_by()
    return Artifact.objects.filter(role=ArtifactRole.UPLOAD, version__in=versions.values("pk"))


def _same_file(seen: QuerySet[Artifact], blob: Blob) -> Sequence[Artifact]:
    found = seen.filter(blob=blob).select_related("version__model", "blob")
    return list(found.order_by("created_at", "pk")[:NAMED])


def _of_component(own: Fingerprint, seen: QuerySet[Artifact]) -> list[Kin]:
    same = _identical(own, seen) if own.digest else []
    return same or _alike(own, seen)


def _identical(own: Fingerprint, seen: QuerySet[Artifact]) -> list[Kin]:
    """Published releases first, then what holds little else, then what was here first."""
    found = (
        seen.filter(blob__fingerprints__places=own.places, blob__fingerprints__digest=own.digest)
        .exclude(blob=own.blob_id)
        .annotate(
            others=F("blob__fingerprints__component"),
            release=F("blob__fingerprints__release"),
            stands_for=F("blob__fingerprints__stands_for"),
            unknown=Case(
                When(blob__fingerprints__release="", then=Value(1)),
                default=Value(0),
                output_field=IntegerField(),
            ),
        )
        .select_related("version__model", "blob")
        .order_by("unknown", "blob__size", "created_at", "pk")[:NAMED]
    )
    return [
        replace(
            _kin(own.component, row.others, "identical", row),
            release=row.release,
            stands_for=row.stands_for,
        )
        for row in found
    ]


def _alike(own: Fingerprint, seen: QuerySet[Artifact]) -> list[Kin]:
    """What shares most of its tensors; where nothing does, what lies closest."""
    pairs = (
        Likeness.objects.filter(one=own, other__blob__in=seen.values("blob"))
        .select_related("other")
        .defer("other__packed")
    )
    sharing = list(pairs.filter(share__gte=LEAST_SHARE).order_by("-share", "pk")[:NAMED])
    near = sharing or list(pairs.filter(distance__isnull=False).order_by("distance", "pk")[:1])
    bearing = {
        artifact.blob_id: artifact
        for artifact in seen.filter(blob__in=[pair.other.blob_id for pair in near])
        .select_related("version__model", "blob")
        .order_by("-created_at", "-pk")
    }
    relation = "similar" if sharing else "close"
    return [
        replace(
            _kin(own.component, pair.other.component, relation, bearing[pair.other.blob_id]),
            share=pair.share,
            distance=pair.distance,
            release=pair.other.release,
            stands_for=pair.other.stands_for,
        )
        for pair in near
        if pair.other.blob_id in bearing
    ]


def _kin(component: str, others: str, relation: str, artifact: Artifact) -> Kin:
    return Kin(component, others, relation, artifact)


def _whole_vae(found: Mapping[str, list[Kin]]) -> dict[str, list[Kin]]:
    """Where both halves are those of the same file, the VAE is."""
    encoder, decoder = (found.get(half, []) for half in _VAE)
    of_both = [
        replace(kin, others="vae")
        for kin in encoder
        if kin.relation == "identical"
        and any(
            other.relation == "identical" and other.artifact.blob_id == kin.artifact.blob_id
            for other in decoder
        )
    ]
    if not of_both:
        return dict(found)
    rest = {name: kin for name, kin in found.items() if name not in _VAE}
    return rest | {"vae": of_both}


def release(kin: Iterable[Kin]) -> str:
    """The release whose UNet this is, where a file of a published digest has the same; empty where
    none has, or two disagree."""
    named = {
        item.stands_for
        for item in kin
        if item.component == "unet" and item.relation == "identical" and item.stands_for
    }
    return named.pop() if len(named) == 1 else ""
