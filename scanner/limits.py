"""Every bound the engine keeps. Running out of one is a finding, never a crash."""

from __future__ import annotations

from typing import NamedTuple

KIB = 1024
MIB = 1024 * KIB
GIB = 1024 * MIB


class Limits(NamedTuple):
    """Bounds for one file. Sizes in bytes, times in seconds, the rest in counts."""

    # One pickle, and all pickles of one file together.
    pickle_bytes: int = 64 * MIB
    # A checkpoint has tens of thousands; so many take two seconds and 200 MiB.
    opcodes: int = 2_000_000
    stack_depth: int = 1_000_000
    marks: int = 100_000
    memo_entries: int = 2_000_000
    # Calls, imports and mutations of one pickle, each.
    events: int = 200_000
    # Digits of a decimal LONG: int() is quadratic, and no real file needs a long integer.
    integer_digits: int = 4_000
    string_bytes: int = 16 * MIB
    nesting: int = 10_000
    # Parts of the keys of a pickle's dicts and sets, as often as a loader hashes them.
    hashed_parts: int = 1_000_000
    # Ways to follow a pickle whose opcodes reach over the ends of its frames.
    frame_ways: int = 32
    # Containers.
    members: int = 100_000
    inflated_bytes: int = 16 * GIB
    inflate_ratio: int = 1_100
    container_depth: int = 4
    json_header_bytes: int = 100 * MIB
    json_depth: int = 64
    tensors: int = 500_000
    tensor_dims: int = 64
    # Output.
    findings: int = 1_000
    globals: int = 10_000
    preview_chars: int = 240
    window_opcodes: int = 8
    report_bytes: int = 64 * MIB
    # A model has a few thousand tensors, with names of some sixty characters.
    listed_tensors: int = 20_000
    listed_chars: int = 2_000_000
    # The child process.
    memory_bytes: int = 1 * GIB
    cpu_seconds: int = 600
    wall_seconds: int = 1_800


DEFAULT = Limits()
