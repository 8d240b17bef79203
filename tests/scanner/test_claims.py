"""A name or a claim is contradicted where the file says otherwise, and only there."""

from __future__ import annotations

import pytest

from scanner import claims
from scanner.report import Json


def _report(format: str = "safetensors", **identity: Json) -> dict[str, Json]:
    held: dict[str, Json] = {
        "kind": "checkpoint", "base": "sd1", "candidates": ["sd1.4", "sd1.5"],
        "variant": "text-to-image", "prediction": "epsilon", "precision": "fp16", "ema": "none",
        "components": {"unet": {"state": "whole", "precision": "fp16"},
                       "text_encoder": {"state": "whole", "precision": "fp16"},
                       "vae": {"state": "whole", "precision": "fp16"}},
    }  # fmt: skip
    return {"format": format, "identity": held | identity}


_NO_VAE: Json = {"unet": {"state": "whole", "precision": "fp16"}, "vae": {"state": "absent"}}
_LORA: dict[str, Json] = {"kind": "lora", "components": {}, "variant": None, "prediction": None}


@pytest.mark.parametrize(
    ("name", "facts", "about"),
    [
        ("model.safetensors", {"format": "pickle"}, "format"),
        ("model.ckpt", {}, "format"),
        ("style_lora.safetensors", {}, "kind"),
        ("nice-embedding.pt", {"format": "torch-zip"}, "kind"),
        ("anything-v3.0.vae.pt", {"format": "torch-zip"}, "kind"),
        ("mySDXL_v2.safetensors", {}, "base"),
        ("portrait_sd21.safetensors", {}, "base"),
        ("v2-1_768-ema-pruned.safetensors", {}, "base"),
        ("flux1-dev.safetensors", {}, "base"),
        ("ponyXL_style.safetensors", _LORA, "base"),
        ("sd-v1-5-inpainting.safetensors", {}, "variant"),
        ("instruct-pix2pix-00-22000.safetensors", {}, "variant"),
        ("v2-1_768-nonema.safetensors", {"base": "sd2", "prediction": "epsilon"}, "prediction"),
        ("noobai-vpred.safetensors", {"base": "sdxl", "prediction": "epsilon"}, "prediction"),
        ("v1-5-pruned-emaonly.safetensors", {"ema": "full"}, "ema"),
        ("model-noema.safetensors", {"ema": "full"}, "ema"),
        ("sd-v1-4-full-ema.safetensors", {}, "ema"),
        ("model-noVAE.safetensors", {}, "vae"),
        ("model-bakedVAE.safetensors", {"components": _NO_VAE}, "vae"),
        ("model-fp32.safetensors", {}, "precision"),
        ("model_bf16.safetensors", {}, "precision"),
        ("fox-rank64.safetensors", {**_LORA, "adapter": {"ranks": {"32": 192}}}, "rank"),
    ],
)
def test_a_name_is_contradicted(name: str, facts: dict[str, Json], about: str) -> None:
    found = claims.check(name, _report(**facts))  # type: ignore[arg-type]
    assert [(item.source, item.about) for item in found] == [("name", about)]
    assert found[0].message.endswith(".")


@pytest.mark.parametrize(
    ("name", "facts"),
    [
        ("v1-5-pruned-emaonly-fp16.safetensors", {}),
        ("v1-5-pruned.safetensors", {"ema": "full"}),
        ("basil_mix.safetensors", {}),
        ("sd_xl_base_1.0.safetensors", {"base": "sdxl"}),
        ("sd_xl_refiner_1.0.safetensors", {"base": "sdxl-refiner"}),
        ("explorable.safetensors", {}),
        ("pony-riding.safetensors", _LORA),
        ("flux_capacitor.safetensors", _LORA),
        ("model-v2.1.safetensors", {}),
        ("myModel_v1-5.safetensors", {"base": "sdxl"}),
        ("merge-with-lora.safetensors", {}),
        ("model_with_vae.safetensors", {}),
        ("controlnet-inpaint.safetensors", {"kind": "controlnet", "variant": None}),
        ("sdxl-vae-fp16-fix.safetensors",
         {"kind": "vae", "base": None, "candidates": ["sd1", "sdxl"], "precision": "fp32",
          "components": {"vae": {"state": "whole", "precision": "fp32"}}}),
        ("anything.vae.safetensors", {"kind": "vae", "variant": None, "prediction": None}),
        ("sdxl_lora.safetensors", {**_LORA, "base": "sdxl"}),
        ("illustrious_style.safetensors", {**_LORA, "base": "sdxl"}),
        ("sd15_fp16.safetensors", {"kind": "unknown", "base": None, "candidates": [],
                                   "precision": None, "components": {}}),
        ("mixed-fp16.safetensors", {"precision": "mixed"}),
        ("猫.safetensors", {"kind": "embedding"}),
        ("", {}),
    ],
)  # fmt: skip
def test_an_honest_or_harmless_name_is_left_alone(name: str, facts: dict[str, Json]) -> None:
    assert claims.check(name, _report(**facts)) == ()  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("kind", "base", "about"),
    [("lora", None, ["kind"]), ("checkpoint", "sdxl", ["base"]), (None, "pony", ["base"]),
     ("vae", "SD 2.1", ["kind", "base"]), ("checkpoint", "sd1", []), ("unet", "SD 1.5", []),
     ("other", "sd1.5", []), (None, None, [])],
)  # fmt: skip
def test_an_uploaders_claims(kind: str | None, base: str | None, about: list[str]) -> None:
    found = claims.check("model.safetensors", _report(), kind=kind, base=base)
    assert [(item.source, item.about) for item in found] == [("claim", word) for word in about]


def test_pony_is_sdxl_and_no_more_is_disputed() -> None:
    report = _report(base="sdxl", candidates=["sdxl-1.0", "pony"])
    assert claims.check("x.safetensors", report, kind="locon", base="pony")[0].about == "kind"
    assert claims.check("x.safetensors", report, base="illustrious") == ()


def test_a_report_without_an_identity_contradicts_nothing_but_the_format() -> None:
    assert claims.check("sdxl-lora.ckpt", {"format": "pickle"}, kind="vae") == ()
    assert claims.check("sdxl-lora.ckpt", {}) == ()
    assert [item.about for item in claims.check("a.ckpt", {"format": "gguf"})] == ["format"]
