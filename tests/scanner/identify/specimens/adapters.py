"""LoRA and its relatives, in every naming and algorithm, for every base."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from tests.scanner.identify.specimens.specimen import Shape, Shapes, Specimen, architecture, under

#: A layer's path and the shape of its weight.
Layers = Mapping[str, Shape]

_FOUND = ("sd1", "sd2", "sdxl")


def _layers(name: str, layout: str, *words: str) -> dict[str, Shape]:
    return {
        key.removesuffix(".weight"): shape
        for key, shape in architecture(name, layout).items()
        if key.endswith(".weight") and len(shape) in (2, 4) and any(word in key for word in words)
    }


def _attention(name: str, layout: str = "diffusers-unet") -> dict[str, Shape]:
    return _layers(name, layout, "transformer_blocks", ".proj_in", ".proj_out")


def _everything(name: str, layout: str = "diffusers-unet") -> dict[str, Shape]:
    return _layers(name, layout, "transformer_blocks", "proj_", "resnets", "in_layers",
                   "out_layers", "samplers")  # fmt: skip


def _text(width: int = 768, layers: int = 4) -> dict[str, Shape]:
    shapes = {f"self_attn.{part}_proj": (width, width) for part in ("q", "k", "v", "out")}
    shapes |= {"mlp.fc1": (4 * width, width), "mlp.fc2": (width, 4 * width)}
    return {
        f"text_model.encoder.layers.{index}.{name}": shape
        for index in range(layers) for name, shape in shapes.items()
    }  # fmt: skip


# -- algorithms: what a trainer writes for one layer -----------------------------------------------


def _low_rank(ends: tuple[str, str], rank: int = 8) -> Callable[[Shape], Shapes]:
    def made(shape: Shape) -> Shapes:
        out, inputs, *kernel = shape
        ones = (1,) * len(kernel)
        return {ends[0]: (rank, inputs, *kernel), ends[1]: (out, rank, *ones)}

    return made


_lora = _low_rank(("lora_down.weight", "lora_up.weight"))


def _flat(shape: Shape) -> tuple[int, int]:
    out, inputs, *kernel = shape
    for size in kernel:
        inputs *= size
    return out, inputs


def _loha(shape: Shape) -> Shapes:
    out, inputs = _flat(shape)
    return {"hada_w1_a": (out, 8), "hada_w1_b": (8, inputs), "hada_w2_a": (out, 8),
            "hada_w2_b": (8, inputs)}  # fmt: skip


def _loha_tucker(shape: Shape) -> Shapes:
    if len(shape) == 2 or shape[2] == 1:
        return _loha(shape)
    out, inputs, *kernel = shape
    return {"hada_w1_a": (8, out), "hada_w1_b": (8, inputs), "hada_t1": (8, 8, *kernel),
            "hada_w2_a": (8, out), "hada_w2_b": (8, inputs),
            "hada_t2": (8, 8, *kernel)}  # fmt: skip


def _lokr(shape: Shape) -> Shapes:
    out, inputs, *kernel = shape
    if inputs % 8 or out % 8:
        return {"lokr_w1": (1, 1), "lokr_w2": shape}
    return {"lokr_w1": (8, 8), "lokr_w2": (out // 8, inputs // 8, *kernel)}


def _lokr_split(shape: Shape) -> Shapes:
    out, inputs = _flat(shape)
    if inputs % 8 or out % 8:
        return {"lokr_w1": (1, 1), "lokr_w2": shape}
    return {"lokr_w1_a": (8, 2), "lokr_w1_b": (2, 8), "lokr_w2_a": (out // 8, 4),
            "lokr_w2_b": (4, inputs // 8)}  # fmt: skip


def _glora(shape: Shape) -> Shapes:
    out, inputs = _flat(shape)
    return {"a1.weight": (inputs, 8), "a2.weight": (8, inputs), "b1.weight": (out, 8),
            "b2.weight": (8, inputs)}  # fmt: skip


def _full(shape: Shape) -> Shapes:
    return {"diff": shape, "diff_b": (shape[0],)}


def _oft(shape: Shape) -> Shapes:
    return {"oft_blocks": (shape[0] // 8, 8, 8)}


def _boft(shape: Shape) -> Shapes:
    return {"oft_blocks": (3, shape[0] // 8, 8, 8)}


def _dora(shape: Shape) -> Shapes:
    return _lora(shape) | {"dora_scale": (1, shape[1], *(1,) * (len(shape) - 2))}


def _locon(shape: Shape) -> Shapes:
    if len(shape) == 2 or shape[2] == 1:
        return _lora(shape)
    out, inputs, *kernel = shape
    return {"lora_down.weight": (8, inputs, 1, 1), "lora_mid.weight": (8, 8, *kernel),
            "lora_up.weight": (out, 8, 1, 1)}  # fmt: skip


_ALGORITHMS: tuple[tuple[str, str, Callable[[Shape], Shapes]], ...] = (
    ("lora-c3lier", "locon", _lora), ("locon", "locon", _locon), ("loha", "loha", _loha),
    ("loha-tucker", "loha", _loha_tucker), ("lokr", "lokr", _lokr),
    ("lokr-split", "lokr", _lokr_split), ("glora", "glora", _glora), ("full", "full", _full),
    ("dora", "dora", _dora),
)  # fmt: skip


def _kohya(prefix: str, layers: Layers, make: Callable[[Shape], Shapes], alpha: bool = True
           ) -> Shapes:  # fmt: skip
    shapes: Shapes = {}
    for path, shape in layers.items():
        name = prefix + path.replace(".", "_")
        shapes |= {f"{name}.{end}": made for end, made in make(shape).items()}
        if alpha:
            shapes[f"{name}.alpha"] = ()
    return shapes


def _dotted(prefix: str, layers: Layers, make: Callable[[Shape], Shapes]) -> Shapes:
    return {
        f"{prefix}{path}.{end}": made
        for path, shape in layers.items() for end, made in make(shape).items()
    }  # fmt: skip


def _processors(prefix: str, layers: Layers, rank: int = 4) -> Shapes:
    """The attention processors of early diffusers."""
    shapes: Shapes = {}
    for path, (out, inputs) in layers.items():
        block, _, part = path.removesuffix(".0").rpartition(".")
        if part not in ("to_q", "to_k", "to_v", "to_out"):
            continue
        shapes[f"{prefix}{block}.processor.{part}_lora.down.weight"] = (rank, inputs)
        shapes[f"{prefix}{block}.processor.{part}_lora.up.weight"] = (out, rank)
    return shapes


def _matrices(layers: Layers) -> dict[str, Shape]:
    return {name: shape for name, shape in layers.items() if len(shape) == 2}


def all() -> Iterator[Specimen]:
    yield from _algorithms()
    yield from _namings()
    yield from _parts()
    yield from _transformers()
    yield from _foreign()


def _algorithms() -> Iterator[Specimen]:
    for base in _FOUND:
        for layout in ("diffusers-unet", "ldm-unet"):
            layers = _everything(base, layout)
            for name, algorithm, make in _ALGORITHMS:
                yield Specimen(f"{base}-{layout}-{name}", "lora", base,
                               _kohya("lora_unet_", layers, make), algorithm=algorithm)  # fmt: skip
        text = "lora_te1_" if base == "sdxl" else "lora_te_"
        both = {**_everything(base)}
        for name, make, algorithm in (("oft", _oft, "oft"), ("boft", _boft, "boft")):
            shapes = _kohya("lora_unet_", both, make)
            shapes |= _kohya(text, _text(1024 if base == "sd2" else 768), make)
            yield Specimen(f"{base}-{name}", "lora", base, shapes, algorithm=algorithm)
        scaled: Shapes = {}
        for path, shape in _attention(base).items():
            if path.endswith(("to_k", "to_v", "net.2")):
                name = "lora_unet_" + path.replace(".", "_")
                inner = path.endswith("net.2")
                scaled |= {f"{name}.weight": (shape[1 if inner else 0],), f"{name}.on_input": ()}
        candidates = ("sdxl",) if base == "sdxl" else ("sd1", "sd2")
        yield Specimen(f"{base}-ia3", "lora", "sdxl" if base == "sdxl" else None, scaled,
                       candidates=candidates, algorithm="ia3")  # fmt: skip
        named = {
            name.replace(".", "_"): shape
            for name, shape in _text(1024 if base == "sd2" else 768).items()
            if name.endswith(("k_proj", "v_proj"))
        }
        with_text: Shapes = dict(reversed(scaled.items()))
        for name, shape in named.items():
            with_text |= {f"{text}{name}.weight": (1, shape[0]), f"{text}{name}.on_input": ()}
        yield Specimen(f"{base}-ia3-text", "lora", base, with_text, algorithm="ia3")


def _namings() -> Iterator[Specimen]:
    peft, new = ("lora_A.weight", "lora_B.weight"), ("lora.down.weight", "lora.up.weight")
    for base in _FOUND:
        layers = _matrices(_attention(base))
        ldm = _matrices(_attention(base, "ldm-unet"))
        for name, prefix, held, ends in (
            ("diffusers", "unet.", layers, new), ("diffusers-peft", "unet.", layers, peft),
            ("peft", "base_model.model.", layers, peft),
            ("peft-adapter-name", "base_model.model.", layers,
             ("lora_A.default.weight", "lora_B.default.weight")),
            ("comfy", "diffusion_model.", ldm, peft),
            ("comfy-model", "model.diffusion_model.", ldm, peft),
            ("omi", "unet.", ldm, ("lora_down.weight", "lora_up.weight")),
            ("bare", "", layers, peft),
            ("linear-layer", "unet.", layers,
             ("lora_linear_layer.down.weight", "lora_linear_layer.up.weight")),
        ):  # fmt: skip
            shapes = _dotted(prefix, held, _low_rank(ends))
            yield Specimen(f"{base}-{name}", "lora", base, shapes)
        yield Specimen(f"{base}-processors", "lora", base, _processors("unet.", layers))
        yield Specimen(f"{base}-processors-bare", "lora", base, _processors("", layers))
        yield Specimen(f"{base}-no-alpha", "lora", base,
                       _kohya("lora_unet_", layers, _lora, alpha=False))  # fmt: skip
        for rank in (1, 32):
            ranked = _low_rank(("lora_down.weight", "lora_up.weight"), rank)
            yield Specimen(f"{base}-rank-{rank}", "lora", base,
                           _kohya("lora_unet_", layers, ranked))  # fmt: skip
        yield Specimen(f"{base}-cloneofsimo", "lora", base, {
            f"unet:{index}:{side}": shape
            for index, (out, inputs) in enumerate(layers.values())
            for side, shape in (("up", (out, 4)), ("down", (4, inputs)))
        })  # fmt: skip
        bundled = _kohya("lora_unet_", layers, _lora)
        bundled["bundle_emb.fox.string_to_param.*"] = (4, 768)
        yield Specimen(f"{base}-bundled-embedding", "lora", base, bundled)


def _parts() -> Iterator[Specimen]:
    """Adapters of one part only."""
    yield Specimen("sd1-text-only", "lora", "sd1", _kohya("lora_te_", _text(), _lora))
    yield Specimen("sd2-text-only", "lora", "sd2", _kohya("lora_te_", _text(1024), _lora))
    two = _kohya("lora_te1_", _text(), _lora) | _kohya("lora_te2_", _text(1280), _lora)
    yield Specimen("sdxl-text-only", "lora", "sdxl", two)
    cross = {name: shape for name, shape in _attention("sdxl").items()
             if name.startswith("up_blocks.0.attentions.1")}  # fmt: skip
    yield Specimen("sdxl-b-lora", "lora", "sdxl", _dotted(
        "unet.", _matrices(cross), _low_rank(("lora.down.weight", "lora.up.weight"))))  # fmt: skip
    for base in _FOUND:
        cross = {name: shape for name, shape in _attention(base).items() if ".attn2." in name}
        yield Specimen(f"{base}-leco", "lora", base, _kohya("lora_unet_", cross, _lora))
    alone = {name: shape for name, shape in _attention("sdxl").items() if ".attn1." in name}
    yield Specimen("sdxl-self-attention", "lora", "sdxl", _kohya("lora_unet_", alone, _lora))
    alone = {name: shape for name, shape in _attention("sd1").items() if ".attn1." in name}
    yield Specimen("sd1-self-attention", "lora", None, _kohya("lora_unet_", alone, _lora),
                   candidates=("sd1", "sd2"))  # fmt: skip
    for base, path, shape in (
        ("sdxl", "output_blocks.0.1.transformer_blocks.0.attn1.to_q", (1280, 1280)),
        ("sdxl", "output_blocks.3.1.transformer_blocks.0.attn1.to_q", (640, 640)),
        ("sdxl", "up_blocks.1.attentions.0.transformer_blocks.0.attn1.to_q", (640, 640)),
        (None, "up_blocks.1.attentions.0.transformer_blocks.0.attn1.to_q", (1280, 1280)),
        (None, "up_blocks.2.attentions.0.transformer_blocks.0.attn1.to_q", (640, 640)),
        (None, "down_blocks.3.resnets.0.conv1", (1280, 1280, 3, 3)),
    ):
        yield Specimen(f"one-layer-{path}-{shape[0]}", "lora", base,
                       _kohya("lora_unet_", {path: shape}, _lora),
                       candidates=() if base else ("sd1", "sd2"))  # fmt: skip
    t5 = {"encoder.block.0.layer.0.SelfAttention.q": (4096, 4096)}
    yield Specimen("flux-text-only", "lora", "flux", _kohya("lora_te1_", _text(), _lora)
                   | _kohya("lora_te3_", t5, _lora))  # fmt: skip
    norms: Shapes = _kohya("lora_unet_", _attention("sd1"), _lora)
    norms |= {
        "lora_unet_down_blocks_0_attentions_0_norm.w_norm": (320,),
        "lora_unet_down_blocks_0_attentions_0_norm.b_norm": (320,),
    }
    yield Specimen("sd1-norms", "lora", "sd1", norms)


#: Flux's layers, as each trainer names them.
_FLUX_BFL: dict[str, Shape] = {
    f"{block}.{name}": shape
    for index in (0, 18)
    for block, held in (
        (f"double_blocks.{index}", {
            "img_attn.qkv": (9216, 3072), "img_attn.proj": (3072, 3072),
            "img_mlp.0": (12288, 3072), "img_mod.lin": (18432, 3072),
            "txt_attn.qkv": (9216, 3072)}),
        (f"single_blocks.{index}", {"linear1": (21504, 3072), "linear2": (3072, 15360),
                                    "modulation.lin": (9216, 3072)}))
    for name, shape in held.items()
}  # fmt: skip
_FLUX: dict[str, Shape] = {
    f"{block}.{name}": shape
    for index in (0, 18)
    for block, held in (
        (f"transformer_blocks.{index}", {
            "attn.to_q": (3072, 3072), "attn.add_k_proj": (3072, 3072),
            "ff.net.0.proj": (12288, 3072), "norm1.linear": (18432, 3072)}),
        (f"single_transformer_blocks.{index}", {
            "attn.to_q": (3072, 3072), "proj_mlp": (12288, 3072), "proj_out": (3072, 15360)}))
    for name, shape in held.items()
}  # fmt: skip


def _transformers() -> Iterator[Specimen]:
    peft = _low_rank(("lora_A.weight", "lora_B.weight"))
    flux = "flux"
    yield Specimen("flux-kohya", "lora", flux, _kohya("lora_unet_", _FLUX_BFL, _lora))
    yield Specimen("flux-bfl", "lora", flux, _dotted("diffusion_model.", _FLUX_BFL, peft))
    yield Specimen("flux-bfl-kohya-ends", "lora", flux,
                   _dotted("diffusion_model.", _FLUX_BFL, _lora))  # fmt: skip
    yield Specimen("flux-diffusers", "lora", flux, _dotted("transformer.", _FLUX, peft))
    yield Specimen("flux-base-model", "lora", flux, _dotted("base_model.model.", _FLUX, peft))
    yield Specimen("flux-onetrainer", "lora", flux, _kohya("lora_transformer_", _FLUX, _lora)
                   | _kohya("lora_te1_", _text(), _lora))  # fmt: skip
    yield Specimen("flux-lycoris", "lora", flux, _kohya("lycoris_", _FLUX, _lokr))
    yield Specimen("flux-control-lora", "lora", flux, _dotted("", _FLUX_BFL | {
        "img_in": (3072, 128), "final_layer.linear": (64, 3072)}, peft) | {
        "double_blocks.0.img_attn.norm.key_norm.scale": (128,),
        "double_blocks.0.img_attn.norm.query_norm.scale": (128,)})  # fmt: skip
    xlabs: Shapes = {}
    for index in (0, 1):
        for part, (out, inputs) in {"qkv": (9216, 3072), "proj": (3072, 3072)}.items():
            for stream in "12":
                name = f"double_blocks.{index}.processor.{part}_lora{stream}"
                xlabs |= {f"{name}.down.weight": (16, inputs), f"{name}.up.weight": (out, 16)}
    yield Specimen("flux-xlabs", "lora", flux, xlabs)
    for base, width, deep in (("sd3", 1536, 24), ("sd3.5-large", 2432, 38)):
        joint = {
            f"joint_blocks.{index}.{stream}_block.{name}": shape
            for index in range(deep) for stream in ("x", "context")
            for name, shape in {
                "attn.qkv": (3 * width, width), "attn.proj": (width, width),
                "mlp.fc1": (4 * width, width), "adaLN_modulation.1": (6 * width, width)}.items()
        }  # fmt: skip
        yield Specimen(f"{base}-kohya", "lora", base, _kohya("lora_unet_", joint, _lora))
        yield Specimen(f"{base}-comfy", "lora", base, _dotted("diffusion_model.", joint, peft))
        named = {
            f"transformer_blocks.{index}.{name}": (width, width) for index in range(deep)
            for name in ("attn.to_q", "attn.to_k", "attn.add_q_proj", "attn.to_add_out")
        }  # fmt: skip
        open_base = None if base == "sd3" else base
        yield Specimen(f"{base}-diffusers", "lora", open_base,
                       _dotted("transformer.", named, peft),
                       candidates=() if open_base else ("sd3", "sd3.5-medium"))  # fmt: skip


#: (name, base, prefix, layers)
_NAMED: tuple[tuple[str, str | None, str, Layers], ...] = (
    ("wan", "wan", "diffusion_model.", {
        "blocks.0.self_attn.q": (5120, 5120), "blocks.0.cross_attn.k": (5120, 5120),
        "blocks.0.ffn.0": (13824, 5120)}),
    ("wan-diffusers", "wan", "transformer.", {
        "blocks.0.attn1.to_q": (5120, 5120), "blocks.0.attn2.to_k": (5120, 5120),
        "blocks.0.ffn.net.0.proj": (13824, 5120)}),
    ("hunyuan-video", "hunyuan-video", "diffusion_model.", {
        "double_blocks.0.img_attn_qkv": (9216, 3072), "double_blocks.0.img_mlp.fc1": (12288, 3072),
        "single_blocks.39.linear1": (21504, 3072)}),
    ("qwen", "qwen", "transformer.", {
        "transformer_blocks.0.attn.to_q": (3072, 3072),
        "transformer_blocks.0.img_mlp.net.2": (3072, 12288),
        "transformer_blocks.59.attn.add_k_proj": (3072, 3072)}),
    ("ltx", "ltx", "diffusion_model.", {
        "transformer_blocks.0.attn1.to_q": (2048, 2048),
        "transformer_blocks.0.attn2.to_k": (2048, 2048)}),
    ("pixart", "pixart", "base_model.model.", {
        "transformer_blocks.0.attn1.to_q": (1152, 1152),
        "transformer_blocks.0.attn2.to_k": (1152, 1152)}),
    ("hidream", "hidream", "diffusion_model.", {
        "double_stream_blocks.0.block.attn1.to_q": (2560, 2560),
        "single_stream_blocks.0.block.attn1.to_k": (2560, 2560)}),
    ("lumina2", "lumina2", "diffusion_model.", {
        "layers.0.attention.qkv": (3840, 2304), "layers.0.feed_forward.w1": (9216, 2304)}),
    ("z-image", "z", "diffusion_model.", {
        "layers.0.attention.to_q": (3840, 3840), "layers.0.feed_forward.w1": (10240, 3840)}),
    ("auraflow", "auraflow", "transformer.", {
        "joint_transformer_blocks.0.attn.to_q": (3072, 3072),
        "single_transformer_blocks.0.attn.to_q": (3072, 3072)}),
    ("flux2", "flux2", "diffusion_model.", {
        "double_blocks.0.img_attn.qkv": (18432, 6144), "double_blocks.0.img_mlp.0": (36864, 6144),
        "single_blocks.0.linear1": (55296, 6144)}),
    ("cosmos", "cosmos", "diffusion_model.", {
        "blocks.0.cross_attn.q_proj": (5120, 5120), "blocks.0.mlp.layer1": (20480, 5120)}),
    ("mochi", "mochi", "transformer.", {
        "transformer_blocks.0.attn1.to_q": (3072, 3072),
        "transformer_blocks.0.attn1.add_q_proj": (3072, 1536)}),
    ("cogvideox", None, "transformer.", {
        "transformer_blocks.0.attn1.to_q": (3072, 3072),
        "transformer_blocks.0.attn1.to_out.0": (3072, 3072)}),
    ("hunyuan-dit", "hunyuan-dit", "unet.", {
        "blocks.0.attn1.Wqkv": (4224, 1408), "blocks.0.attn2.q_proj": (1408, 1408)}),
    ("cascade", "stable-cascade", "lora_prior_unet_", {
        "down_blocks.0.2.attention.attn.to_q": (2048, 2048),
        "down_blocks.0.2.kv_mapper.1": (2048, 2048)}),
)  # fmt: skip


def _foreign() -> Iterator[Specimen]:
    for name, base, prefix, layers in _NAMED:
        ends = _low_rank(("lora_A.weight", "lora_B.weight"))
        yield Specimen(f"{name}-dotted", "lora", base, _dotted(prefix, layers, ends))
        yield Specimen(f"{name}-kohya", "lora", base, _kohya("lora_unet_", layers, _lora))
    yield Specimen("animatediff-motion-lora", "lora", None, under(
        "down_blocks.0.motion_modules.0.temporal_transformer.transformer_blocks.0."
        "attention_blocks.0.processor.", {
            "to_q_lora.down.weight": (8, 320), "to_q_lora.up.weight": (320, 8),
            "to_k_lora.down.weight": (8, 320), "to_k_lora.up.weight": (320, 8)}))  # fmt: skip
