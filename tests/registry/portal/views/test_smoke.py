"""The smoke test in the portal: pictures side by side, why there are none, and base models."""

from __future__ import annotations

import re

import pytest
from django.test import Client

from registry.models import Redraw, SmokeBase, SmokeTest, Version
from registry.states import Role, RunState, Stage
from tests.registry import making
from tests.registry.pictures import Engine, drawn
from tests.registry.portal.conftest import signed_in

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("no_redraws")]


def card(client: Client, version: Version) -> str:
    page = client.get(version.get_absolute_url()).content.decode()
    found = re.search(r'<section class="card smoke".*?</section>', page, re.DOTALL)
    return found[0] if found else ""


def address(version: Version, last: str = "smoke/") -> str:
    return version.get_absolute_url() + last


def test_pictures_stand_side_by_side_with_their_captions(member: Client, draws: Engine) -> None:
    draws.wants = "sd1"
    file = making.checkpoint("sd1", making.version(making.model(name="Dreamglass"), "2"))
    SmokeBase.objects.create(base="sd1", artifact=file)
    shown = card(member, drawn(making.in_stage(Stage.PUBLISHED)))
    captions = re.findall(r'<span class="caption">(.*?)</span>', shown)
    assert captions == ["without", "strength 0.5", "strength 1"]
    assert "shown on <a" in shown
    assert "Dreamglass 2" in shown
    assert "brightness varies by 0.2, 0.02 or more is wanted" in shown
    # Room is kept for a picture before it comes, and three sizes are offered.
    image = re.search(r"<img[^>]*>", shown)
    assert image
    assert 'width="64" height="48"' in image[0]
    assert re.findall(r"(\w+)\.webp (\d+)w", image[0]) == [
        ("small", "16"), ("medium", "32"), ("full", "64"),
    ]  # fmt: skip
    assert shown.count("data-copy=") == 3
    assert "style=" not in shown


def test_what_a_vae_was_given_stands_beside_what_it_made(member: Client, draws: Engine) -> None:
    version = drawn(making.in_stage(Stage.PUBLISHED))
    first = version.previews.get()
    version.previews.update(role="reference")
    first.pk, first.position = None, 1
    first.save()
    captions = re.findall(r'<span class="caption">(.*?)</span>', card(member, version))
    assert captions == ["original", "through the VAE"]
    check = {"name": "psnr", "outcome": "passed", "message": "It survives.", "value": 24.12}
    SmokeTest.objects.update(data={"checks": [check]})
    assert "through the VAE, 24.1 dB" in card(member, version)


def test_pictures_that_stand_alone_have_no_captions(member: Client, draws: Engine) -> None:
    version = making.in_stage(Stage.PUBLISHED)
    Version.objects.filter(pk=version.pk).update(prompts=["a crane"])
    shown = card(member, drawn(version))
    assert shown.count("<img") == 2
    assert 'class="caption"' not in shown
    assert "a crane" in shown


def test_what_waits_for_a_base_says_so_and_reviewers_can_choose_one(
    member: Client, reviewer: Client, draws: Engine
) -> None:
    draws.wants = "sdxl"
    version = drawn(making.in_stage(Stage.PUBLISHED))
    assert "No base model for SDXL is set." in card(member, version)
    assert "/bases/" not in card(member, version)
    assert "/bases/" in card(reviewer, version)


@pytest.mark.parametrize(
    ("stage", "says"),
    [
        (Stage.RECEIVED, "Pictures are drawn when"),
        (Stage.CONVERTED, "are being drawn"),
        (Stage.DRAFT, ""),
        (Stage.QUARANTINED, ""),
    ],
)
def test_before_there_is_one_it_says_when(stage: Stage, says: str) -> None:
    version = making.in_stage(stage)
    shown = card(signed_in(version.created_by), version)
    assert says in shown
    assert bool(says) == bool(shown)


def test_the_contact_sheet_is_for_whoever_decides(
    member: Client, reviewer: Client, draws: Engine
) -> None:
    version = drawn(making.in_stage(Stage.IN_REVIEW))
    page = reviewer.get(version.get_absolute_url()).content.decode()
    assert 'width="96" height="72" alt="All pictures' in page
    sheet = reviewer.get(address(version, "contact-sheet.webp"))
    assert (sheet.status_code, sheet["Content-Type"]) == (200, "image/webp")
    assert member.get(address(version, "contact-sheet.webp")).status_code == 404
    Version.objects.filter(pk=version.pk).update(stage=Stage.PUBLISHED)
    for client in (member, reviewer):
        assert "All pictures" not in client.get(version.get_absolute_url()).content.decode()


def test_a_reviewer_has_it_drawn_again_and_watches(reviewer: Client, draws: Engine) -> None:
    version = drawn(making.in_stage(Stage.PUBLISHED))
    assert "Draw again" in card(reviewer, version)
    assert reviewer.post(address(version)).status_code == 302
    row = Redraw.objects.get()
    assert (row.state, row.asked_by_id is not None) == (RunState.WAITING, True)
    waiting = card(reviewer, version)
    assert "waiting for a worker" in waiting
    assert "every 2s" in waiting
    assert "Draw again" not in waiting
    Redraw.objects.update(state=RunState.RUNNING, percent=40, activity="Drawing")
    live = reviewer.get(address(version), headers={"HX-Request": "true"})
    assert b"40 %, drawing" in live.content
    assert "HX-Retarget" not in live
    Redraw.objects.update(state=RunState.DONE)
    over = reviewer.get(address(version), headers={"HX-Request": "true"})
    assert over["HX-Retarget"] == "#version"
    assert reviewer.get(address(version)).status_code == 302


