"""Encoders, autoencoders, control networks, image prompts, upscalers, embeddings."""

from __future__ import annotations

from collections.abc import Iterator

from tests.scanner.identify.specimens.specimen import (
    Shapes,
    Specimen,
    architecture,
    grid,
    under,
)


def all() -> Iterator[Specimen]:
    yield from _encoders()
    yield from _autoencoders()
    for kind, rows in (
        ("controlnet", _CONTROL), ("t2i_adapter", _T2I), ("ip_adapter", _IMAGE_PROMPTS)
    ):  # fmt: skip
        for name, base, shapes in rows:
            yield Specimen(name, kind, base, shapes)
    for name, shapes in _UPSCALERS:
        yield Specimen(name, "upscaler", None, shapes)
        for wrapper in ("params.", "params_ema."):
            yield Specimen(f"{name}-{wrapper[:-1]}", "upscaler", None, under(wrapper, shapes))
    yield from _words()


def _encoders() -> Iterator[Specimen]:
    clip = "text_encoder"
    for name, layout in (("clip-l", "clip"), ("openclip-g", "clip"), ("openclip-g", "open-clip"),
                         ("openclip-h", "open-clip")):  # fmt: skip
        base = "sd2" if name == "openclip-h" else None
        for prefix in ("", "text_model.", "text_encoder.", "text_model.text_model."):
            shapes = architecture(name, layout, prefix)
            yield Specimen(f"{name}-{layout}-{prefix or 'bare'}", clip,
                           "sdxl" if layout == "open-clip" and name == "openclip-g" else base,
                           shapes)  # fmt: skip
    t5 = architecture("t5-xxl", "t5")
    yield Specimen("t5-xxl", clip, None, t5, candidates=("flux",))
    scaled = {
        name.removesuffix("weight") + "scale_weight": () for name in t5 if "SelfAttention" in name
    }
    yield Specimen("t5-xxl-fp8", clip, None, t5 | scaled | {"scaled_fp8": (0,)},
                   dtypes=dict.fromkeys(t5, "F8_E4M3"))  # fmt: skip
    yield Specimen("umt5-xxl", clip, "wan", architecture("umt5-xxl", "t5"))
    yield Specimen("t5-gguf", clip, None, grid(range(4), {
        "enc.blk.{}.attn_q.weight": (4096, 4096), "enc.blk.{}.ffn_gate.weight": (10240, 4096)})
        | {"token_embd.weight": (32128, 4096), "enc.output_norm.weight": (4096,)})  # fmt: skip
    yield Specimen("llm-gguf", clip, None, grid(range(4), {
        "blk.{}.attn_q.weight": (3584, 3584), "blk.{}.ffn_gate.weight": (18944, 3584)})
        | {"token_embd.weight": (152064, 3584), "output_norm.weight": (3584,)})  # fmt: skip
    yield Specimen("gemma2", clip, None, grid(range(4), {
        "model.layers.{}.self_attn.q_proj.weight": (2048, 2304)})
        | {"model.embed_tokens.weight": (256000, 2304)})  # fmt: skip
    yield Specimen("chatglm3", clip, None, grid(range(4), {
        "transformer.encoder.layers.{}.self_attention.query_key_value.weight": (4608, 4096)})
        | {"transformer.embedding.word_embeddings.weight": (65024, 4096)})  # fmt: skip
    for size in "lhg":
        shapes = architecture(f"clip-vision-{size}", "clip-vision", "vision_model.")
        yield Specimen(f"clip-vision-{size}", "clip_vision", None,
                       shapes | {"visual_projection.weight": (1024, 1280)})  # fmt: skip
    yield Specimen("siglip", "clip_vision", None, {
        "vision_model.embeddings.patch_embedding.weight": (1152, 3, 14, 14),
        "vision_model.embeddings.patch_embedding.bias": (1152,),
        "vision_model.embeddings.position_embedding.weight": (729, 1152),
        "vision_model.head.probe": (1, 1, 1152), "vision_model.post_layernorm.weight": (1152,),
        "vision_model.encoder.layers.0.self_attn.k_proj.weight": (1152, 1152)})  # fmt: skip


