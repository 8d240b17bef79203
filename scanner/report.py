"""The report's vocabulary: frozen values, and how they become JSON.

The JSON is a contract with every user of the command line, the workers and the API: fields may be
added, never renamed.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple

SCHEMA = 1

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]


class Verdict(StrEnum):
    """Of a whole file; the worst finding wins."""

    CLEAN = "clean"
    SUSPICIOUS = "suspicious"
    UNREADABLE = "unreadable"
    MALICIOUS = "malicious"


class Severity(StrEnum):
    """Of one finding. A note leaves the verdict alone."""

    NOTE = "note"
    SUSPICIOUS = "suspicious"
    UNREADABLE = "unreadable"
    MALICIOUS = "malicious"


_RANK: Mapping[str, int] = {"note": 0, "clean": 0, "suspicious": 1, "unreadable": 2, "malicious": 3}


class Tier(StrEnum):
    KNOWN = "known"
    UNKNOWN = "unknown"
    DANGEROUS = "dangerous"


class Format(StrEnum):
    TORCH_ZIP = "torch-zip"
    TORCH_LEGACY = "torch-legacy"
    TORCH_TAR = "torch-tar"
    TORCHSCRIPT = "torchscript"
    PICKLE = "pickle"
    SAFETENSORS = "safetensors"
    GGUF = "gguf"
    NUMPY = "numpy"
    ZIP = "zip"
    ARCHIVE = "archive"
    IMAGE = "image"
    UNKNOWN = "unknown"


class State(StrEnum):
    WHOLE = "whole"
    PARTIAL = "partial"
    ABSENT = "absent"


class Finding(NamedTuple):
    """One thing a reviewer should know, with its evidence. Offsets in bytes: ``offset`` in the
    file, ``member_offset`` in the member; None where it does not apply."""

    rule: str
    severity: Severity
    message: str
    member: str | None = None
    offset: int | None = None
    member_offset: int | None = None
    opcode: str | None = None
    # `global` is a Python keyword; the JSON key is written by to_json.
    global_: str | None = None
    argument: str | None = None
    window: tuple[str, ...] = ()


class GlobalUse(NamedTuple):
    """A name that a pickle asks for, as the file spells it, and how often."""

    name: str
    count: int  # type: ignore[assignment]  # hides tuple.count, which nobody asks
    tier: Tier


class Safety(NamedTuple):
    verdict: Verdict
    findings: tuple[Finding, ...] = ()
    globals: tuple[GlobalUse, ...] = ()
    #: fickling's pseudo-Python of what was flagged: an illustration, never the verdict.
    decompiled: str | None = None
    opcodes: int = 0


class Hashes(NamedTuple):
    """Lower-case hex. AutoV1 is null below 2 MiB, AutoV3 is for safetensors only."""

    sha256: str | None = None
    blake3: str | None = None
    crc32: str | None = None
    autov1: str | None = None
    autov2: str | None = None
    autov3: str | None = None


class Component(NamedTuple):
    """One part of a model. ``missing`` and ``misshapen`` name tensors."""

    state: State
    arch: str | None = None
    precision: str | None = None
    tensors: int = 0
    params: int = 0
    bytes: int = 0
    missing: tuple[str, ...] = ()
    misshapen: tuple[str, ...] = ()


class Adapter(NamedTuple):
    algorithm: str
    naming: str
    ranks: Mapping[str, int]
    alpha: float | None
    targets: tuple[str, ...]
    dora: bool = False


class Embedding(NamedTuple):
    vectors: int
    tokens: tuple[str, ...]
    dims: Mapping[str, int]


class Hypernetwork(NamedTuple):
    dims: tuple[int, ...]
    layers: tuple[float, ...]
    activation: str | None


class Identity(NamedTuple):
    kind: str = "unknown"
    base: str | None = None
    candidates: tuple[str, ...] = ()
    variant: str | None = None
    prediction: str | None = None
    components: Mapping[str, Component] = {}
    precision: str | None = None
    ema: str = "none"
    adapter: Adapter | None = None
    embedding: Embedding | None = None
    hypernetwork: Hypernetwork | None = None
    trigger_words: tuple[str, ...] = ()
    evidence: tuple[str, ...] = ()
    conflicts: tuple[str, ...] = ()
    #: What the file is good for: generating, fine-tuning, merging.
    uses: tuple[str, ...] = ()
    #: What the file says of itself: chosen keys, plain text of bounded length.
    metadata: Mapping[str, str] = {}
    #: Tags that its author or its training captions suggest.
    suggested_tags: tuple[str, ...] = ()
    #: The published file that it is, by its digest alone.
    release: str | None = None


class HealthIssue(NamedTuple):
    issue: str
    severity: str  # "note" | "warning" | "error"
    message: str
    tensors: tuple[str, ...] = ()


class LedgerRow(NamedTuple):
    what: str
    bytes: int
    removable: bool = False


class Ledger(NamedTuple):
    """Every byte in a named row: the rows and ``unexplained`` add up to the file's size.
    ``scanner.naming.suggested`` makes a file name of ``words``."""

    rows: tuple[LedgerRow, ...]
    removable: int
    lossless_minimum: int
    unexplained: int
    summary: str
    #: Bytes of each component that is there, were it whole: {"unet": {"fp16": …, "fp32": …}}.
    expected: Mapping[str, Mapping[str, int]] = {}
    #: What is odd about the sizes, each in a sentence.
    anomalies: tuple[str, ...] = ()
    #: What the community calls such a file: "pruned", "emaonly", "noVAE", "fp16", …
    words: tuple[str, ...] = ()


class Fingerprint(NamedTuple):
    """A component's values, told shortly. Of ``sizes`` (how many numbers), ``tensors`` (16 hex
    digits of digest) and ``samples`` (16 of values) there is one entry a place; two components of
    the same ``order`` compare place by place. ``digest`` is None unless every value was seen."""

    arch: str
    order: str
    digest: str | None
    sizes: tuple[int, ...]
    tensors: str
    samples: str


class Fingerprints(NamedTuple):
    """``components`` by name, the two halves of a VAE apart. See docs/identity.md."""

    method: str
    components: Mapping[str, Fingerprint]


class Tensors(NamedTuple):
    """The file's list of tensors: (name, dtype, shape, component or use, bytes) each.
    ``left_out`` counts those of the ``total`` for which the list had no room."""

    total: int
    left_out: int
    rows: tuple[tuple[str, str, tuple[int, ...], str, int], ...]


class Report(NamedTuple):
    """What is known of one file. A section that was not asked for is None and left out."""

    size: int
    format: Format
    hashes: Hashes | None = None
    safety: Safety | None = None
    identity: Identity | None = None
    health: tuple[HealthIssue, ...] | None = None
    ledger: Ledger | None = None
    fingerprints: Fingerprints | None = None
    tensors: Tensors | None = None
    #: Layers of the sandbox that held while the file was read ("landlock", "seccomp", "rlimits").
    sandbox: tuple[str, ...] = ()
    scanner: Mapping[str, str] = {}
    name: str | None = None


#: What a report holds unless less, or more, is asked for.
SECTIONS = ("safety", "identity", "health", "ledger", "hashes")
#: What has to be asked for by name.
EXTRA = ("fingerprints", "tensors")


def worst(findings: tuple[Finding, ...]) -> Verdict:
    """The verdict that the findings add up to."""
    rank = max((_RANK[finding.severity] for finding in findings), default=0)
    return (Verdict.CLEAN, Verdict.SUSPICIOUS, Verdict.UNREADABLE, Verdict.MALICIOUS)[rank]


def _json(value: object) -> Json:
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return {key.rstrip("_"): _json(item) for key, item in value._asdict().items()}
    if isinstance(value, Mapping):
        return {_writable(str(key)): _json(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_json(item) for item in value]
    if isinstance(value, StrEnum):
        return value.value
    if isinstance(value, str):
        return _writable(value)
    if value is None or isinstance(value, (bool, int, float)):
        return value
    raise TypeError(f"{type(value).__name__} has no place in a report")


def to_json(report: Report) -> dict[str, Json]:
    """The report as in the contract: ``schema`` first, sections that were not made left out."""
    body = _json(report)
    assert isinstance(body, dict)
    for section in (*SECTIONS, *EXTRA):
        if body[section] is None:
            del body[section]
    components = report.identity.components if report.identity else {}
    if components:
        identity = body["identity"]
        assert isinstance(identity, dict)
        # An absent component has nothing but its state.
        identity["components"] = {
            name: {"state": part.state.value} if part.state is State.ABSENT else _json(part)
            for name, part in components.items()
        }
    return {"schema": SCHEMA, **body}


def _writable(text: str) -> str:
    """The text with lone surrogates and noughts written as escapes: hostile names have them, and
    neither UTF-8 nor a database takes them."""
    if text.isascii() and "\0" not in text:
        return text
    return text.encode("utf-8", "backslashreplace").decode().replace("\0", "\\x00")
