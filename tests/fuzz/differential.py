"""The pickle machine against CPython's C unpickler: what C asks for, calls or changes, we report.

    python -m tests.fuzz.differential --cases 10000000 --seed 1

A case is one pickle, or now and then a stream of several. C loads it in one or two of the ways in
``oracle``, and each name that it asked for, called or changed has to be in our traces. Work is
done in children, one after the other, with bounded memory. The first case that fails is made
smaller and printed as hex, and the run ends with 1.
"""

from __future__ import annotations

import argparse
import gc
import multiprocessing
import resource
import sys
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterable
from multiprocessing.connection import Connection
from pathlib import Path

from scanner import policy
from scanner.formats import texts
from scanner.limits import Limits
from scanner.opcodes.machine import COMPUTED, trace
from scanner.opcodes.trace import Trace
from scanner.opcodes.values import Call, Extension, Global, Value
from scanner.reading import read
from scanner.report import Tier, Verdict
from scanner.safety import judge
from scanner.source import BytesSource
from tests.fuzz import oracle
from tests.fuzz.grammar import EXTENSIONS, Grower
from tests.fuzz.oracle import Load, Name, Seen, witness

LIMITS = Limits(opcodes=20_000)
#: Cases for one child: what a load leaves behind in the process goes with it.
BATCH = 100_000
#: A wild memo index makes C allocate a table of that length; more than this is refused.
_MEMORY = 24 * 1024**2
#: Seconds of CPU for one batch. Far more than it takes: only a case that never ends needs it.
_SECONDS = 1_800
_PROGRESS = 15.0

#: Names from 8-bit strings fail where those are read as bytes: seldom enough.
_SINGLE = tuple(oracle.SINGLE) + tuple(way for way in oracle.SINGLE if "utf-8" in way) * 2
_PYTHON = tuple(oracle.PYTHON)
_STREAMS = tuple(oracle.STREAMS)
_PYTHON_SHARE = 0.01
_SECOND_SHARE = 0.05
_FRAME_SHARE = 0.6
_FRAME = 0x95
_PARTING = frozenset({"frame-straddled", "frame-beyond-stop"})

Ours = Callable[[bytes], Seen]
Excused = Callable[[bytes, Seen, Seen], str]


def ours(raw: bytes) -> Seen:
    """What the machine saw in one pickle."""
    whole = trace(BytesSource(raw, 0), 0, LIMITS, member="")
    return _seen(_all([whole]))


def ours_of_file(raw: bytes) -> Seen:
    """What the whole reader saw: the report's names come from these traces."""
    return _seen(_all(read(BytesSource(raw, 0), LIMITS).traces))


def ours_of_chain(raw: bytes) -> Seen:
    """What the machine saw in a stream that one unpickler reads, with its memo. The report has
    more for other readers, but names that need such a memo only where they are dangerous: in a
    stream of honest pickles every recollection is wrong when it is read so."""
    source = BytesSource(raw, 0)
    chain: list[Trace] = []
    at, memo = 0, dict[int, Value]()
    while at < len(raw) and not (chain and any(odd.fatal for odd in chain[-1].oddities)):
        chain.append(trace(source, at, LIMITS, member="", memo=memo))
        at, memo = chain[-1].end, {**memo, **chain[-1].memo}
    seen, report = _seen(_all(chain)), ours_of_file(raw)
    # What is dangerous has to be in the report itself.
    grave = {name for name in seen.names if policy.tier(*name) is Tier.DANGEROUS}
    return Seen(
        seen.names - grave | report.names,
        seen.called - grave | report.called,
        seen.changed - grave | report.changed,
        seen.limited or report.limited,
        seen.parted or report.parted,
    )


def _all(traces: Iterable[Trace]) -> list[Trace]:
    return [one for trace in traces for one in (trace, *trace.alternates)]


def _seen(traces: Iterable[Trace]) -> Seen:
    seen = Seen()
    for one in traces:
        seen.limited |= any(odd.code.startswith("limit.") for odd in one.oddities)
        seen.parted |= any(odd.code in _PARTING for odd in one.oddities)
        for use in one.imports:
            seen.names.add((use.target.module, use.target.name))
        for extension in one.extensions:
            seen.names.add(_name(extension))
        for call in one.calls:
            if isinstance(call.callee, (Global, Extension)):
                seen.called.add(_name(call.callee))
        for mutation in one.mutations:
            target: Value = mutation.target
            if isinstance(target, Call):
                target = target.callee
            if isinstance(target, (Global, Extension)):
                seen.changed.add(_name(target))
    return seen


