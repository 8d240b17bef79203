from __future__ import annotations

import pytest
from django.contrib.auth.models import AnonymousUser, Group

from registry import catalogue
from registry.errors import UserError
from registry.models import Model, User, Version
from registry.states import Role, Stage, Visibility
from tests.registry import making

pytestmark = pytest.mark.django_db


def published(owner: User | None = None, **fields: object) -> Model:
    model = making.model(owner, **fields)
    making.in_stage(Stage.PUBLISHED, making.version(model))
    return model


def test_a_member_sees_what_is_published_and_what_is_their_own() -> None:
    mara, noor = making.person(), making.person()
    shown, hidden, own = published(noor), making.model(noor), making.model(mara)
    seen = set(catalogue.visible_models(mara))
    assert seen == {shown, own}
    assert hidden not in seen


def test_a_private_model_is_seen_by_its_owner_and_by_named_people_and_teams_only() -> None:
    owner, named, in_team, other = (making.person() for _ in range(4))
    team = Group.objects.create(name="painters")
    in_team.groups.add(team)
    model = published(owner, visibility=Visibility.PRIVATE)
    model.shared_with.add(named)
    model.shared_with_teams.add(team)
    for person in (owner, named, in_team):
        assert model in catalogue.visible_models(person)
        assert catalogue.visible_versions(person).filter(model=model).exists()
    assert model not in catalogue.visible_models(other)
    assert model not in catalogue.visible_models(AnonymousUser())
    assert not catalogue.visible_versions(other).filter(model=model).exists()


def test_a_reviewer_sees_everything_that_may_need_a_decision() -> None:
    model = making.model(visibility=Visibility.PRIVATE)
    assert model in catalogue.visible_models(making.person(Role.REVIEWER))


def test_unpublished_versions_of_a_published_model_stay_hidden() -> None:
    model = published()
    draft = making.version(model, "2.0")
    reader = making.person()
    assert model in catalogue.visible_models(reader)
    assert draft not in catalogue.visible_versions(reader)


@pytest.mark.parametrize(
    ("text", "found"),
    [("copper", True), ("COPPER dusk", True), ("warm", True), ("copper zinc", False), ("%", False)],
)
def test_search_wants_every_word_somewhere(text: str, found: bool) -> None:
    model = published(name="Copper Dusk", tags=["warm"])
    found_models = catalogue.search(Model.objects.all(), text, user=making.person())
    assert (model in found_models) is found


def test_a_digest_finds_the_model_that_holds_the_file() -> None:
    model = published()
    digest = model.versions.get().artifacts.get().blob_id
    anyone = making.person()
    assert list(catalogue.search(Model.objects.all(), digest[:12].upper(), user=anyone)) == [model]


def test_what_a_hidden_draft_holds_cannot_be_searched_for() -> None:
    model = published()
    draft = catalogue.create_version(model, name="2.0", by=model.owner, trigger_words=["zanzibar"])
    digest = making.judged(making.artifact(draft)).blob_id
    for text in ("zanzibar", digest[:12]):
        everything = Model.objects.all()
        assert not catalogue.search(everything, text, user=making.person()).exists()
        assert catalogue.search(everything, text, user=model.owner).exists()


def test_a_draft_is_not_counted_in_the_facets() -> None:
    model = published()
    Version.objects.filter(model=model).update(precision="bf16")
    making.in_stage(Stage.RECEIVED, making.version(model, "2.0"))
    assert catalogue.facets(Model.objects.all())["precision"] == [("bf16", 1)]


def test_facets_count_models_not_versions() -> None:
    model = published()
    making.in_stage(Stage.PUBLISHED, making.version(model, "2.0"))
    published()
    facets = catalogue.facets(Model.objects.all())
    assert facets["kind"] == [("lora", 2)]
    assert facets["base"] == [("sd1", 2)]
    assert facets["precision"] == [("fp16", 2)]


def test_two_models_of_one_name_get_their_own_addresses() -> None:
    first, second = making.model(name="Fern & Fable"), making.model(name="Fern & Fable")
    assert (first.slug, second.slug) == ("fern-fable", "fern-fable-2")


def test_a_name_without_a_letter_still_has_an_address() -> None:
    assert making.model(name="蕨").slug == "model"


def test_an_owner_cannot_use_a_name_twice() -> None:
    owner = making.person()
    making.model(owner, name="Fern")
    with pytest.raises(UserError, match=r"name\.taken"):
        making.model(owner, name="fern")


def test_only_the_owner_or_an_admin_edits() -> None:
    model = making.model()
    for stranger in (making.person(), making.person(Role.REVIEWER)):
        with pytest.raises(UserError, match=r"access\.denied"):
            catalogue.edit_model(model, by=stranger, summary="mine")
    catalogue.edit_model(model, by=making.person(Role.ADMIN), summary="tidied", tags=["New Tag"])
    model.refresh_from_db()
    assert model.summary == "tidied"
    assert [tag.name for tag in model.tags.all()] == ["new-tag"]


