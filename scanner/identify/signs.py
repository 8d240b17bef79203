"""Names that give a file away: kinds that need no description of every tensor, and the diffusion
models, encoders and autoencoders of families that are only named. To add one, add a line."""

from __future__ import annotations

from typing import NamedTuple


class Sign(NamedTuple):
    """``marks`` must all occur in the names; a leading ``^`` stands for the beginning of a name,
    a trailing ``$`` for its end."""

    kind: str
    base: str | None
    marks: tuple[str, ...]
    evidence: str
    #: Where the names are those of several bases: width that most matrices read → base.
    widths: tuple[tuple[int, str], ...] = ()


def _upscaler(evidence: str, *marks: str) -> Sign:
    return Sign("upscaler", None, marks, evidence)


def _prompt(base: str | None, evidence: str, *marks: str) -> Sign:
    return Sign("ip_adapter", base, marks, evidence)


def _control(base: str | None, evidence: str, *marks: str) -> Sign:
    return Sign("controlnet", base, marks, evidence)


def _style(base: str | None, evidence: str, *marks: str) -> Sign:
    return Sign("t2i_adapter", base, marks, evidence)


#: Asked in this order, before anything else is tried.
ADD_ONS: tuple[Sign, ...] = (
    _prompt("flux", "IP-Adapter for Flux (XLabs)", "ip_adapter_double_stream"),
    _prompt(None, "IP-Adapter", "^ip_adapter.", "to_k_ip"),
    _prompt(None, "IP-Adapter, the image projection", "^image_proj."),
    _prompt("flux", "PuLID for Flux", "pulid_ca."),
    _prompt(None, "PuLID", "id_adapter_attn_layers."),
    _prompt(None, "PhotoMaker", "^id_encoder.", "^lora_weights."),
    _prompt("flux", "Flux Redux, an image prompt", "redux_up.weight$", "redux_down.weight$"),
    _control(None, "ControlNet-LLLite", "lllite_unet_"),
    _control(None, "ControlNet-XS", "enc_zero_convs_out."),
    _control(None, "ControlNet", "zero_convs.", "input_hint_block."),
    _control(None, "ControlNet", "zero_convs.", "input_blocks."),
    _control(None, "ControlNet (diffusers)", "controlnet_cond_embedding."),
    _control(None, "ControlNet (diffusers)", "controlnet_down_blocks."),
    _control(None, "Control-LoRA", "^lora_controlnet"),
    _control("qwen", "ControlNet for Qwen-Image", "controlnet_blocks.", ".img_mod."),
    _control("flux", "ControlNet for Flux", "controlnet_blocks.", "controlnet_x_embedder.",
             "single_transformer"),
    _control("flux", "XLabs ControlNet for Flux", "input_hint_block.", "double_blocks."),
    _control(None, "ControlNet for a diffusion transformer", "controlnet_blocks."),
    _style(None, "T2I-Adapter (diffusers)", "adapter.body.0.", "resnets."),
    _style(None, "T2I-Adapter", "body.0.in_conv."),
    _style(None, "T2I-Adapter", "body.0.block1.", "conv_in."),
    _style("sd1", "T2I-Adapter for style", "style_embedding", "transformer_layes.0."),
    _upscaler("ESRGAN-type upscaler (RRDB)", "body.0.rdb1.conv1."),
    _upscaler("ESRGAN-type upscaler (RRDB)", "RRDB_trunk."),
    _upscaler("ESRGAN-type upscaler (RRDB)", "1.sub.0.RDB1."),
    _upscaler("SwinIR-type upscaler", "residual_group.blocks.", "conv_first."),
    _upscaler("HAT- or ATD-type upscaler", "residual_group.", "conv_first."),
    _upscaler("transformer upscaler", "residual_group.", "conv_before_upsample."),
    _upscaler("DAT-type upscaler", "before_RG.", "conv_first."),
    _upscaler("DRCT upscaler", "layers.0.swin1.", "conv_first."),
    _upscaler("ESRGAN-type upscaler", "conv_hr.", "conv_first."),
    _upscaler("OmniSR upscaler", "residual_layer.0.residual_layer.0.", "up.0.weight$"),
    _upscaler("SPAN upscaler", "block_1.c1_r.", "conv_cat."),
    _upscaler("ScuNET, a denoiser", "m_head.", "m_body.", "m_tail."),
    _upscaler("GFPGAN, a face restorer", "stylegan_decoder.", "conv_body_first."),
    _upscaler("CodeFormer, a face restorer", "idx_pred_layer.", "ft_layers."),
    _upscaler("RCAN- or EDSR-type upscaler", "head.0.weight$", "body.0.body.0.", "tail."),
    _upscaler("PLKSR upscaler", "feats.0.weight$", "feats.1.channe_mixer."),
    _upscaler("PLKSR upscaler", "feats.0.weight$", "feats.1.channel_mixer."),
    _upscaler("Real-CUGAN upscaler", "unet1.conv1.conv.0.", "unet2.conv1.conv.0."),
    _upscaler("Compact (SRVGG) upscaler", "^body.0.weight", "^body.1.weight", "^body.2.weight"),
    _upscaler("Compact (SRVGG) upscaler", "^params.body.0.weight", "^params.body.2.weight"),
    _upscaler("Compact (SRVGG) upscaler", "^params_ema.body.0.weight", "^params_ema.body.2.weight"),
    Sign("clip_vision", None, ("vision_model.head.probe",), "SigLIP image encoder"),
)  # fmt: skip


