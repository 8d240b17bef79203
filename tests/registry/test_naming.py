"""Names held against files and against each other, and names made anew."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from registry import blobs, catalogue, downloads, naming, reports
from registry.models import Artifact, Model, User
from registry.states import Role, Stage, Visibility
from tests.registry import making
from tests.registry.portal.conftest import signed_in

pytestmark = pytest.mark.django_db


@pytest.fixture
def member() -> Client:
    return signed_in(making.person())


@pytest.fixture
def reviewer() -> Client:
    return signed_in(making.person(Role.REVIEWER))


CHECKPOINT = {
    "identity": {"kind": "checkpoint", "base": "sd1", "precision": "fp16", "components": {}},
    "ledger": {"words": ["pruned", "emaonly", "fp16"], "rows": []},
}


def found(
    name: str, model: Model | None = None, stage: Stage = Stage.PUBLISHED, **data: Any
) -> Artifact:
    """A file of that name, found to be what ``data`` says."""
    version = making.version(model)
    artifact = making.judged(making.artifact(version, name=name))
    report = artifact.blob.report()
    assert report is not None
    reports.store(artifact.blob, report.data | data)
    reports.describe(version)
    type(version).objects.filter(pk=version.pk).update(stage=stage)
    return Artifact.objects.select_related("blob", "version__model").get(pk=artifact.pk)


def embedding(name: str, model: Model | None = None, stage: Stage = Stage.PUBLISHED) -> Artifact:
    identity = {"kind": "embedding", "base": "sd1", "embedding": {"vectors": 2}}
    return found(name, model, stage, identity=identity)


def said(artifact: Artifact) -> list[tuple[str, str]]:
    report = artifact.blob.report()
    assert report is not None
    return [(item.source, item.about) for item in naming.conflicts(artifact, report.data)]


def test_a_name_that_says_another_base_is_disputed() -> None:
    assert said(found("dream-sdxl.safetensors", **CHECKPOINT)) == [("name", "base")]
    assert said(found("dream.safetensors", **CHECKPOINT)) == []


def test_what_the_uploader_says_is_disputed_though_the_catalogue_says_what_was_found() -> None:
    model = making.model(kind="lora", base="sdxl")
    artifact = found("dream.safetensors", model, **CHECKPOINT)
    model.refresh_from_db()
    assert (model.kind, model.base) == ("checkpoint", "sd1")
    assert said(artifact) == [("claim", "kind"), ("claim", "base")]


def test_a_claim_is_taken_back_by_editing_it() -> None:
    model = making.model(kind="lora")
    artifact = found("dream.safetensors", model, **CHECKPOINT)
    catalogue.edit_model(artifact.version.model, by=model.owner, kind="unknown", base="sd1")
    artifact.version.model.refresh_from_db()
    assert said(artifact) == []


def test_an_entry_that_is_saved_as_it_was_found_claims_nothing() -> None:
    model = making.model()
    artifact = found("dream.safetensors", model, **CHECKPOINT)
    catalogue.edit_model(artifact.version.model, by=model.owner, kind="checkpoint", summary="x")
    assert artifact.version.model.claimed_kind == ""


@pytest.mark.parametrize(
    ("mine", "theirs"),
    [
        ("Bad-Hands.pt", "bad-hands.safetensors"),
        ("gr\u00fcn.pt", "GRU\u0308N.bin"),
        ("stra\u00dfe.pt", "STRASSE.pt"),
    ],
)
def test_prompt_words_collide_whatever_their_case_and_composition(mine: str, theirs: str) -> None:
    holder = embedding(theirs)
    artifact = embedding(mine, stage=Stage.IN_REVIEW)
    assert naming.collisions([artifact], making.person()) == {artifact: (holder,)}


def test_only_published_embeddings_of_other_models_take_a_word() -> None:
    model = making.model()
    embedding("word.pt", model)
    embedding("word.pt", stage=Stage.IN_REVIEW)
    found("word.safetensors", **CHECKPOINT)
    version = making.version(model, "2")
    again = making.artifact(version, name="word.pt")
    Artifact.objects.filter(pk=again.pk).update(prompt_word="word")
    again.refresh_from_db()
    assert naming.collisions([again], making.person(Role.ADMIN)) == {}


def test_a_private_holder_is_told_to_nobody_who_may_not_see_it() -> None:
    holder = embedding("word.pt", making.model(visibility=Visibility.PRIVATE))
    mine = embedding("word.pt", stage=Stage.DRAFT)
    assert naming.collisions([mine], mine.version.created_by) == {}
    assert naming.collisions([mine], making.person(Role.REVIEWER)) == {mine: (holder,)}


def test_a_file_is_offered_under_the_communitys_words_too(member: Client) -> None:
    artifact = found("dream.safetensors", **CHECKPOINT)
    answer = member.get(f"/api/v1/versions/{artifact.version_id}").json()
    suggested = "dream-pruned-emaonly-fp16.safetensors"
    assert answer["naming"]["names"] == [{"artifact": artifact.pk, "suggested": suggested}]
    assert naming.chosen(artifact, suggested) == suggested


def test_no_link_gives_a_file_a_name_of_its_own_choice() -> None:
    artifact = found("dream.safetensors", **CHECKPOINT)
    assert naming.chosen(artifact, "invoice.exe") == "dream.safetensors"
    assert naming.chosen(artifact, "") == "dream.safetensors"


def test_an_embedding_is_never_renamed() -> None:
    words = {"words": ["pruned"], "rows": []}
    identity = {"kind": "embedding", "base": "sd1"}
    artifact = found("word.safetensors", identity=identity, ledger=words)
    report = artifact.blob.report()
    assert report is not None
    assert naming.suggested(artifact, report.data) == ""


def test_the_chosen_name_is_that_of_the_download(member: Client) -> None:
    artifact = found("dream.safetensors", **CHECKPOINT)
    blobs.expose(artifact.blob_id)
    name = "dream-pruned-emaonly-fp16.safetensors"
    page = member.get(artifact.version.get_absolute_url()).content.decode()
    assert f"/files/{artifact.pk}/{name}" in page
    answer = member.get(f"/files/{artifact.pk}/{name}")
    assert answer["Content-Disposition"] == downloads.disposition(name)
    plain = member.get(f"/files/{artifact.pk}/something-else.safetensors")
    assert plain["Content-Disposition"] == downloads.disposition("dream.safetensors")


def test_disagreements_are_shown_to_the_uploader_and_to_reviewers(reviewer: Client) -> None:
    artifact = found("dream-sdxl.safetensors", stage=Stage.IN_REVIEW, **CHECKPOINT)
    address = artifact.version.get_absolute_url()
    owner: User = artifact.version.created_by
    for client in (signed_in(owner), reviewer):
        page = client.get(address).content.decode()
        assert "What it is called, and what it is, differ." in page
        assert "The name says &#x27;sdxl&#x27;" in page
    queue = reviewer.get("/review/").content.decode()
    assert "The name says &#x27;sdxl&#x27;" in queue


def test_a_taken_prompt_word_is_shown_to_the_uploader_and_to_reviewers(reviewer: Client) -> None:
    holder = embedding("word.pt", making.model(name="First Holder"))
    mine = embedding("WORD.pt", stage=Stage.IN_REVIEW)
    page = signed_in(mine.version.created_by).get(mine.version.get_absolute_url()).content.decode()
    assert "The prompt word <code>WORD</code> is taken" in page
    assert holder.version.get_absolute_url() in page
    assert (
        "Prompts call First Holder by the same word." in reviewer.get("/review/").content.decode()
    )


def test_the_report_over_the_api_says_what_the_name_gets_wrong(member: Client) -> None:
    artifact = found("dream-sdxl.safetensors", **CHECKPOINT)
    report = member.get(f"/api/v1/artifacts/{artifact.pk}/report").json()
    assert [item["about"] for item in report["naming"]["conflicts"]] == ["base"]
    version = member.get(f"/api/v1/versions/{artifact.version_id}").json()
    [conflict] = version["naming"]["conflicts"]
    assert (conflict["artifact"], conflict["source"]) == (artifact.pk, "name")


def test_the_queue_asks_the_same_number_of_questions_for_more_versions(
    reviewer: Client, django_assert_max_num_queries: Any
) -> None:
    embedding("taken.pt")
    embedding("taken.pt", stage=Stage.IN_REVIEW)
    with django_assert_max_num_queries(100) as few:
        reviewer.get("/review/")
    for _ in range(6):
        embedding("taken.pt", stage=Stage.IN_REVIEW)
    with django_assert_max_num_queries(len(few.captured_queries)):
        reviewer.get("/review/")
