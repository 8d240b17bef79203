"""Where a file's components come from, in sentences with links."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby, pairwise

from registry.lineage import Kin
from registry.portal.presenters import words


@dataclass(frozen=True, slots=True)
class Link:
    """``lead`` stands before the name, ``note`` after it."""

    lead: str
    name: str
    version: str
    url: str
    note: str


@dataclass(frozen=True, slots=True)
class Line:
    """A component, and the others that have it."""

    component: str
    links: tuple[Link, ...]


def view(kin: Iterable[Kin]) -> tuple[Line, ...]:
    return tuple(
        Line(
            words.COMPONENTS.get(component, "The whole file"),
            _links(list(found)),
        )
        for component, found in groupby(kin, key=lambda item: item.component)
    )


def _links(kin: list[Kin]) -> tuple[Link, ...]:
    leads = [_lead(item) for item in kin]
    # What is said of the one before is not said again.
    said = ["and" if lead == before else lead for before, lead in pairwise(["", *leads])]
    return tuple(_link(item, lead) for item, lead in zip(kin, said, strict=True))


def _link(kin: Kin, lead: str) -> Link:
    version = kin.artifact.version
    return Link(
        lead=lead,
        name=version.model.name,
        version=version.name,
        url=version.get_absolute_url(),
        note=_note(kin),
    )


def _lead(kin: Kin) -> str:
    if kin.relation == "similar":
        return f"{percent(kin.share)} identical to"
    if kin.relation == "close":
        return "close to"
    if kin.release:
        return f"unchanged {words.base(kin.stands_for) or kin.release}, as in"
    return "the same as" if kin.component == "file" else "identical to"


def _note(kin: Kin) -> str:
    if kin.relation == "close":
        apart = percent(kin.distance or 0)
        return f"values {apart} apart: trained on from it, or from the same model"
    if kin.component not in {kin.others, "vae_encoder", "vae_decoder"}:
        return f"there the {words.COMPONENTS.get(kin.others, kin.others)}"
    return ""


def percent(share: float) -> str:
    """Never 100 % of what is not all, nor 0 % of what is something."""
    value = 100 * share
    if value >= 99.95:
        return "over 99.9 %"
    if value >= 99 or value < 1:
        return f"{value:.1f} %" if value >= 0.1 else "under 0.1 %"
    return f"{value:.0f} %"
