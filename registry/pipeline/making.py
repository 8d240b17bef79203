"""Making one file from another: the converter's word, and an inspection before it counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path, PurePath
from typing import Any, NamedTuple

from registry import blobs, engine, names, serving
from registry.errors import EngineError
from registry.models import Artifact, Blob, Version
from registry.pipeline import verdicts
from registry.pipeline.intake import adopt
from registry.recipes import Recipe
from registry.shards import shard
from registry.states import ArtifactRole, Kind
from scanner import naming
from scanner.report import EXTRA

#: What a conversion says of itself that is worth keeping.
_DETAILS = ("tensors", "dropped", "notes", "kept", "weights")


class Refused(Exception):
    """The file cannot be made so, and trying again will not help. ``problem``: code, message."""

    def __init__(self, problem: Mapping[str, Any]) -> None:
        self.code = str(problem.get("code") or "convert.failed")
        self.message = str(problem.get("message") or "")
        super().__init__(f"{self.code}: {self.message}")


class Made(NamedTuple):
    """The new file in the store, inspected and clean; how it came to be, and what it is."""

    blob: Blob
    details: dict[str, Any]


def make(
    source: Artifact,
    recipe: Recipe,
    progress: engine.Progress,
    *,
    vae: str = "",
    metadata: Mapping[str, str] | None = None,
) -> Made:
    """What ``recipe`` makes of ``source``; ``vae`` is the digest of another file. ``Refused`` or
    ``EngineError``."""
    with ExitStack() as stack:
        folder = stack.enter_context(blobs.workspace())
        path = stack.enter_context(blobs.local_copy(source.blob_id, folder))
        # The same file cannot lie there twice: its own VAE changes nothing.
        if vae == source.blob_id:
            raise Refused({"code": "variant.changes_nothing", "message": "the VAE is its own"})
        options = list(recipe.arguments())
        if vae:
            options += ["--vae", str(stack.enter_context(blobs.local_copy(vae, folder)))]
        # An embedding that does not name itself gets the target's name for its own.
        stem = PurePath(names.with_ending(PurePath(source.name).stem, "")).name or "file"
        target = folder / "made" / f"{stem}{recipe.suffix}"
        target.parent.mkdir()
        noted = {"weighhouse.source_sha256": source.blob_id, **(metadata or {})}
        answer = engine.convert(path, target, progress, options=options, metadata=noted)
        if answer.status:
            raise Refused(answer.data.get("error") or {})
        if not recipe.is_plain and not recipe.torch and answer.data.get("changed") is False:
            raise Refused(
                {"code": "variant.changes_nothing", "message": "the file is like that already"}
            )
        # Its values are the original's, whose fingerprints are known.
        blob = _taken_in(target, source, progress, extra=("tensors",))
    return Made(blob, _details(answer))


def join(parts: Sequence[Artifact], progress: engine.Progress) -> Made:
    """One file of a model's shards, given in order. ``Refused`` or ``EngineError``."""
    first = parts[0]
    with ExitStack() as stack:
        folder = stack.enter_context(blobs.workspace())
        together = folder / "parts"
        together.mkdir()
        for part in parts:
            # The engine goes by their names.
            copy = stack.enter_context(blobs.local_copy(part.blob_id, folder))
            copy.rename(together / part.name)
        target = folder / "made.safetensors"
        digests = ",".join(part.blob_id for part in parts)
        noted = {"weighhouse.source_sha256": digests}
        answer = engine.convert(together, target, progress, metadata=noted)
        if answer.status:
            raise Refused(answer.data.get("error") or {})
        blob = _taken_in(target, first, progress, extra=EXTRA)
    return Made(blob, {**_details(answer), "joined": [part.name for part in parts]})


def _taken_in(
    target: Path, source: Artifact, progress: engine.Progress, *, extra: Sequence[str]
) -> Blob:
    """What was made, in the store: inspected as if a stranger had sent it, and clean."""
    found = engine.inspect(target, progress, extra=extra)
    verdict = found.data["safety"]["verdict"]
    if verdict != serving.CLEAN:
        raise EngineError("convert.unclean", f"{source.name} came out {verdict}")
    blob = adopt(target, found.data["hashes"]["sha256"])
    verdicts.accept(blob, found.data, seconds=found.seconds)
    blob.refresh_from_db()
    return blob


def _details(answer: engine.Answer) -> dict[str, Any]:
    return {key: answer.data[key] for key in _DETAILS if key in answer.data}


def add(source: Artifact, made: Made, recipe: Recipe, role: ArtifactRole) -> Artifact:
    """The artifact of what was made, under a name of its own. Called with the version locked."""
    details = made.details if role is ArtifactRole.CONVERTED else {
        **made.details, "made": recipe.to_json(), "said": recipe.said,
    }  # fmt: skip
    name = _name(source, made.blob, recipe, role, joined="joined" in made.details)
    return Artifact.objects.create(
        version=source.version,
        blob=made.blob,
        role=role,
        name=free_name(source.version, name, role),
        derived_from=source,
        details=details,
    )


def _name(
    source: Artifact, blob: Blob, recipe: Recipe, role: ArtifactRole, *, joined: bool = False
) -> str:
    """``model.ckpt`` → ``model.safetensors``, a variant's with the words for what it holds."""
    stem = PurePath(source.name).stem or source.name
    if joined and (part := shard(source.name)):
        return names.with_ending(part.stem, recipe.suffix)
    if role is not ArtifactRole.VARIANT:
        return names.with_ending(stem, recipe.suffix)
    kind = kind_of(blob)
    if kind in {Kind.EMBEDDING, Kind.HYPERNETWORK}:
        # A word of the prompt: it is kept whole, and two that differ do not go by one.
        return names.with_ending(stem, f"-{recipe.precision}{recipe.suffix}")
    report = blob.report()
    found = (report.data.get("ledger") or {}).get("words") or [] if report else []
    words = [str(word) for word in found]
    if not words and recipe.precision != "keep":
        # Only models have words of their own; an adapter has at least its precision.
        words = [recipe.precision]
    extra = ["bakedVAE"] if recipe.vae else []
    extra += ["nonema"] if recipe.prune and recipe.weights == "raw" else []
    told = [*words[:-1], *extra, *words[-1:]]
    return naming.suggested(source.name, str(kind), told, recipe.suffix)


def kind_of(blob: Blob) -> str:
    """What the report that counts says it is."""
    return str(_identity(blob).get("kind") or Kind.UNKNOWN)


def base_of(blob: Blob) -> str:
    """The base that the report that counts says it is of or fits; empty where that is not known."""
    return str(_identity(blob).get("base") or "")


def _identity(blob: Blob) -> Mapping[str, Any]:
    report = blob.report()
    return (report.data.get("identity") or {}) if report else {}


def free_name(version: Version, wanted: str, role: ArtifactRole) -> str:
    """``wanted``, or like it if the version has a file of that name."""
    taken = set(version.artifacts.values_list("name", flat=True))
    path = PurePath(wanted)
    name, number = names.with_ending(path.stem, path.suffix), 1
    if name in taken and role is ArtifactRole.REBUILT:
        path = PurePath(f"{path.stem}-rebuilt{path.suffix}")
        name = names.with_ending(path.stem, path.suffix)
    while name in taken:
        number += 1
        name = names.with_ending(path.stem, f"-{number}{path.suffix}")
    return names.checked(name)