def _unet(base: str, evidence: str, *marks: str) -> Sign:
    return Sign("unet", base, marks, evidence)


def _vae(evidence: str, *marks: str) -> Sign:
    return Sign("vae", None, marks, evidence)


def _text(evidence: str, *marks: str, base: str | None = None) -> Sign:
    return Sign("text_encoder", base, marks, evidence)


#: Models of families that are known by name only. Asked after the adapters, whose names contain
#: the same words; the narrower sign first.
FOREIGN: tuple[Sign, ...] = (
    _unet("svd", "Stable Video Diffusion", "time_mixer.mix_factor", "input_blocks."),
    _unet("svd", "Stable Video Diffusion (diffusers)", "temporal_transformer_blocks.",
          "spatial_res_block."),
    _unet("flux2", "Flux.2 transformer", "double_stream_modulation_img."),
    _unet("flux2", "Flux.2 transformer", "double_stream_modulation_txt."),
    _unet("flux2", "Flux.2 transformer", "single_stream_modulation.", "_blocks."),
    _unet("chroma", "Chroma transformer", "distilled_guidance_layer."),
    _unet("anima", "Anima transformer", "adaln_modulation_cross_attn.", "llm_adapter."),
    _unet("cosmos", "Cosmos-Predict2 transformer", "adaln_modulation_cross_attn."),
    _unet("cosmos", "Cosmos-Predict1 transformer", "blocks.block0.blocks.0.block.attn."),
    _unet("omnigen2", "OmniGen2 transformer", "time_caption_embed.", "ref_image_refiner."),
    _unet("z", "Z-Image transformer", "cap_embedder.", "noise_refiner.", "x_pad_token"),
    _unet("z", "Z-Image transformer", "cap_embedder.", "noise_refiner.", "cap_pad_token"),
    Sign("unet", None, ("cap_embedder.", "noise_refiner."),
         "transformer named as Lumina Image 2 and Z-Image are",
         ((2304, "lumina2"), (3840, "z"))),
    _unet("lumina-next", "Lumina-Next transformer", "cap_embedder.", "attention.wk_y."),
    _unet("qwen", "Qwen-Image transformer", "transformer_blocks.", ".img_mod.1.", "txt_norm."),
    _unet("flux", "Flux transformer, quantised by Nunchaku", "single_transformer_blocks.",
          ".qweight$", "qkv_proj_context."),
    _unet("auraflow", "AuraFlow transformer", "double_layers.0.attn.w1q"),
    _unet("auraflow", "AuraFlow transformer (diffusers)", "joint_transformer_blocks.",
          "register_tokens"),
    _unet("hidream", "HiDream transformer", "double_stream_blocks.", "caption_projection."),
    _unet("hunyuan-video", "HunyuanVideo transformer", "txt_in.individual_token_refiner."),
    _unet("hunyuan-video", "HunyuanVideo transformer (diffusers)",
          "context_embedder.token_refiner."),
    _unet("hunyuan-dit", "Hunyuan-DiT transformer", "mlp_t5.", "blocks.0.attn1."),
    _unet("hunyuan-dit", "Hunyuan-DiT transformer (diffusers)", "time_extra_emb.",
          "text_embedder.", "blocks.0.attn1."),
    _unet("ltx", "LTX-Video transformer", "adaln_single.", "patchify_proj."),
    _unet("ltx", "LTX-Video transformer (diffusers)", "transformer_blocks.0.attn1.norm_q.",
          "caption_projection.", "proj_in.", "scale_shift_table"),
    _unet("sana", "Sana transformer", "caption_norm.", ".ff.conv_inverted."),
    _unet("pixart", "PixArt transformer (diffusers)", "adaln_single.", "caption_projection."),
    _unet("pixart", "PixArt transformer", "t_block.1.", "y_embedder.", ".scale_shift_table"),
    _unet("wan", "Wan transformer", "head.modulation", "text_embedding.0."),
    _unet("wan", "Wan transformer (diffusers)", "condition_embedder.text_embedder.",
          "blocks.0.attn1."),
    _unet("mochi", "Mochi transformer", "t5_yproj.", ".attn.qkv_x."),
    _unet("mochi", "Mochi transformer (diffusers)", "time_embed.pooler.", "transformer_blocks.0."),
    _unet("cogvideox", "CogVideoX transformer", "patch_embed.text_proj.", "transformer_blocks.0."),
    _unet("stable-cascade", "Stable Cascade, stage C", "clip_txt_mapper.", ".channelwise.0."),
    _unet("stable-cascade", "Stable Cascade, stage B", "effnet_mapper.", ".channelwise.0."),
    _unet("kandinsky", "Kandinsky UNet", ".add_k_proj.", "encoder_hid_proj.image_embeds."),
    _unet("kandinsky", "Kandinsky UNet", ".add_k_proj.", "encoder_hid_proj.text_proj."),
    _unet("deepfloyd-if", "DeepFloyd IF UNet", ".add_k_proj.", "add_embedding.pool."),
    Sign("checkpoint", "stable-audio", ("pretransform.model.", "model.model."), "Stable Audio"),
    _upscaler("LDSR, a latent-diffusion upscaler", "first_stage_model.quantize.embedding.",
              "model.diffusion_model.input_blocks."),
    Sign("unknown", None, ("motion_modules.", "temporal_transformer."),
         "AnimateDiff motion module"),
    _vae("VQ autoencoder of latent diffusion", "quantize.embedding.", "decoder.conv_in.",
         "decoder.mid.attn_1."),
    _vae("video autoencoder of Wan or Qwen-Image", "decoder.middle.0.residual.0.gamma"),
    _vae("video autoencoder of LTX", "per_channel_statistics.", "decoder."),
    _vae("video autoencoder of CogVideoX", ".norm1.conv_y.", "decoder."),
    _vae("video autoencoder of HunyuanVideo", "encoder.conv_in.conv.", "decoder.conv_in.conv."),
    _vae("asymmetric autoencoder for inpainting", "decoder.condition_encoder."),
    _vae("deep-compression autoencoder", "encoder.project_in.", ".op_list.0."),
    _vae("autoencoder of Stable Cascade, stage A", "vquantizer.codebook.", "up_blocks."),
    _vae("tiny autoencoder", "decoder.layers.1.conv.0.", "encoder.layers.1.conv.0."),
    _vae("tiny autoencoder, the decoder", "^1.weight", "^3.conv.0.", "^18.weight"),
    _vae("tiny autoencoder, the encoder", "^0.weight", "^1.conv.0.", "^14.weight"),
    _vae("tiny autoencoder", "taesd_decoder.1.weight"),
    _vae("approximate decoder of WebUI", "^conv1.weight", "^conv8.weight"),
    _text("Qwen-VL encoder", "visual.blocks.", "^model.layers.0.", base="qwen"),
    _text("a language model", "layers.0.self_attn.q_proj.", "embed_tokens."),
    _text("ChatGLM", ".self_attention.query_key_value.", "word_embeddings."),
    _text("T5 in llama.cpp's naming", "^enc.blk.0.attn_q."),
    _text("a language model in llama.cpp's naming", "^blk.0.attn_q.", "^token_embd."),
)  # fmt: skip
