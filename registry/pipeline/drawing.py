"""One smoke test: a version's pictures drawn by the engine, stored, and put in the place of those
that were there. Whoever calls decides what follows for the version."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path, PurePath
from typing import Any, NamedTuple

from django.conf import settings
from django.utils import timezone

from registry import blobs, serving, warm
from registry.engine import Answer, Drawing, Progress
from registry.models import Artifact, Blob, Preview, SmokeTest, Version
from registry.pipeline import bases, making
from registry.pipeline.intake import store_file
from registry.states import ArtifactRole, Kind

#: What is always shown on a base if there is one; of other kinds the engine says what they need.
_NAMED_IN_PROMPTS = frozenset({Kind.LORA, Kind.EMBEDDING, Kind.HYPERNETWORK})
_ON_A_BASE = _NAMED_IN_PROMPTS | {Kind.VAE}
#: A prompt has room for some 75 words, and a file's metadata may name thousands.
_TRIGGER_LENGTH = 160
_ROLES = frozenset({"model", "base", "reference"})
_SHEET = "sheet"


class Stored(NamedTuple):
    """One picture file in the store, with what the engine says of it."""

    blob: Blob
    image: Mapping[str, Any]


class Drawn(NamedTuple):
    """What came of it: the engine's result, the pictures by their sizes, and the sheet of all."""

    artifact: Artifact
    data: dict[str, Any]
    pictures: list[dict[str, Stored]]
    sheet: Stored | None
    base: Artifact | None
    wants: str

    @property
    def verdict(self) -> str:
        return str(self.data["verdict"])

    @property
    def reason(self) -> str:
        return str(self.data.get("reason") or "")


def subject(version: Version) -> Artifact | None:
    """The largest file that would be served and that pictures can be made with."""
    shown = version.artifacts.filter(role__in=[ArtifactRole.UPLOAD, ArtifactRole.CONVERTED])
    files = [
        artifact
        for artifact in shown.select_related("blob", "version__model")
        if serving.fit_to_publish(artifact) and artifact.blob.format == "safetensors"
    ]
    return max(files, key=lambda artifact: artifact.blob.size, default=None)


def draw(artifact: Artifact, progress: Progress) -> Drawn:
    """Have the engine draw, on the base that there is for it. ``EngineError`` where that fails for
    another reason than the model."""
    kind, family = making.kind_of(artifact.blob), making.base_of(artifact.blob)
    base = bases.of(family) if kind in _ON_A_BASE else None
    with ExitStack() as stack:
        folder = stack.enter_context(blobs.workspace())
        model = _linked(stack, artifact, folder / "model")
        answer = _ask(stack, model, artifact, base, folder, progress)
        wanted = _wanted(answer, family)
        if base is None and wanted and (lender := bases.of(wanted)) is not None:
            # Said before anything is loaded, so the first answer cost next to nothing.
            base = lender
            answer = _ask(stack, model, artifact, base, folder, progress)
            wanted = _wanted(answer, family)
        pictures, sheet = _stored(answer.data, folder / "pictures")
    return Drawn(artifact, answer.data, pictures, sheet, base, wanted)


def _linked(stack: ExitStack, artifact: Artifact, folder: Path) -> Path:
    """The file under a name that loaders understand: they go by the suffix, and a blob has none."""
    folder.mkdir(exist_ok=True)
    path = stack.enter_context(blobs.local_copy(artifact.blob_id, folder))
    return path.rename(folder / "model.safetensors")


def _ask(
    stack: ExitStack,
    model: Path,
    artifact: Artifact,
    base: Artifact | None,
    folder: Path,
    progress: Progress,
) -> Answer:
    version = artifact.version
    pictures = folder / "pictures"
    pictures.mkdir(exist_ok=True)
    drawing = Drawing(
        model,
        pictures,
        device=settings.WEIGHHOUSE_DEVICE,
        base=_linked(stack, base, folder / "base") if base else None,
        # The empty one stands for those that every model gets.
        prompts=("", *version.prompts) if version.prompts else (),
        trigger=trigger(artifact),
        model=name_of(artifact),
        base_model=name_of(base) if base else "",
    )
    return warm.smoke(drawing, progress)


