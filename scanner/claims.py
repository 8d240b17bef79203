"""What a file's name and its uploader say, held against what is in it.

A report belongs to a digest and has no name, so this is asked where the name is known, with the
report as its JSON. Nothing is parsed here. Only whole words count (``basil_mix`` claims no base),
only those with one meaning, and only where the report knows the answer: a false contradiction
costs more trust than a missed one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from scanner.report import Json

Part = Mapping[str, Json]


class Conflict(NamedTuple):
    """``source`` is name or claim, ``about`` what is disputed, ``says`` the word, ``message`` a
    sentence for a person."""

    source: str
    about: str
    says: str
    message: str


def check(
    name: str, report: Part, *, kind: str | None = None, base: str | None = None
) -> tuple[Conflict, ...]:
    """Every disagreement of the file's name, and of the kind and base that its uploader claims,
    with the report. Empty where the report has no identity or cannot say."""
    identity = report.get("identity")
    found = list(_extension(name, str(report.get("format") or "unknown")))
    if isinstance(identity, dict):
        facts = _Facts(identity)
        words = _words(name)
        for rule in (_kind_in, _base_in, _variant_in, _prediction_in, _parts_in, _precision_in,
                     _rank_in):  # fmt: skip
            found += rule(words, facts)
        found += _claimed(facts, kind, base)
    return tuple(found)


def section(name: str, report: Part) -> dict[str, Json]:
    """The disagreements of the name as a section of the report."""
    return {"conflicts": [dict(item._asdict()) for item in check(name, report)]}


class _Facts:
    """The few fields of an identity that a name can contradict."""

    def __init__(self, identity: Part) -> None:
        self.kind = str(identity.get("kind") or "unknown")
        self.base = _text(identity.get("base"))
        self.candidates = _texts(identity.get("candidates"))
        self.variant = _text(identity.get("variant"))
        self.prediction = _text(identity.get("prediction"))
        self.ema = str(identity.get("ema") or "none")
        self.components = _part(identity.get("components"))
        self.precision = _text(identity.get("precision"))
        self.ranks = tuple(_part(_part(identity.get("adapter")).get("ranks")))
        self.model = self.kind in ("checkpoint", "unet")

    def precisions(self) -> set[str]:
        """Precisions of the parts, and of the whole."""
        parts = (_text(_part(part).get("precision")) for part in self.components.values())
        return {word for word in (self.precision, *parts) if word}

    def absent(self, component: str) -> bool | None:
        """None where nothing is known of the component."""
        part = self.components.get(component)
        return None if part is None else _part(part).get("state") == "absent"


def _text(value: Json) -> str | None:
    return value if isinstance(value, str) and value else None


def _texts(value: Json) -> tuple[str, ...]:
    return tuple(item for item in value if isinstance(item, str)) if isinstance(value, list) else ()


def _part(value: Json) -> Part:
    return value if isinstance(value, dict) else {}


# -- words -----------------------------------------------------------------------------------------

#: A hump: the end of a lower-case run before a capital, as in ``bakedVAE``.
_HUMP = re.compile(r"(?<=[a-z])(?=[A-Z])")
_BREAK = re.compile(r"[^a-z0-9]+")
_SUFFIX = re.compile(
    r"\.(safetensors|ckpt|pt|pth|bin|gguf|npz|npy|zip|tar|png|webp)$", re.IGNORECASE
)


def _words(name: str) -> str:
    """The name's words between single spaces, with one at both ends: ``" v1 5 pruned "``."""
    stem = _SUFFIX.sub("", name)
    humped = _HUMP.sub(" ", stem).lower()
    # Both readings: "noVAE" is "no vae", and "SdXl" is still "sdxl".
    plain = _BREAK.sub(" ", stem.lower()).strip()
    split = _BREAK.sub(" ", humped).strip()
    return f" {plain} | {split} " if split != plain else f" {plain} "


def _says(words: str, pattern: str) -> str | None:
    """The words that the pattern finds, whole ones only."""
    found = re.search(rf" ({pattern})(?= )", words)
    return found[1] if found else None


# -- the name --------------------------------------------------------------------------------------

_PICKLES = frozenset({"torch-zip", "torch-legacy", "torch-tar", "torchscript", "pickle"})
_FORMATS: Mapping[str, frozenset[str]] = {
    "safetensors": frozenset({"safetensors"}), "gguf": frozenset({"gguf"}),
    "ckpt": _PICKLES, "pt": _PICKLES, "pth": _PICKLES,
}  # fmt: skip


def _extension(name: str, held: str) -> Iterator[Conflict]:
    suffix = name.rpartition(".")[2].lower()
    allowed = _FORMATS.get(suffix)
    if allowed and held != "unknown" and held not in allowed:
        what = "a pickle" if held in _PICKLES else f"a file of the format {held}"
        yield Conflict("name", "format", f".{suffix}", f"It is called .{suffix}, but is {what}.")


