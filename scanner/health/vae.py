"""The part that turns pictures grey or black."""

from __future__ import annotations

from collections.abc import Iterator

from scanner.health.values import Pass
from scanner.identify import known
from scanner.identify.anatomy import Anatomy
from scanner.report import HealthIssue, Identity, State


def check(
    anatomy: Anatomy, identity: Identity, found: Pass, sha256: str | None
) -> Iterator[HealthIssue]:
    """What is wrong with the VAE by its values, or by the digest of the file that it is in.
    Whether it is one that anybody knows is the registry's to say: it has fingerprints of others.
    """
    component = identity.components.get("vae")
    if component is None or component.state is State.ABSENT:
        return
    part = anatomy.census.part("vae")
    names = [tensor.name for tensor in part.tensors] if part else []
    damaged = tuple(name for name in names if _damaged(name, found))
    alone = identity.kind == "vae"
    if damaged:
        yield HealthIssue(
            "vae-damaged", "error",
            f"The VAE is damaged: {len(damaged):,} of its {len(names):,} tensors hold noughts, "
            "NaN or infinity where weights should be. Pictures turn out grey or black. "
            + ("No conversion mends this." if alone
               else "Converting with --vae FILE puts another one in."), damaged,
        )  # fmt: skip
    release = known.release(sha256)
    if release is not None and release.vae_overflows:
        yield HealthIssue(
            "vae-fp16", "warning",
            f"The VAE of {release.name} overflows in fp16, and pictures turn out black: run it in "
            "fp32 or bf16 (--no-half-vae in WebUI)"
            + ("." if alone else ", or put a mended one in by converting with --vae FILE."),
        )  # fmt: skip


def _damaged(name: str, found: Pass) -> bool:
    """Not a number, or a kernel without weights. A bias or a norm may be all of one value."""
    scan = found.scans.get(name)
    if scan is None:
        return False
    blank = scan.zero and name.endswith(".weight") and "norm" not in name
    return scan.nan or scan.infinite or blank
