"""Bringing in what is already somewhere: files, folders, and repositories of a hub.

Nothing is written to the database before every byte of a model has arrived and was hashed, so an
import that breaks off leaves nothing behind.
"""

from __future__ import annotations

import errno
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import httpx2
from django.conf import settings
from django.db import transaction
from huggingface_hub import HfApi
from huggingface_hub.errors import (
    EntryNotFoundError,
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from registry import blobs, catalogue, names, uploads
from registry.blobs import Incoming
from registry.errors import UserError
from registry.models import Model, User, Version

HUB = "hf://"
#: What model files are called; anything else in a folder or a repository stays where it is.
SUFFIXES = (".safetensors", ".ckpt", ".pt", ".pth", ".bin", ".gguf", ".th", ".pkl", ".npz", ".sft")
#: What lies beside models: notes, settings, pictures. By themselves they are no model.
COMPANIONS = (
    ".txt", ".md", ".rst", ".pdf", ".html", ".css", ".js", ".py", ".sh", ".csv", ".log", ".toml",
    ".ini", ".yaml", ".yml", ".json", ".jsonl", ".png", ".jpg", ".jpeg", ".webp", ".gif", ".svg",
    ".bmp", ".tif", ".tiff", ".avif", ".mp4", ".webm", ".civitai", ".info", ".sha256",
)  # fmt: skip
_CHUNK = 1024 * 1024

#: Called with a file's name and size in bytes; what it yields is called with each chunk's length.
Meter = Callable[[str, int], AbstractContextManager[Callable[[int], object]]]


@dataclass(frozen=True, slots=True)
class LocalFile:
    path: Path
    size: int
    sha256: str = ""

    @property
    def name(self) -> str:
        return self.path.name

    def fetched(self) -> AbstractContextManager[Path]:
        return nullcontext(self.path)


@dataclass(frozen=True, slots=True)
class HubFile:
    """A file of a repository at one commit, with the size and digest that the hub announces."""

    repo: str
    commit: str
    path: str
    size: int
    sha256: str

    @property
    def name(self) -> str:
        """The path in one word: a component's file is named after its folder."""
        return self.path.replace("/", ".")

    @contextmanager
    def fetched(self) -> Iterator[Path]:
        with blobs.workspace() as folder, _hub_errors(f"{self.repo}/{self.path}"):
            yield Path(
                _hub().hf_hub_download(self.repo, self.path, revision=self.commit, local_dir=folder)
            )


File = LocalFile | HubFile


@dataclass(frozen=True, slots=True)
class Plan:
    """One model to be: its name and the files of its version."""

    name: str
    files: tuple[File, ...]


def plan(
    sources: Sequence[str],
    *,
    together: bool = False,
    skipped: Callable[[str], object] = lambda path: None,
) -> list[Plan]:
    """What ``sources`` (files, folders, ``hf://`` addresses) hold: a model for each file, and for
    each repository. ``UserError``: source.unusable, hub.not_found, hub.unreachable.

    ``skipped`` is told of files that are no models by themselves. Where everything goes into one
    version (``together``), such a file is taken along if it was named.
    """
    plans: list[Plan] = []
    local: list[LocalFile] = []
    for source in sources:
        if source.startswith(HUB):
            plans.append(_repository(source))
            continue
        found = _local(source, skipped)
        local += [file for file in found if together or not _is_companion(file.path, skipped)]
    if not plans and not local:
        raise UserError(
            "source.unusable", source=", ".join(sources), reason="that is no model file"
        )
    stems = Counter(_stem(file.name).lower() for file in local)
    for file in local:
        stem = _stem(file.name)
        # Two files that differ in their suffix only keep it, to be told apart.
        plans.append(Plan(stem if stems[stem.lower()] == 1 else file.name, (file,)))
    return plans


def merged(plans: Iterable[Plan], name: str) -> Plan:
    """Everything in one version of one model."""
    return Plan(name, tuple(file for each in plans for file in each.files))


def bring_in(
    wanted: Plan,
    *,
    by: User,
    version: str = "1.0",
    existing: bool = False,
    submit: bool = True,
    meter: Meter | None = None,
) -> Version:
    """Fetch the plan's files and make its version, handed in unless ``submit`` is False.

    With ``existing``, the version joins the model of that name or slug if ``by`` has one.
    """
    with ExitStack() as stack:
        arrived = []
        for file in wanted.files:
            name = names.checked(file.name)
            incoming = stack.enter_context(Incoming())
            _take(file, incoming, meter)
            arrived.append((name, incoming))
        with transaction.atomic():
            model = _model_of(wanted.name, by) if existing else None
            model = model or catalogue.create_model(name=wanted.name, by=by)
            made = catalogue.create_version(model, name=version, by=by)
            uploads.keep_all(arrived, version=made, by=by)
            if submit:
                uploads.submit(made, by=by)
    return made


def _model_of(name: str, owner: User) -> Model | None:
    own = Model.objects.filter(owner=owner)
    return own.filter(name__iexact=name).first() or own.filter(slug=name).first()


def _take(file: File, incoming: Incoming, meter: Meter | None) -> None:
    if file.size > incoming.limit:
        raise UserError("file.too_large", limit=incoming.limit)
    with ExitStack() as stack:
        path = stack.enter_context(file.fetched())
        step = stack.enter_context(meter(file.name, file.size)) if meter else None
        try:
            source = stack.enter_context(path.open("rb"))
            while chunk := source.read(_CHUNK):
                incoming.write(chunk)
                if step:
                    step(len(chunk))
        except OSError as error:
            raise _unusable(str(path), error) from error
    if not incoming.size:
        raise UserError("file.empty")
    uploads.check_digest(incoming, file.sha256)
    # Durable before the transaction, so that no other writer waits for the disk.
    incoming.finish()


def _unusable(source: str, error: OSError) -> UserError:
    return UserError("source.unusable", source=source, reason=error.strerror or str(error))


def _is_companion(path: Path, skipped: Callable[[str], object]) -> bool:
    found = path.suffix.lower() in COMPANIONS
    if found:
        skipped(str(path))
    return found


def _local(source: str, skipped: Callable[[str], object]) -> list[LocalFile]:
    path = Path(source).expanduser()
    try:
        if path.is_dir():
            found = []
            for each in sorted(path.rglob("*")):
                if not each.is_file() or each.is_symlink():
                    continue
                if each.suffix.lower() in SUFFIXES:
                    found.append(each)
                else:
                    skipped(str(each))
            if not found:
                raise UserError("source.unusable", source=source, reason="no model file in it")
            return [LocalFile(each, each.stat().st_size) for each in found]
        size = path.stat().st_size
    except OSError as error:
        raise _unusable(source, error) from error
    if not path.is_file():
        raise UserError("source.unusable", source=source, reason="it is not a regular file")
    return [LocalFile(path, size)]


def _stem(name: str) -> str:
    for suffix in SUFFIXES:
        if name.lower().endswith(suffix):
            name = name[: -len(suffix)]
            break
    # A VAE is told by its double suffix.
    return name.removesuffix(".vae") or name


def _repository(source: str) -> Plan:
    """``hf://OWNER/NAME[@REVISION][/PATH]``, or ``hf://NAME`` for one without an owner."""
    words = source.removeprefix(HUB).strip("/").split("/")
    repo, path = "/".join(words[:2]), "/".join(words[2:])
    repo, _, revision = repo.partition("@")
    if not repo:
        raise UserError("source.unusable", source=source, reason="it names no repository")
    with _hub_errors(repo):
        info = _hub().model_info(repo, revision=revision or None, files_metadata=True)
    files = [
        HubFile(
            repo=repo,
            commit=info.sha or revision or "main",
            path=sibling.rfilename,
            size=sibling.size or 0,
            sha256=sibling.lfs.sha256 if sibling.lfs else "",
        )
        for sibling in info.siblings or []
        if (sibling.rfilename == path if path else _is_model_file(sibling.rfilename))
    ]
    if not files:
        what = f"file {path}" if path else "model file"
        raise UserError("hub.not_found", what=f"{what} in {repo}")
    name = _stem(PurePosixPath(path).name) if path else repo.rpartition("/")[2]
    return Plan(name, tuple(files))


def _is_model_file(path: str) -> bool:
    return PurePosixPath(path).suffix.lower() in SUFFIXES


def _hub() -> HfApi:
    return HfApi(endpoint=settings.WEIGHHOUSE_HF_ENDPOINT.rstrip("/"), library_name="weighhouse")


@contextmanager
def _hub_errors(what: str) -> Iterator[None]:
    """The hub's many errors as our three."""
    try:
        yield
    except HFValidationError as error:
        raise UserError("source.unusable", source=what, reason="it cannot be a name") from error
    except LocalEntryNotFoundError as error:
        # Despite its name: the download could not even begin.
        raise UserError("hub.unreachable", reason=_brief(error)) from error
    except RepositoryNotFoundError as error:
        raise UserError("hub.not_found", what=f"model {what} that this site may see") from error
    except (RevisionNotFoundError, EntryNotFoundError) as error:
        raise UserError("hub.not_found", what=what) from error
    except (HfHubHTTPError, httpx2.HTTPError) as error:
        raise UserError("hub.unreachable", reason=_brief(error)) from error
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise UserError("disk.full") from error
        raise UserError("hub.unreachable", reason=_brief(error)) from error


def _brief(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:200].rstrip(".") if lines else type(error).__name__
