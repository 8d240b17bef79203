"""What files of the registry have in common, and who hears of it."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from registry import contents, lineage, uploads
from registry.models import Artifact, Fingerprint, Likeness, Model, User
from registry.states import Role, Stage, Visibility
from tests.registry import making

pytestmark = pytest.mark.django_db

PARTS = {"unet": [1.0, 2.0, 3.0, 4.0], "vae_encoder": [5.0, 6.0], "vae_decoder": [7.0, 8.0]}


def file(name: str = "", stage: Stage = Stage.PUBLISHED, **fields: str) -> Artifact:
    model = making.model(**({"name": name} if name else {}), **fields)
    version = making.in_stage(stage, making.version(model))
    return version.artifacts.select_related("blob", "version__model").get()


def told(artifact: Artifact, user: User | None = None) -> list[tuple[str, str, str]]:
    """(component, relation, model's name) of everything that ``user`` hears of."""
    kin = lineage.of(artifact, user or making.person())
    return [(item.component, item.relation, item.artifact.version.model.name) for item in kin]


def test_identical_components_are_found_both_ways() -> None:
    old = making.printed(file("Old"), **PARTS)
    new = making.printed(file("New"), unet=PARTS["unet"], text_encoder=[9.0])
    assert told(new) == [("unet", "identical", "Old")]
    assert told(old) == [("unet", "identical", "New")]


def test_a_vae_is_whole_where_both_halves_are_of_one_file_and_told_apart_elsewhere() -> None:
    making.printed(file("Plain"), **PARTS)
    decoder = making.printed(file("Tuned"), vae_encoder=[5.0, 6.0], vae_decoder=[0.1, 0.2])
    same = making.printed(file("Copy"), vae_encoder=[5.0, 6.0], vae_decoder=[0.1, 0.2])
    assert ("vae", "identical", "Tuned") in told(same)
    assert ("vae_encoder", "identical", "Plain") not in told(same)
    Artifact.objects.filter(pk=same.pk).delete()
    assert told(decoder) == [("vae_encoder", "identical", "Plain")]


def test_similar_ones_are_told_with_the_share_that_is_equal() -> None:
    making.printed(file("Parent"), unet=[1.0, 2.0, 3.0, 4.0])
    making.printed(file("Stranger"), unet=[60.0, -70.0, 80.0, -90.0])
    child = making.printed(file(), unet=[1.0, 2.0, 3.0, 4.5])
    [kin] = lineage.of(child, making.person())
    assert (kin.relation, kin.share, kin.artifact.version.model.name) == ("similar", 0.75, "Parent")


def test_what_was_trained_on_shares_no_tensor_and_lies_close() -> None:
    making.printed(file("Parent"), unet=[1.0, 2.0, 3.0, 4.0])
    child = making.printed(file(), unet=[1.01, 2.01, 3.01, 4.01])
    [kin] = lineage.of(child, making.person())
    assert (kin.relation, kin.share) == ("close", 0.0)
    assert kin.distance is not None and 0.001 < kin.distance < 0.01


def test_an_averaged_copy_is_another_files_unet() -> None:
    making.printed(file("EMA only"), unet=[3.0, 4.0])
    full = making.printed(file(), unet=[1.0, 2.0], ema=[3.0, 4.0])
    kin = {item.component: item for item in lineage.of(full, making.person())}
    assert (kin["ema"].relation, kin["ema"].others) == ("identical", "unet")


def test_a_known_release_names_what_has_its_unet() -> None:
    making.printed(file("Somebody's copy"), unet=PARTS["unet"])
    making.printed(file("SD 1.5"), release="v1-5-pruned.ckpt", unet=PARTS["unet"])
    kin = lineage.of(making.printed(file(), unet=PARTS["unet"]), making.person())
    assert [item.artifact.version.model.name for item in kin] == ["SD 1.5", "Somebody's copy"]
    assert kin[0].release == "v1-5-pruned.ckpt"
    assert lineage.release(kin) == "sd1.5"


def test_the_same_bytes_elsewhere_are_said_to_be_the_same_file() -> None:
    first = file("First")
    version = making.version(making.model(name="Second"))
    again = making.artifact(version, data=making.safetensors(77_000))
    Artifact.objects.filter(pk=again.pk).update(blob=first.blob)
    again.refresh_from_db()
    assert told(again) == [("file", "identical", "First")]


@pytest.mark.parametrize("share", ["identical", "similar", "same file"])
def test_a_private_model_is_named_to_nobody_who_may_not_see_it(share: str) -> None:
    hidden = making.printed(file("Secret", visibility=Visibility.PRIVATE), unet=[1.0, 2.0])
    shown = making.printed(file(), unet=[1.0, 2.0] if share == "identical" else [1.0, 2.5])
    if share == "same file":
        Artifact.objects.filter(pk=shown.pk).update(blob=hidden.blob)
        shown = Artifact.objects.select_related("blob").get(pk=shown.pk)
    assert told(shown) == []
    assert [name for *_, name in told(shown, making.person(Role.REVIEWER))][:1] == ["Secret"]
    assert [name for *_, name in told(shown, hidden.version.created_by)][:1] == ["Secret"]
    friend = making.person()
    hidden.version.model.shared_with.add(friend)
    assert [name for *_, name in told(shown, friend)][:1] == ["Secret"]


@pytest.mark.parametrize("stage", [Stage.DRAFT, Stage.IN_REVIEW, Stage.WITHDRAWN])
def test_what_is_not_published_is_named_to_nobody_else(stage: Stage) -> None:
    making.printed(file("Unpublished", stage), unet=[1.0])
    assert told(making.printed(file(), unet=[1.0])) == []


def test_what_was_thrown_out_is_named_to_nobody() -> None:
    making.printed(file("Hostile", Stage.QUARANTINED), unet=[1.0])
    shown = making.printed(file(), unet=[1.0])
    assert told(shown, making.person(Role.ADMIN)) == []


def test_hidden_ones_do_not_push_out_what_may_be_named() -> None:
    making.printed(file("Open"), unet=[1.0, 2.0])
    for _ in range(lineage.NAMED + 2):
        making.printed(file(visibility=Visibility.PRIVATE), unet=[1.0, 2.0])
    assert told(making.printed(file(), unet=[1.0, 2.0])) == [("unet", "identical", "Open")]


def test_a_model_that_is_deleted_is_forgotten() -> None:
    gone = making.printed(file("Gone"), unet=[1.0, 2.0])
    left = making.printed(file(), unet=[1.0, 2.5])
    assert told(left) and Likeness.objects.count() == 2
    uploads.delete_version(gone.version, by=gone.version.created_by)
    gone.blob.delete()
    assert told(left) == []
    assert not Likeness.objects.exists()


def test_a_fingerprint_that_changed_is_compared_anew() -> None:
    making.printed(file("Parent"), unet=[1.0, 2.0])
    child = making.printed(file(), unet=[1.0, 2.5])
    assert told(child)
    making.printed(child, unet=[90.0, -90.0])
    assert told(child) == []


def test_what_a_crash_prevented_is_learned_later() -> None:
    making.printed(file("Parent"), unet=[1.0, 2.0])
    child = making.printed(file(), unet=[1.0, 2.5])
    Likeness.objects.all().delete()
    Fingerprint.objects.filter(blob=child.blob).update(compared=False)
    assert lineage.catch_up() == 1
    assert told(child)
    assert lineage.catch_up() == 0


def test_no_more_are_compared_than_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lineage, "CANDIDATES", 3)
    for value in range(6):
        making.printed(file(), unet=[1.0, 10.0 + value])
    new = making.printed(file(), unet=[1.0, 2.0])
    assert Likeness.objects.filter(one__blob=new.blob).count() == 3


