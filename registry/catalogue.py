"""Finding models, and making and editing their entries."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from django.contrib.auth.models import AnonymousUser
from django.db import transaction
from django.db.models import Count, Exists, OuterRef, Q, QuerySet
from django.utils.text import slugify

from registry import lifecycle, names
from registry.errors import UserError
from registry.models import Model, Tag, User, Version
from registry.models.catalogue import (
    MOST_PROMPTS,
    MOST_TRIGGER_WORDS,
    PROMPT_LENGTH,
    TRIGGER_WORD_LENGTH,
)
from registry.states import EventKind, Kind, RunState, Stage, Visibility

Visitor = User | AnonymousUser

MOST_TAGS = 32
LONGEST_TEXT = 20_000


def visible_models(user: Visitor) -> QuerySet[Model]:
    """Models that ``user`` may know of. Whether visitors see anything is the site's choice."""
    if not isinstance(user, User):
        return published(Model.objects.filter(visibility=Visibility.TEAM))
    if user.is_reviewer:
        return Model.objects.all()
    shared = Q(shared_with=user) | Q(shared_with_teams__in=user.groups.all())
    published_versions = Version.objects.filter(model=OuterRef("pk"), stage=Stage.PUBLISHED)
    seen = Q(owner=user) | (
        Q(Exists(published_versions)) & (Q(visibility=Visibility.TEAM) | Q(pk__in=_ids(shared)))
    )
    return Model.objects.filter(seen)


def _ids(condition: Q) -> QuerySet[Model, int]:
    return Model.objects.filter(condition).values_list("pk", flat=True)


def published(models: QuerySet[Model]) -> QuerySet[Model]:
    """Of ``models``, those with at least one published version."""
    versions = Version.objects.filter(model=OuterRef("pk"), stage=Stage.PUBLISHED)
    return models.filter(Exists(versions))


def visible_versions(user: Visitor) -> QuerySet[Version]:
    """Versions that ``user`` may know of: their own, published ones of models they see, and every
    one for a reviewer."""
    versions = Version.objects.select_related("model", "created_by")
    if isinstance(user, User) and user.is_reviewer:
        return versions
    seen = Q(stage=Stage.PUBLISHED, model__in=visible_models(user))
    if isinstance(user, User):
        seen |= Q(created_by=user) | Q(model__owner=user)
    return versions.filter(seen)


def search(models: QuerySet[Model], text: str, *, user: Visitor) -> QuerySet[Model]:
    """Models whose name, summary, base, tag, trigger words or file digests match every word.

    Trigger words and digests count of versions that ``user`` may know of: a search must not tell
    what a hidden draft holds.
    """
    versions = visible_versions(user).order_by()
    # A database refuses the character, and nothing contains it.
    for word in text.replace("\0", " ").split()[:8]:
        found = (
            Q(name__icontains=word)
            | Q(summary__icontains=word)
            | Q(base__iexact=word)
            | Q(kind__iexact=word)
            | Q(tags__name__iexact=word)
            | Q(pk__in=versions.filter(_has_trigger_word(word)).values("model"))
        )
        if len(word) >= 8 and set(word.lower()) <= set("0123456789abcdef"):
            bearing = versions.filter(artifacts__blob__hashes__value__startswith=word.lower())
            found |= Q(pk__in=bearing.values("model"))
        models = models.filter(pk__in=Model.objects.filter(found).values("pk"))
    return models


def _has_trigger_word(word: str) -> Q:
    # Some databases keep JSON as it was written, with everything beyond ASCII escaped.
    return Q(trigger_words__icontains=word) | Q(trigger_words__icontains=json.dumps(word)[1:-1])


def facets(models: QuerySet[Model]) -> dict[str, list[tuple[str, int]]]:
    """How many of ``models`` there are of each kind, base, precision and tag, most first; a
    precision counts where it is published."""
    models = models.order_by()
    versions = Version.objects.filter(stage=Stage.PUBLISHED, model__in=models).order_by()
    return {
        "kind": _counted(models, "kind", "pk"),
        "base": _counted(models, "base", "pk"),
        "precision": _counted(versions, "precision", "model"),
        "tag": _counted(models, "tags__name", "pk")[:20],
    }


