from __future__ import annotations

from dataclasses import replace

import pytest

from scanner.report import Component, Identity, State
from scanner.smoke import plan as plans
from scanner.smoke.outcome import Needs, Outcome, Result
from scanner.smoke.places import Place
from scanner.smoke.plan import Generate, Mode, Plan
from scanner.source import BytesSource
from scanner.tensors import Storage, Tensor, TensorTable

WHOLE = Component(State.WHOLE)
PARTS = {"unet": WHOLE, "text_encoder": WHOLE, "vae": WHOLE}
UNET = Place("unet", "sd1", "ldm-unet", "model.diffusion_model.")
TEXT = Place("text_encoder", "clip-l", "clip", "cond_stage_model.transformer.text_model.")
VAE = Place("vae", "vae-4ch", "ldm-vae", "first_stage_model.")
WHOLE_PLACES = (UNET, TEXT, VAE)
BASE = Generate("sd1", Mode.TEXT, "epsilon", 4, WHOLE_PLACES)


def table(*names: str) -> TensorTable:
    storage = Storage("0", 0, BytesSource(b""))
    return TensorTable(tuple(Tensor(name, "F32", (0,), (1,), storage) for name in names))


def checkpoint(**changes: object) -> Identity:
    known = {
        "kind": "checkpoint", "base": "sd1", "variant": "text-to-image", "prediction": "epsilon",
        "components": PARTS,
    }  # fmt: skip
    return Identity(**{**known, **changes})  # type: ignore[arg-type]


def planned(
    identity: Identity, *places: Place, lent: Generate | None = None, names: tuple[str, ...] = ()
) -> Plan | Result:
    return plans.plan(identity, table(*names), lent, places=places or WHOLE_PLACES)


def refused(identity: Identity, *places: Place, lent: Generate | None = None) -> Result:
    result = planned(identity, *places, lent=lent)
    assert isinstance(result, Result)
    return result


def run(identity: Identity, *places: Place, lent: Generate | None = None) -> Generate:
    result = planned(identity, *places, lent=lent)
    assert isinstance(result, Generate)
    return result


def test_a_whole_checkpoint_is_run() -> None:
    plan = run(checkpoint())
    assert plan == BASE
    assert plan.lent == ()


@pytest.mark.parametrize(("variant", "channels"), [("inpaint", 9), ("pix2pix", 8), ("refine", 4)])
def test_variants_bring_their_own_inputs(variant: str, channels: int) -> None:
    assert run(checkpoint(variant=variant)).in_channels == channels


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("lora", "a LoRA needs a base model"),
        ("embedding", "an embedding needs a base model"),
        ("hypernetwork", "a hypernetwork needs a base model"),
        ("controlnet", "a ControlNet needs a base model"),
        ("upscaler", "a file of kind upscaler"),
        ("unknown", "a file of unknown kind"),
    ],
)
def test_what_makes_no_picture_alone_is_skipped_with_the_reason(kind: str, words: str) -> None:
    result = refused(checkpoint(kind=kind))
    assert result.verdict is Outcome.SKIPPED
    assert words in (result.reason or "")


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"base": "flux"}, "smoke.base"),
        ({"base": None}, "smoke.base"),
        ({"variant": "depth"}, "smoke.variant"),
        ({"base": "sdxl"}, "smoke.needs_parts"),
    ],
)
def test_what_cannot_be_run_is_skipped(changes: dict[str, object], code: str) -> None:
    result = refused(checkpoint(**changes))
    assert (result.verdict, result.code) == (Outcome.SKIPPED, code)


def test_a_layout_that_nobody_loads_is_skipped() -> None:
    result = refused(checkpoint(), UNET, Place("text_encoder", "t5", "t5", ""), VAE)
    assert (result.verdict, result.code) == (Outcome.SKIPPED, "smoke.layout")
    assert "text encoder" in (result.reason or "")


