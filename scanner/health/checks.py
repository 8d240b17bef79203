"""The issues: each names its tensors and, where there is one, the remedy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from scanner import weights
from scanner.health import vae
from scanner.health.values import Pass, Values
from scanner.identify import probes
from scanner.identify.anatomy import Anatomy
from scanner.identify.leftovers import Use
from scanner.limits import Limits
from scanner.report import HealthIssue, Identity, State
from scanner.tensors import Tensor, TensorTable

_POSITIONS = 77


def check(
    anatomy: Anatomy,
    identity: Identity,
    limits: Limits,
    found: Pass | None = None,
    sha256: str | None = None,
) -> tuple[HealthIssue, ...]:
    """Every issue, worst first. ``found`` is what the pass over the weights said; without it they
    are read here. ``sha256`` may tell of what no weight shows."""
    table = anatomy.table
    if found is None:
        values = Values(big_endian=table.big_endian)
        found = values.found(weights.read(table, (values,)))
    issues = [
        *_values(table, identity, found),
        *vae.check(anatomy, identity, found, sha256),
        *_positions(table),
        *_contents(anatomy, identity),
    ]
    rank = ("error", "warning", "note").index
    issues.sort(key=lambda issue: rank(issue.severity))
    return tuple(issues[: limits.findings])


# -- values --------------------------------------------------------------------------------------


def _count(names: tuple[str, ...] | list[str]) -> str:
    return "1 tensor" if len(names) == 1 else f"{len(names):,} tensors"


def _does(names: tuple[str, ...] | list[str], one: str, many: str) -> str:
    return one if len(names) == 1 else many


def _values(table: TensorTable, identity: Identity, found: Pass) -> Iterator[HealthIssue]:
    nan = tuple(name for name, scan in found.scans.items() if scan.nan)
    if nan:
        yield HealthIssue(
            "nan", "error",
            f"{_count(nan)} {_does(nan, 'holds', 'hold')} values that are not numbers (NaN). "
            "Pictures turn out black or broken; no conversion mends this.", nan,
        )  # fmt: skip
    infinite = tuple(name for name, scan in found.scans.items() if scan.infinite)
    if infinite:
        yield HealthIssue(
            "infinite", "error",
            f"{_count(infinite)} {_does(infinite, 'holds', 'hold')} infinite values, as a cast to "
            "fp16 of too large ones leaves. No conversion mends this.", infinite,
        )  # fmt: skip
    if found.unreadable:
        yield HealthIssue(
            "unreadable", "error",
            f"The bytes of {_count(found.unreadable)} cannot be read.", found.unreadable,
        )  # fmt: skip
    yield from _constants(table, identity, found)
    yield from _beyond(found)
    yield from _halves(table, found)
    yield from _duplicates(found)


def _constants(table: TensorTable, identity: Identity, found: Pass) -> Iterator[HealthIssue]:
    """Matrices of one value are damage; vectors of zeros or ones are what training begins with,
    and an adapter begins with a zero half."""
    zero: list[str] = []
    constant: list[str] = []
    for tensor in table:
        scan = found.scans.get(tensor.name)
        if scan is None or scan.constant is None or tensor.numel < 2 or not _weighs(tensor):
            continue
        (zero if scan.zero else constant).append(tensor.name)
    severity = "note" if identity.adapter is not None else "warning"
    if zero:
        yield HealthIssue(
            "zero", severity,
            f"{_count(zero)} {_does(zero, 'is', 'are')} all zeros: untrained or blanked.",
            tuple(zero),
        )  # fmt: skip
    if constant:
        yield HealthIssue(
            "constant", severity,
            f"{_count(constant)} {_does(constant, 'holds', 'hold')} one value throughout.",
            tuple(constant),
        )  # fmt: skip


def _weighs(tensor: Tensor) -> bool:
    return tensor.dtype.startswith(("F", "BF")) and len(tensor.shape) >= 2


def _beyond(found: Pass) -> Iterator[HealthIssue]:
    beyond = tuple(name for name, scan in found.scans.items() if scan.beyond)
    if beyond:
        yield HealthIssue(
            "fp16-overflow", "warning",
            f"{_count(beyond)} {_does(beyond, 'holds', 'hold')} values that are too large for "
            "fp16: a loader that casts makes them infinite. Converting with --precision fp16 "
            "leaves these tensors as they are.", beyond,
        )  # fmt: skip


def _halves(table: TensorTable, found: Pass) -> Iterator[HealthIssue]:
    """fp32 whose every value is one of a narrower format: half the size at no loss. Values that
    were bf16 have too wide a range for fp16, unless they fit both."""
    fp32 = [tensor for tensor in table if tensor.dtype == "F32" and tensor.name in found.scans]
    fp32 = [tensor for tensor in fp32 if tensor.numel]
    fp16 = [tensor for tensor in fp32 if found.scans[tensor.name].halves]
    bf16 = [tensor for tensor in fp32 if found.scans[tensor.name].brains]
    if _size(bf16) > _size(fp16):
        yield from _disguised("bf16", bf16, fp32)
    else:
        yield from _disguised("fp16", fp16, fp32)


def _size(tensors: list[Tensor]) -> int:
    return sum(tensor.nbytes for tensor in tensors)


def _disguised(precision: str, fit: list[Tensor], fp32: list[Tensor]) -> Iterator[HealthIssue]:
    saved = _size(fit) // 2
    # Zeros and ones fit anywhere: a few tensors of them are no disguise.
    if not fit or 4 * saved < _size(fp32):
        return
    every = len(fit) == len(fp32)
    yield HealthIssue(
        f"{precision}-in-fp32", "note",
        f"{'All' if every else f'{len(fit):,} of'} {len(fp32):,} fp32 tensors "
        f"hold nothing that {precision} cannot: converting with --precision {precision} saves "
        f"{saved / 1e6:,.1f} MB{' without any loss' if every else ', not all of it without loss'}.",
        tuple(tensor.name for tensor in fit),
    )  # fmt: skip


def _duplicates(found: Pass) -> Iterator[HealthIssue]:
    extra = tuple(name for group in found.duplicates for name in group[1:])
    if extra:
        yield HealthIssue(
            "duplicate", "note",
            f"{_count(extra)} {_does(extra, 'repeats', 'repeat')} the values of another one in "
            "the file.", extra,
        )  # fmt: skip


def _positions(table: TensorTable) -> Iterator[HealthIssue]:
    """Merging tools average the indices too: 76 becomes 75.9975 and is cut to 75."""
    damaged: dict[str, str] = {}
    for tensor in table:
        if not tensor.name.endswith("position_ids") or tensor.numel != _POSITIONS:
            continue
        held = probes.values(tensor, big_endian=table.big_endian)
        wrong = [at for at, value in enumerate(held or ()) if value != at]
        if held is not None and wrong:
            more = f" and {len(wrong) - 1} more" if len(wrong) > 1 else ""
            damaged[tensor.name] = f"place {wrong[0]} holds {held[wrong[0]]:g}{more}"
    if damaged:
        yield HealthIssue(
            "position-ids", "warning",
            "The text encoder's position ids are not 0 to 76 "
            f"({'; '.join(dict.fromkeys(damaged.values()))}), so it loses words of the prompt. "
            "Converting with --fix position-ids fixes this.", tuple(damaged),
        )  # fmt: skip


# -- contents ------------------------------------------------------------------------------------


def _contents(anatomy: Anatomy, identity: Identity) -> Iterator[HealthIssue]:
    yield from _gaps(identity)
    yield from _absent(identity)
    yield from _surplus(anatomy.owners, identity)


def _gaps(identity: Identity) -> Iterator[HealthIssue]:
    for name, component in identity.components.items():
        if component.missing:
            yield HealthIssue(
                "missing", "error",
                f"The {name} lacks {_count(component.missing)} of {component.arch}: loaders fail, "
                f"or fill in noise.{_remedy(name)}", component.missing,
            )  # fmt: skip
        if component.misshapen:
            yield HealthIssue(
                "misshapen", "error",
                f"In the {name}, {_count(component.misshapen)} "
                f"{_does(component.misshapen, 'has', 'have')} a shape that {component.arch} has "
                f"not.{_remedy(name)}", component.misshapen,
            )  # fmt: skip


def _remedy(component: str) -> str:
    return " Converting with --vae FILE puts a whole one in." if component == "vae" else ""


def _absent(identity: Identity) -> Iterator[HealthIssue]:
    if identity.kind not in ("checkpoint", "unet"):
        return
    lacking = {name for name, part in identity.components.items() if part.state is State.ABSENT}
    severity = "warning" if identity.kind == "checkpoint" else "note"
    if "vae" in lacking:
        yield HealthIssue(
            "no-vae",
            severity,
            "There is no VAE: loaders need one beside it. Converting with --vae FILE puts one in.",
        )
    encoders = sorted(name for name in lacking if name.startswith("text_encoder"))
    if encoders:
        yield HealthIssue(
            "no-text-encoder",
            severity,
            f"There is no {' and no '.join(encoders)}: loaders need it beside the file.",
        )


def _surplus(owners: Mapping[str, str], identity: Identity) -> Iterator[HealthIssue]:
    ema = tuple(name for name, owner in owners.items() if owner == Use.EMA)
    if ema and identity.ema == "full":
        yield HealthIssue(
            "ema",
            "note",
            "Both copies of the UNet are in the file. For generating pictures one is enough: "
            "converting with --prune keeps the EMA values, with --weights raw the trained ones.",
        )
    extra = tuple(name for name, owner in owners.items() if owner in (Use.OPTIMISER, Use.LOSS))
    if extra:
        yield HealthIssue(
            "training-leftovers", "warning",
            f"{_count(extra)} {_does(extra, 'is', 'are')} only of use to the training (optimiser, "
            "loss or discriminator): converting with --prune drops them.", extra,
        )  # fmt: skip
