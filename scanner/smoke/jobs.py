"""A line that the warm parent is given: a job, or the word to end one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path

from scanner.errors import EngineError
from scanner.report import Json
from scanner.smoke.options import Options

_KNOWN = frozenset(field.name for field in fields(Options))


@dataclass(frozen=True, slots=True)
class Job:
    id: str
    path: Path
    out: Path
    options: Options


@dataclass(frozen=True, slots=True)
class Cancel:
    id: str


def understood(line: bytes) -> Job | Cancel:
    """``EngineError``, with the job's ``id`` where it has one, for a line that is neither."""
    try:
        body: Json = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise EngineError("smoke.job", "a job is a line of JSON") from error
    asked = body if isinstance(body, dict) else {}
    cancelled, name = asked.get("cancel"), asked.get("id")
    if isinstance(cancelled, str):
        return Cancel(cancelled)
    if not isinstance(name, str):
        raise EngineError("smoke.job", "a job has an id, a path and an output folder")
    try:
        return _job(name, asked)
    except EngineError as error:
        error.params["id"] = name
        raise


def _job(name: str, asked: Mapping[str, Json]) -> Job:
    path, out = _text(asked, "path"), _text(asked, "out")
    if path is None or out is None:
        raise EngineError("smoke.job", "a job has a path and an output folder")
    unknown = sorted(set(asked) - _KNOWN - {"id", "path", "out"})
    if unknown:
        raise EngineError("smoke.job", f"a job has no {', '.join(unknown)}")
    base = _text(asked, "base")
    options = Options(
        size=_number(asked, "size"),
        steps=_number(asked, "steps"),
        seed=_number(asked, "seed"),
        prompts=_texts(asked, "prompts"),
        pictures=_number(asked, "pictures"),
        device=_text(asked, "device") or "auto",
        model=_text(asked, "model"),
        base=None if base is None else Path(base),
        trigger=_text(asked, "trigger"),
        clip_skip=_number(asked, "clip_skip"),
        base_model=_text(asked, "base_model"),
    )
    return Job(name, Path(path), Path(out), options)


def _text(asked: Mapping[str, Json], key: str) -> str | None:
    value = asked.get(key)
    if isinstance(value, str | None):
        return value
    raise EngineError("smoke.job", f"{key} is a text")


def _number(asked: Mapping[str, Json], key: str) -> int | None:
    value = asked.get(key)
    if isinstance(value, int | None) and not isinstance(value, bool):
        return value
    raise EngineError("smoke.job", f"{key} is a whole number")


def _texts(asked: Mapping[str, Json], key: str) -> tuple[str, ...]:
    value = asked.get(key) or []
    texts = [item for item in value if isinstance(item, str)] if isinstance(value, list) else None
    if texts is None or texts != value:
        raise EngineError("smoke.job", f"{key} are texts")
    return tuple(texts)
