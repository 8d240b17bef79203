"""The trained miniature, broken in ways that files are broken."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from tests.scanner.smoke.files import Values

UNET, VAE = "model.diffusion_model.", "first_stage_model."
TEXT = "cond_stage_model.transformer.text_model."


def not_a_number(tensors: Values) -> Values:
    """One value of one layer, as after a training that blew up."""
    name = UNET + "middle_block.0.in_layers.2.weight"
    broken = tensors[name].copy()
    broken.flat[7] = np.nan
    return {**tensors, name: broken}


def dead(tensors: Values) -> Values:
    """A UNet that says nothing: its last layer is empty."""
    last = (UNET + "out.2.weight", UNET + "out.2.bias")
    return {**tensors, **{name: np.zeros_like(tensors[name]) for name in last}}


def untrained(tensors: Values) -> Values:
    """A UNet of random values, each tensor as large as it was."""
    return _scattered(tensors, UNET)


def grey(tensors: Values) -> Values:
    """A VAE whose decoder lost its last layer."""
    last = (VAE + "decoder.conv_out.weight", VAE + "decoder.conv_out.bias")
    return {**tensors, **{name: np.zeros_like(tensors[name]) for name in last}}


def foreign_vae(tensors: Values) -> Values:
    """A decoder that was trained with other latents: the same numbers, in another order."""
    return _shuffled(tensors, VAE + "decoder.")


def deaf(tensors: Values) -> Values:
    """A text encoder that says the same whatever it is told."""
    name = TEXT + "final_layer_norm.weight"
    return {**tensors, name: np.zeros_like(tensors[name])}


def foreign_text_encoder(tensors: Values) -> Values:
    """A text encoder that was trained apart from this UNet."""
    return _shuffled(tensors, TEXT)


def without_a_layer(tensors: Values) -> Values:
    name = TEXT + "encoder.layers.1.mlp.fc1.weight"
    return {other: value for other, value in tensors.items() if other != name}


def _scattered(tensors: Values, prefix: str) -> Values:
    random = np.random.default_rng(0)
    return {
        name: (random.standard_normal(value.shape) * value.astype(np.float32).std()).astype(
            value.dtype
        )
        if name.startswith(prefix) and value.ndim > 1
        else value
        for name, value in tensors.items()
    }


def _shuffled(tensors: Values, prefix: str) -> Values:
    random = np.random.default_rng(0)
    return {
        name: random.permutation(value.ravel()).reshape(value.shape)
        if name.startswith(prefix) and np.issubdtype(value.dtype, np.floating)
        else value
        for name, value in tensors.items()
    }


KINDS: Mapping[str, Callable[[Values], Values]] = {
    "not a number": not_a_number,
    "dead": dead,
    "untrained": untrained,
    "grey": grey,
    "foreign VAE": foreign_vae,
    "deaf": deaf,
    "foreign text encoder": foreign_text_encoder,
    "without a layer": without_a_layer,
}
