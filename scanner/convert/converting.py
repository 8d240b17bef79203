"""The work itself, as it is done inside the strict jail: descriptors in, facts out."""

from __future__ import annotations

import errno
import hashlib
from collections.abc import Iterable
from dataclasses import asdict, replace
from typing import NamedTuple

import scanner
from scanner import reading, safety
from scanner.convert import addons, leaves, originals, plan, prune, rebuilt, repair, writing
from scanner.convert.checksums import Verification
from scanner.convert.layout import lay_out
from scanner.convert.options import Container, Dropped, Options
from scanner.convert.plan import Piece, Plan
from scanner.errors import EngineError, FileError, Refused
from scanner.limits import MIB, Limits
from scanner.report import Format, Json, Verdict
from scanner.sandbox import Tell
from scanner.source import FileSource
from scanner.tensors import TensorTable

_REFUSED = (Verdict.MALICIOUS, Verdict.UNREADABLE)
#: GGUF's quantised blocks have no word in safetensors, and its loaders want them as they are.
_LEFT_ALONE = (Format.GGUF,)
#: An expanded tensor is written out in full. No real model grows fourfold by that.
_GROWTH = 4


class Part(NamedTuple):
    """An open file of the source, and what comes before its tensors' names."""

    prefix: str
    fd: int


class Sources(NamedTuple):
    """Everything that is read: the model in one file or several, and another VAE."""

    parts: tuple[Part, ...]
    vae: int | None = None
    dropped: tuple[Dropped, ...] = ()

    @property
    def descriptors(self) -> list[int]:
        return [*(part.fd for part in self.parts), *([] if self.vae is None else [self.vae])]


def convert(sources: Sources, target: int, options: Options, limits: Limits, tell: Tell) -> Json:
    """Read, judge and convert the open files into the open file ``target``.
    Raises Refused, FileError or EngineError."""
    source, whole = _decided(sources, options, limits)

    def progress(done: int, total: int) -> None:
        tell("convert", done, total)

    try:
        with Verification(whole.pieces):
            if options.container is Container.TORCH:
                written, kept = rebuilt.write(whole, target, options.name, progress)
            else:
                written, kept = writing.write(whole, target, progress)
    except OSError as error:
        raise _blamed(error) from error
    return {
        "fingerprint": fingerprint(written.pieces),
        "dropped": [asdict(item) for item in written.dropped],
        "kept": list(kept),
        "weights": written.weights,
        "changed": _is_changed(written, source),
    }


def foresee(sources: Sources, options: Options, limits: Limits) -> Json:
    """What ``convert`` would write, found out without writing or reading a weight. A cast that
    does not fit comes out only when it is made. Raises what ``convert`` does."""
    source, whole = _decided(sources, options, limits)
    torch = options.container is Container.TORCH
    return {
        "dropped": [asdict(item) for item in whole.dropped],
        "weights": whole.weights,
        "tensors": len(whole.pieces),
        "size": writing.size_of(whole) if torch else lay_out(whole).size,
        "changed": _is_changed(whole, source),
    }


def _is_changed(whole: Plan, source: Plan) -> bool:
    """Whether any tensor's values, dtype or name is another than in the source."""
    before = {piece.name: piece for piece in source.pieces}
    if before.keys() != {piece.name for piece in whole.pieces}:
        return True
    return any(not _is_same(piece, before[piece.name]) for piece in whole.pieces)


def _is_same(piece: Piece, before: Piece) -> bool:
    if piece.values is None or piece.dtype != before.dtype:
        return piece == before
    return piece.values == b"".join(writing.in_order(before))


def _decided(sources: Sources, options: Options, limits: Limits) -> tuple[Plan, Plan]:
    """The source's plan, and what the options make of it."""
    source = _source(sources, limits)
    whole = planned(source, options)
    if sources.vae is not None:
        replacement = plan.of_table(readable_table(sources.vae, limits), sources.vae)
        whole = repair.swap_vae(whole, replacement.pieces)
    whole = writing.with_precision(whole, options.precision)
    _bound(whole, source)
    return source, whole