def _autoencoders() -> Iterator[Specimen]:
    for name, base in (("vae-4ch", None), ("vae-16ch", None), ("vae-x4", "sd-x4-upscaler")):
        for naming in ("ldm", "diffusers", "diffusers-old"):
            for prefix in ("", "first_stage_model.", "vae.", "autoencoder."):
                yield Specimen(f"{name}-{naming}-{prefix or 'bare'}", "vae", base,
                               architecture(name, f"{naming}-vae", prefix))  # fmt: skip
    ldm = architecture("vae-4ch", "ldm-vae")
    yield Specimen("vae-with-loss", "vae", None, ldm | {
        "loss.logvar": (), "loss.discriminator.main.0.weight": (64, 3, 4, 4),
        "model_ema.decay": ()})  # fmt: skip
    yield Specimen("vae-decoder-only", "vae", None, {
        name: shape for name, shape in ldm.items() if not name.startswith("encoder")})  # fmt: skip
    flux2 = architecture("vae-32ch", "ldm-vae")
    yield Specimen("vae-flux2", "vae", "flux2", flux2)
    for name, shapes in _OTHER_VAES:
        yield Specimen(name, "vae", None, shapes)


_TINY: Shapes = grid((1, 3, 5), {
    "decoder.layers.{}.conv.0.weight": (64, 64, 3, 3),
    "decoder.layers.{}.conv.2.weight": (64, 64, 3, 3)})  # fmt: skip
_OTHER_VAES: tuple[tuple[str, Shapes], ...] = (
    ("taesd-diffusers", {
        "encoder.layers.0.weight": (64, 3, 3, 3), "encoder.layers.1.conv.0.weight": (64, 64, 3, 3),
        "encoder.layers.14.weight": (4, 64, 3, 3), "decoder.layers.0.weight": (64, 4, 3, 3),
        **_TINY}),
    ("taesd-decoder", {
        "1.weight": (64, 4, 3, 3), "1.bias": (64,), "3.conv.0.weight": (64, 64, 3, 3),
        "3.conv.2.weight": (64, 64, 3, 3), "3.conv.4.weight": (64, 64, 3, 3),
        "18.weight": (3, 64, 3, 3)}),
    ("taef1-encoder", {
        "0.weight": (64, 3, 3, 3), "1.conv.0.weight": (64, 64, 3, 3),
        "1.conv.2.weight": (64, 64, 3, 3), "14.weight": (16, 64, 3, 3)}),
    ("taesd-comfy", under("taesd_decoder.", {
        "1.weight": (64, 4, 3, 3), "3.conv.0.weight": (64, 64, 3, 3),
        "18.weight": (3, 64, 3, 3)})),
    ("vae-approx", {"conv1.weight": (8, 4, 7, 7), "conv8.weight": (3, 8, 3, 3)}),
    ("wan-vae", {
        "conv1.weight": (32, 32, 1, 1, 1), "conv2.weight": (16, 16, 1, 1, 1),
        "encoder.downsamples.0.residual.0.gamma": (96, 1, 1, 1),
        "decoder.middle.0.residual.0.gamma": (384, 1, 1, 1),
        "decoder.conv1.weight": (384, 16, 3, 3, 3)}),
    ("ltx-vae", {
        "per_channel_statistics.mean-of-means": (128,),
        "decoder.up_blocks.0.res_blocks.0.conv1.conv.weight": (512, 512, 3, 3, 3),
        "encoder.conv_in.conv.weight": (128, 48, 3, 3, 3)}),
    ("hunyuan-video-vae", {
        "encoder.conv_in.conv.weight": (128, 3, 3, 3, 3),
        "decoder.conv_in.conv.weight": (512, 16, 3, 3, 3),
        "decoder.mid_block.attentions.0.to_q.weight": (512, 512),
        "decoder.up_blocks.0.resnets.0.conv1.conv.weight": (512, 512, 3, 3, 3)}),
    ("cogvideox-vae", {
        "encoder.conv_in.conv.weight": (128, 3, 3, 3, 3),
        "decoder.mid_block.resnets.0.norm1.conv_y.conv.weight": (512, 16, 1, 1, 1),
        "decoder.conv_in.conv.weight": (512, 16, 3, 3, 3)}),
    ("asymmetric-vae", {
        **{name: shape for name, shape in architecture("vae-4ch", "diffusers-vae").items()
           if name.startswith(("encoder", "quant", "post"))},
        "decoder.condition_encoder.layers.0.weight": (192, 192, 3, 3),
        "decoder.conv_in.weight": (1024, 4, 3, 3),
        "decoder.mid_block.resnets.0.conv1.weight": (1024, 1024, 3, 3)}),
    ("dc-ae", {
        "encoder.project_in.conv.weight": (128, 3, 3, 3),
        "decoder.stages.0.op_list.0.main.conv1.conv.weight": (128, 128, 3, 3),
        "encoder.stages.3.op_list.0.context_module.main.qkv.conv.weight": (1536, 512, 1, 1)}),
    ("vq-f4", {
        "quantize.embedding.weight": (8192, 3), "quant_conv.weight": (3, 3, 1, 1),
        "post_quant_conv.weight": (3, 3, 1, 1), "encoder.conv_in.weight": (128, 3, 3, 3),
        "decoder.conv_in.weight": (512, 3, 3, 3),
        "decoder.mid.attn_1.q.weight": (512, 512, 1, 1)}),
)  # fmt: skip

