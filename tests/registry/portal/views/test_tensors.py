"""The tensor browser, with and without its script."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from registry import contents
from registry.models import Artifact, TensorList, Version
from registry.states import Stage
from tests.registry import making

pytestmark = pytest.mark.django_db


@pytest.fixture
def version() -> Version:
    version = making.in_stage(Stage.PUBLISHED)
    making.listed(version.artifacts.select_related("blob").get())
    return version


def test_the_page_shows_the_first_of_them_by_component(version: Version, member: Client) -> None:
    page = member.get(version.get_absolute_url()).content.decode()
    assert "251 tensors" in page and "UNet <span" in page
    assert "layer.0.weight" in page and "layer.50.weight" not in page
    assert "1 of 6" in page


def test_without_a_script_the_form_asks_the_page_itself(version: Version, member: Client) -> None:
    address = version.get_absolute_url()
    page = member.get(address, {"tensor": "layer.24", "shape": "25, 4"}).content.decode()
    assert "1 tensor of 251" in page and "layer.24.weight" in page
    assert 'value="layer.24"' in page
    last = member.get(address, {"page": "6"}).content.decode()
    assert "betas" in last and "Noise schedule" in last


def test_the_script_gets_what_was_found_alone(version: Version, member: Client) -> None:
    address = version.get_absolute_url() + "tensors/"
    answer = member.get(address, {"component": "schedule"}, headers={"HX-Request": "true"})
    page = answer.content.decode()
    assert "betas" in page and "layer." not in page and "<html" not in page
    plain = member.get(address, {"component": "schedule"})
    assert plain.status_code == 302
    assert plain["Location"].endswith("?component=schedule#tensors")


def test_a_shape_that_is_none_is_said_to_be_none(version: Version, member: Client) -> None:
    page = member.get(version.get_absolute_url(), {"shape": "wide"}).content.decode()
    assert "A shape is like" in page


def test_a_name_out_of_a_file_is_text(member: Client) -> None:
    version = making.in_stage(Stage.PUBLISHED)
    artifact = version.artifacts.select_related("blob").get()
    rows = [["<script>alert(1)</script>\u202e", "F16", [1], "<b>", 2]]
    contents.keep(artifact.blob, {"tensors": {"total": 1, "left_out": 0, "rows": rows}})
    page = member.get(version.get_absolute_url()).content.decode()
    assert "<script>alert" not in page and "<b>" not in page and "\u202e" not in page


def test_nobody_browses_what_they_may_not_see(member: Client) -> None:
    hidden = making.in_stage(Stage.IN_REVIEW)
    making.listed(hidden.artifacts.select_related("blob").get())
    address = hidden.get_absolute_url() + "tensors/"
    assert member.get(address, headers={"HX-Request": "true"}).status_code == 404


def test_a_file_of_an_earlier_inspection_says_when_they_come(
    version: Version, member: Client
) -> None:
    TensorList.objects.all().delete()
    assert "after its next inspection" in member.get(version.get_absolute_url()).content.decode()


def test_a_page_with_more_files_asks_no_more_questions(
    version: Version, member: Client, django_assert_max_num_queries: Any
) -> None:
    address = version.get_absolute_url()
    with django_assert_max_num_queries(60) as few:
        member.get(address)
    Version.objects.filter(pk=version.pk).update(stage=Stage.DRAFT)
    version.refresh_from_db()
    for number in range(5):
        artifact = making.judged(making.artifact(version, name=f"more-{number}.safetensors"))
        making.listed(artifact)
        Artifact.objects.filter(pk=artifact.pk).update(prompt_word=f"more-{number}")
    Version.objects.filter(pk=version.pk).update(stage=Stage.PUBLISHED)
    with django_assert_max_num_queries(len(few.captured_queries) + 1):
        member.get(address)
