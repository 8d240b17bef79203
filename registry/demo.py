"""Sample models for the first run: made by our own engine, brought in like anybody's uploads."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

from registry import bases, blobs, catalogue, reviews, uploads
from registry.env import ROOT
from registry.errors import EngineError
from registry.models import Model, User, Version
from registry.pipeline import bases as pipeline_bases
from registry.pipeline import runs
from registry.states import Kind, Stage

#: Kept in the site's folder, so that samples which were deleted do not come back.
DONE = "samples-made"


@dataclass(frozen=True, slots=True)
class Sample:
    """One sample model. ``file`` is what ``python -m scanner.samples`` calls it."""

    file: str
    name: str
    kind: Kind
    summary: str
    tags: tuple[str, ...]
    #: Approved at once, so that the catalogue is not empty; the others wait in the queue.
    publish: bool = False
    #: The add-ons among the samples are shown on it.
    is_base: bool = False
    trigger_words: tuple[str, ...] = ()
    #: What is drawn beyond what every model draws.
    prompts: tuple[str, ...] = ()


SAMPLES = (
    Sample(
        "mini.safetensors",
        "Miniature",
        Kind.CHECKPOINT,
        'A trained Stable Diffusion in small: it draws coloured shapes ("a red circle"). fp16.',
        ("sample", "fp16"),
        publish=True,
        is_base=True,
    ),
    Sample(
        "mini.ckpt",
        "Miniature, as a pickle",
        Kind.CHECKPOINT,
        "The same checkpoint as a .ckpt: converted without ever being unpickled.",
        ("sample", "pickle"),
    ),
    Sample(
        "mini-ema.ckpt",
        "Miniature, bloated",
        Kind.CHECKPOINT,
        "In fp32, with its EMA copy and an optimiser's leftovers: look at the size ledger.",
        ("sample", "bloated"),
    ),
    Sample(
        "mini-lora.safetensors",
        "Miniature LoRA",
        Kind.LORA,
        "White lines on blue: the miniature's shapes as a blueprint.",
        ("sample",),
        publish=True,
        trigger_words=("blueprint",),
    ),
    Sample(
        "mini-embedding.pt",
        "Miniature embedding",
        Kind.EMBEDDING,
        "A textual inversion: its file name is the word for a purple star.",
        ("sample",),
        publish=True,
        trigger_words=("mini-embedding",),
        # Beside another colour and form it mixes the two; by itself it is what it is.
        prompts=("mini-embedding",),
    ),
    Sample(
        "mini.vae.pt",
        "Miniature VAE",
        Kind.VAE,
        "The miniature's own VAE, as a .vae.pt.",
        ("sample",),
        publish=True,
    ),
    Sample(
        "mini-hypernetwork.pt",
        "Miniature hypernetwork",
        Kind.HYPERNETWORK,
        "Bathes what the miniature draws in warm evening light.",
        ("sample",),
    ),
    Sample(
        "hostile.ckpt",
        "Too good to be true",
        Kind.CHECKPOINT,
        "A file that would run a command when loaded. It never does here.",
        ("sample", "hostile"),
    ),
)


def is_done() -> bool:
    return (Path(settings.HOME) / DONE).exists()


def mark_done() -> None:
    (Path(settings.HOME) / DONE).touch()


def bring_in(by: User, say: Callable[[str], None]) -> None:
    """Make the sample files and hand each in. Safe to run again after a crash."""
    with blobs.workspace() as folder:
        _make(folder)
        for sample in SAMPLES:
            if Model.objects.filter(owner=by, name=sample.name).exists():
                continue
            say(f"bringing in {sample.file}")
            _bring_in_one(folder / sample.file, sample, by)


def _make(folder: Path) -> None:
    # A child: the sample maker needs numpy, and the registry has no business with tensors.
    made = subprocess.run(
        [sys.executable, "-m", "scanner.samples", str(folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=600,
    )
    if made.returncode:
        raise EngineError("samples.failed", made.stderr.strip()[-2_000:])


def _bring_in_one(path: Path, sample: Sample, by: User) -> None:
    model = catalogue.create_model(
        name=sample.name, by=by, summary=sample.summary, kind=sample.kind, tags=sample.tags
    )
    version = catalogue.create_version(
        model, name="1.0", by=by, trigger_words=sample.trigger_words, prompts=sample.prompts
    )
    uploads.receive_path(path, version=version, by=by)
    uploads.submit(version, by=by)


def approve(by: User, say: Callable[[str], None], *, patience: float = 900) -> None:
    """Publish the samples that are meant for the catalogue, as the pipeline finishes them."""
    deadline = time.monotonic() + patience
    names = [sample.name for sample in SAMPLES if sample.publish]
    while time.monotonic() < deadline:
        pending = Version.objects.filter(
            model__owner=by,
            model__name__in=names,
            stage__in=[*runs.DUE, Stage.IN_REVIEW],
            problem={},
        )
        if not pending:
            return
        for version in pending.filter(stage=Stage.IN_REVIEW).select_related("model"):
            if not reviews.may_decide(version, by):
                return
            reviews.publish(version, by=by, note="A sample model, made by Weighhouse itself.")
            say(f"published {version.model.name}")
            _show_add_ons_on(version, by)
        time.sleep(1)


def _show_add_ons_on(version: Version, by: User) -> None:
    if version.model.name not in {sample.name for sample in SAMPLES if sample.is_base}:
        return
    file = bases.candidate(version)
    # Where somebody has chosen another already, that one stays.
    if file is not None and pipeline_bases.of(pipeline_bases.family(file)) is None:
        bases.set_base(file, by=by)
