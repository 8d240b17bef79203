"""Every reader against mutated files: a verdict always, never an exception, within the limits.

    python -m tests.fuzz.readers --cases 100000 --seed 1

Each case is a small file of some format with bytes changed, cut, doubled, or joined with another's.
It is read and judged; now and then all sections of the report are made. A child with bounded memory
does the work, a batch each; a case that takes seconds of CPU fails.
"""

from __future__ import annotations

import multiprocessing
import random
import resource
import signal
import struct
import sys
import time
from collections import Counter
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from types import FrameType

from scanner import inspection, reading
from scanner.limits import MIB, Limits
from scanner.report import Verdict
from scanner.safety import judge
from scanner.source import BytesSource
from tests.fuzz import command
from tests.fuzz.samples import samples

#: Small, so that limits do run out.
LIMITS = Limits(
    opcodes=50_000, pickle_bytes=4 * MIB, inflated_bytes=16 * MIB, members=1_000, tensors=1_000,
    json_header_bytes=1 * MIB, string_bytes=1 * MIB, memo_entries=10_000, stack_depth=20_000,
)  # fmt: skip
BATCH = 2_000
#: On top of what the child has to begin with. No file here is larger than some kilobytes.
_MEMORY = 512 * MIB
#: Of CPU for one case. The limits allow for a fraction of it; only what hangs takes so long.
_SECONDS = 20
_ALL_SECTIONS = 0.2
_INTERESTING = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF, (1 << 63) - 1)
_WORDS = (b"PK\x05\x06", b"PK\x03\x04", b"\x80\x04", b"cos\nsystem\n", b"\n", b"{", b"- &a [*a]")


class Mutator:
    """Mutated files out of one seed."""

    def __init__(self, seed: str, files: dict[str, bytes]) -> None:
        self._rng = random.Random(seed)
        self.random = self._rng.random
        self._files = files
        self._names = sorted(files)

    def case(self) -> tuple[str, bytes]:
        rng = self._rng
        name = rng.choice(self._names)
        raw = bytearray(self._files[name])
        for _ in range(rng.choice((1, 1, 2, 3, 8))):
            self._mutate(raw)
        return name, bytes(raw)

    def _mutate(self, raw: bytearray) -> None:
        rng = self._rng
        if not raw:
            raw += b"\0"
        # Rather in a header, where structure is.
        at = int(len(raw) * (rng.random() if rng.random() < 0.5 else rng.random() ** 3))
        if rng.random() < 0.2:
            at = len(raw) - 1 - at
        kind = rng.randrange(9)
        if kind == 0:
            raw[at] = rng.randrange(256)
        elif kind == 1:
            raw[at] ^= 1 << rng.randrange(8)
        elif kind == 2:
            form = rng.choice(("<B", "<H", "<I", "<Q", ">I"))
            size = struct.calcsize(form)
            value = rng.choice(_INTERESTING) & ((1 << 8 * size) - 1)
            raw[at : at + size] = struct.pack(form, value)
        elif kind == 3:
            del raw[at : at + rng.choice((1, 2, 8, 64, len(raw)))]
        elif kind == 4:
            raw[at:at] = rng.randbytes(rng.choice((1, 2, 8, 64)))
        elif kind == 5:
            end = at + rng.choice((1, 4, 16, 64, 256))
            raw[at:at] = raw[at:end] * rng.choice((1, 1, 1, 16))
        elif kind == 6:
            other = self._files[rng.choice(self._names)]
            start = rng.randrange(len(other))
            raw[at:at] = other[start : start + rng.choice((4, 16, 64, len(other)))]
        elif kind == 7:
            other = self._files[rng.choice(self._names)]
            raw[: min(at, len(other))] = other[: min(at, len(other))]
        else:
            raw[at:at] = rng.choice(_WORDS)


class Failed(Exception):
    """A case without a verdict."""


def check(raw: bytes, *, whole: bool) -> Verdict:
    """The verdict. Anything but one is a defect."""
    source = BytesSource(raw, 0)
    if whole:
        report = inspection.inspect(source, LIMITS)
        if report.safety is None:
            raise Failed("a report without a verdict")
        findings, verdict = report.safety.findings, report.safety.verdict
    else:
        found = reading.read(source, LIMITS)
        safety = judge(found, LIMITS)
        findings, verdict = safety.findings, safety.verdict
        at = 0
        for extent in found.extents:
            if extent.offset != at or extent.size <= 0:
                raise Failed(f"extents that do not meet at {at}")
            at += extent.size
        if at != len(raw):
            raise Failed(f"extents that end at {at} of {len(raw)}")
    if not isinstance(verdict, Verdict):
        raise Failed(f"no verdict: {verdict!r}")
    for finding in findings:
        # An exception of ours is caught on the way and told like this.
        if finding.rule == "engine-error":
            raise Failed(finding.message)
    return verdict


class _Late(BaseException):
    """Not to be caught on the way, as our own exceptions are."""


def _late(_: int, __: FrameType | None) -> None:
    raise _Late(f"more than {_SECONDS} s of CPU")


def _child(sender: Connection, seed: str, cases: int, files: dict[str, bytes]) -> None:
    pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[0]
    room = int(pages) * resource.getpagesize() + _MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (room, room))
    signal.signal(signal.SIGPROF, _late)
    mutator, counts, failure = Mutator(seed, files), Counter[str](), ""
    slowest = 0.0
    for _ in range(cases):
        name, raw = mutator.case()
        whole = mutator.random() < _ALL_SECTIONS
        began = time.process_time()
        signal.setitimer(signal.ITIMER_PROF, _SECONDS)
        try:
            counts[check(raw, whole=whole).value] += 1
        except BaseException as error:
            # Whatever it is: MemoryError and Failed too.
            failure = f"{name}, {len(raw)} bytes: {type(error).__name__}: {error}\n{raw.hex()}"
            break
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
        slowest = max(slowest, time.process_time() - began)
        counts["all sections"] += whole
    sender.send((counts, failure, slowest))
    sender.close()


def run(seed: str, cases: int, tell: Callable[[str], None] = print) -> int:
    """All cases; 0 if none failed."""
    context = multiprocessing.get_context("fork")
    files = samples()
    inspection.prepare()
    counts: Counter[str] = Counter()
    slowest, began = 0.0, time.monotonic()
    told = began
    for number in range(-(-cases // BATCH)):
        size = min(BATCH, cases - number * BATCH)
        receiver, sender = context.Pipe(duplex=False)
        child = context.Process(target=_child, args=(sender, f"{seed}/{number}", size, files))
        child.start()
        sender.close()
        try:
            more, failure, longest = receiver.recv()
        except EOFError:
            child.join()
            tell(f"FAILED: batch {seed}/{number} died with {child.exitcode}")
            return 1
        child.join()
        counts += more
        slowest = max(slowest, longest)
        if failure:
            tell(f"FAILED in batch {seed}/{number}: {failure}")
            return 1
        if time.monotonic() - told > 15:
            told = time.monotonic()
            tell(f"{(number + 1) * BATCH:,} files: {_line(counts)}")
    tell(
        f"every file judged, seed {seed}: {cases:,} files of {len(files)} kinds, {_line(counts)}; "
        f"slowest {slowest:.2f} s of CPU; {time.monotonic() - began:,.0f} s"
    )
    return 0


def _line(counts: Counter[str]) -> str:
    return ", ".join(f"{what} {counts[what]:,}" for what in sorted(counts))


if __name__ == "__main__":
    sys.exit(command.main(run, __doc__))