def _counted(rows: QuerySet[Any], field: str, each: str) -> list[tuple[str, int]]:
    counted = (
        rows.exclude(**{field: ""})
        .values_list(field)
        .annotate(count=Count(each, distinct=True))
        .order_by("-count", field)
    )
    return [(str(value), count) for value, count in counted if value is not None]


def _free_slug(name: str) -> str:
    base = slugify(name)[:120] or "model"
    taken = set(Model.objects.filter(slug__startswith=base).values_list("slug", flat=True))
    number = 1
    slug = base
    while slug in taken:
        number += 1
        slug = f"{base}-{number}"
    return slug


@transaction.atomic
def create_model(
    *,
    name: str,
    by: User,
    summary: str = "",
    description: str = "",
    kind: str = Kind.UNKNOWN,
    base: str = "",
    tags: Iterable[str] = (),
    licence: str = "",
    visibility: str = Visibility.TEAM,
) -> Model:
    name = names.label(name)
    _check_model_name(name, owner=by)
    _check_length(description)
    model = Model.objects.create(
        name=name,
        slug=_free_slug(name),
        summary=summary,
        description=description,
        kind=kind,
        base=base,
        claimed_kind=_claim(kind),
        claimed_base=base,
        licence=licence,
        visibility=visibility,
        owner=by,
    )
    set_tags(model, tags)
    return model


def _claim(kind: str) -> str:
    """What is held against the file: nobody claims that a kind is unknown."""
    return "" if kind == Kind.UNKNOWN else kind


def _check_model_name(name: str, *, owner: User, but: Model | None = None) -> None:
    own = Model.objects.filter(owner=owner, name__iexact=name)
    if (own.exclude(pk=but.pk) if but else own).exists():
        raise UserError("name.taken", what="model of yours", name=name)


def _check_length(text: str) -> None:
    # Markdown takes time, and is rendered for everybody who looks.
    if len(text) > LONGEST_TEXT:
        detail = f"A description or note has {LONGEST_TEXT:,} characters at most."
        raise UserError("field.invalid", detail=detail)


def set_tags(model: Model, words: Iterable[str]) -> None:
    wanted = {slugify(word)[:40] for word in words} - {""}
    if len(wanted) > MOST_TAGS:
        raise UserError("field.invalid", detail=f"A model has {MOST_TAGS} tags at most.")
    model.tags.set([Tag.objects.get_or_create(name=name)[0] for name in sorted(wanted)])


def _trigger_words(words: Iterable[str]) -> list[str]:
    wanted = [word.strip() for word in words if word.strip()]
    if len(wanted) > MOST_TRIGGER_WORDS or any(len(word) > TRIGGER_WORD_LENGTH for word in wanted):
        detail = (
            f"A version has {MOST_TRIGGER_WORDS} trigger words at most, "
            f"of {TRIGGER_WORD_LENGTH} characters."
        )
        raise UserError("field.invalid", detail=detail)
    return wanted


def _prompts(texts: Iterable[str]) -> list[str]:
    """Each in one line: WebUI's parameters go by lines."""
    wanted = [line for text in texts if (line := " ".join(text.split()))]
    if len(wanted) > MOST_PROMPTS or any(len(prompt) > PROMPT_LENGTH for prompt in wanted):
        detail = f"A version has {MOST_PROMPTS} own prompts at most, of {PROMPT_LENGTH} characters."
        raise UserError("field.invalid", detail=detail)
    if any(not prompt.isprintable() for prompt in wanted):
        raise UserError("field.invalid", detail="A prompt holds no control characters.")
    return wanted


EDITABLE = ("name", "summary", "description", "licence", "visibility", "kind")


