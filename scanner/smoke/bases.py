"""What each base needs to be run: a table that a newcomer can extend.

``configs/`` holds a folder a base with what diffusers must know of its parts; the file under
test brings nothing but tensors.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

CONFIGS = Path(__file__).parent / "configs"


@dataclass(frozen=True, slots=True)
class Effort:
    """How much work a preview may be: side in pixels, denoising steps, number of pictures, and
    noises to try the prompt's words on. ``together`` of the pictures, or of the noises, go through
    the UNet at once, which costs memory. More than ``threads`` (None: no limit) would only wait for
    each other."""

    size: int
    steps: int
    pictures: int
    probes: int = 1
    together: int = 1
    threads: int | None = None


@dataclass(frozen=True, slots=True)
class Tokens:
    """A tokenizer of the CLIP family; all share one vocabulary and differ in the padding."""

    part: str
    pad: str


@dataclass(frozen=True, slots=True)
class Base:
    config: str
    text_encoders: tuple[str, ...]
    tokenizers: tuple[Tokens, ...]
    gpu: Effort
    cpu: Effort
    guidance: float = 7.0
    #: fp16 convolutions are about 165 times slower on a CPU than fp32; SDXL in fp32 would take
    #: 14 GB, so it pays the smaller price of bf16 there.
    cpu_dtype: str = "float32"
    #: The text encoder's layer, counted from the last, that WebUI uses where nobody asks for one.
    stops_at: int = 1
    #: Where diffusers keeps an encoder, if not under the identifier's name for it.
    slots: Mapping[str, str] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        return CONFIGS / self.config

    @property
    def is_xl(self) -> bool:
        return "text_encoder_2" in map(self.slot, self.text_encoders)

    def slot(self, part: str) -> str:
        return self.slots.get(part, part)


_END = "<|endoftext|>"
_CLIP_L = Tokens("tokenizer", _END)

# OpenCLIP pads with token 0, which its vocabulary calls "!".
BASES: Mapping[str, Base] = {
    "sd1": Base("sd1", ("text_encoder",), (_CLIP_L,), Effort(512, 20, 3, 4), Effort(256, 4, 1)),
    "sd2": Base(
        "sd2",
        ("text_encoder",),
        (Tokens("tokenizer", "!"),),
        Effort(768, 20, 3, 4),
        Effort(256, 4, 1),
        stops_at=2,
    ),
    "sdxl": Base(
        "sdxl",
        ("text_encoder", "text_encoder_2"),
        (_CLIP_L, Tokens("tokenizer_2", "!")),
        Effort(1024, 20, 3, 4),
        Effort(256, 4, 1),
        guidance=6.0,
        cpu_dtype="bfloat16",
        stops_at=2,
    ),
    "sdxl-refiner": Base(
        "sdxl-refiner",
        ("text_encoder",),
        (Tokens("tokenizer_2", "!"),),
        Effort(1024, 20, 1, 4),
        Effort(256, 4, 1),
        guidance=6.0,
        cpu_dtype="bfloat16",
        stops_at=2,
        slots={"text_encoder": "text_encoder_2"},
    ),
    "sd1-mini": Base(
        "sd1-mini",
        ("text_encoder",),
        (_CLIP_L,),
        Effort(128, 16, 3, 4, together=4),
        Effort(128, 6, 3, 4, together=4, threads=1),
        guidance=4.0,
    ),
}
