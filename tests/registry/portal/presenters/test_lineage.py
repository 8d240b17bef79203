"""What is said of lineage."""

from __future__ import annotations

import pytest
from django.test import Client

from registry.portal.presenters import lineage
from registry.states import Stage, Visibility
from tests.registry import making


@pytest.mark.parametrize(
    ("share", "said"),
    [
        (0.94, "94 %"), (0.999, "99.9 %"), (0.99999, "over 99.9 %"), (0.05, "5 %"),
        (0.004, "0.4 %"), (0.00001, "under 0.1 %"),
    ],
)  # fmt: skip
def test_a_share_is_never_rounded_to_all_or_nothing(share: float, said: str) -> None:
    assert lineage.percent(share) == said


@pytest.mark.django_db
def test_the_page_links_to_relatives_and_names_a_known_release(member: Client) -> None:
    known = making.in_stage(Stage.PUBLISHED, making.version(making.model(name="Stable One")))
    making.printed(
        known.artifacts.select_related("blob").get(), "v1-5-pruned.ckpt", unet=[1.0, 2.0]
    )
    version = making.in_stage(Stage.PUBLISHED)
    making.printed(version.artifacts.select_related("blob").get(), unet=[1.0, 2.0])
    page = member.get(version.get_absolute_url()).content.decode()
    assert f'unchanged SD 1.5, as in <a href="{known.get_absolute_url()}">' in page
    assert "UNet of" in page


@pytest.mark.django_db
def test_the_page_names_no_private_relative(member: Client) -> None:
    hidden = making.model(name="Secret Sauce", visibility=Visibility.PRIVATE)
    secret = making.in_stage(Stage.PUBLISHED, making.version(hidden))
    making.printed(secret.artifacts.select_related("blob").get(), unet=[1.0, 2.0])
    version = making.in_stage(Stage.PUBLISHED)
    making.printed(version.artifacts.select_related("blob").get(), unet=[1.0, 2.0])
    page = member.get(version.get_absolute_url()).content.decode()
    assert "Secret Sauce" not in page and "Also in this registry" not in page