def _name(value: Global | Extension) -> Name:
    if isinstance(value, Global):
        return value.module, value.name
    return EXTENSIONS.get(value.code, ("extension", str(value.code)))


def missed(theirs: Seen, mine: Seen) -> str:
    """What of theirs is not among ours, in words; empty where nothing is."""
    for what, wanted, there in (
        ("asked for", theirs.names, mine.names),
        ("called", theirs.called, mine.called),
        ("changed", theirs.changed, mine.changed),
    ):
        # No name is empty: only the machine in Python asks for one, where a line has no end.
        left = [name for name in wanted - there if all(name) and not _alike(name, there)]
        if left:
            return f"{what}: {left}"
    return ""


def _alike(name: Name, there: set[Name]) -> bool:
    """Whether a name is ours in other words: made at load time, or bytes that are not ASCII, which
    latin-1 reads otherwise (an ASCII name reads the same to all, so none can hide in them)."""
    modules, attributes = ((COMPUTED, part, _as_utf8(part)) for part in name)
    return any(module in modules and attribute in attributes for module, attribute in there)


def _as_utf8(text: str) -> str:
    try:
        return text.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return text


class Failed(Exception):
    """A case in which we saw less than the unpickler."""


class _Batch:
    """Cases out of one seed, and what became of them."""

    def __init__(self, seed: str, streams: float) -> None:
        self.counts: Counter[str] = Counter()
        self._streams = streams
        self._grower = Grower(seed)
        self._random = self._grower.random

    def run(self, cases: int) -> None:
        while self.counts["executed"] < cases:
            if self._random() < self._streams:
                self._stream(self._grower.stream())
                continue
            for raw in self._grower.pickles():
                self._single(raw)

    def _single(self, raw: bytes) -> None:
        counts = self.counts
        counts["executed"] += 1
        ways = [_SINGLE[int(self._random() * len(_SINGLE))]]
        # Readers part at frames: two of them there, and now and then anyway.
        if self._random() < (_FRAME_SHARE if _FRAME in raw else _SECOND_SHARE):
            ways.append(_SINGLE[int(self._random() * len(_SINGLE))])
        python = self._random() < _PYTHON_SHARE
        witnesses = [(way, self._witness(oracle.SINGLE[way], raw)) for way in dict.fromkeys(ways)]
        reached = any(seen.names for _, seen in witnesses)
        if python:
            counts["also in Python"] += 1
            way = _PYTHON[int(self._random() * len(_PYTHON))]
            witnesses.append((way, self._witness(oracle.PYTHON[way], raw)))
        self._compare(raw, witnesses, ours, _limited, reached)

    def _stream(self, raw: bytes) -> None:
        self.counts["executed"] += 1
        self.counts["streams"] += 1
        way = _STREAMS[int(self._random() * len(_STREAMS))]
        seen = self._witness(oracle.STREAMS[way], raw)
        look = ours_of_chain if "one unpickler" in way else ours_of_file
        self._compare(raw, [(way, seen)], look, _excused, bool(seen.names))

    def _witness(self, load: Load, raw: bytes) -> Seen:
        seen, exhausted = witness(load, raw)
        self.counts["loads"] += 1
        self.counts["out of memory"] += exhausted
        return seen

    def _compare(
        self,
        raw: bytes,
        witnesses: list[tuple[str, Seen]],
        look: Ours,
        excused: Excused,
        reached: bool,
    ) -> None:
        if not any(seen.names for _, seen in witnesses):
            return
        mine = look(raw)
        for way, seen in witnesses:
            if missed(seen, mine):
                excuse = excused(raw, seen, mine)
                if not excuse:
                    raise Failed(_told(raw, way, look, excused))
                self.counts[excuse] += 1
        counts = self.counts
        counts["reached a name"] += reached
        counts["called"] += any(seen.called for _, seen in witnesses)
        counts["changed"] += any(seen.changed for _, seen in witnesses)