def test_one_that_failed_says_why_to_reviewers(
    member: Client, reviewer: Client, draws: Engine
) -> None:
    version = drawn(making.in_stage(Stage.PUBLISHED))
    Redraw.objects.create(version=version, state=RunState.FAILED, error_detail="signal 9")
    assert "signal 9" in card(reviewer, version)
    assert "signal 9" not in card(member, version)


def test_members_have_nothing_drawn_again(member: Client, draws: Engine) -> None:
    version = drawn(making.in_stage(Stage.PUBLISHED))
    assert "Draw again" not in card(member, version)
    assert member.post(address(version)).status_code == 403
    assert not Redraw.objects.exists()


def test_a_base_is_chosen_on_its_own_page_and_unset_there(reviewer: Client) -> None:
    file = making.checkpoint("sd1", making.version(making.model(name="Dreamglass"), "2"))
    making.in_stage(Stage.PUBLISHED)
    page = reviewer.get("/bases/").content.decode()
    assert "SD 1: Dreamglass 2" in page
    assert "None is set yet" in page
    answer = reviewer.post("/bases/", {"artifact": file.pk}, follow=True)
    assert "Add-ons for SD 1 are shown on Dreamglass 2 now." in answer.content.decode()
    assert SmokeBase.objects.get().artifact == file
    Version.objects.filter(pk=file.version_id).update(stage=Stage.WITHDRAWN)
    assert "nothing is shown on it" in reviewer.get("/bases/").content.decode()
    reviewer.post("/bases/unset/", {"base": "sd1"})
    assert not SmokeBase.objects.exists()
    again = reviewer.post("/bases/unset/", {"base": "sd1"}, follow=True)
    assert again.status_code == 200


@pytest.mark.parametrize("wanted", ["", "x", "²", "9" * 30, "0"])
def test_a_base_that_is_none_is_refused(reviewer: Client, wanted: str) -> None:
    assert reviewer.post("/bases/", {"artifact": wanted}, follow=True).status_code == 200
    assert not SmokeBase.objects.exists()


def test_the_page_counts_what_waits_for_a_base(reviewer: Client) -> None:
    version = making.in_stage(Stage.PUBLISHED)
    SmokeTest.objects.create(
        artifact=version.artifacts.get(), verdict="skipped", data={}, wants="sd2"
    )
    page = reviewer.get("/bases/").content.decode()
    assert "SD 2" in page
    assert "1 version" in page


def test_a_checkpoint_offers_itself_as_a_base(
    member: Client, reviewer: Client, draws: Engine
) -> None:
    file = making.checkpoint("sd1")
    drawn(file.version)
    assert "Show add-ons on this model" in card(reviewer, file.version)
    assert "Show add-ons" not in card(member, file.version)
    SmokeBase.objects.create(base="sd1", artifact=file)
    shown = card(reviewer, file.version)
    assert "Add-ons for SD 1 are shown on this model." in shown
    assert "Show add-ons on this model" not in shown


def test_bases_are_the_reviewers_business(member: Client) -> None:
    assert member.get("/bases/").status_code == 403
    assert member.post("/bases/", {"artifact": 1}).status_code == 403
    assert member.post("/bases/unset/", {"base": "sd1"}).status_code == 403
    assert Client().get("/bases/").status_code == 302


def test_own_prompts_are_typed_one_a_line() -> None:
    version = making.version()
    client = signed_in(version.created_by)
    typed = {"name": "1.0", "prompts": "a crane\n\n  a lake at dawn \n"}
    assert client.post(address(version, "edit/"), typed).status_code == 302
    version.refresh_from_db()
    assert version.prompts == ["a crane", "a lake at dawn"]
    assert "a crane\na lake at dawn" in client.get(address(version, "edit/")).content.decode()
    refused = client.post(address(version, "edit/"), {**typed, "prompts": "\n".join("abcde")})
    assert refused.status_code == 422
    assert "4 own prompts at most" in refused.content.decode()


def test_it_needs_a_reviewer_of_the_site() -> None:
    version = making.in_stage(Stage.PUBLISHED)
    assert Client().post(address(version)).status_code == 302
    assert signed_in(making.person(Role.MEMBER)).post(address(version)).status_code == 403


def test_elsewhere_a_model_is_shown_in_full_and_not_its_base(
    reviewer: Client, draws: Engine
) -> None:
    draws.wants = "sd1"
    SmokeBase.objects.create(base="sd1", artifact=making.checkpoint("sd1"))
    version = drawn(making.in_stage(Stage.IN_REVIEW))
    whole = version.previews.get(strength=1.0)
    address = f"/previews/{whole.pk}/"
    others = [f"/previews/{other.pk}/" for other in version.previews.exclude(pk=whole.pk)]
    pages = [reviewer.get("/review/"), reviewer.get(version.model.get_absolute_url())]
    Version.objects.filter(pk=version.pk).update(stage=Stage.PUBLISHED)
    pages.append(reviewer.get("/"))
    for page in (answer.content.decode() for answer in pages):
        assert address in page
        assert not any(other in page for other in others)
