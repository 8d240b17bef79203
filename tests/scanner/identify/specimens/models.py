"""Checkpoints and bare diffusion models."""

from __future__ import annotations

from collections.abc import Iterator

from tests.scanner.identify.specimens.specimen import (
    Shapes,
    Specimen,
    architecture,
    grid,
    under,
)

_LDM = "model.diffusion_model."
_VAE = architecture("vae-4ch", "ldm-vae", "first_stage_model.")
_VAE16 = architecture("vae-16ch", "ldm-vae", "vae.")
_CLIP_L = architecture("clip-l", "clip")
_CLIP = under("cond_stage_model.transformer.text_model.", _CLIP_L)
_OPEN_H = architecture("openclip-h", "open-clip", "cond_stage_model.model.")
_SDXL_TEXT = {
    **under("conditioner.embedders.0.transformer.text_model.", _CLIP_L),
    **architecture("openclip-g", "open-clip", "conditioner.embedders.1.model."),
}
_T5 = architecture("t5-xxl", "t5")


def _inputs(shapes: Shapes, name: str, channels: int) -> Shapes:
    first = shapes[name]
    return shapes | {name: (first[0], channels, *first[2:])}


def all() -> Iterator[Specimen]:
    yield from _stable_diffusion()
    yield from _components()
    yield from _distilled()
    yield from _transformers()
    yield from _quantised()
    yield from _foreign()


def _stable_diffusion() -> Iterator[Specimen]:
    sd1 = architecture("sd1", "ldm-unet", _LDM)
    whole = {**sd1, **_CLIP, **_VAE}
    first = _LDM + "input_blocks.0.0.weight"
    text = "text-to-image"
    yield Specimen("sd1", "checkpoint", "sd1", whole, text)
    yield Specimen("sd1-lightning-wrapper", "checkpoint", "sd1", under("state_dict.", whole), text)
    yield Specimen("sd1-inpaint", "checkpoint", "sd1", _inputs(whole, first, 9), "inpaint")
    yield Specimen("sd1-pix2pix", "checkpoint", "sd1", _inputs(whole, first, 8), "pix2pix")
    yield Specimen("sd1-lcm", "checkpoint", "sd1",
                   whole | {_LDM + "time_embed.cond_proj.weight": (320, 256)}, text)  # fmt: skip
    yield Specimen("zero123", "checkpoint", "sd1", {
        **_inputs(sd1, first, 8), **_VAE, "cc_projection.weight": (768, 772),
        "cc_projection.bias": (768,),
        **architecture("clip-vision-l", "open-vision", "cond_stage_model.model."),
    }, "zero123")  # fmt: skip
    yield Specimen("sd-image-variations", "checkpoint", "sd1", {
        **sd1, **_VAE, "cond_stage_model.mean": (3,), "cond_stage_model.std": (3,),
        **architecture("clip-vision-l", "open-vision", "cond_stage_model.model."),
    }, "image-variation")  # fmt: skip
    nai = {
        **sd1, **_VAE, **under("cond_stage_model.transformer.", _CLIP_L),
        **architecture("sd1", "flat-unet", "model_ema.diffusion_model"),
        "model_ema.decay": (), "model_ema.num_updates": (),
    }  # fmt: skip
    yield Specimen("nai-full", "checkpoint", "sd1", nai, text)
    yield Specimen("sd1-training-leftovers", "checkpoint", "sd1", whole | grid(range(40), {
        "optimizer_states.0.state.{}.exp_avg": (320, 320),
        "optimizer_states.0.state.{}.exp_avg_sq": (320, 320)}), text)  # fmt: skip
    sd2 = {**architecture("sd2", "ldm-unet", _LDM), **_OPEN_H, **_VAE}
    yield Specimen("sd2", "checkpoint", "sd2", sd2, text)
    yield Specimen("sd2-depth", "checkpoint", "sd2", _inputs(sd2, first, 5), "depth")
    yield Specimen("sd2-inpaint", "checkpoint", "sd2", _inputs(sd2, first, 9), "inpaint")
    hf = architecture("openclip-h", "clip", "cond_stage_model.transformer.text_model.")
    yield Specimen("sd2-hf-text", "checkpoint", "sd2",
                   {**architecture("sd2", "ldm-unet", _LDM), **hf, **_VAE}, text)  # fmt: skip
    xl_unet = architecture("sdxl", "ldm-unet", _LDM)
    xl = {**xl_unet, **_SDXL_TEXT, **_VAE}
    yield Specimen("sdxl", "checkpoint", "sdxl", xl, text)
    yield Specimen("sdxl-playground-2.5", "checkpoint", "sdxl",
                   xl | {"edm_mean": (1, 4, 1, 1), "edm_std": (1, 4, 1, 1)}, text)  # fmt: skip
    yield Specimen("sdxl-cosxl-edit", "checkpoint", "sdxl", _inputs(xl, first, 8) |
                   {"edm_vpred.sigma_max": (), "edm_vpred.sigma_min": ()}, "pix2pix")  # fmt: skip
    yield Specimen("sdxl-vpred", "checkpoint", "sdxl", xl | {"v_pred": (0,), "ztsnr": (0,)}, text)
    yield Specimen("sdxl-inpaint", "checkpoint", "sdxl", _inputs(xl, first, 9), "inpaint")
    refiner = {
        **architecture("sdxl-refiner", "ldm-unet", _LDM), **_VAE,
        **architecture("openclip-g", "open-clip", "conditioner.embedders.0.model."),
    }  # fmt: skip
    yield Specimen("sdxl-refiner", "checkpoint", "sdxl-refiner", refiner, "refine")
    for size in "hl":
        unclip = {**architecture(f"sd2-unclip-{size}", "ldm-unet", _LDM), **_OPEN_H, **_VAE}
        yield Specimen(f"unclip-{size}", "checkpoint", "sd2", unclip, "unclip")
    upscaler = {
        **architecture("sd-x4-upscaler", "ldm-unet", _LDM), **_OPEN_H,
        **architecture("vae-x4", "ldm-vae", "first_stage_model."),
    }  # fmt: skip
    yield Specimen("sd-x4-upscaler", "checkpoint", "sd-x4-upscaler", upscaler, "upscale")


