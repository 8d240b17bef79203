"""Short ways to the rows and files that the registry's tests need, through the real use cases."""

from __future__ import annotations

import hashlib
import itertools
import json
import struct
from collections.abc import Sequence
from typing import Any

from registry import catalogue, contents, lineage, reports, uploads
from registry.models import Artifact, Model, User, Version
from registry.states import Role, Stage

_numbers = itertools.count(1)
PASSWORD = "a-long-enough-secret"


def person(role: Role = Role.MEMBER, name: str | None = None) -> User:
    return User.objects.create_user(
        name or f"{role}-{next(_numbers)}", password=PASSWORD, role=role
    )


def model(owner: User | None = None, **fields: Any) -> Model:
    fields.setdefault("name", f"Model {next(_numbers)}")
    return catalogue.create_model(by=owner or person(), **fields)


def version(of: Model | None = None, name: str = "1.0") -> Version:
    of = of or model()
    return catalogue.create_version(of, name=name, by=of.owner)


def safetensors(salt: int = 0) -> bytes:
    """A real, tiny safetensors file; ``salt`` tells one from another."""
    header = json.dumps({"weight": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).encode()
    header += b" " * (-len(header) % 8)
    return struct.pack("<Q", len(header)) + header + struct.pack("<I", salt)


def artifact(
    of: Version | None = None, *, data: bytes | None = None, name: str = "tiny.safetensors"
) -> Artifact:
    of = of or version()
    data = safetensors(next(_numbers)) if data is None else data
    return uploads.receive([data], version=of, name=name, by=of.created_by)


def judged(
    of: Artifact, verdict: str = "clean", format: str = "safetensors", **identity: Any
) -> Artifact:
    """As if the engine had found this; tests that need its real word run the engine."""
    data = {
        "schema": 1,
        "size": of.blob.size,
        "format": format,
        "hashes": {"sha256": of.blob_id, "autov2": of.blob_id[:10]},
        "safety": {"verdict": verdict, "findings": [], "globals": []},
        "identity": {"kind": "lora", "base": "sd1", "precision": "fp16", **identity},
        "scanner": {"version": "test", "policy": "test"},
    }
    reports.store(of.blob, data)
    reports.describe(of.version)
    return of


def checkpoint(base: str = "sd1", of: Version | None = None) -> Artifact:
    """The file of a published version that the engine had called a whole checkpoint."""
    whole = {name: {"state": "whole"} for name in ("unet", "vae", "text_encoder")}
    file = artifact(of, name=f"{base}.safetensors")
    judged(file, kind="checkpoint", base=base, components=whole)
    Version.objects.filter(pk=file.version_id).update(stage=Stage.PUBLISHED)
    return Artifact.objects.select_related("blob", "version__model").get(pk=file.pk)


def listed(of: Artifact, count: int = 250) -> Artifact:
    """As if the engine had listed ``count`` tensors of a UNet and one of a schedule."""
    rows: list[list[Any]] = [
        [f"layer.{n}.weight", "F16", [n + 1, 4], "unet", 8 * (n + 1)] for n in range(count)
    ]
    rows.append(["betas", "F32", [1000], "schedule", 4000])
    contents.keep(of.blob, {"tensors": {"total": len(rows), "left_out": 0, "rows": rows}})
    return of


def printed(of: Artifact, release: str = "", **components: Sequence[float]) -> Artifact:
    """As if the engine had taken fingerprints: of each component one number for every tensor, of
    2,048 values each; equal numbers are equal tensors."""
    told = {name: _print(name, values) for name, values in components.items()}
    identity = {"release": release, "candidates": ["sd1.5"]} if release else {}
    section = {"method": "test", "components": told}
    contents.keep(of.blob, {"fingerprints": section, "identity": identity})
    lineage.learn(of.blob_id)
    return of


def _print(name: str, values: Sequence[float]) -> dict[str, Any]:
    digests = [hashlib.sha256(struct.pack("<d", value)).hexdigest()[:16] for value in values]
    return {
        "arch": "sd1",
        "order": "sd1-vae" if "vae" in name else "sd1-unet" if name in {"unet", "ema"} else name,
        "digest": hashlib.sha256("".join(digests).encode()).hexdigest(),
        "sizes": [2048] * len(values),
        "tensors": "".join(digests),
        "samples": b"".join(struct.pack("<4e", *[value] * 4) for value in values).hex(),
    }


def in_stage(stage: Stage, of: Version | None = None, *, verdict: str = "clean") -> Version:
    """A version with one judged file that is in ``stage``, without the way there."""
    of = of or version()
    judged(artifact(of), verdict)
    Version.objects.filter(pk=of.pk).update(stage=stage)
    of.refresh_from_db()
    return of
