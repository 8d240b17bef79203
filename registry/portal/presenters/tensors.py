"""The tensor browser: a file's tensors, searched and in pages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from django.core.paginator import Page, Paginator
from django.http import QueryDict

from registry import contents, reports, tensors
from registry.contents import Tensor
from registry.errors import UserError
from registry.models import Artifact, TensorList
from registry.portal.presenters import words

PAGE = 50
#: The page's own parameters; the header's search has the plain word.
_FIELDS = {"search": "tensor", "component": "component", "dtype": "dtype", "shape": "shape"}
_LONGEST = 200


@dataclass(frozen=True, slots=True)
class Choice:
    value: str
    label: str
    chosen: bool


@dataclass(frozen=True, slots=True)
class Row:
    name: str
    dtype: str
    shape: str
    size: str


@dataclass(frozen=True, slots=True)
class Group:
    """Tensors of one component on this page; ``count`` and ``size`` are of all that were found."""

    name: str
    count: int
    size: str
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class TensorsView:
    """``found`` of ``total``; ``wrong`` says what cannot be looked for."""

    artifact: Artifact
    files: tuple[Choice, ...]
    components: tuple[Choice, ...]
    dtypes: tuple[Choice, ...]
    query: tensors.Query
    groups: tuple[Group, ...]
    found: int
    total: int
    left_out: int
    page: Page[Tensor]
    #: The query string without a page number.
    asked: str
    wrong: str
    #: Not the one that is shown without asking.
    other_file: bool

    @property
    def narrowed(self) -> bool:
        return self.query != tensors.Query()


def view(artifacts: Sequence[Artifact], asked: QueryDict) -> TensorsView | None:
    """Of the file that is asked for, or of the main one; None where no file's tensors are known."""
    lists = TensorList.objects.filter(blob__in={a.blob_id for a in artifacts}, total__gt=0)
    known = {kept.blob_id: kept for kept in lists.defer("packed")}
    listed = [artifact for artifact in artifacts if artifact.blob_id in known]
    main = reports.main_file(listed) or next(iter(listed), None)
    chosen = next((a for a in listed if str(a.pk) == asked.get("file")), main)
    if chosen is None:
        return None
    rows = contents.tensors(chosen.blob_id)
    query = tensors.Query(**{field: _said(asked, name) for field, name in _FIELDS.items()})
    found, wrong = _found(rows, query)
    components = tensors.components(rows)
    # In a file without components there is nothing that the rest is "other" than.
    labels = dict(words.OWNERS) | ({"other": "Weights"} if set(components) == {"other"} else {})
    page = Paginator(tensors.grouped(found), PAGE).get_page(asked.get("page"))
    kept = known[chosen.blob_id]
    return TensorsView(
        artifact=chosen,
        files=tuple(Choice(str(a.pk), a.name, a == chosen) for a in listed),
        components=_choices(components, query.component, labels),
        dtypes=_choices(tensors.dtypes(rows), query.dtype, {}),
        query=query,
        groups=tuple(_groups(page.object_list, found, labels)),
        found=len(found),
        total=kept.total,
        left_out=kept.left_out,
        page=page,
        asked=_kept(asked, chosen, main),
        wrong=wrong,
        other_file=chosen != main,
    )


def _said(asked: QueryDict, name: str) -> str:
    return str(asked.get(name, "")).strip()[:_LONGEST]


def _found(rows: Iterable[Tensor], query: tensors.Query) -> tuple[list[Tensor], str]:
    try:
        return tensors.narrowed(rows, query), ""
    except UserError as error:
        return [], error.detail


def _choices(
    counted: Mapping[str, int], chosen: str, labels: Mapping[str, str]
) -> tuple[Choice, ...]:
    return tuple(
        Choice(value, f"{labels.get(value, value)} ({count:,})", value == chosen)
        for value, count in counted.items()
    )


def _groups(
    shown: Iterable[Tensor], found: Sequence[Tensor], labels: Mapping[str, str]
) -> Iterable[Group]:
    for component, rows in groupby(shown, key=lambda row: row.component):
        alike = [row.bytes for row in found if row.component == component]
        yield Group(
            name=labels.get(component, component),
            count=len(alike),
            size=words.size(sum(alike)),
            rows=tuple(_row(row) for row in rows),
        )


def _row(tensor: Tensor) -> Row:
    return Row(
        name=words.visible(tensor.name),
        dtype=tensor.dtype,
        shape=" × ".join(map(str, tensor.shape)) or "one number",
        size=words.size(tensor.bytes),
    )


def _kept(asked: QueryDict, chosen: Artifact, main: Artifact | None) -> str:
    kept = QueryDict(mutable=True)
    for name in _FIELDS.values():
        if said := _said(asked, name):
            kept[name] = said
    if chosen != main:
        kept["file"] = str(chosen.pk)
    return kept.urlencode()
