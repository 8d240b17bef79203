"""What a person may do with a version now: which buttons there are."""

from __future__ import annotations

from dataclasses import dataclass

from registry import catalogue, reviews
from registry.catalogue import Visitor
from registry.models import User, Version
from registry.states import Stage

_REFUSED = frozenset({Stage.QUARANTINED, Stage.REJECTED})
_REJECTABLE = frozenset({Stage.IN_REVIEW, Stage.QUARANTINED})


@dataclass(frozen=True, slots=True)
class Actions:
    publish: bool = False
    reject: bool = False
    ask_for_changes: bool = False
    withdraw: bool = False
    retry: bool = False
    submit: bool = False
    add_files: bool = False
    delete: bool = False
    edit: bool = False
    #: A reviewer looks at an own upload while another reviewer exists.
    own_upload: bool = False

    @property
    def any(self) -> bool:
        return any(getattr(self, name) for name in self.__slots__)


def actions(version: Version, user: Visitor) -> Actions:
    if not isinstance(user, User):
        return Actions()
    stage = Stage(version.stage)
    editor = catalogue.may_edit(user, version.model)
    reviewer = user.is_reviewer
    in_review = stage is Stage.IN_REVIEW
    draft = stage is Stage.DRAFT and editor
    decides = in_review and reviews.may_decide(version, user)
    return Actions(
        publish=decides,
        reject=reviewer and (stage in _REJECTABLE or version.is_held),
        ask_for_changes=reviewer and in_review,
        withdraw=stage is Stage.PUBLISHED and (reviewer or editor),
        retry=_may_retry(version, stage, editor=editor, reviewer=reviewer),
        submit=draft and version.artifacts.exists(),
        add_files=draft,
        edit=editor,
        delete=editor or (reviewer and stage in _REFUSED),
        own_upload=reviewer and in_review and not decides,
    )


def _may_retry(version: Version, stage: Stage, *, editor: bool, reviewer: bool) -> bool:
    if version.is_held:
        return editor or reviewer
    if stage in _REFUSED:
        return reviewer
    return stage is Stage.WITHDRAWN and (editor or reviewer)