@transaction.atomic
def edit_model(model: Model, *, by: User, **changes: Any) -> None:
    """Change fields named in ``EDITABLE``, ``base`` (what is claimed), ``tags``, ``shared_with`` or
    ``shared_with_teams``; the owner or an admin."""
    if not may_edit(by, model):
        raise UserError("access.denied")
    data: dict[str, Any] = {"fields": sorted(changes)}
    if "tags" in changes:
        set_tags(model, changes.pop("tags"))
    for field in ("shared_with", "shared_with_teams"):
        if field in changes:
            # Who may see it is worth more in a journal than that it was changed.
            data[field] = sorted(map(str, changes[field]))
            getattr(model, field).set(changes.pop(field))
    # Saved again as it was found, it is nobody's claim.
    if changes.get("kind", model.kind) != model.kind:
        model.claimed_kind = _claim(changes["kind"])
    if "base" in changes:
        model.claimed_base = changes.pop("base")
        # What was found in a file stays.
        model.base = model.base or model.claimed_base
    claimed = ("base", "claimed_kind", "claimed_base")
    _write(model, EDITABLE, changes, also=("updated_at", *claimed))
    if "visibility" in changes:
        data["visibility"] = model.visibility
    lifecycle.record(EventKind.EDITED, model=model, by=by, data=data)


@transaction.atomic
def edit_version(version: Version, *, by: User, **changes: Any) -> None:
    """Change ``name``, ``notes``, ``trigger_words`` or ``prompts``, whatever the stage; the owner
    or an admin. Files are what is reviewed, and change in a draft only."""
    if not may_edit(by, version.model):
        raise UserError("access.denied")
    if "trigger_words" in changes:
        changes["trigger_words"] = _trigger_words(changes["trigger_words"])
    if "prompts" in changes:
        changes["prompts"] = _prompts(changes["prompts"])
    _write(version, ("name", "notes", "trigger_words", "prompts"), changes)
    lifecycle.record(EventKind.EDITED, version=version, by=by, data={"fields": sorted(changes)})


def _write(
    row: Model | Version,
    editable: Iterable[str],
    changes: dict[str, Any],
    *,
    also: Iterable[str] = (),
) -> None:
    """Check and save ``changes`` and no other column: counters go on meanwhile."""
    unknown = set(changes) - set(editable)
    if unknown:
        raise ValueError(f"not editable: {sorted(unknown)}")
    if "name" in changes:
        changes["name"] = name = names.label(changes["name"])
        if isinstance(row, Model):
            _check_model_name(name, owner=row.owner, but=row)
        elif row.model.versions.filter(name=name).exclude(pk=row.pk).exists():
            raise UserError("name.taken", what="version", name=name)
    for field in {"description", "notes"} & set(changes):
        _check_length(changes[field])
    for field, value in changes.items():
        setattr(row, field, value)
    row.save(update_fields=[*changes, *also])


def may_edit(user: Visitor, model: Model) -> bool:
    return isinstance(user, User) and (user.is_admin or model.owner_id == user.pk)


@transaction.atomic
def create_version(
    model: Model,
    *,
    name: str,
    by: User,
    notes: str = "",
    trigger_words: Iterable[str] = (),
    prompts: Iterable[str] = (),
) -> Version:
    if not may_edit(by, model):
        raise UserError("access.denied")
    name = names.label(name)
    _check_length(notes)
    if model.versions.filter(name=name).exists():
        raise UserError("name.taken", what="version", name=name)
    return Version.objects.create(
        model=model,
        name=name,
        notes=notes,
        trigger_words=_trigger_words(trigger_words),
        prompts=_prompts(prompts),
        created_by=by,
        kind=model.kind,
        base=model.base,
    )


def review_queue() -> QuerySet[Version]:
    """What waits for a person: versions in review, held ones, and the quarantine; oldest first."""
    return (
        Version.objects.filter(Q(stage__in=[Stage.IN_REVIEW, Stage.QUARANTINED]) | ~Q(problem={}))
        .exclude(stage=Stage.REJECTED)
        .select_related("model", "created_by")
        .order_by("stage_since")
    )


def waiting_for_review() -> int:
    """How many versions a reviewer has to decide on (the number beside the link)."""
    return (
        Version.objects.filter(Q(stage=Stage.IN_REVIEW) | ~Q(problem={}))
        .exclude(stage__in=[Stage.REJECTED, Stage.QUARANTINED])
        .count()
    )


def is_busy(version: Version) -> bool:
    return version.runs.filter(state__in=[RunState.WAITING, RunState.RUNNING]).exists()