def test_the_queue_holds_what_waits_for_a_person_oldest_first() -> None:
    waiting = [
        making.in_stage(Stage.IN_REVIEW),
        making.in_stage(Stage.QUARANTINED, verdict="malicious"),
        making.in_stage(Stage.RECEIVED),
    ]
    making.in_stage(Stage.PUBLISHED)
    Version.objects.filter(pk=waiting[2].pk).update(problem={"code": "engine.killed"})
    assert list(catalogue.review_queue()) == waiting
    assert catalogue.waiting_for_review() == 2


def test_a_version_is_described_anew_whatever_its_stage_and_the_journal_says_so() -> None:
    version = making.in_stage(Stage.PUBLISHED)
    by = version.model.owner
    catalogue.edit_version(version, by=by, name="1.1", notes="n", trigger_words=[" fern ", ""])
    version.refresh_from_db()
    assert (version.name, version.notes, version.trigger_words) == ("1.1", "n", ["fern"])
    assert version.stage == Stage.PUBLISHED
    event = version.events.get(kind="edited")
    assert (event.actor, event.data["fields"]) == (by, ["name", "notes", "trigger_words"])


def test_a_version_is_described_by_its_owner_or_an_admin_only() -> None:
    version = making.version()
    for stranger in (making.person(), making.person(Role.REVIEWER)):
        with pytest.raises(UserError, match=r"access\.denied"):
            catalogue.edit_version(version, by=stranger, notes="mine")
    catalogue.edit_version(version, by=making.person(Role.ADMIN), notes="tidied")


def test_a_name_that_is_taken_cannot_be_changed_to() -> None:
    model = making.model(name="Fern")
    making.version(model, "1.0")
    other = making.version(model, "2.0")
    with pytest.raises(UserError, match=r"name\.taken"):
        catalogue.edit_version(other, by=model.owner, name="1.0")
    making.model(model.owner, name="Moss")
    with pytest.raises(UserError, match=r"name\.taken"):
        catalogue.edit_model(model, by=model.owner, name="moss")
    catalogue.edit_model(model, by=model.owner, name="FERN")


@pytest.mark.parametrize("name", ["two\nlines", "turned \u202e round", "nul\0", "\x1b[31mred"])
def test_a_name_holds_nothing_that_cannot_be_seen(name: str) -> None:
    with pytest.raises(UserError, match=r"field\.invalid"):
        making.model(name=name)
    with pytest.raises(UserError, match=r"field\.invalid"):
        making.version(name=name)


def test_entries_have_bounds() -> None:
    model = making.model()
    for change in (
        {"tags": [f"tag-{n}" for n in range(catalogue.MOST_TAGS + 1)]},
        {"description": "x" * (catalogue.LONGEST_TEXT + 1)},
    ):
        with pytest.raises(UserError, match=r"field\.invalid"):
            catalogue.edit_model(model, by=model.owner, **change)
    with pytest.raises(UserError, match=r"field\.invalid"):
        words = [str(n) for n in range(catalogue.MOST_TRIGGER_WORDS + 1)]
        catalogue.create_version(model, name="1", by=model.owner, trigger_words=words)


def test_editing_does_not_forget_downloads_that_happened_meanwhile() -> None:
    model = making.model()
    Model.objects.filter(pk=model.pk).update(downloads=7)
    catalogue.edit_model(model, by=model.owner, summary="new")
    model.refresh_from_db()
    assert model.downloads == 7


def test_the_journal_says_who_a_model_was_opened_to() -> None:
    model, friend = making.model(), making.person(name="noor")
    team = Group.objects.create(name="painters")
    catalogue.edit_model(
        model, by=model.owner, visibility="private", shared_with=[friend], shared_with_teams=[team]
    )
    data = model.events.get(kind="edited").data
    assert (data["shared_with"], data["shared_with_teams"]) == (["noor"], ["painters"])
    assert data["visibility"] == "private"


def test_a_trigger_word_in_any_script_is_found() -> None:
    model = published()
    catalogue.edit_version(model.versions.get(), by=model.owner, trigger_words=["蕨"])
    assert catalogue.search(Model.objects.all(), "蕨", user=model.owner).exists()
    assert not catalogue.search(Model.objects.all(), "a\0b", user=model.owner).exists()


def test_what_nobody_has_approved_does_not_describe_what_is_on_the_shelf() -> None:
    model = published()
    draft = making.artifact(making.version(model, "2.0"))
    making.judged(draft)
    Model.objects.filter(pk=model.pk).update(kind="vae")
    making.judged(draft)
    model.refresh_from_db()
    assert model.kind == "vae"
