"""The depth estimator inside the depth-to-image model: DPT-Hybrid of MiDaS."""

from __future__ import annotations

from scanner.identify.architectures.blueprint import Blueprint, Named, Shape, affine, conv, linear

_WIDTH = 768
_FEATURES = 256


def _backbone() -> Named:
    """The three stages of a ResNet-50 with group norms."""
    root = "pretrained.model.patch_embed.backbone"
    yield from conv(f"{root}.stem.conv", 64, 3, 7, bias=False)
    yield from affine(f"{root}.stem.norm", 64)
    inputs = 64
    for stage, (blocks, inner) in enumerate(((3, 64), (4, 128), (9, 256))):
        for block in range(blocks):
            name = f"{root}.stages.{stage}.blocks.{block}"
            if block == 0:
                yield from conv(f"{name}.downsample.conv", 4 * inner, inputs, 1, bias=False)
                yield from affine(f"{name}.downsample.norm", 4 * inner)
            yield from conv(f"{name}.conv1", inner, inputs, 1, bias=False)
            yield from conv(f"{name}.conv2", inner, inner, 3, bias=False)
            yield from conv(f"{name}.conv3", 4 * inner, inner, 1, bias=False)
            for norm, width in (("norm1", inner), ("norm2", inner), ("norm3", 4 * inner)):
                yield from affine(f"{name}.{norm}", width)
            inputs = 4 * inner


def _transformer() -> Named:
    root = "pretrained.model"
    yield f"{root}.cls_token", (1, 1, _WIDTH)
    yield f"{root}.pos_embed", (1, 577, _WIDTH)
    yield from conv(f"{root}.patch_embed.proj", _WIDTH, 1024, 1)
    yield from affine(f"{root}.norm", _WIDTH)
    yield from linear(f"{root}.head", 1000, _WIDTH)
    for index in range(12):
        block = f"{root}.blocks.{index}"
        yield from linear(f"{block}.attn.qkv", 3 * _WIDTH, _WIDTH)
        yield from linear(f"{block}.attn.proj", _WIDTH, _WIDTH)
        yield from linear(f"{block}.mlp.fc1", 4 * _WIDTH, _WIDTH)
        yield from linear(f"{block}.mlp.fc2", _WIDTH, 4 * _WIDTH)
        yield from affine(f"{block}.norm1", _WIDTH)
        yield from affine(f"{block}.norm2", _WIDTH)


def _head() -> Named:
    for index in (3, 4):
        yield from linear(f"pretrained.act_postprocess{index}.0.project.0", _WIDTH, 2 * _WIDTH)
        yield from conv(f"pretrained.act_postprocess{index}.3", _WIDTH, _WIDTH, 1)
    yield from conv("pretrained.act_postprocess4.4", _WIDTH, _WIDTH, 3)
    for index, inputs in enumerate((256, 512, _WIDTH, _WIDTH), start=1):
        yield from conv(f"scratch.layer{index}_rn", _FEATURES, inputs, 3, bias=False)
        refine = f"scratch.refinenet{index}"
        yield from conv(f"{refine}.out_conv", _FEATURES, _FEATURES, 1)
        for unit in ("resConfUnit1", "resConfUnit2"):
            for part in ("conv1", "conv2"):
                yield from conv(f"{refine}.{unit}.{part}", _FEATURES, _FEATURES, 3)
    yield from conv("scratch.output_conv.0", _FEATURES // 2, _FEATURES, 3)
    yield from conv("scratch.output_conv.2", 32, _FEATURES // 2, 3)
    yield from conv("scratch.output_conv.4", 1, 32, 1)


def blueprint() -> Blueprint:
    shapes: dict[str, Shape] = {**dict(_backbone()), **dict(_transformer()), **dict(_head())}
    return Blueprint(shapes)