def name_of(artifact: Artifact) -> str:
    """What the parameters call a model, in one line and without what separates their fields. An
    add-on goes by its file's name, as in a prompt."""
    if making.kind_of(artifact.blob) in _NAMED_IN_PROMPTS:
        return _stem(artifact)
    said = f"{artifact.version.model.name} {artifact.version.name}"
    return " ".join(said.replace(",", " ").split())


def trigger(artifact: Artifact) -> str:
    """What joins every prompt: the first few trigger words, or by what an embedding is called."""
    said = ""
    for word in artifact.version.trigger_words:
        longer = f"{said}, {word}" if said else word
        if len(longer) > _TRIGGER_LENGTH:
            break
        said = longer
    if said or making.kind_of(artifact.blob) != Kind.EMBEDDING:
        return said
    return _stem(artifact)


def _stem(artifact: Artifact) -> str:
    """A conversion has its original's name."""
    return PurePath((artifact.derived_from or artifact).name).stem[:_TRIGGER_LENGTH]


def _wanted(answer: Answer, family: str) -> str:
    """Of which base the engine would have needed a model."""
    needs = answer.data.get("needs")
    if not isinstance(needs, dict):
        return ""
    return str(needs.get("base") or family)[:32]


def _stored(data: Mapping[str, Any], folder: Path) -> tuple[list[dict[str, Stored]], Stored | None]:
    """Store what was drawn: by picture, in the order drawn, and the sheet of all."""
    grouped: dict[str, dict[str, Stored]] = {}
    sheet = None
    for image in data.get("images", []):
        # The engine's word for a file is a name, never a path.
        file = PurePath(str(image["file"])).name
        stored = Stored(store_file(folder / file), image)
        if image["size"] == _SHEET:
            sheet = stored
        else:
            # "preview-1-full.webp": the three sizes of a picture share the stem.
            stem = PurePath(file).stem.removesuffix(f"-{image['size']}")
            grouped.setdefault(stem, {})[str(image["size"])] = stored
    return [sizes for sizes in grouped.values() if "full" in sizes], sheet


def keep(version: Version, drawn: Drawn) -> None:
    """Put it in the place of what there was; with the version locked."""
    sheet = drawn.sheet
    SmokeTest.objects.filter(artifact__version=version).exclude(artifact=drawn.artifact).delete()
    SmokeTest.objects.update_or_create(
        artifact=drawn.artifact,
        defaults={
            "verdict": drawn.verdict,
            "data": drawn.data,
            # Deleted meanwhile, maybe.
            "base": Artifact.objects.filter(pk=drawn.base.pk).first() if drawn.base else None,
            "wants": drawn.wants,
            "sheet": sheet.blob if sheet else None,
            "sheet_width": sheet.image["width"] if sheet else 0,
            "sheet_height": sheet.image["height"] if sheet else 0,
            "created_at": timezone.now(),
        },
    )
    version.previews.all().delete()
    for position, sizes in enumerate(drawn.pictures):
        _preview(version, drawn.artifact, position, sizes).save()


def _preview(
    version: Version, artifact: Artifact, position: int, sizes: Mapping[str, Stored]
) -> Preview:
    full = sizes["full"]
    medium = sizes.get("medium", full)
    small = sizes.get("small", medium)
    image = full.image
    parameters, role = image.get("parameters"), str(image.get("role") or "model")
    return Preview(
        version=version,
        artifact=artifact,
        position=position,
        role=role if role in _ROLES else "model",
        strength=image.get("strength"),
        group=image.get("group") or position + 1,
        full=full.blob,
        medium=medium.blob,
        small=small.blob,
        width=image["width"],
        height=image["height"],
        medium_width=medium.image["width"],
        small_width=small.image["width"],
        prompt=image.get("prompt") or "",
        seed=image.get("seed"),
        parameters=parameters if isinstance(parameters, dict) else {"text": parameters or ""},
    )