def _excused(raw: bytes, seen: Seen, mine: Seen) -> str:
    """Why a stream's report need not have all that one load sees; empty if it must. No name that
    could be one may be called without being reported."""
    if mine.limited:
        return "beyond a limit"
    if mine.parted:
        # Each reader then finds the next pickle elsewhere. Never clean.
        return "readers parted"
    if all(map(_nonsense, seen.names - mine.names)):
        return "no names"
    source = BytesSource(raw, 0)
    bare = seen.called <= mine.called and seen.changed <= mine.changed
    # Imported, then failed: taken for a text ("cos" and "sin" on two lines are ``os.sin``), or
    # for what is not clean anyway.
    if bare and (
        texts.plausible(source) or judge(read(source, LIMITS), LIMITS).verdict != Verdict.CLEAN
    ):
        return "imports alone"
    return ""


def _nonsense(name: Name) -> bool:
    return not all(part.isidentifier() for part in ".".join(name).split("."))


def _limited(raw: bytes, seen: Seen, mine: Seen) -> str:
    return "beyond a limit" if mine.limited else ""


def _told(raw: bytes, way: str, look: Ours, excused: Excused) -> str:
    load = {**oracle.SINGLE, **oracle.PYTHON, **oracle.STREAMS}[way]

    def words(cut: bytes) -> str:
        seen, mine = witness(load, cut)[0], look(cut)
        told = missed(seen, mine)
        return told if told and not excused(cut, seen, mine) else ""

    small = smaller(raw, lambda cut: bool(words(cut)))
    return f"{way}: {words(small)}\n{small.hex()}\nof {raw.hex()}"


def smaller(raw: bytes, fails: Callable[[bytes], bool]) -> bytes:
    """The case without what it does not need in order to fail."""
    step = len(raw) // 2
    while step:
        at = 0
        while at < len(raw):
            cut = raw[:at] + raw[at + step :]
            if fails(cut):
                raw = cut
            else:
                at += step
        step //= 2
    return raw


def _child(sender: Connection, seed: str, cases: int, streams: float) -> None:
    warnings.simplefilter("ignore")
    room = _resident() + _MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (room, room))
    resource.setrlimit(resource.RLIMIT_CPU, (_SECONDS, _SECONDS))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    oracle.prepare()
    # What is there now stays, and cases make no cycles worth a search each time.
    gc.freeze()
    gc.set_threshold(20_000, 50, 100)
    batch = _Batch(seed, streams)
    try:
        batch.run(cases)
        failure = ""
    except Failed as error:
        failure = str(error)
    sender.send((batch.counts, failure))
    sender.close()


def _resident() -> int:
    """Bytes of address space that the process has now."""
    pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[0]
    return int(pages) * resource.getpagesize()


def run(
    seed: str, cases: int, streams: float, tell: Callable[[str], None] = print, first: int = 0
) -> int:
    """All cases, batch by batch, from the ``first`` batch on; 0 if none failed. ``streams`` is the
    share of streams."""
    context = multiprocessing.get_context("fork")
    totals: Counter[str] = Counter()
    began = told = time.monotonic()
    for number in range(first, -(-cases // BATCH)):
        size = min(BATCH, cases - number * BATCH)
        receiver, sender = context.Pipe(duplex=False)
        child = context.Process(target=_child, args=(sender, f"{seed}/{number}", size, streams))
        child.start()
        sender.close()
        try:
            counts, failure = receiver.recv()
        except EOFError:
            child.join()
            tell(f"batch {seed}/{number} of {size} died with {child.exitcode}")
            return 1
        child.join()
        totals += counts
        now = time.monotonic()
        if failure:
            tell(f"MISMATCH in batch {seed}/{number}: {failure}")
            return 1
        if now - told > _PROGRESS:
            told = now
            tell(_line(totals, seed, now - began))
    tell(f"every name seen: {_line(totals, seed, time.monotonic() - began)}")
    return 0


def _line(totals: Counter[str], seed: str, seconds: float) -> str:
    counts = ", ".join(f"{what} {totals[what]:,}" for what in totals)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    rate = totals["executed"] / max(seconds, 0.001)
    busy = used.ru_utime + used.ru_stime
    return f"seed {seed}: {counts}; {seconds:,.0f} s ({busy:,.0f} of CPU), {rate:,.0f} cases/s"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--cases", type=int, default=100_000)
    parser.add_argument("--seed", default="1")
    parser.add_argument("--streams", type=float, default=0.06, help="share of streams")
    parser.add_argument("--first", type=int, default=0, help="batch to take a run up at")
    given = parser.parse_args()

    def tell(line: str) -> None:
        print(line, flush=True)

    return run(given.seed, given.cases, given.streams, tell, given.first)


if __name__ == "__main__":
    sys.exit(main())