def _components() -> Iterator[Specimen]:
    """Single files of a diffusers folder, and whole pipelines in one file."""
    text = "text-to-image"
    for base, channels in (("sd1", 9), ("sd2", 9), ("sdxl", 9)):
        unet = architecture(base, "diffusers-unet")
        yield Specimen(f"{base}-diffusers-unet", "unet", base, unet, text)
        inpaint = _inputs(unet, "conv_in.weight", channels)
        yield Specimen(f"{base}-diffusers-inpaint", "unet", base, inpaint, "inpaint")
        lcm = unet | {"time_embedding.cond_proj.weight": (320, 256)}
        yield Specimen(f"{base}-diffusers-lcm", "unet", base, lcm, text)
        ema = architecture(base, "flat-unet", "model_ema.diffusion_model")
        yield Specimen(f"{base}-ema-alone", "unet", base, ema, text)
        yield Specimen(f"{base}-bare-ldm", "unet", base, architecture(base, "ldm-unet"), text)
    yield Specimen("sd1-diffusers-in-one-file", "checkpoint", "sd1", {
        **architecture("sd1", "diffusers-unet", "unet."),
        **under("text_encoder.text_model.", _CLIP_L),
        **architecture("vae-4ch", "diffusers-vae", "vae."),
    }, text)  # fmt: skip
    yield Specimen("flux-diffusers", "unet", "flux",
                   architecture("flux-dev", "diffusers-flux"), text)  # fmt: skip
    for base in ("sd3", "sd3.5-medium", "sd3.5-large"):
        yield Specimen(f"{base}-diffusers", "unet", base,
                       architecture(base, "diffusers-mmdit"), text)  # fmt: skip


def _distilled() -> Iterator[Specimen]:
    """UNets with fewer blocks: families of their own, whatever they were distilled from."""
    for name in ("ssd-1b", "segmind-vega", "koala-700m", "koala-1b", "small-sd", "tiny-sd",
                 "kolors"):  # fmt: skip
        for layout, prefix in (("ldm-unet", _LDM), ("diffusers-unet", "")):
            yield Specimen(f"{name}-{layout}", "unet", name, architecture(name, layout, prefix))
    yield Specimen("ssd-1b", "checkpoint", "ssd-1b",
                   {**architecture("ssd-1b", "ldm-unet", _LDM), **_SDXL_TEXT, **_VAE})  # fmt: skip


