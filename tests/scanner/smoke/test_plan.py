from __future__ import annotations

import pytest

from scanner.report import Component, Identity, State
from scanner.smoke import plan as plans
from scanner.smoke.outcome import Outcome, Result
from scanner.source import BytesSource
from scanner.tensors import Storage, Tensor, TensorTable

WHOLE = Component(State.WHOLE)
PARTS = {"unet": WHOLE, "text_encoder": WHOLE, "vae": WHOLE}
LDM = (
    "model.diffusion_model.input_blocks.0.0.weight",
    "first_stage_model.encoder.conv_in.weight",
    "cond_stage_model.transformer.text_model.embeddings.position_embedding.weight",
)


def table(names: tuple[str, ...] = LDM) -> TensorTable:
    storage = Storage("0", 0, BytesSource(b""))
    return TensorTable(tuple(Tensor(name, "F32", (0,), (1,), storage) for name in names))


def checkpoint(**changes: object) -> Identity:
    known = {
        "kind": "checkpoint", "base": "sd1", "variant": "text-to-image", "prediction": "epsilon",
        "components": PARTS,
    }  # fmt: skip
    return Identity(**{**known, **changes})  # type: ignore[arg-type]


def refused(identity: Identity, names: tuple[str, ...] = LDM) -> Result:
    result = plans.plan(identity, table(names))
    assert isinstance(result, Result)
    return result


def test_a_whole_checkpoint_is_run() -> None:
    plan = plans.plan(checkpoint(), table())
    assert plan == plans.Generate("sd1", plans.Mode.TEXT, "epsilon", 4)


@pytest.mark.parametrize(("variant", "channels"), [("inpaint", 9), ("pix2pix", 8)])
def test_variants_bring_their_own_inputs(variant: str, channels: int) -> None:
    plan = plans.plan(checkpoint(variant=variant), table())
    assert isinstance(plan, plans.Generate)
    assert plan.in_channels == channels


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("lora", "a LoRA needs a base model"),
        ("embedding", "an embedding needs a base model"),
        ("hypernetwork", "a hypernetwork needs a base model"),
        ("text_encoder", "a text encoder needs a base model"),
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
        ({"components": {**PARTS, "vae": Component(State.ABSENT)}}, "smoke.needs_parts"),
        ({"base": "sdxl"}, "smoke.needs_parts"),
    ],
)
def test_what_cannot_be_run_is_skipped(changes: dict[str, object], code: str) -> None:
    result = refused(checkpoint(**changes))
    assert (result.verdict, result.code) == (Outcome.SKIPPED, code)


def test_another_layout_is_skipped() -> None:
    result = refused(checkpoint(), ("unet.conv_in.weight",))
    assert (result.verdict, result.code) == (Outcome.SKIPPED, "smoke.layout")


def test_a_part_that_is_not_whole_fails_with_names() -> None:
    part = Component(State.PARTIAL, missing=tuple("abcdefg"), misshapen=("shape",))
    result = refused(checkpoint(components={**PARTS, "unet": part}))
    assert (result.verdict, result.code) == (Outcome.FAILED, "smoke.incomplete")
    assert result.checks[0].value == 8
    assert "7 missing (a, b, c, d, e and 2 more); 1 misshapen (shape)" in (result.reason or "")


def test_a_vae_of_a_known_kind_makes_the_round_trip() -> None:
    vae = Component(State.WHOLE, arch="vae-4ch")
    plan = plans.plan(Identity(kind="vae", components={"vae": vae}), table(()))
    assert plan == plans.RoundTrip("sd1")


def test_a_vae_of_another_kind_is_skipped() -> None:
    vae = Component(State.WHOLE, arch="vae-16ch")
    assert refused(Identity(kind="vae", components={"vae": vae})).code == "smoke.base"