#: Words of a name that claim a kind. A merge may be called after the LoRAs in it.
_KINDS: tuple[tuple[str, str], ...] = (
    (r"lora|locon|loha|lokr|lycoris|dora", "lora"), (r"hypernetwork|hypernet", "hypernetwork"),
    (r"textual inversion|embedding|embeddings", "embedding"),
    (r"controlnet|control net", "controlnet"), (r"ip adapter|ipadapter", "ip_adapter"),
    (r"t2i ?adapter", "t2i_adapter"),
)  # fmt: skip
_MERGED = r"merge|merged|mix|baked|inject|injected|plus|with|checkpoint|model"


def _kind_in(words: str, facts: _Facts) -> Iterator[Conflict]:
    if facts.kind == "unknown" or _says(words, _MERGED):
        return
    claims = {kind for pattern, kind in _KINDS if _says(words, pattern)}
    # "controlnet-lora", "ip-adapter-lora": several words, and nobody knows which is meant.
    if len(claims) == 1 and facts.kind not in claims:
        kind = claims.pop()
        yield _name(
            "kind", kind, f"The name says {_spelt(kind)}, but the file is {_a(facts.kind)}."
        )
    elif not claims and facts.kind != "vae" and _ends_in_vae(words):
        yield _name("kind", "vae", f"The name says VAE, but the file is {_a(facts.kind)}.")


def _ends_in_vae(words: str) -> bool:
    """Whether VAE is the last word, where loaders look for it; "with vae" is said of models."""
    return words.split("|")[0].rstrip().endswith(" vae") and not _says(
        words, r"(?:no|with|and|without|baked|in|fix|fixed) vae"
    )


#: What a name may call a base. "pony" and "flux" alone are ordinary words.
_BASES: tuple[tuple[str, str], ...] = (
    (r"(?:sd|stable diffusion) ?v?1(?: ?[1-5])?|sd ?v?1[45]|v1 [1-5] (?:pruned|inpainting)", "sd1"),
    (r"(?:sd|stable diffusion) ?v?2(?: ?[01])?|sd ?v?2[01]|v2 [01] (?:512|768)", "sd2"),
    (r"sdxl(?: ?v?\d+)?|sd xl|stable diffusion xl|pony ?xl|pony ?diffusion|illustrious(?: ?xl)?"
     r"|noob ?ai(?: ?xl)?", "sdxl"),
    (r"sd ?3 ?5 ?large", "sd3.5-large"), (r"sd ?3 ?5 ?medium", "sd3.5-medium"),
    (r"sd ?3(?: medium)?", "sd3"), (r"flux ?1(?: (?:dev|schnell))?|flux (?:dev|schnell)", "flux"),
)  # fmt: skip
#: Bases that a word covers beside its own: refiners and distillations are sold as SDXL.
_COVERED: Mapping[str, frozenset[str]] = {
    "sdxl": frozenset({"sdxl-refiner", "ssd-1b", "segmind-vega", "koala-700m", "koala-1b",
                       "kolors"}),
    "sd1": frozenset({"sd1-mini", "small-sd", "tiny-sd"}),
    "sd2": frozenset({"sd-x4-upscaler", "svd"}),
    "sd3": frozenset({"sd3.5-medium", "sd3.5-large"}),
    "flux": frozenset({"chroma", "flux2"}),
}  # fmt: skip


def _covers(word: str, base: str) -> bool:
    return base == word or base in _COVERED.get(word, ())


def _base_in(words: str, facts: _Facts) -> Iterator[Conflict]:
    claims = {base: said for pattern, base in _BASES if (said := _says(words, pattern))}
    if facts.base is None and not facts.candidates:
        return
    # "sdxl to sd15": several are named, and one is right.
    if claims and not any(_possible(base, facts) for base in claims):
        base, said = next(iter(claims.items()))
        yield _name("base", base, f"The name says {said!r}, but the file is made for "
                    f"{facts.base or ' or '.join(facts.candidates)}.")  # fmt: skip


def _possible(word: str, facts: _Facts) -> bool:
    if facts.base is not None:
        return _covers(word, facts.base)
    # A finetune's release is no base: "sd1.5" stands for sd1.
    return any(_covers(word, item) or item.startswith(word) for item in facts.candidates)


_VARIANTS: tuple[tuple[str, str], ...] = (
    (r"inpaint|inpainting", "inpaint"), (r"pix2pix|ip2p|instruct pix2pix", "pix2pix"),
)  # fmt: skip


def _variant_in(words: str, facts: _Facts) -> Iterator[Conflict]:
    if not facts.model or facts.variant is None:
        return
    for pattern, variant in _VARIANTS:
        said = _says(words, pattern)
        if said and facts.variant != variant:
            yield _name("variant", variant, f"The name says {said!r}, but by its input channels "
                        f"the model is for {facts.variant}.")  # fmt: skip


def _prediction_in(words: str, facts: _Facts) -> Iterator[Conflict]:
    if not facts.model or facts.prediction != "epsilon":
        return
    said = _says(words, r"v ?pred(?:iction)?|768 ?v|v2 1 768")
    if said is None:
        return
    if facts.base == "sd2":
        yield _name("prediction", "v", f"The name says {said!r}, but the weights predict noise.")
    elif facts.base == "sdxl" and _says(words, r"v ?pred(?:iction)?"):
        yield _name("prediction", "v", f"The name says {said!r}, but nothing in the file tells a "
                    "loader so: it lacks the marker 'v_pred'.")  # fmt: skip


