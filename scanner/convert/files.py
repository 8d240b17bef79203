"""From one path to another: what was written becomes the target only when all of it is sound."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

from scanner import sandbox
from scanner.convert import converting, folders, unnamed
from scanner.convert.converting import Part, Sources
from scanner.convert.folders import Folder, FolderPart
from scanner.convert.options import Container, Conversion, Dropped, Options
from scanner.errors import EngineError, FileError, Refused
from scanner.limits import DEFAULT, GIB, Limits
from scanner.report import Json
from scanner.sandbox import Tell

_DEFAULTS = Options()


def to_file(
    source: Path,
    target: Path,
    options: Options = _DEFAULTS,
    limits: Limits = DEFAULT,
    progress: Tell | None = None,
) -> Conversion:
    """Convert ``source`` to ``target``, a safetensors file or, where its name ends so, a torch file
    that we write ourselves; in jailed children. An existing target is replaced. A folder
    is one model in several files (``folders.look``).

    Raises Refused (``convert.refused`` for a malicious or unreadable source), FileError or
    EngineError, and then leaves no target and nothing half written."""
    options = _for_target(options, target)
    with ExitStack() as stack:
        sources = _sources(stack, source, options)
        if target.exists() and target.samefile(source):
            raise Refused("convert.same_file", "the target is the source")
        if target.is_dir():
            raise EngineError("convert.target", f"{target} is a folder; name the file to write")
        written = stack.enter_context(unnamed.beside(target))
        told = _convert(sources, written.fd, options, limits, progress)
        checked = _check(written.fd, told, options, limits, progress)
        written.become(target)
    return _conversion(source, target, told, checked)


def foresee(
    source: Path, target: Path, options: Options = _DEFAULTS, limits: Limits = DEFAULT
) -> Conversion:
    """What ``to_file`` would answer, with nothing written. Raises what it would raise of the
    source; whether the target can be written is not tried."""
    options = _for_target(options, target)
    with ExitStack() as stack:
        sources = _sources(stack, source, options)

        def work(_tell: Tell) -> Json:
            return converting.foresee(sources, options, limits)

        told = _object(sandbox.run(work, limits=limits, descriptors=sources.descriptors))
    return _conversion(source, target, told, told)


def _for_target(options: Options, target: Path) -> Options:
    return replace(options, container=Container.of(target), name=target.stem)


def _sources(stack: ExitStack, source: Path, options: Options) -> Sources:
    """Everything to read, open until the stack unwinds."""
    whole = Folder((FolderPart("", source),), ())
    if source.is_dir():
        whole = folders.look(source)
    parts = [Part(part.prefix, stack.enter_context(_opened(part.path))) for part in whole.parts]
    vae = None if options.vae is None else stack.enter_context(_opened(options.vae))
    return Sources(tuple(parts), vae, whole.dropped)


def _convert(
    sources: Sources, written: int, options: Options, limits: Limits, progress: Tell | None
) -> dict[str, Json]:
    def work(tell: Tell) -> Json:
        return converting.convert(sources, written, options, limits, tell)

    size = sum(os.fstat(part.fd).st_size for part in sources.parts)
    descriptors = [*sources.descriptors, written]
    # One thread beside the copying one checks what was promised.
    room = 4 * size + limits.inflated_bytes + GIB
    run = partial(sandbox.run, limits=limits, progress=progress, threads=True, file_bytes=room)
    return _object(run(work, descriptors=descriptors))


def _check(
    written: int, told: dict[str, Json], options: Options, limits: Limits, progress: Tell | None
) -> dict[str, Json]:
    """The result read again in another child, which must find the tensors that the first wrote."""

    def work(tell: Tell) -> Json:
        return converting.inspect_again(written, limits, options, tell)

    checked = _object(sandbox.run(work, limits=limits, progress=progress, descriptors=[written]))
    if checked.get("fingerprint") != told.get("fingerprint"):
        raise EngineError("convert.unsound", "the result holds other tensors than were written")
    return checked


def _object(value: Json) -> dict[str, Json]:
    if not isinstance(value, dict):
        raise EngineError("sandbox.crashed", "the child's answer makes no sense")
    return value


def _conversion(
    source: Path, target: Path, told: dict[str, Json], checked: dict[str, Json]
) -> Conversion:
    dropped, kept = told.get("dropped"), told.get("kept")
    weights, sha256 = told.get("weights"), checked.get("sha256")
    tensors, size = checked.get("tensors"), checked.get("size")
    return Conversion(
        source=os.fspath(source),
        target=os.fspath(target),
        tensors=tensors if isinstance(tensors, int) else 0,
        dropped=tuple(_dropped(dropped)),
        kept=tuple(str(name) for name in kept) if isinstance(kept, list) else (),
        weights=str(weights) if weights else None,
        size=size if isinstance(size, int) else 0,
        sha256=str(sha256) if sha256 else None,
        changed=told.get("changed") is not False,
    )


def _dropped(items: Json) -> Iterator[Dropped]:
    for item in items if isinstance(items, list) else ():
        match item:
            case {"name": str(name), "why": str(why)}:
                yield Dropped(name, why)


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    try:
        # A pipe by that name must not hang us.
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError as error:
        raise FileError("read.missing", f"there is no {path}") from error
    except OSError as error:
        raise EngineError("read.failed", str(error)) from error
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise FileError("read.not_a_file", f"{path} is not a file")
        yield fd
    finally:
        os.close(fd)