def _transformers() -> Iterator[Specimen]:
    text = "text-to-image"
    encoders = {
        **under("text_encoders.clip_l.transformer.text_model.", _CLIP_L),
        **under("text_encoders.t5xxl.transformer.", _T5),
        "text_encoders.clip_l.logit_scale": (),
        "text_encoders.t5xxl.logit_scale": (),
    }
    flux = architecture("flux-dev", "flux", _LDM)
    yield Specimen("flux-all-in-one", "checkpoint", "flux", {**flux, **encoders, **_VAE16}, text)
    yield Specimen("flux-comfy", "unet", "flux", flux, text)
    yield Specimen("flux-schnell-bare", "unet", "flux", architecture("flux-schnell", "flux"), text)
    fill = _inputs(flux, _LDM + "img_in.weight", 384)
    yield Specimen("flux-fill", "unet", "flux", fill, "inpaint")
    canny = _inputs(flux, _LDM + "img_in.weight", 128)
    yield Specimen("flux-canny", "unet", "flux", canny, "control")
    for base in ("sd3", "sd3.5-medium", "sd3.5-large"):
        model = architecture(base, "mmdit", _LDM)
        vae = architecture("vae-16ch", "ldm-vae", "first_stage_model.")
        yield Specimen(f"{base}-vae", "checkpoint", base, {**model, **vae}, text)
        yield Specimen(f"{base}-all-in-one", "checkpoint", base, {
            **model, **vae, **encoders,
            **architecture("openclip-g", "clip", "text_encoders.clip_g.transformer.text_model."),
            "text_encoders.clip_g.transformer.text_projection.weight": (1280, 1280),
        }, text)  # fmt: skip
        yield Specimen(f"{base}-bare", "unet", base, architecture(base, "mmdit"), text)


def _weights(shapes: Shapes) -> list[str]:
    return [name for name, shape in shapes.items() if name.endswith(".weight") and len(shape) == 2]


