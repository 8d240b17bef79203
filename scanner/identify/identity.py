"""The whole question in order: small kinds first, then adapters, then models."""

from __future__ import annotations

from collections.abc import Callable

from scanner.identify import (
    adapters,
    checkpoints,
    contradictions,
    embeddings,
    known,
    metadata,
    precision,
    signs,
    small,
    uses,
)
from scanner.identify.anatomy import Anatomy
from scanner.limits import Limits
from scanner.report import Format, Identity
from scanner.tensors import TensorTable


def identify(
    table: TensorTable,
    *,
    format: Format,
    limits: Limits,
    sha256: str | None = None,
    anatomy: Anatomy | None = None,
) -> Identity:
    """What the file is. Reads names, shapes and a few values; never raises on odd tables.

    ``sha256``, where it is known, is looked up among published files. Where keys cannot decide,
    ``base`` is None and ``candidates`` says what remains. ``anatomy`` is the table's own, where
    others look at it too.
    """
    identity = _by_structure(table, anatomy or Anatomy(table))
    identity = _by_digest(identity, sha256)
    identity = _by_claim(identity, table)
    return identity._replace(
        precision=identity.precision or precision.common(table),
        trigger_words=metadata.trigger_words(table.metadata),
        conflicts=(*identity.conflicts, *contradictions.find(identity, table.metadata)),
        uses=uses.of(identity),
        metadata=metadata.shown(table),
        suggested_tags=metadata.suggested_tags(table.metadata),
    )


def _by_structure(table: TensorTable, anatomy: Anatomy) -> Identity:
    finders: tuple[Callable[[TensorTable], Identity | None], ...] = (
        _hypernetwork, _embedding, _add_on, _adapter, _foreign,
        lambda table: _model(anatomy),
    )  # fmt: skip
    for finder in finders:
        found = finder(table)
        if found is not None:
            return found
    return Identity(evidence=("no known layout",) if len(table) else ("no tensors",))


def _hypernetwork(table: TensorTable) -> Identity | None:
    found = embeddings.hypernetwork(table)
    if found is None:
        return None
    return Identity("hypernetwork", found.base, hypernetwork=found.hypernetwork,
                    evidence=found.evidence)  # fmt: skip


def _embedding(table: TensorTable) -> Identity | None:
    found = embeddings.embedding(table)
    if found is None:
        return None
    return Identity("embedding", found.base, embedding=found.embedding, evidence=found.evidence)


def _add_on(table: TensorTable) -> Identity | None:
    found = small.recognise(table, signs.ADD_ONS)
    return Identity(found.kind, found.base, evidence=found.evidence) if found else None


def _foreign(table: TensorTable) -> Identity | None:
    found = small.recognise(table, signs.FOREIGN)
    return Identity(found.kind, found.base, evidence=found.evidence) if found else None


def _adapter(table: TensorTable) -> Identity | None:
    found = adapters.find(table)
    if found is None:
        return None
    return Identity("lora", found.base, found.candidates, adapter=found.adapter,
                    evidence=found.evidence)  # fmt: skip


def _model(anatomy: Anatomy) -> Identity | None:
    census = anatomy.census
    found = checkpoints.find(anatomy.table, census)
    if found is None:
        return None
    held = [tensor for part in census.parts for tensor in part.tensors]
    return Identity(
        kind=found.kind, base=found.base, candidates=found.candidates, variant=found.variant,
        prediction=found.prediction, components=found.components,
        precision=precision.common(held), ema=found.ema, evidence=found.evidence,
        conflicts=found.conflicts,
    )  # fmt: skip


# -- what stands beside the structure --------------------------------------------------------------


def _by_digest(identity: Identity, sha256: str | None) -> Identity:
    release = known.release(sha256)
    if release is None:
        return identity
    return identity._replace(
        candidates=(release.release,) if release.release else identity.candidates,
        prediction=release.prediction or identity.prediction,
        # Of one UNet only a digest can say that it is the EMA copy.
        ema="only" if "emaonly" in release.name else identity.ema,
        evidence=(f"sha256 is that of {release.name}", *identity.evidence),
        release=release.name,
    )


def _by_claim(identity: Identity, table: TensorTable) -> Identity:
    """Let the metadata decide what the shapes leave open; where they contradict it, shapes win."""
    claim = metadata.claim(table.metadata)
    if claim is None:
        return identity
    conflicts = list(identity.conflicts)
    base, candidates, prediction = identity.base, identity.candidates, identity.prediction
    evidence = list(identity.evidence)
    if claim.base is not None:
        if base is None and claim.base in candidates:
            base, candidates = claim.base, ()
            evidence.append(f"{claim.source}, and the shapes allow it")
        elif base is not None and base != claim.base:
            conflicts.append(f"{claim.source}, but the shapes are those of {base}.")
        elif base is None and identity.kind != "unknown":
            conflicts.append(f"{claim.source}, which the shapes do not show.")
    if claim.kind is not None and claim.kind != identity.kind != "unknown":
        conflicts.append(f"{claim.source}, but the tensors are those of a {identity.kind}.")
    if claim.prediction is not None and identity.components:
        if prediction is None:
            prediction = claim.prediction
            evidence.append(f"modelspec.prediction_type is {claim.prediction!r}")
        elif prediction != claim.prediction:
            conflicts.append(
                f"modelspec.prediction_type is {claim.prediction!r} but the file has {prediction}"
            )
    return identity._replace(
        base=base, candidates=candidates, prediction=prediction,
        evidence=tuple(evidence), conflicts=tuple(conflicts),
    )  # fmt: skip