_UNET_HEAD = {
    "input_blocks.0.0.weight": (320, 4, 3, 3), "time_embed.0.weight": (1280, 320),
}  # fmt: skip
_CONTROL: tuple[tuple[str, str | None, Shapes], ...] = (
    ("controlnet-cldm", "sd1", under("control_model.", {
        **_UNET_HEAD, "zero_convs.0.0.weight": (320, 320, 1, 1),
        "input_hint_block.0.weight": (16, 3, 3, 3),
        "input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight": (320, 768)})),
    ("controlnet-sd2", "sd2", under("control_model.", {
        **_UNET_HEAD, "zero_convs.0.0.weight": (320, 320, 1, 1),
        "input_hint_block.0.weight": (16, 3, 3, 3),
        "input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight": (320, 1024)})),
    ("controlnet-in-a-checkpoint", "sd1", {
        **architecture("sd1", "ldm-unet", "model.diffusion_model."),
        **under("control_model.", {
            "zero_convs.0.0.weight": (320, 320, 1, 1), "input_hint_block.0.weight": (16, 3, 3, 3),
            "input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight": (320, 768)})}),
    ("controlnet-diffusers", "sd1", {
        "conv_in.weight": (320, 4, 3, 3), "controlnet_cond_embedding.conv_in.weight":
        (16, 3, 3, 3), "controlnet_down_blocks.0.weight": (320, 320, 1, 1),
        "down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k.weight": (320, 768)}),
    ("controlnet-union", "sdxl", {
        "controlnet_cond_embedding.conv_in.weight": (16, 3, 3, 3),
        "task_embedding": (6, 320), "transformer_layes.0.attn.in_proj_weight": (960, 320),
        "control_add_embedding.linear_1.weight": (1280, 1536),
        "down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_k.weight": (640, 2048)}),
    ("control-lora", "sdxl", {
        "lora_controlnet": (0,), "input_hint_block.0.weight": (16, 3, 3, 3),
        "zero_convs.0.0.weight": (320, 320, 1, 1), "input_blocks.0.0.down": (128, 4, 3, 3),
        "input_blocks.4.1.transformer_blocks.0.attn2.to_k.up": (640, 128),
        "input_blocks.4.1.transformer_blocks.0.attn2.to_k.down": (128, 2048)}),
    ("controlnet-xs", "sdxl", under("control_model.", {
        "control_model.input_blocks.0.0.weight": (32, 4, 3, 3),
        "enc_zero_convs_out.0.0.weight": (320, 32, 1, 1),
        "enc_zero_convs_in.0.0.weight": (32, 320, 1, 1),
        "input_hint_block.0.weight": (16, 3, 3, 3),
        "control_model.input_blocks.4.1.transformer_blocks.0.attn2.to_k.weight": (64, 2048)})),
    ("lllite", "sdxl", {
        "lllite_unet_input_blocks_4_1_transformer_blocks_1_attn1_to_q.down.0.weight": (16, 640),
        "lllite_unet_input_blocks_4_1_transformer_blocks_1_attn1_to_q.conditioning1.0.weight":
        (16, 3, 4, 4),
        "lllite_unet_input_blocks_4_1_transformer_blocks_1_attn1_to_q.up.0.weight": (640, 80)}),
    ("flux-xlabs", "flux", {
        "input_hint_block.0.weight": (16, 3, 3, 3), "controlnet_blocks.0.weight": (3072, 3072),
        "double_blocks.0.img_attn.qkv.weight": (9216, 3072), "img_in.weight": (3072, 64),
        "pos_embed_input.weight": (3072, 64)}),
    ("flux-instantx", "flux", {
        "controlnet_blocks.0.weight": (3072, 3072), "controlnet_x_embedder.weight": (3072, 64),
        "controlnet_mode_embedder.weight": (10, 3072),
        "single_transformer_blocks.0.proj_mlp.weight": (12288, 3072),
        "transformer_blocks.0.attn.to_q.weight": (3072, 3072)}),
    ("qwen-instantx", "qwen", {
        "controlnet_blocks.0.weight": (3072, 3072), "controlnet_x_embedder.weight": (3072, 64),
        "transformer_blocks.0.img_mod.1.weight": (18432, 3072),
        "transformer_blocks.0.attn.to_q.weight": (3072, 3072)}),
    ("sd3.5-large", "sd3.5-large", {
        "controlnet_blocks.0.weight": (2432, 2432), "pos_embed_input.proj.weight":
        (2432, 17, 2, 2), "transformer_blocks.0.attn.to_q.weight": (2432, 2432)}),
    ("sd3-diffusers", None, {
        "controlnet_blocks.0.weight": (1536, 1536), "pos_embed_input.proj.weight":
        (1536, 16, 2, 2), "transformer_blocks.0.attn.to_q.weight": (1536, 1536)}),
)  # fmt: skip