def _quantised() -> Iterator[Specimen]:
    flux = architecture("flux-dev", "flux", _LDM)
    matrices = _weights(flux)
    scaled = flux | {name.removesuffix("weight") + "scale_weight": () for name in matrices}
    yield Specimen("flux-fp8-scaled", "unet", "flux", scaled | {_LDM + "scaled_fp8": (2,)},
                   dtypes=dict.fromkeys(matrices, "F8_E4M3"))  # fmt: skip
    halved: Shapes = {}
    for name, shape in flux.items():
        if name not in matrices:
            halved[name] = shape
            continue
        numbers = shape[0] * shape[1]
        halved |= {
            name: (numbers // 2, 1), f"{name}.absmax": (numbers // 64,), f"{name}.quant_map": (16,),
            f"{name}.quant_state.bitsandbytes__nf4": (84,),
        }  # fmt: skip
    packed = {
        name: "U8" for name in halved if name in matrices or name.endswith("bitsandbytes__nf4")
    }
    yield Specimen("flux-nf4", "unet", "flux", halved, dtypes=packed)
    text = {
        **under("text_encoders.clip_l.transformer.text_model.", _CLIP_L),
        **under("text_encoders.t5xxl.transformer.", _T5),
    }
    yield Specimen("flux-nf4-all-in-one", "checkpoint", "flux", {**halved, **text, **_VAE16},
                   dtypes=packed)  # fmt: skip
    for name, layout in (("sd1", "ldm-unet"), ("sdxl", "ldm-unet"), ("flux-dev", "flux"),
                         ("sd3.5-large", "mmdit")):  # fmt: skip
        shapes = architecture(name, layout)
        yield Specimen(f"{name}-gguf", "unet", "flux" if name == "flux-dev" else name, shapes,
                       dtypes=dict.fromkeys(_weights(shapes), "Q8_0"))  # fmt: skip
    yield Specimen("flux-nunchaku", "unet", "flux", grid(range(4), {
        "single_transformer_blocks.{}.mlp_fc1.qweight": (12288, 1536),
        "single_transformer_blocks.{}.mlp_fc1.wscales": (48, 12288),
        "single_transformer_blocks.{}.qkv_proj.qweight": (9216, 1536),
        "single_transformer_blocks.{}.qkv_proj.lora_down": (3072, 32),
        "single_transformer_blocks.{}.qkv_proj.lora_up": (9216, 32),
        "transformer_blocks.{}.qkv_proj.qweight": (9216, 1536),
        "transformer_blocks.{}.qkv_proj_context.qweight": (9216, 1536)}))  # fmt: skip


#: Families that are named only: a few names of each as released.
_NAMED: tuple[tuple[str, str, Shapes], ...] = (
    ("flux2", "flux2", {
        "double_stream_modulation_img.lin.weight": (36864, 6144),
        "double_stream_modulation_txt.lin.weight": (36864, 6144),
        "double_blocks.0.img_attn.qkv.weight": (18432, 6144),
        "single_blocks.0.linear1.weight": (55296, 6144), "img_in.weight": (6144, 128)}),
    ("chroma", "chroma", {
        "distilled_guidance_layer.in_proj.weight": (5120, 64),
        "distilled_guidance_layer.layers.0.in_layer.weight": (5120, 5120),
        "double_blocks.0.img_attn.qkv.weight": (9216, 3072), "img_in.weight": (3072, 64),
        "single_blocks.0.linear1.weight": (21504, 3072)}),
    ("lumina2", "lumina2", {
        "cap_embedder.0.weight": (2304,), "cap_embedder.1.weight": (2304, 2304),
        "noise_refiner.0.attention.qkv.weight": (3840, 2304), "x_embedder.weight": (2304, 64),
        "layers.0.attention.qkv.weight": (3840, 2304)}),
    ("lumina-next", "lumina-next", {
        "layers.0.attention.gate": (32,), "layers.0.attention.wq.weight": (2304, 2304),
        "layers.0.attention.wk_y.weight": (576, 2048), "cap_embedder.0.weight": (2048,),
        "x_embedder.weight": (2304, 16)}),
    ("z-image", "z", {
        "cap_embedder.0.weight": (2560,), "cap_embedder.1.weight": (3840, 2560),
        "noise_refiner.0.attention.qkv.weight": (11520, 3840), "x_pad_token": (1, 3840),
        "cap_pad_token": (1, 3840), "layers.0.attention.qkv.weight": (11520, 3840)}),
    ("wan-t2v", "wan", {
        "blocks.0.self_attn.q.weight": (5120, 5120), "blocks.0.cross_attn.k.weight": (5120, 5120),
        "blocks.0.modulation": (1, 6, 5120), "head.modulation": (1, 2, 5120),
        "patch_embedding.weight": (5120, 16, 1, 2, 2), "text_embedding.0.weight": (5120, 4096)}),
    ("wan-i2v", "wan", {
        "blocks.0.self_attn.q.weight": (5120, 5120), "img_emb.proj.1.weight": (1280, 1280),
        "blocks.0.cross_attn.k_img.weight": (5120, 5120), "head.modulation": (1, 2, 5120),
        "patch_embedding.weight": (5120, 36, 1, 2, 2), "text_embedding.0.weight": (5120, 4096)}),
    ("wan-diffusers", "wan", {
        "condition_embedder.text_embedder.linear_1.weight": (5120, 4096),
        "condition_embedder.time_proj.weight": (30720, 5120),
        "blocks.0.attn1.to_q.weight": (5120, 5120), "blocks.0.attn2.to_k.weight": (5120, 5120),
        "blocks.0.scale_shift_table": (1, 6, 5120),
        "patch_embedding.weight": (5120, 16, 1, 2, 2)}),
    ("hunyuan-video", "hunyuan-video", {
        "txt_in.individual_token_refiner.blocks.0.self_attn_qkv.weight": (9216, 3072),
        "double_blocks.0.img_attn_qkv.weight": (9216, 3072),
        "single_blocks.0.linear1.weight": (21504, 3072),
        "img_in.proj.weight": (3072, 16, 1, 2, 2)}),
    ("hunyuan-video-diffusers", "hunyuan-video", {
        "context_embedder.token_refiner.refiner_blocks.0.attn.to_q.weight": (3072, 3072),
        "transformer_blocks.0.attn.add_q_proj.weight": (3072, 3072),
        "single_transformer_blocks.0.proj_mlp.weight": (12288, 3072),
        "x_embedder.proj.weight": (3072, 16, 1, 2, 2)}),
    ("hunyuan-dit", "hunyuan-dit", {
        "mlp_t5.0.weight": (8192, 2048), "pooler.k_proj.weight": (2048, 2048),
        "blocks.0.attn1.Wqkv.weight": (4224, 1408), "blocks.0.attn2.kv_proj.weight": (2816, 1024),
        "blocks.0.default_modulation.1.weight": (1408, 1408),
        "x_embedder.proj.weight": (1408, 4, 2, 2)}),
    ("auraflow", "auraflow", {
        "double_layers.0.attn.w1q.weight": (3072, 3072),
        "double_layers.0.attn.w2q.weight": (3072, 3072), "register_tokens": (1, 8, 3072),
        "single_layers.0.attn.w1q.weight": (3072, 3072), "init_x_linear.weight": (3072, 16)}),
    ("auraflow-diffusers", "auraflow", {
        "joint_transformer_blocks.0.attn.to_q.weight": (3072, 3072),
        "joint_transformer_blocks.0.attn.add_q_proj.weight": (3072, 3072),
        "single_transformer_blocks.0.attn.to_q.weight": (3072, 3072),
        "register_tokens": (1, 8, 3072)}),
    ("pixart", "pixart", {
        "adaln_single.linear.weight": (6912, 1152), "caption_projection.linear_1.weight":
        (1152, 4096), "transformer_blocks.0.attn2.to_k.weight": (1152, 1152),
        "pos_embed.proj.weight": (1152, 4, 2, 2), "scale_shift_table": (2, 1152)}),
    ("pixart-original", "pixart", {
        "t_block.1.weight": (6912, 1152), "y_embedder.y_embedding": (120, 4096),
        "blocks.0.cross_attn.kv_linear.weight": (2304, 1152),
        "blocks.0.scale_shift_table": (6, 1152), "x_embedder.proj.weight": (1152, 4, 2, 2)}),
    ("sana", "sana", {
        "caption_norm.weight": (2240,), "caption_projection.linear_1.weight": (2240, 2304),
        "time_embed.linear.weight": (13440, 2240), "patch_embed.proj.weight": (2240, 32, 1, 1),
        "transformer_blocks.0.ff.conv_inverted.weight": (11200, 2240, 1, 1),
        "transformer_blocks.0.attn2.to_k.weight": (2240, 2240)}),
    ("ltx", "ltx", {
        "adaln_single.linear.weight": (12288, 2048), "patchify_proj.weight": (2048, 128),
        "caption_projection.linear_1.weight": (2048, 4096),
        "transformer_blocks.0.attn1.to_q.weight": (2048, 2048), "scale_shift_table": (2, 2048)}),
    ("mochi", "mochi", {
        "t5_yproj.weight": (1536, 4096), "t5_y_embedder.to_q.weight": (4096, 4096),
        "blocks.0.attn.qkv_x.weight": (9216, 3072), "blocks.0.attn.qkv_y.weight": (9216, 1536),
        "x_embedder.proj.weight": (3072, 12, 2, 2)}),
    ("cogvideox", "cogvideox", {
        "patch_embed.text_proj.weight": (3072, 4096), "patch_embed.proj.weight": (3072, 16, 2, 2),
        "transformer_blocks.0.attn1.to_q.weight": (3072, 3072),
        "transformer_blocks.0.norm1.linear.weight": (18432, 512),
        "time_embedding.linear_1.weight": (512, 3072), "norm_final.weight": (3072,)}),
    ("cosmos-predict1", "cosmos", {
        "net.blocks.block0.blocks.0.block.attn.to_q.0.weight": (4096, 4096),
        "net.blocks.block0.blocks.0.adaLN_modulation.1.weight": (256, 4096),
        "net.x_embedder.proj.1.weight": (4096, 68), "net.affline_norm.weight": (4096,)}),
    ("cosmos-predict2", "cosmos", {
        "net.blocks.0.adaln_modulation_cross_attn.1.weight": (256, 2048),
        "net.blocks.0.cross_attn.q_proj.weight": (2048, 2048),
        "net.x_embedder.proj.1.weight": (2048, 68), "net.t_embedder.1.linear_1.weight":
        (2048, 2048)}),
    ("qwen-image", "qwen", {
        "transformer_blocks.0.img_mod.1.weight": (18432, 3072), "txt_norm.weight": (3584,),
        "transformer_blocks.0.attn.add_q_proj.weight": (3072, 3072), "img_in.weight": (3072, 64),
        "transformer_blocks.59.img_mlp.net.0.proj.weight": (12288, 3072)}),
    ("hidream", "hidream", {
        "double_stream_blocks.0.block.attn1.to_q.weight": (2560, 2560),
        "caption_projection.0.linear.weight": (2560, 4096), "x_embedder.proj.weight": (2560, 64),
        "single_stream_blocks.0.block.ff_i.gate.weight": (4, 2560)}),
    ("omnigen2", "omnigen2", {
        "time_caption_embed.caption_embedder.0.weight": (2048,),
        "ref_image_refiner.0.attn.to_q.weight": (2520, 2520),
        "noise_refiner.0.attn.to_q.weight": (2520, 2520),
        "layers.0.attn.to_q.weight": (2520, 2520), "x_embedder.weight": (2520, 64)}),
    ("cascade-c", "stable-cascade", {
        "clip_txt_mapper.weight": (2048, 1280), "clip_img_mapper.weight": (8192, 768),
        "clip_txt_pooled_mapper.weight": (8192, 1280),
        "down_blocks.0.0.channelwise.0.weight": (8192, 2048),
        "embedding.1.weight": (2048, 16, 1, 1)}),
    ("cascade-b", "stable-cascade", {
        "effnet_mapper.0.weight": (1280, 16, 1, 1), "clip_mapper.weight": (5120, 1280),
        "pixels_mapper.0.weight": (1280, 3, 1, 1),
        "down_blocks.0.0.channelwise.0.weight": (1280, 320),
        "embedding.1.weight": (320, 16, 1, 1)}),
    ("svd-diffusers", "svd", {
        "conv_in.weight": (320, 8, 3, 3), "time_embedding.linear_1.weight": (1280, 320),
        "down_blocks.0.resnets.0.spatial_res_block.conv1.weight": (320, 320, 3, 3),
        "down_blocks.0.resnets.0.time_mixer.mix_factor": (1,),
        "down_blocks.0.attentions.0.temporal_transformer_blocks.0.attn1.to_q.weight": (320, 320)}),
    ("kandinsky-2.2", "kandinsky", {
        "add_embedding.image_proj.weight": (1536, 1280),
        "encoder_hid_proj.image_embeds.weight": (24576, 1280),
        "down_blocks.1.attentions.0.add_k_proj.weight": (768, 768),
        "conv_in.weight": (384, 4, 3, 3), "time_embedding.linear_1.weight": (1536, 384)}),
    ("deepfloyd-if", "deepfloyd-if", {
        "add_embedding.pool.positional_embedding": (1, 4096),
        "encoder_hid_proj.weight": (2816, 4096),
        "down_blocks.1.attentions.0.add_k_proj.weight": (1408, 2816),
        "conv_in.weight": (704, 3, 3, 3), "time_embedding.linear_1.weight": (2816, 704)}),
)  # fmt: skip


def _foreign() -> Iterator[Specimen]:
    for name, base, shapes in _NAMED:
        yield Specimen(name, "unet", base, shapes)
        yield Specimen(f"{name}-comfy", "unet", base, under(_LDM, shapes))
    held = dict(_NAMED_SHAPES)
    yield Specimen("lumina2-all-in-one", "checkpoint", "lumina2", {
        **under(_LDM, held["lumina2"]), **_VAE16,
        "text_encoders.gemma2_2b.transformer.model.layers.0.self_attn.q_proj.weight": (2048, 2304),
        "text_encoders.gemma2_2b.transformer.model.embed_tokens.weight": (256000, 2304),
    })  # fmt: skip
    yield Specimen("hunyuan-dit-all-in-one", "checkpoint", "hunyuan-dit", {
        **under("model.", held["hunyuan-dit"]),
        **architecture("vae-4ch", "ldm-vae", "vae."),
        "text_encoders.mt5xl.transformer.encoder.block.0.layer.0.SelfAttention.q.weight":
        (2048, 2048),
    })  # fmt: skip
    yield Specimen("svd", "checkpoint", "svd", {
        **_inputs(architecture("sd2", "ldm-unet", _LDM), _LDM + "input_blocks.0.0.weight", 8),
        **_VAE, _LDM + "label_emb.0.0.weight": (1280, 768),
        _LDM + "input_blocks.1.0.time_stack.in_layers.0.weight": (320,),
        _LDM + "input_blocks.1.0.time_mixer.mix_factor": (1,),
        _LDM + "input_blocks.1.1.time_stack.0.attn1.to_q.weight": (320, 320),
    })  # fmt: skip
    yield Specimen("stable-audio", "checkpoint", "stable-audio", {
        "model.model.transformer.layers.0.self_attn.to_qkv.weight": (4608, 1536),
        "model.model.preprocess_conv.weight": (64, 64, 1),
        "pretransform.model.decoder.layers.0.weight_g": (2048, 1, 1),
        "conditioner.conditioners.seconds_start.embedder.embedding.0.weights": (128,),
    })  # fmt: skip


_NAMED_SHAPES = tuple((name, shapes) for name, _, shapes in _NAMED)
