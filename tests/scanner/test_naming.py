from __future__ import annotations

import pytest

from scanner.naming import suggested, words
from scanner.report import Component, Identity, State


@pytest.mark.parametrize(
    ("name", "known", "suggestion"),
    [("my mix.ckpt", ("pruned", "fp16"), "my mix-pruned-fp16.safetensors"),
     # What the uploader claimed gives way to what is true.
     ("v1-5-pruned-emaonly.ckpt", ("full", "ema", "fp32"), "v1-5-full-ema-fp32.safetensors"),
     ("wd_full_fp32.ckpt", ("pruned", "fp16"), "wd-pruned-fp16.safetensors"),
     ("full-moon.v2.ckpt", ("noVAE", "fp16"), "full-moon.v2-noVAE-fp16.safetensors"),
     ("sd-v1-5-inpainting.ckpt", ("inpainting", "pruned", "fp32"),
      "sd-v1-5-inpainting-pruned-fp32.safetensors"),
     ("pruned.ckpt", ("pruned",), "pruned.safetensors"),
     ("style.safetensors", (), "style.safetensors"),
     ("pruned-fp16.safetensors", (), "pruned-fp16.safetensors"),
     ("no suffix", ("fp16",), "no suffix-fp16.safetensors")],
)  # fmt: skip
def test_a_download_is_called_after_what_it_holds(
    name: str, known: tuple[str, ...], suggestion: str
) -> None:
    assert suggested(name, "checkpoint", known) == suggestion


def test_an_embedding_keeps_its_name_which_is_its_prompt_word() -> None:
    assert suggested("猫-fp16.pt", "embedding", ("fp16",)) == "猫-fp16.safetensors"


def _identity(kind: str, base: str, ema: str = "none", **states: State) -> Identity:
    parts = {name: Component(state) for name, state in states.items()}
    return Identity(kind, base, components=parts, precision="fp16", ema=ema)


def test_a_transformer_alone_lacks_nothing_and_a_missing_t5_is_said() -> None:
    alone = _identity("unet", "flux", unet=State.WHOLE, vae=State.ABSENT, text_encoder=State.ABSENT)
    assert words(alone, leftovers=False) == ("pruned", "fp16")
    clips = _identity("checkpoint", "sd3", unet=State.WHOLE, vae=State.WHOLE,
                      text_encoder=State.WHOLE, text_encoder_3=State.ABSENT)  # fmt: skip
    assert words(clips, leftovers=False) == ("pruned", "noT5", "fp16")


def test_small_models_have_no_such_words() -> None:
    assert words(_identity("lora", "sd1"), leftovers=True) == ()