_T2I: tuple[tuple[str, str | None, Shapes], ...] = (
    ("t2i-full", "sd1", {
        "conv_in.weight": (320, 192, 3, 3), "body.0.block1.weight": (320, 320, 3, 3),
        "body.0.block2.weight": (320, 320, 1, 1), "body.2.down_opt.op.weight": (640, 320, 3, 3)}),
    ("t2i-light", "sd1", {
        "body.0.in_conv.weight": (80, 192, 1, 1), "body.0.body.0.block1.weight": (80, 80, 3, 3),
        "body.0.out_conv.weight": (320, 80, 1, 1)}),
    ("t2i-xl", "sdxl", under("adapter.", {
        "conv_in.weight": (320, 768, 3, 3), "body.0.resnets.0.block1.weight": (320, 320, 3, 3)})),
    ("t2i-style", "sd1", {
        "style_embedding": (1, 8, 1024), "proj": (1024, 768),
        "transformer_layes.0.attn.in_proj_weight": (3072, 1024), "ln_post.weight": (1024,)}),
)  # fmt: skip

_IMAGE_PROMPTS: tuple[tuple[str, str | None, Shapes], ...] = (
    ("ip-adapter", "sd1", {
        "image_proj.proj.weight": (3072, 1024), "image_proj.norm.weight": (768,),
        "ip_adapter.1.to_k_ip.weight": (320, 768), "ip_adapter.1.to_v_ip.weight": (320, 768)}),
    ("ip-adapter-plus-sdxl", "sdxl", {
        "image_proj.latents": (1, 16, 1280), "image_proj.layers.0.0.to_q.weight": (1280, 1280),
        "ip_adapter.1.to_k_ip.weight": (640, 2048), "ip_adapter.1.to_v_ip.weight": (640, 2048)}),
    ("ip-adapter-faceid", "sd1", {
        "image_proj.proj.0.weight": (1024, 512), "image_proj.norm.weight": (768,),
        **grid(range(8), {"ip_adapter.{}.to_q_lora.down.weight": (128, 320),
                          "ip_adapter.{}.to_q_lora.up.weight": (320, 128)}),
        "ip_adapter.1.to_k_ip.weight": (320, 768)}),
    ("ip-adapter-flux-instantx", "flux", {
        "image_proj.proj.0.weight": (6144, 1152), "ip_adapter.0.to_k_ip.weight": (3072, 4096),
        "ip_adapter.0.to_v_ip.weight": (3072, 4096), "ip_adapter.0.norm_added_k.weight": (128,)}),
    ("ip-adapter-flux-xlabs", "flux", {
        "ip_adapter_proj_model.proj.weight": (16384, 768),
        "double_blocks.0.processor.ip_adapter_double_stream_k_proj.weight": (3072, 4096)}),
    ("instant-id", "sdxl", {
        "image_proj.latents": (1, 16, 1280), "image_proj.proj_in.weight": (1280, 512),
        "ip_adapter.1.to_k_ip.weight": (640, 2048)}),
    ("photomaker", "sdxl", {
        "id_encoder.vision_model.embeddings.class_embedding": (1024,),
        "id_encoder.visual_projection_2.weight": (1280, 1024),
        "id_encoder.fuse_module.mlp1.fc1.weight": (2048, 4096),
        **grid(range(4), {
            "lora_weights.unet.down_blocks.1.attentions.{}.transformer_blocks.0.attn2.processor"
            ".to_k_lora.down.weight": (64, 2048),
            "lora_weights.unet.down_blocks.1.attentions.{}.transformer_blocks.0.attn2.processor"
            ".to_k_lora.up.weight": (640, 64)})}),
    ("pulid", "sdxl", {
        "id_adapter.id_embedding_mapping.0.weight": (1024, 1280),
        "id_adapter_attn_layers.0.id_to_k.weight": (640, 2048)}),
    ("pulid-flux", "flux", {
        "pulid_encoder.latents": (1, 32, 1024), "pulid_ca.0.to_q.weight": (2048, 3072),
        "pulid_ca.0.to_kv.weight": (4096, 2048)}),
    ("flux-redux", "flux", {
        "redux_up.weight": (12288, 1152), "redux_up.bias": (12288,),
        "redux_down.weight": (4096, 12288), "redux_down.bias": (4096,)}),
)  # fmt: skip