def _source(sources: Sources, limits: Limits) -> Plan:
    """All that the source holds, under the names of a single file."""
    first, *others = sources.parts
    if not others and not first.prefix:
        whole = _part(first, limits)
        # A zip of a diffusers folder is read as one table, by folder.
        return originals.single_file(whole) if originals.is_folder(whole) else whole
    pieces: dict[str, Piece] = {}
    dropped = list(sources.dropped)
    for part in sources.parts:
        read = _part(part, limits)
        dropped += [replace(item, name=part.prefix + item.name) for item in read.dropped]
        for piece in read.pieces:
            name = part.prefix + piece.name
            if name in pieces:
                raise Refused("convert.name", f"two files hold a tensor called {name!r}")
            pieces[name] = replace(piece, name=name)
    whole = Plan(tuple(pieces.values()), dropped=tuple(dropped))
    # Shards of one component alone keep their names, as a file of that component would.
    return originals.single_file(whole) if first.prefix else whole


def _part(part: Part, limits: Limits) -> Plan:
    table = readable_table(part.fd, limits)
    whole = addons.rename(plan.of_table(table, part.fd), table)
    return whole.with_metadata(leaves.as_metadata(table.leaves))


def readable_table(fd: int, limits: Limits) -> TensorTable:
    """The tensors of a file that is neither malicious nor unreadable; ``Refused`` otherwise."""
    read = reading.read(FileSource(fd), limits)
    verdict = safety.judge(read, limits).verdict
    if verdict in _REFUSED:
        raise Refused("convert.refused", f"the file is {verdict}", verdict=verdict.value)
    if read.table is None or not read.table.tensors or read.format in _LEFT_ALONE:
        raise Refused(
            "convert.no_tensors", f"{read.format}: nothing to convert", format=read.format.value
        )
    return read.table


def planned(source: Plan, options: Options) -> Plan:
    """What the options make of the source."""
    whole = source.with_metadata({**options.metadata, **_maker()})
    if options.prune:
        whole = prune.prune(whole, options.weights)
    if options.position_ids:
        whole = repair.position_ids(whole)
    return whole


def _maker() -> dict[str, str]:
    return {"format": "pt", "weighhouse.converter": scanner.__version__}


def _bound(whole: Plan, source: Plan) -> None:
    read = (item.tensor.storage for piece in source.pieces for item in piece.sources)
    storages = {id(storage): storage.nbytes for storage in read}
    size = writing.size_of(whole)
    if size > _GROWTH * sum(storages.values()) + MIB:
        raise FileError("convert.too_large", f"the tensors would take {size} bytes", size=size)


def _blamed(error: OSError) -> Exception:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return EngineError("disk.full", "no room for the converted file")
    if error.errno == errno.EFBIG:
        return FileError("convert.too_large", "the converted file is larger than is allowed")
    return EngineError("convert.failed", str(error))


def fingerprint(pieces: Iterable[Piece]) -> str:
    """Names, dtypes and shapes, in one digest that does not depend on their order."""
    lines = sorted(f"{piece.name}\0{piece.dtype}\0{piece.shape}" for piece in pieces)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def inspect_again(target: int, limits: Limits, options: Options, tell: Tell) -> Json:
    """Read the result as if a stranger had sent it."""
    source = FileSource(target)
    read = reading.read(source, limits)
    verdict = safety.judge(read, limits).verdict
    table = read.table
    torch = options.container is Container.TORCH
    expected = Format.TORCH_ZIP if torch else Format.SAFETENSORS
    if read.format is not expected or verdict is not Verdict.CLEAN or table is None:
        raise EngineError("convert.unsound", f"the result reads as {read.format}, {verdict}")
    pieces = [plan.piece(tensor, target) for tensor in table]
    if torch:
        # Under the names that a conversion of it would give them.
        pieces = list(addons.rename(plan.of_table(table, target), table).pieces)
    sha256 = hashlib.sha256()
    if options.digest:
        done = 0
        for chunk in source.chunks():
            sha256.update(chunk)
            done += len(chunk)
            tell("digest", done, source.size)
    return {
        "fingerprint": fingerprint(pieces),
        "tensors": len(table),
        "size": source.size,
        "sha256": sha256.hexdigest() if options.digest else None,
    }
