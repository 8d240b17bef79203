"""Published digests of whole files. A digest is proof; a name is not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Release(NamedTuple):
    """``name`` as published; ``release`` the one candidate it leaves, where there is one; ``size``
    in bytes, where it was published. ``vae_overflows`` marks VAEs whose activations leave fp16's
    range, which no weight shows."""

    name: str
    release: str | None = None
    prediction: str | None = None
    size: int | None = None
    vae_overflows: bool = False


#: sha256 → release. Sources: model cards and file listings of the publishers, and the tables that
#: AI Horde, SwarmUI and others check their downloads against.
RELEASES: Mapping[str, Release] = {
    "86cd1d3ccb044d7ba8db743d717c9bac603c4043508ad2571383f954390f3cea":
        Release("sd-v1-1.ckpt", "sd1.1"),
    "3b87d30facd5bafca1cbed71cfb86648aad75d1c264663c0cc78c7aea8daec0d":
        Release("sd-v1-2.ckpt", "sd1.2"),
    "2cff93af4dcc07c3e03110205988ff98481e86539c51a8098d4f2236e41f7f2f":
        Release("sd-v1-3.ckpt", "sd1.3"),
    "fe4efff1e174c627256e44ec2991ba279b3816e364b49f9be2abc0b3ff3f8556":
        Release("sd-v1-4.ckpt", "sd1.4", size=4_265_380_512),
    "14749efc0ae8ef0329391ad4436feb781b402f4fece4883c7ad8d10556d8a36a":
        Release("sd-v1-4-full-ema.ckpt", "sd1.4", size=7_703_807_346),
    "cc6cb27103417325ff94f52b7a5d2dde45a7515b25c255d8e396c90014281516":
        Release("v1-5-pruned-emaonly.ckpt", "sd1.5", size=4_265_380_512),
    "6ce0161689b3853acaa03779ec93eafe75a02f4ced659bee03f50797806fa2fa":
        Release("v1-5-pruned-emaonly.safetensors", "sd1.5", size=4_265_146_304),
    "e9476a13728cd75d8279f6ec8bad753a66a1957ca375a1464dc63b37db6e3916":
        Release("v1-5-pruned-emaonly-fp16.safetensors", "sd1.5"),
    "e1441589a6f3c5a53f5f54d0975a18a7feb7cdf0b0dee276dfc3331ae376a053":
        Release("v1-5-pruned.ckpt", "sd1.5", size=7_703_807_346),
    "1a189f0be69d6106a48548e7626207dddd7042a418dbf372cefd05e0cdba61b6":
        Release("v1-5-pruned.safetensors", "sd1.5", size=7_703_324_286),
    "c6bbc15e3224e6973459ba78de4998b80b50112b0ae5b5c67113d56b4e366b19":
        Release("sd-v1-5-inpainting.ckpt", "sd1.5"),
    "d635794c1fedfdfa261e065370bea59c651fc9bfa65dc6d67ad29e11869a1824":
        Release("512-base-ema.ckpt", "sd2.0", "epsilon"),
    "bfcaf0755797b0c30eb00a3787e8b423eb1f5decd8de76c4d824ac2dd27e139f":
        Release("768-v-ema.ckpt", "sd2.0", "v"),
    "2a208a7ded5d42dcb0c0ec908b23c631002091e06afe7e76d16cd11079f8d4e3":
        Release("512-inpainting-ema.ckpt", "sd2.0", "epsilon"),
    "88ecb782561455673c4b78d05093494b9c539fc6bfc08f3a9a4a0dd7b0b10f36":
        Release("v2-1_512-ema-pruned.ckpt", "sd2.1", "epsilon"),
    "ad2a33c361c1f593c4a1fb32ea81afce2b5bb7d1983c6b94793a26a3b54b08a0":
        Release("v2-1_768-ema-pruned.ckpt", "sd2.1", "v", size=5_214_865_159),
    "dcd690123cfc64383981a31d955694f6acf2072a80537fdb612c8e58ec87a8ac":
        Release("v2-1_768-ema-pruned.safetensors", "sd2.1", "v", size=5_214_604_494),
    "31e35c80fc4829d14f90153f4c74cd59c90b779f6afe05a74cd6120b893f7e5b":
        Release("sd_xl_base_1.0.safetensors", "sdxl-1.0", size=6_938_078_334, vae_overflows=True),
    "7440042bbdc8a24813002c09b6b69b64dc90fded4472613437b7f55f9b7d9c5f":
        Release("sd_xl_refiner_1.0.safetensors", vae_overflows=True),
    "cc236278d28c8c3eccb8e21ee0a67ebed7dd6e9ce40aa9de914fa34e8282f191":
        Release("sd3_medium.safetensors"),
    "11fe06e22364b823dfeedc275912336b932b32a293a0b2f35ffac071990cc4de":
        Release("sd3.5_medium.safetensors"),
    "ffef7a279d9134626e6ce0d494fba84fc1c7e720b3c7df2d19a09dc3796d8f93":
        Release("sd3.5_large.safetensors", size=16_460_379_262),
    "89d59c3dde4c56c6d5c41da34cc55ce479d93b4007046980934b14db71bdb2a8":
        Release("NAI animefull-final-pruned.ckpt", "nai", vae_overflows=True),
    "22fa233c2dfd7748d534be603345cb9abf994a23244dfdfc1013f4f90322feca":
        Release("NAI animesfw (sfw)", "nai", vae_overflows=True),
    "543bcbc21294831c6245cd74c8a7707761e28812c690f946cb81fef930d54b5e":
        Release("AnythingV3.0 pruned"),
    "5512bc271c31fd9433494f3fced009d3b27515cca5ef1a1ed13bce136f8e8cad":
        Release("wd-v1-2-full-ema-pruned.ckpt"),
    "4afab9126057859b34d13d6207d90221d0b017b7580469ea70cee37757a29edd":
        Release("wd-v1-3-float16.ckpt", size=2_132_889_245),
    "9dade826203c7ee369881b5dc20d34298fa644c1f137568e09fbc4b9a0d3e817":
        Release("wd-v1-3-float32.ckpt", size=4_265_384_157),
    "f921fb3f29891d2a77a6571e56b8b5052420d2884129517a333c60b1b4816cdf":
        Release("VAE NAI animevae.pt (also as Anything-V3.0.vae.pt, orangemix.vae.pt)",
                vae_overflows=True),
    "2f11c4a99ddc28d0ad8bce0acc38bed310b45d38a3fe4bb367dc30f3ef1a4868":
        Release("VAE kl-f8-anime.ckpt"),
    "df3c506e51b7ee1d7b5a6a2bb7142d47d488743c96aa778afb0f53a2cdc2d38d":
        Release("VAE kl-f8-anime2.ckpt"),
    "2453b80bc1716bc3f94496d4e56be891e267051dc43c5144f384b66a73ac8295":
        Release("VAE trinart autoencoder_fix"),
    "c6a580b13a5bc05a5e16e4dbb80608ff2ec251a162311590c1f34c013d7f3dab":
        Release("VAE vae-ft-mse-840000-ema-pruned.ckpt"),
    "735e4c3a447a3255760d7f86845f09f937809baa529c17370d83e4c3758f3c75":
        Release("VAE vae-ft-mse-840000-ema-pruned.safetensors", size=334_641_190),
    "63aeecb90ff7bc1c115395962d3e803571385b61938377bc7089b36e81e92e2e":
        Release("VAE sdxl_vae.safetensors (stabilityai)", size=334_641_164, vae_overflows=True),
    "235745af8d86bf4a4c1b5b4f529868b37019a10f7c0b2e79ad0abca3a22bc6e1":
        Release("VAE sdxl-vae-fp16-fix sdxl_vae.safetensors", size=334_641_162),
    "e6bb9ea85bbf7bf6478a7c6d18b71246f22e95d41bcdd80ed40aa212c33cfeff":
        Release("VAE sdxl 0.9"),
    "afc8e28272cd15db3919bacdb6918ce9c1ed22e96cb12c4d5ed0fba823529e38":
        Release("VAE flux ae.safetensors", size=335_304_388),
    "25cece3fe303ea8e3ad40c3dca788406dbd921bcf3aa8e3d1c7c5ac81f208a4f":
        Release("BloodOrangeMix.ckpt"),
    "b2168aaa59fa91229b8add21f140ac9271773fe88a387276f3f0c7d70f726a83":
        Release("BloodOrangeMix_half.ckpt"),
    "f8aff727ba3da0358815b1766ed232fd1ef9682ad165067cac76e576d19689e0":
        Release("BloodNightOrangeMix.ckpt"),
}  # fmt: skip


def release(sha256: str | None) -> Release | None:
    """The published file with this digest."""
    return RELEASES.get(sha256.lower()) if sha256 else None