_UPSCALERS: tuple[tuple[str, Shapes], ...] = (
    ("esrgan-old", {"model.0.weight": (64, 3, 3, 3),
                    "model.1.sub.0.RDB1.conv1.0.weight": (32, 64, 3, 3),
                    "model.10.weight": (3, 64, 3, 3)}),
    ("esrgan-new", {"conv_first.weight": (64, 3, 3, 3),
                    "RRDB_trunk.0.RDB1.conv1.weight": (32, 64, 3, 3)}),
    ("realesrgan", {"conv_first.weight": (64, 3, 3, 3), "conv_hr.weight": (64, 64, 3, 3),
                    "body.0.rdb1.conv1.weight": (32, 64, 3, 3)}),
    ("srvgg", grid(range(34), {"body.{}.weight": (64,)}) | {
        "body.0.weight": (64, 3, 3, 3), "body.34.weight": (48, 64, 3, 3)}),
    ("swinir", {"conv_first.weight": (180, 3, 3, 3), "patch_embed.norm.weight": (180,),
                "layers.0.residual_group.blocks.0.norm1.weight": (180,)}),
    ("swin2sr", {"conv_first.weight": (180, 3, 3, 3),
                 "layers.0.residual_group.blocks.0.attn.logit_scale": (6, 1, 1),
                 "patch_embed.proj.weight": (180, 180, 1, 1)}),
    ("hat", {"conv_first.weight": (180, 3, 3, 3),
             "layers.0.residual_group.overlap_attn.qkv.weight": (540, 180)}),
    ("dat", {"conv_first.weight": (180, 3, 3, 3), "before_RG.1.weight": (180,),
             "layers.0.blocks.0.attn.qkv.weight": (540, 180)}),
    ("atd", {"conv_first.weight": (210, 3, 3, 3), "layers.0.residual_group.td": (128, 210),
             "layers.0.residual_group.layers.0.attn_win.proj.weight": (210, 210)}),
    ("drct", {"conv_first.weight": (180, 3, 3, 3), "layers.0.swin1.attn.qkv.weight": (540, 180),
              "layers.0.adjust1.weight": (32, 180, 1, 1)}),
    ("omnisr", {"input.weight": (64, 3, 3, 3), "up.0.weight": (48, 64, 3, 3),
                "residual_layer.0.residual_layer.0.layer.0.fn.0.weight": (64, 64, 1, 1)}),
    ("span", {"conv_1.sk.weight": (48, 3, 1, 1), "block_1.c1_r.sk.weight": (48, 48, 1, 1),
              "conv_cat.weight": (48, 192, 1, 1)}),
    ("scunet", {"m_head.0.weight": (64, 3, 3, 3), "m_down1.0.trans_block.ln1.weight": (32,),
                "m_body.0.trans_block.ln1.weight": (256,), "m_tail.0.weight": (3, 64, 3, 3)}),
    ("gfpgan", {"conv_body_first.weight": (32, 3, 1, 1), "final_linear.weight": (8192, 4096),
                "stylegan_decoder.style_conv1.modulated_conv.weight": (1, 512, 512, 3, 3)}),
    ("codeformer", {"position_emb": (256, 512), "idx_pred_layer.1.weight": (1024, 512),
                    "ft_layers.0.self_attn.in_proj_weight": (1536, 512),
                    "encoder.blocks.0.weight": (64, 3, 3, 3)}),
    ("rcan", {"sub_mean.weight": (3, 3, 1, 1), "head.0.weight": (64, 3, 3, 3),
              "body.0.body.0.body.0.weight": (64, 64, 3, 3),
              "tail.1.weight": (3, 64, 3, 3)}),
    ("plksr", {"feats.0.weight": (64, 3, 3, 3), "feats.1.lk.conv.weight": (16, 16, 17, 17),
               "feats.1.channe_mixer.0.weight": (128, 64, 3, 3)}),
    ("cugan", {"unet1.conv1.conv.0.weight": (32, 3, 3, 3),
               "unet2.conv1.conv.0.weight": (32, 3, 3, 3)}),
    ("ldsr", {
        "model.diffusion_model.input_blocks.0.0.weight": (160, 6, 3, 3),
        "model.diffusion_model.time_embed.0.weight": (640, 160),
        "first_stage_model.quantize.embedding.weight": (8192, 3),
        "first_stage_model.decoder.conv_in.weight": (512, 3, 3, 3)}),
)  # fmt: skip