def test_other_architectures_are_not_compared() -> None:
    making.printed(file(), vae_encoder=[1.0], text_encoder=[2.0])
    assert told(making.printed(file(), vae_decoder=[1.0], unet=[2.0])) == []


def test_more_models_take_no_more_queries() -> None:
    new = making.printed(file(), **PARTS)
    user = making.person()

    def queries() -> int:
        with CaptureQueriesContext(connection) as asked:
            lineage.of(new, user)
        return len(asked)

    making.printed(file(), unet=[1.0, 2.0, 3.0, 9.0])
    few = queries()
    for value in range(5):
        making.printed(file(), **{**PARTS, "unet": [1.0, 2.0, 3.0, 20.0 + value]})
    assert queries() <= few


def test_a_share_is_of_what_both_have() -> None:
    one = making.printed(file(), unet=[1.0, 2.0, 3.0])
    first = contents.values(one.blob.fingerprints.get())
    other = making.printed(file(), unet=[1.0, 5.0])
    second = contents.values(other.blob.fingerprints.get())
    share, distance = lineage.compare(first, second)
    assert share == 0.5
    assert distance == pytest.approx(3 / 9)


def test_models_of_one_owner_are_not_confused() -> None:
    owner = making.person()
    model = making.model(owner, name="Mine")
    first = making.printed(
        making.in_stage(Stage.DRAFT, making.version(model, "1")).artifacts.get(), unet=[1.0]
    )
    second = making.printed(
        making.in_stage(Stage.DRAFT, making.version(model, "2")).artifacts.get(), unet=[1.0]
    )
    assert Model.objects.count() == 1
    assert lineage.of(second, owner)[0].artifact.version == first.version
