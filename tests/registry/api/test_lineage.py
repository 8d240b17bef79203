"""Lineage in a version's answer."""

from __future__ import annotations

import pytest

from registry.states import Stage, Visibility
from tests.registry import making
from tests.registry.api.conftest import Caller

pytestmark = pytest.mark.django_db


def test_a_version_tells_what_it_shares_with_those_that_the_caller_may_see(
    caller: Caller,
) -> None:
    parent = making.in_stage(Stage.PUBLISHED, making.version(making.model(name="Parent")))
    hidden = making.model(name="Hidden", visibility=Visibility.PRIVATE)
    secret = making.in_stage(Stage.PUBLISHED, making.version(hidden))
    child = making.in_stage(Stage.PUBLISHED)
    for version, last in ((parent, 3.0), (secret, 4.0), (child, 4.0)):
        making.printed(version.artifacts.select_related("blob").get(), unet=[1.0, 2.0, last])
    answer = caller(making.person()).get(f"/api/v1/versions/{child.pk}").json()
    [kin] = answer["lineage"]
    assert kin == {
        "component": "unet",
        "others_component": "unet",
        "relation": "similar",
        "share": pytest.approx(2 / 3),
        "distance": pytest.approx(1 / 13),
        "release": "",
        "stands_for": "",
        "artifact": parent.artifacts.get().pk,
        "name": "tiny.safetensors",
        "version": parent.pk,
        "version_name": "1.0",
        "model": "parent",
    }
    owners = caller(hidden.owner).get(f"/api/v1/versions/{child.pk}").json()
    assert [item["model"] for item in owners["lineage"]] == ["hidden"]