def _words() -> Iterator[Specimen]:
    """Embeddings and hypernetworks."""
    for base, width in (("sd1", 768), ("sd2", 1024)):
        for name in ("string_to_param.*", "string_to_param.猫", "emb_params", "<cat-toy>",
                     "EasyNegative", "<a.b>"):  # fmt: skip
            yield Specimen(f"{base}-{name}", "embedding", base, {name: (8, width)})
        yield Specimen(f"{base}-learned-1d", "embedding", base, {"<cat>": (width,)})
        yield Specimen(f"{base}-several-tokens", "embedding", base,
                       {f"<s{index}>": (width,) for index in range(12)})  # fmt: skip
    yield Specimen("sdxl", "embedding", "sdxl", {"clip_l": (4, 768), "clip_g": (4, 1280)})
    yield Specimen("sdxl-pivotal", "embedding", "sdxl",
                   {"text_encoders_0": (2, 768), "text_encoders_1": (2, 1280)})  # fmt: skip
    yield Specimen("flux-pivotal", "embedding", "flux",
                   {"text_encoders_0": (2, 768), "text_encoders_1": (2, 4096)})  # fmt: skip
    yield Specimen("sd3", "embedding", "sd3",
                   {"clip_l": (4, 768), "clip_g": (4, 1280), "t5xxl": (4, 4096)})  # fmt: skip
    yield Specimen("flux", "embedding", "flux", {"clip_l": (4, 768), "t5xxl": (4, 4096)})
    yield Specimen("t5-only", "embedding", None, {"t5xxl": (4, 4096)})
    for base, width in (("sd1", 768), ("sd2", 1024)):
        for linear in ("linear.{}", "linear{}"):
            shapes: Shapes = {}
            for dim in (width, 320, 640, 1280):
                for side in (0, 1):
                    for index, shape in ((1, (2 * dim, dim)), (2, (dim, 2 * dim))):
                        layer = f"{dim}.{side}." + linear.format(index)
                        shapes |= {f"{layer}.weight": shape, f"{layer}.bias": shape[:1]}
            yield Specimen(f"hypernetwork-{base}-{linear}", "hypernetwork", base, shapes)
            normed = shapes | {f"{width}.0.linear.3.weight": (width,)}
            yield Specimen(f"hypernetwork-{base}-norm-{linear}", "hypernetwork", base, normed)
