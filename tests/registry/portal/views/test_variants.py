"""The form for another file of a version, and what comes of it."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from registry.models import Artifact, Report, User, Variant, Version
from registry.states import ArtifactRole, Role, RunState, Stage
from tests.registry import making

pytestmark = pytest.mark.django_db


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def version() -> Version:
    return making.in_stage(Stage.PUBLISHED)


def address(version: Version) -> str:
    return reverse("portal:variants", args=[version.model.slug, version.pk])


def of_kind(version: Version, kind: str) -> Version:
    for report in Report.objects.filter(blob__artifacts__version=version):
        report.data["identity"]["kind"] = kind
        report.save()
    Version.objects.filter(pk=version.pk).update(kind=kind)
    version.refresh_from_db()
    return version


def page(version: Version, by: User) -> str:
    return signed_in(by).get(version.get_absolute_url()).content.decode()


def test_the_owner_asks_and_sees_how_far_it_is(version: Version) -> None:
    client = signed_in(version.created_by)
    answer = client.post(address(version), {"precision": "fp16"}, follow=True)
    shown = answer.content.decode()
    assert "It will be made." in shown
    assert "waits for a worker" in shown
    Variant.objects.update(state=RunState.RUNNING, percent=40, activity="convert")
    followed = client.get(address(version), headers={"HX-Request": "true"})
    assert "copying tensors, 40 %" in followed.content.decode()
    assert "HX-Retarget" not in followed


def test_the_page_is_shown_anew_when_it_is_done(version: Version) -> None:
    client = signed_in(version.created_by)
    client.post(address(version), {"precision": "fp16"})
    file = Artifact.objects.create(
        version=version, blob=version.artifacts.get().blob, role=ArtifactRole.VARIANT,
        name="tiny-fp16.safetensors", details={"said": "fp16"},
    )  # fmt: skip
    Variant.objects.update(state=RunState.DONE, artifact=file)
    answer = client.get(address(version), headers={"HX-Request": "true"})
    assert answer["HX-Retarget"] == "#version"
    assert "made here: fp16" in answer.content.decode()


def test_it_is_taken_away_with_its_file(version: Version) -> None:
    client = signed_in(version.created_by)
    client.post(address(version), {"precision": "fp16"})
    row = Variant.objects.get()
    where = reverse("portal:remove-variant", args=[version.model.slug, version.pk, row.pk])
    assert signed_in(making.person()).post(where).status_code == 403
    assert client.post(where).status_code == 302
    assert not Variant.objects.exists()
    assert client.post(where).status_code == 404


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({}, "Say what should be different about the file."),
        ({"prune": "ema"}, "That would change nothing in this file."),
        ({"precision": "fp8"}, "That cannot be asked for."),
    ],
)
def test_a_refusal_is_said(version: Version, asked: dict[str, str], said: str) -> None:
    answer = signed_in(version.created_by).post(address(version), asked, follow=True)
    assert said in answer.content.decode()
    assert not Variant.objects.exists()


def test_what_failed_says_why(version: Version) -> None:
    signed_in(version.created_by).post(address(version), {"precision": "fp16"})
    Variant.objects.update(state=RunState.FAILED, error_code="x", error_detail="<b>no</b>")
    assert "Not made: &lt;b&gt;no&lt;/b&gt;" in page(version, version.created_by)


@pytest.mark.parametrize(
    ("kind", "fields", "others"),
    [
        ("lora", {"precision"}, {"prune", "position_ids", "torch", "vae"}),
        ("embedding", {"precision", "torch"}, {"prune", "position_ids", "vae"}),
        ("checkpoint", {"precision", "prune", "position_ids"}, {"torch", "vae"}),
    ],
)
def test_the_form_asks_what_makes_sense(
    version: Version, kind: str, fields: set[str], others: set[str]
) -> None:
    shown = page(of_kind(version, kind), version.created_by)
    assert all(f'name="{field}"' in shown for field in fields)
    assert not any(f'name="{field}"' in shown for field in others)


def test_published_vaes_are_offered_to_a_checkpoint(version: Version) -> None:
    vae = of_kind(making.in_stage(Stage.PUBLISHED), "vae").artifacts.get()
    hidden = of_kind(making.in_stage(Stage.IN_REVIEW), "vae").artifacts.get()
    shown = page(of_kind(version, "checkpoint"), version.created_by)
    assert f'<option value="{vae.pk}">' in shown
    assert f'<option value="{hidden.pk}">' not in shown
    answer = signed_in(version.created_by).post(address(version), {"vae": vae.pk}, follow=True)
    assert "with another VAE" in answer.content.decode()


def test_strangers_and_other_stages_have_no_form(version: Version) -> None:
    assert 'id="variants"' not in page(version, making.person())
    assert signed_in(making.person()).post(address(version), {}).status_code == 403
    draft = making.in_stage(Stage.WITHDRAWN)
    assert 'id="variants"' not in page(draft, draft.created_by)
    assert 'id="variants"' in page(version, making.person(Role.REVIEWER))
