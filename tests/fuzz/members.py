"""Our zip walker against torch's reader and Python's: what they would load is what we judged.

    python -m tests.fuzz.members --cases 100000 --seed 1

For each archive, torch's own reader and Python's ``zipfile`` hand out every member. Each name that
a pickle among those reaches has to be in our traces, and where we have a tensor's bytes from the
record that torch would read, they have to be those that torch returns.
"""

from __future__ import annotations

import io
import sys
import time
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator

from scanner.errors import FileError
from scanner.formats import pickles
from scanner.limits import Limits
from scanner.opcodes.machine import trace
from scanner.reading import Reading, read
from scanner.report import Verdict
from scanner.safety import judge
from scanner.source import BytesSource
from tests.fuzz import command
from tests.fuzz.archives import Archives

LIMITS = Limits(opcodes=20_000, inflated_bytes=1 << 24, pickle_bytes=1 << 22)
#: A header may promise more than anybody has room for.
_MOST = 1 << 24

Members = list[tuple[str, bytes]]


def by_torch(raw: bytes) -> Members:
    """What torch's reader hands out, in its order; nothing where it refuses the file."""
    from torch._C import PyTorchFileReader

    try:
        reader = PyTorchFileReader(io.BytesIO(raw))
        names = reader.get_all_records()
    except (RuntimeError, UnicodeDecodeError):
        return []
    found: Members = []
    # These are asked for by name, whatever is listed.
    for name in dict.fromkeys((*names, "data.pkl", "byteorder", "data/0", "data/1")):
        try:
            if reader.get_record_size(name) <= _MOST:
                found.append((name, reader.get_record(name)))
        except (RuntimeError, TypeError):
            continue
    return found


def by_python(raw: bytes) -> Members:
    """What ``zipfile`` hands out, up to where a stream breaks or a checksum is wrong."""
    try:
        archive = zipfile.ZipFile(io.BytesIO(raw))
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, OverflowError):
        return []
    found: Members = []
    for info in archive.infolist():
        try:
            file = archive.open(info)
        except Exception:
            continue
        # numpy reads a member while it comes: the checksum is looked at behind the last byte.
        file._expected_crc = None  # type: ignore[attr-defined]
        data = b""
        try:
            while len(data) < _MOST and (piece := file.read(64)):
                data += piece
        except Exception:
            pass
        found.append((info.filename, data))
    return found


def names(data: bytes) -> set[tuple[str, str]]:
    """What a pickle asks for, in all ways to follow it; nothing where the bytes are none."""
    whole = trace(BytesSource(data), 0, LIMITS, member="")
    if not pickles.credible(whole):
        return set()
    return {(use.target.module, use.target.name) for use in whole.imports}


def missed(raw: bytes, counts: Counter[str]) -> str:
    """What a reader would load and we have not judged, in words; empty where there is nothing."""
    reading = read(BytesSource(raw, 0), LIMITS)
    ours = {
        (use.target.module, use.target.name)
        for one in reading.traces
        for way in (one, *one.alternates)
        for use in way.imports
    }
    torch, python = by_torch(raw), by_python(raw)
    counts["read by torch"] += bool(torch)
    counts["read by Python"] += bool(python)
    pickled = 0
    for reader, members in (("torch", torch), ("Python", python)):
        for name, data in members:
            wanted = names(data)
            pickled += bool(wanted)
            if wanted - ours and not _begins_a_judged_one(data, reading):
                return f"{reader} reads {sorted(wanted - ours)} in {name!r}"
    counts["with a pickle"] += bool(pickled)
    return _other_bytes(raw, reading, dict(torch), counts)


def _begins_a_judged_one(data: bytes, reading: Reading) -> bool:
    """Whether a reader stops early in what we have judged to its end: only the name that it stops
    in may then read otherwise, and nothing follows that could call it."""
    sources = (one.source for one in reading.traces if one.source is not None)
    return any(source.peek(0, len(data)) == data for source in sources)


def _other_bytes(
    raw: bytes, reading: Reading, torch: dict[str, bytes], counts: Counter[str]
) -> str:
    told = ""
    for tensor in reading.table or ():
        storage = tensor.storage
        theirs = torch.get(f"data/{storage.key}")
        if theirs is None:
            continue
        counts["storages compared"] += 1
        try:
            mine = storage.source.read(0, storage.nbytes)
        except FileError as error:
            mine = error.code.encode()
        if mine != theirs:
            told = f"storage {storage.key} of {storage.member!r}: {mine.hex()} not {theirs.hex()}"
    if told and judge(reading, LIMITS).verdict is not Verdict.CLEAN:
        # Readers disagree about this file, and the report says so.
        counts["storages that readers part on, not clean"] += 1
        return ""
    return told


def run(seed: str, cases: int, tell: Callable[[str], None] = print) -> int:
    """All cases; 0 if none failed."""
    counts: Counter[str] = Counter()
    archives = Archives(seed)
    began = told = time.monotonic()
    for number, raw in enumerate(_archives(archives, cases), 1):
        failure = missed(raw, counts)
        if failure:
            tell(f"MISMATCH in case {number} of seed {seed}: {failure}\n{raw.hex()}")
            return 1
        if time.monotonic() - told > 15:
            told = time.monotonic()
            tell(f"{number:,} archives: {_line(counts)}")
    seconds = time.monotonic() - began
    tell(f"every member seen, seed {seed}: {cases:,} archives, {_line(counts)}; {seconds:,.0f} s")
    return 0


def _archives(archives: Archives, cases: int) -> Iterator[bytes]:
    for _ in range(cases):
        yield archives.archive()


def _line(counts: Counter[str]) -> str:
    return ", ".join(f"{what} {count:,}" for what, count in counts.items())


if __name__ == "__main__":
    sys.exit(command.main(run, __doc__))