def test_quantised_weights_are_skipped() -> None:
    result = planned(checkpoint(), names=("model.diffusion_model.out.2.scale_weight",))
    assert isinstance(result, Result)
    assert (result.verdict, result.code) == (Outcome.SKIPPED, "smoke.quantised")


def test_what_a_model_does_not_bring_is_named_as_needed() -> None:
    result = refused(checkpoint(), UNET)
    assert (result.verdict, result.code) == (Outcome.SKIPPED, "smoke.needs_parts")
    assert "no text encoder and no VAE" in (result.reason or "")
    assert result.needs == Needs("sd1", ("text_encoder", "vae"))


@pytest.mark.parametrize("kind", ["checkpoint", "unet"])
def test_a_base_model_lends_what_is_missing(kind: str) -> None:
    plan = run(checkpoint(kind=kind), UNET, lent=BASE)
    assert plan.places == (UNET, replace(TEXT, lent=True), replace(VAE, lent=True))
    assert plan.lent == ("text encoder", "VAE")


def test_an_inpainting_model_borrows_from_an_ordinary_one() -> None:
    plan = run(checkpoint(variant="inpaint"), UNET, TEXT, lent=BASE)
    assert (plan.mode, plan.in_channels, plan.lent) == (Mode.INPAINT, 9, ("VAE",))


def test_a_checkpoint_without_a_unet_is_run_as_its_base_is() -> None:
    lent = replace(BASE, prediction="v")
    plan = run(checkpoint(prediction=None), TEXT, VAE, lent=lent)
    assert (plan.prediction, plan.lent) == ("v", ("UNet",))


def test_a_model_of_another_base_lends_nothing() -> None:
    result = refused(checkpoint(base="sd2"), UNET, lent=BASE)
    assert (result.code, result.needs) == (
        "smoke.base_file", Needs("sd2", ("text_encoder", "vae")),
    )  # fmt: skip


def test_a_text_encoder_alone_reads_for_a_base_model() -> None:
    identity = Identity(kind="text_encoder", candidates=("sd1", "sdxl", "sd3"))
    own = Place("text_encoder", "clip-l", "clip", "text_model.")
    plan = run(identity, own, lent=BASE)
    assert plan.places == (replace(UNET, lent=True), own, replace(VAE, lent=True))
    assert refused(identity, own).needs == Needs("sd1", ("unet", "vae"))


def test_a_second_text_encoder_alone_takes_its_place() -> None:
    lent = Generate(
        "sdxl", Mode.TEXT, "epsilon", 4,
        (UNET, TEXT, Place("text_encoder_2", "openclip-g", "open-clip", "c."), VAE),
    )  # fmt: skip
    own = Place("text_encoder", "openclip-g", "clip", "text_model.")
    plan = run(Identity(kind="text_encoder", candidates=("sdxl",)), own, lent=lent)
    assert plan.places[2] == replace(own, part="text_encoder_2")
    assert [place.lent for place in plan.places] == [True, True, False, True]


def test_a_part_that_is_not_whole_fails_with_names() -> None:
    part = Component(State.PARTIAL, missing=tuple("abcdefg"), misshapen=("shape",))
    result = refused(checkpoint(components={**PARTS, "unet": part}))
    assert (result.verdict, result.code) == (Outcome.FAILED, "smoke.incomplete")
    assert result.checks[0].value == 8
    assert "7 missing (a, b, c, d, e and 2 more); 1 misshapen (shape)" in (result.reason or "")


def test_a_vae_of_a_known_kind_makes_the_round_trip() -> None:
    vae = Component(State.WHOLE, arch="vae-4ch")
    plan = plans.plan(Identity(kind="vae", components={"vae": vae}), table())
    assert plan == plans.RoundTrip("sd1")


def test_a_vae_of_another_kind_is_skipped() -> None:
    vae = Component(State.WHOLE, arch="vae-16ch")
    assert refused(Identity(kind="vae", components={"vae": vae})).code == "smoke.base"
