from __future__ import annotations

import pytest
from django.contrib.auth.models import Group
from django.test import Client

from registry.models import Model, Version
from registry.states import Kind, Stage
from tests.registry import making
from tests.registry.portal.conftest import signed_in

pytestmark = pytest.mark.django_db


def published(name: str, kind: str, base: str, precision: str, *tags: str) -> Version:
    version = making.in_stage(Stage.PUBLISHED, making.version(making.model(name=name, tags=tags)))
    Model.objects.filter(pk=version.model_id).update(kind=kind, base=base)
    Version.objects.filter(pk=version.pk).update(precision=precision)
    return version


def page(client: Client, query: str = "") -> str:
    response = client.get(f"/{query}")
    assert response.status_code == 200
    return response.content.decode()


@pytest.fixture
def shelf(db: None) -> None:
    published("Dreamglass", Kind.CHECKPOINT, "sdxl", "fp16", "calm")
    published("Inkwash", Kind.LORA, "sd1", "fp16", "calm", "ink")
    published("Copper", Kind.LORA, "sdxl", "bf16")


@pytest.mark.usefixtures("shelf")
def test_facets_carry_counts_and_combine(member: Client) -> None:
    everything = page(member)
    assert "3 models, every one scanned" in everything

    narrowed = page(member, "?kind=lora&base=sdxl")
    assert "Copper" in narrowed
    assert "Inkwash" not in narrowed
    assert "Dreamglass" not in narrowed
    # The other choices of a facet stay within reach, counted under the rest.
    assert 'href="?kind=checkpoint&amp;base=sdxl"' in narrowed
    # A chosen one leads back.
    assert 'href="?base=sdxl"' in narrowed


@pytest.mark.usefixtures("shelf")
@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("?search=ink", {"Inkwash"}),
        ("?search=lora", {"Inkwash", "Copper"}),
        ("?tag=calm&precision=fp16", {"Dreamglass", "Inkwash"}),
        ("?precision=bf16", {"Copper"}),
        ("?kind=lora&search=copper", {"Copper"}),
    ],
)
def test_search_and_facets_find(member: Client, query: str, names: set[str]) -> None:
    found = page(member, query)

    assert {name for name in ("Dreamglass", "Inkwash", "Copper") if name in found} == names


@pytest.mark.usefixtures("shelf")
def test_models_can_be_sorted(member: Client) -> None:
    shown = page(member, "?sort=name")

    assert shown.index("Copper") < shown.index("Dreamglass") < shown.index("Inkwash")


def test_a_digest_finds_its_file(member: Client) -> None:
    version = making.in_stage(Stage.PUBLISHED)
    making.in_stage(Stage.PUBLISHED)
    digest = version.artifacts.get().blob_id

    assert version.model.name in page(member, f"?search={digest}")
    assert "1 model of 2" in page(member, f"?search={digest}")


def test_an_empty_catalogue_says_what_to_do(member: Client) -> None:
    assert "Upload the first model" in page(member)


@pytest.mark.usefixtures("shelf")
def test_a_search_without_a_find_leads_back(member: Client) -> None:
    assert "Nothing fits" in page(member, "?search=zebra")


@pytest.mark.usefixtures("shelf")
@pytest.mark.parametrize("query", ["?page=99", "?page=x", "?sort=x", "?kind=x", "?search=%00"])
def test_an_odd_query_is_no_error(member: Client, query: str) -> None:
    page(member, query)


def test_many_models_are_paged(member: Client) -> None:
    for _ in range(25):
        making.in_stage(Stage.PUBLISHED)

    assert "Page 1 of 2" in page(member)
    assert page(member, "?page=2").count('<li class="model">') == 1


def test_a_person_finds_own_work_that_is_not_published() -> None:
    version = making.in_stage(Stage.IN_REVIEW)

    assert version.get_absolute_url() in page(signed_in(version.created_by))


def test_the_work_of_others_is_not_shown(member: Client) -> None:
    version = making.in_stage(Stage.IN_REVIEW)

    assert version.model.name not in page(member)


def test_a_models_name_from_a_stranger_is_only_text(member: Client) -> None:
    making.in_stage(Stage.PUBLISHED, making.version(making.model(name="<script>x</script>")))

    assert "<script>x" not in page(member)


def test_a_model_page_lists_only_the_versions_one_may_see(member: Client) -> None:
    model = making.model()
    making.in_stage(Stage.PUBLISHED, making.version(model, "one"))
    hidden = making.in_stage(Stage.QUARANTINED, making.version(model, "two"))

    assert hidden.get_absolute_url() not in member.get(model.get_absolute_url()).content.decode()
    own = signed_in(model.owner).get(model.get_absolute_url()).content.decode()
    assert hidden.get_absolute_url() in own


def test_an_owner_edits_a_model() -> None:
    model = making.model()
    form = {
        "name": "Renamed", "summary": "s", "description": "# d", "kind": "lora", "licence": "MIT",
        "tags": "one, Two words", "visibility": "private", "shared_with": "",
    }  # fmt: skip

    response = signed_in(model.owner).post(f"{model.get_absolute_url()}edit/", form)

    model.refresh_from_db()
    assert response.status_code == 302
    assert (model.name, model.visibility) == ("Renamed", "private")
    assert {tag.name for tag in model.tags.all()} == {"one", "two-words"}


def test_sharing_with_nobody_known_is_an_error_in_the_form() -> None:
    model = making.model()
    form = {"name": "x", "visibility": "private", "shared_with": "ghost"}

    response = signed_in(model.owner).post(f"{model.get_absolute_url()}edit/", form)

    assert response.status_code == 422
    assert "Nobody here is named ghost." in response.content.decode()


def test_only_owner_and_admin_edit_or_delete(member: Client, reviewer: Client) -> None:
    version = making.in_stage(Stage.PUBLISHED)
    url = version.model.get_absolute_url()

    for client in (member, reviewer):
        assert client.get(f"{url}edit/").status_code == 403
        assert client.post(f"{url}delete/").status_code == 403
    assert Model.objects.filter(pk=version.model_id).exists()


def test_an_admin_deletes_a_model(admin: Client) -> None:
    model = making.in_stage(Stage.PUBLISHED).model

    assert admin.post(f"{model.get_absolute_url()}delete/").status_code == 302
    assert not Model.objects.filter(pk=model.pk).exists()


@pytest.mark.parametrize("query", ["search=%00", "tag=%00", "base=a%00b", "page=%00", "kind=x"])
def test_no_query_breaks_the_catalogue(query: str, member: Client) -> None:
    assert member.get(f"/?{query}").status_code == 200


def test_a_private_model_is_shared_with_a_team_that_exists() -> None:
    model, team = making.model(), Group.objects.create(name="painters")
    form = {"name": model.name, "visibility": "private", "shared_with_teams": "ghosts"}
    url, client = f"{model.get_absolute_url()}edit/", signed_in(model.owner)
    assert "There is no team named ghosts." in client.post(url, form).content.decode()
    client.post(url, {**form, "shared_with_teams": "painters"})
    assert list(model.shared_with_teams.all()) == [team]
