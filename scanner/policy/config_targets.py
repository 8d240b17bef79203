"""What configurations may have their loader make: exact names, as in ``known_good``.

LDM's ``target``, Hydra's ``_target_`` and Lightning's ``class_path`` are imported and called with
whatever stands beside them. These are the names that genuine configurations of diffusion models
carry (CompVis, Stability's sd-1, sd-2 and generative-models, diffusers). To add one: its module's
row, or a new row.
"""

from __future__ import annotations

_ROWS: dict[str, str] = {
    # Stable Diffusion 1 and 2, inpainting, depth, upscaling, unCLIP, InstructPix2Pix
    "ldm.models.diffusion.ddpm": "DDPM LatentDiffusion DiffusionWrapper Layout2ImgDiffusion "
    "LatentUpscaleDiffusion LatentFinetuneDiffusion LatentInpaintDiffusion "
    "LatentDepth2ImageDiffusion LatentUpscaleFinetuneDiffusion ImageEmbeddingConditionedLatent"
    "Diffusion",
    "ldm.models.diffusion.ddpm_edit": "DDPM LatentDiffusion",
    "ldm.models.autoencoder": "AutoencoderKL VQModel VQModelInterface IdentityFirstStage",
    "ldm.modules.diffusionmodules.openaimodel": "UNetModel EncoderUNetModel",
    "ldm.modules.diffusionmodules.upscaling": "ImageConcatWithNoiseAugmentation",
    "ldm.modules.diffusionmodules.model": "Encoder Decoder Model",
    "ldm.modules.encoders.modules": "FrozenCLIPEmbedder FrozenOpenCLIPEmbedder FrozenT5Embedder "
    "FrozenCLIPT5Encoder FrozenClipImageEmbedder FrozenOpenCLIPImageEmbedder ClassEmbedder "
    "BERTEmbedder TransformerEmbedder SpatialRescaler FrozenCLIPTextEmbedder IdentityEncoder",
    "ldm.modules.encoders.noise_aug_modules": "CLIPEmbeddingNoiseAugmentation",
    "ldm.modules.midas.api": "MiDaSInference",
    "ldm.modules.losses": "LPIPSWithDiscriminator",
    "ldm.modules.losses.vqperceptual": "VQLPIPSWithDiscriminator DummyLoss",
    "ldm.lr_scheduler": "LambdaLinearScheduler LambdaWarmUpCosineScheduler "
    "LambdaWarmUpCosineScheduler2",
    "ldm.data.base": "Txt2ImgIterableBaseDataset",
    "taming.models.vqgan": "VQModel GumbelVQ",
    "taming.modules.losses": "DummyLoss",
    "taming.modules.losses.vqperceptual": "VQLPIPSWithDiscriminator DummyLoss",
    # ControlNet
    "cldm.cldm": "ControlLDM ControlNet ControlledUnetModel",
    # SDXL and later, by generative-models
    "sgm.models.diffusion": "DiffusionEngine",
    "sgm.models.autoencoder": "AutoencoderKL AutoencoderKLInferenceWrapper AutoencodingEngine "
    "AutoencodingEngineLegacy AutoencoderLegacyVQ IdentityFirstStage",
    "sgm.modules.diffusionmodules.denoiser": "Denoiser DiscreteDenoiser",
    "sgm.modules.diffusionmodules.denoiser_scaling": "EpsScaling VScaling EDMScaling "
    "VScalingWithEDMcNoise",
    "sgm.modules.diffusionmodules.denoiser_weighting": "EpsWeighting VWeighting EDMWeighting "
    "UnitWeighting",
    "sgm.modules.diffusionmodules.discretizer": "LegacyDDPMDiscretization EDMDiscretization",
    "sgm.modules.diffusionmodules.guiders": "VanillaCFG IdentityGuider LinearPredictionGuider",
    "sgm.modules.diffusionmodules.loss": "StandardDiffusionLoss",
    "sgm.modules.diffusionmodules.model": "Encoder Decoder Model",
    "sgm.modules.diffusionmodules.openaimodel": "UNetModel",
    "sgm.modules.diffusionmodules.sampling": "EulerEDMSampler EulerAncestralSampler "
    "DPMPP2MSampler DPMPP2SAncestralSampler HeunEDMSampler LinearMultistepSampler",
    "sgm.modules.diffusionmodules.sigma_sampling": "DiscreteSampling EDMSampling",
    "sgm.modules.diffusionmodules.video_model": "VideoUNet",
    "sgm.modules.diffusionmodules.wrappers": "OpenAIWrapper IdentityWrapper",
    "sgm.modules": "GeneralConditioner UnconditionalConfig",
    "sgm.modules.encoders.modules": "FrozenCLIPEmbedder FrozenOpenCLIPEmbedder "
    "FrozenOpenCLIPEmbedder2 FrozenT5Embedder ConcatTimestepEmbedderND ClassEmbedder "
    "GeneralConditioner FrozenOpenCLIPImageEmbedder FrozenOpenCLIPImagePredictionEmbedder "
    "VideoPredictionEmbedderWithEncoder IdentityEncoder",
    "sgm.modules.autoencoding.losses": "GeneralLPIPSWithDiscriminator LatentLPIPS",
    "sgm.modules.autoencoding.regularizers": "DiagonalGaussianRegularizer",
    "sgm.modules.autoencoding.temporal_ae": "VideoDecoder",
    "sgm.lr_scheduler": "LambdaLinearScheduler LambdaWarmUpCosineScheduler",
    # torch
    "torch.nn": "Identity Linear Conv1d Conv2d Conv3d ConvTranspose2d Embedding Dropout LayerNorm "
    "GroupNorm BatchNorm2d InstanceNorm2d ReLU LeakyReLU GELU SiLU Tanh Sigmoid Softmax "
    "MultiheadAttention MSELoss L1Loss CrossEntropyLoss BCEWithLogitsLoss SmoothL1Loss",
    "torch.nn.modules.linear": "Identity Linear",
    "torch.optim": "Adam AdamW SGD Adagrad RMSprop Adamax NAdam RAdam",
    "torch.optim.adam": "Adam",
    "torch.optim.adamw": "AdamW",
    "torch.optim.lr_scheduler": "CosineAnnealingLR StepLR MultiStepLR ExponentialLR LinearLR "
    "ConstantLR OneCycleLR ReduceLROnPlateau CosineAnnealingWarmRestarts LambdaLR",
    # diffusers and transformers, as Hydra configurations name them
    "diffusers": "UNet2DConditionModel UNet2DModel AutoencoderKL AutoencoderTiny ControlNetModel "
    "VQModel T2IAdapter SD3Transformer2DModel FluxTransformer2DModel DDIMScheduler DDPMScheduler "
    "PNDMScheduler LMSDiscreteScheduler EulerDiscreteScheduler EulerAncestralDiscreteScheduler "
    "HeunDiscreteScheduler DPMSolverMultistepScheduler DPMSolverSinglestepScheduler "
    "UniPCMultistepScheduler LCMScheduler FlowMatchEulerDiscreteScheduler "
    "StableDiffusionPipeline StableDiffusionXLPipeline StableDiffusion3Pipeline FluxPipeline",
    "diffusers.models": "UNet2DConditionModel AutoencoderKL ControlNetModel",
    "diffusers.schedulers": "DDIMScheduler DDPMScheduler PNDMScheduler EulerDiscreteScheduler",
    "transformers": "CLIPTextModel CLIPTextModelWithProjection CLIPTokenizer CLIPTokenizerFast "
    "CLIPVisionModel CLIPVisionModelWithProjection CLIPImageProcessor CLIPFeatureExtractor "
    "T5EncoderModel T5Tokenizer T5TokenizerFast",
    # Lightning
    "pytorch_lightning.callbacks": "ModelCheckpoint LearningRateMonitor EarlyStopping",
    "pytorch_lightning.loggers": "TensorBoardLogger WandbLogger CSVLogger",
    "lightning.pytorch.callbacks": "ModelCheckpoint LearningRateMonitor EarlyStopping",
    "lightning.pytorch.loggers": "TensorBoardLogger WandbLogger CSVLogger",
}

#: Dotted names that a configuration may name.
TARGETS = frozenset(f"{module}.{name}" for module, row in _ROWS.items() for name in row.split())
#: Lightning writes these itself, as the instantiator of a model that its command line made.
INSTANTIATORS = frozenset(
    {"lightning.pytorch.cli.instantiate_module", "pytorch_lightning.cli.instantiate_module"}
)
#: Libraries whose classes a diffusers ``model_index.json`` names; the pipelines' own modules too.
LIBRARIES = frozenset(
    {
        "diffusers", "transformers", "stable_diffusion", "stable_diffusion_xl", "flux",
        "latent_diffusion", "stable_diffusion_3", "kandinsky", "wuerstchen", "pixart_alpha",
        "stable_cascade", "paint_by_example", "alt_diffusion", "audioldm2", "unidiffuser", "onnx",
        "stable_video_diffusion", "stable_audio", "deepfloyd_if", "kolors", "shap_e",
        "blip_diffusion", "stable_diffusion_safe",
    }
)  # fmt: skip