def _parts_in(words: str, facts: _Facts) -> Iterator[Conflict]:
    if not facts.model:
        return
    if (said := _says(words, r"ema ?only")) and facts.ema == "full":
        yield _name("ema", "emaonly", f"The name says {said!r}, but both copies of the UNet are "
                    "in the file.")  # fmt: skip
    if (said := _says(words, r"no(?:n)? ?ema")) and facts.ema != "none":
        yield _name("ema", "noema", f"The name says {said!r}, but there is an EMA copy in it.")
    if (said := _says(words, r"full ?ema|ema ?full")) and facts.ema == "none":
        yield _name("ema", "full-ema", f"The name says {said!r}, but there is no EMA copy in it.")
    if (said := _says(words, r"no ?vae|without vae")) and facts.absent("vae") is False:
        yield _name("vae", "noVAE", f"The name says {said!r}, but there is a VAE in it.")
    elif (said := _says(words, r"with ?vae|baked ?vae|vae ?baked")) and facts.absent("vae"):
        yield _name("vae", "vae", f"The name says {said!r}, but there is no VAE in it.")
    if (said := _says(words, r"no ?clip")) and facts.absent("text_encoder") is False:
        yield _name("text_encoder", "noCLIP", f"The name says {said!r}, but there is a text "
                    "encoder in it.")  # fmt: skip


_PRECISIONS: tuple[tuple[str, str], ...] = (
    (r"fp16|float16|f16", "fp16"), (r"fp32|float32|f32", "fp32"), (r"bf16|bfloat16", "bf16"),
    (r"fp8|float8|fp8 ?e4m3fn|fp8 ?e5m2", "fp8"),
)  # fmt: skip


def _precision_in(words: str, facts: _Facts) -> Iterator[Conflict]:
    held = facts.precisions()
    # "fp16-fix" says what a VAE survives, not what it is stored in.
    if not held or _says(words, r"(?:fp|float)16 fix(?:ed)?|fix(?:ed)? (?:fp|float)16"):
        return
    claims = {word: said for pattern, word in _PRECISIONS if (said := _says(words, pattern))}
    if claims and not held & claims.keys() and "mixed" not in held:
        word, said = next(iter(claims.items()))
        yield _name("precision", word, f"The name says {said!r}, but the weights are "
                    f"{' and '.join(sorted(held))}.")  # fmt: skip


def _rank_in(words: str, facts: _Facts) -> Iterator[Conflict]:
    said = _says(words, r"(?:rank|dim) ?\d{1,4}")
    if said and facts.ranks and re.sub(r"\D", "", said) not in facts.ranks:
        held = ", ".join(facts.ranks[:8])
        yield _name("rank", said, f"The name says {said!r}, but the ranks are {held}.")


# -- the uploader ----------------------------------------------------------------------------------

#: Kinds that a claim covers beside its own.
_ALIKE: Mapping[str, frozenset[str]] = {
    "checkpoint": frozenset({"unet"}), "unet": frozenset({"checkpoint"}),
}  # fmt: skip
_ADAPTERS = frozenset({"lora", "locon", "loha", "lokr", "lycoris", "dora"})


def _claimed(facts: _Facts, kind: str | None, base: str | None) -> Iterator[Conflict]:
    if kind and facts.kind != "unknown":
        meant = "lora" if kind in _ADAPTERS else kind
        if meant != "other" and facts.kind != meant and facts.kind not in _ALIKE.get(meant, ()):
            yield Conflict("claim", "kind", kind, f"Claimed as {_spelt(kind)}, but the file is "
                           f"{_a(facts.kind)}.")  # fmt: skip
    if base and (facts.base or facts.candidates):
        words = _words(base)
        meant = next((item for pattern, item in _BASES if _says(words, pattern)), base.lower())
        if meant in _PONIES:
            meant = "sdxl"
        known = facts.base is not None and _covers(meant, facts.base)
        if not known and not _possible(meant, facts):
            yield Conflict("claim", "base", base, f"Claimed for {base}, but the file is made for "
                           f"{facts.base or ' or '.join(facts.candidates)}.")  # fmt: skip


#: In a claim, unlike in a name, these can only be meant as bases.
_PONIES = frozenset({"pony", "illustrious", "noobai", "animagine", "sdxl-turbo"})


def _name(about: str, says: str, message: str) -> Conflict:
    return Conflict("name", about, says, message)


_NAMES: Mapping[str, str] = {
    "lora": "LoRA", "vae": "VAE", "controlnet": "ControlNet", "unet": "UNet", "ip_adapter":
    "IP-Adapter", "t2i_adapter": "T2I-Adapter", "clip_vision": "CLIP vision model",
}  # fmt: skip


def _spelt(kind: str) -> str:
    return _NAMES.get(kind, kind.replace("_", " "))


def _a(kind: str) -> str:
    spelt = _spelt(kind)
    return f"an {spelt}" if spelt[0] in "aeioAEIO" else f"a {spelt}"
