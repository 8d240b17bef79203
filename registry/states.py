"""The stages of a version, and which moves between them exist."""

from __future__ import annotations

from collections.abc import Mapping

from django.db.models import TextChoices


class Stage(TextChoices):
    """Facts about a version, never activities: work under way is a ``StepRun``."""

    DRAFT = "draft", "Draft"
    RECEIVED = "received", "Received"
    INSPECTED = "inspected", "Inspected"
    CONVERTED = "converted", "Converted"
    SMOKE_TESTED = "smoke_tested", "Smoke-tested"
    IN_REVIEW = "in_review", "In review"
    PUBLISHED = "published", "Published"
    QUARANTINED = "quarantined", "Quarantined"
    REJECTED = "rejected", "Rejected"
    WITHDRAWN = "withdrawn", "Withdrawn"


_ANY_TIME = frozenset({Stage.QUARANTINED, Stage.REJECTED})

MOVES: Mapping[Stage, frozenset[Stage]] = {
    Stage.DRAFT: frozenset({Stage.RECEIVED}) | _ANY_TIME,
    Stage.RECEIVED: frozenset({Stage.INSPECTED}) | _ANY_TIME,
    Stage.INSPECTED: frozenset({Stage.CONVERTED}) | _ANY_TIME,
    Stage.CONVERTED: frozenset({Stage.SMOKE_TESTED}) | _ANY_TIME,
    Stage.SMOKE_TESTED: frozenset({Stage.IN_REVIEW}) | _ANY_TIME,
    # Back to a draft: the reviewer asks for changes.
    Stage.IN_REVIEW: frozenset({Stage.PUBLISHED, Stage.DRAFT}) | _ANY_TIME,
    Stage.PUBLISHED: frozenset({Stage.WITHDRAWN, Stage.QUARANTINED}),
    # Each of these starts over from the bytes that were received.
    Stage.QUARANTINED: frozenset({Stage.RECEIVED, Stage.REJECTED}),
    Stage.REJECTED: frozenset({Stage.RECEIVED, Stage.QUARANTINED}),
    Stage.WITHDRAWN: frozenset({Stage.RECEIVED, Stage.QUARANTINED}),
}


def allowed(was: str, to: str) -> bool:
    return Stage(to) in MOVES[Stage(was)]


class Step(TextChoices):
    """The pipeline's steps; the value is also the queue's name."""

    INSPECT = "inspect", "Inspect"
    CONVERT = "convert", "Convert"
    SMOKE = "smoke", "Smoke test"


class RunState(TextChoices):
    WAITING = "waiting", "Waiting"
    RUNNING = "running", "Running"
    DONE = "done", "Done"
    FAILED = "failed", "Failed"
    CANCELLED = "cancelled", "Cancelled"


class SmokeVerdict(TextChoices):
    """Of a smoke test, and of each of its checks."""

    PASSED = "passed", "Passed"
    WARNED = "warned", "Passed with remarks"
    FAILED = "failed", "Failed"
    SKIPPED = "skipped", "Skipped"


class Role(TextChoices):
    """What a person may do; each role includes the ones before it."""

    MEMBER = "member", "Member"
    REVIEWER = "reviewer", "Reviewer"
    ADMIN = "admin", "Admin"


class Visibility(TextChoices):
    TEAM = "team", "Everyone on this site"
    PRIVATE = "private", "Only the owner and named people or teams"


class ArtifactRole(TextChoices):
    UPLOAD = "upload", "As uploaded"
    CONVERTED = "converted", "Converted"
    VARIANT = "variant", "Variant"
    REBUILT = "rebuilt", "Written anew as a torch file"
    CONFIG = "config", "Configuration"
    PREVIEW = "preview", "Preview"


class Scope(TextChoices):
    """What an API token may be used for."""

    READ = "read", "Read and download"
    WRITE = "write", "Upload and edit"
    REVIEW = "review", "Decide reviews"


class Kind(TextChoices):
    CHECKPOINT = "checkpoint", "Checkpoint"
    LORA = "lora", "LoRA"
    VAE = "vae", "VAE"
    EMBEDDING = "embedding", "Embedding"
    HYPERNETWORK = "hypernetwork", "Hypernetwork"
    UNET = "unet", "UNet"
    TEXT_ENCODER = "text_encoder", "Text encoder"
    CONTROLNET = "controlnet", "ControlNet"
    IP_ADAPTER = "ip_adapter", "IP-Adapter"
    T2I_ADAPTER = "t2i_adapter", "T2I-Adapter"
    CLIP_VISION = "clip_vision", "CLIP vision"
    UPSCALER = "upscaler", "Upscaler"
    UNKNOWN = "unknown", "Unknown"


class EventKind(TextChoices):
    """What the journal records."""

    MOVED = "moved", "Moved"
    HELD = "held", "Held for a person"
    RELEASED = "released", "Released"
    UPLOADED = "uploaded", "Uploaded"
    DELETED = "deleted", "Deleted"
    EVIDENCE = "evidence", "Evidence downloaded"
    EDITED = "edited", "Edited"
    PERSON = "person", "Person changed"
    AGAIN = "again", "Inspected again"
    VARIANT = "variant", "Variant"
    REDRAWN = "redrawn", "New pictures"
    BASE = "base", "Base model"


class NoticeKind(TextChoices):
    """What people are told about."""

    REVIEW = "review", "Waits for a decision"
    PUBLISHED = "published", "Published"
    CHANGES = "changes", "Changes asked for"
    REJECTED = "rejected", "Rejected"
    QUARANTINED = "quarantined", "Quarantined"
    WITHDRAWN = "withdrawn", "Withdrawn"
    HELD = "held", "Held"
    UNSAFE = "unsafe", "No longer considered safe"
    WORSE = "worse", "Needs another look"
    CLEARED = "cleared", "Nothing wrong found any more"
    NOT_MADE = "not_made", "Could not be made"
