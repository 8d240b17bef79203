"""What a file says of itself: kohya's ``ss_*`` and modelspec's keys. It may be wrong or a lie."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import NamedTuple, cast

from scanner.formats import json_header
from scanner.tensors import TensorTable

_WORDS = 50
_WORD_CHARS = 200

#: Beginnings of architecture names, longest first where one begins another.
_MODELSPEC: tuple[tuple[str, str], ...] = (
    ("stable-diffusion-v1", "sd1"), ("stable-diffusion-v2", "sd2"),
    ("stable-diffusion-xl-v1-refiner", "sdxl-refiner"), ("stable-diffusion-xl", "sdxl"),
    ("stable-diffusion-v3.5-medium", "sd3.5-medium"),
    ("stable-diffusion-3.5-medium", "sd3.5-medium"),
    ("stable-diffusion-v3.5-large", "sd3.5-large"), ("stable-diffusion-3.5-large", "sd3.5-large"),
    ("stable-diffusion-v3", "sd3"), ("stable-diffusion-3", "sd3"), ("flux-1", "flux"),
    ("flux.1", "flux"),
)  # fmt: skip
_KOHYA: tuple[tuple[str, str], ...] = (
    ("sdxl", "sdxl"), ("sd_v1", "sd1"), ("sd_1", "sd1"), ("sd1", "sd1"), ("sd_v2", "sd2"),
    ("sd_2", "sd2"), ("sd2", "sd2"), ("flux1", "flux"), ("flux.1", "flux"), ("flux2", "flux2"),
)  # fmt: skip
#: What modelspec appends to an architecture for a file that is not a whole model.
_KINDS: Mapping[str, str] = {
    "lora": "lora", "textual-inversion": "embedding", "controlnet": "controlnet", "vae": "vae",
    "control-net": "controlnet", "hypernetwork": "hypernetwork",
}  # fmt: skip


class Claim(NamedTuple):
    """What the file claims, and the key and value that claim it."""

    base: str | None
    kind: str | None
    prediction: str | None
    source: str


def _begins(value: str, known: tuple[tuple[str, str], ...]) -> str | None:
    return next((base for start, base in known if value.startswith(start)), None)


def claim(metadata: Mapping[str, str]) -> Claim | None:
    """What the metadata claims of the model; None where it says nothing we know."""
    architecture = metadata.get("modelspec.architecture", "").strip().lower()
    prediction = {"epsilon": "epsilon", "v": "v"}.get(metadata.get("modelspec.prediction_type", ""))
    if architecture:
        name, _, suffix = architecture.partition("/")
        base, kind = _begins(name, _MODELSPEC), _KINDS.get(suffix)
        if base or kind:
            return Claim(base, kind, prediction, f"modelspec.architecture is {architecture[:80]!r}")
    version = metadata.get("ss_base_model_version", "").strip().lower()
    base = _begins(version, _KOHYA)
    if base:
        return Claim(base, None, prediction, f"ss_base_model_version is {version[:80]!r}")
    return Claim(None, None, prediction, "modelspec.prediction_type") if prediction else None


def trigger_words(metadata: Mapping[str, str]) -> tuple[str, ...]:
    """Words that the author says bring the model out."""
    words: dict[str, None] = {}
    for key in ("modelspec.trigger_phrase", "modelspec.usage_hint"):
        for word in re.split(r"[,\n]", metadata.get(key, "")):
            if plain := _plain(word, _WORD_CHARS):
                words[plain] = None
    return tuple(words)[:_WORDS]


# -- what is shown ---------------------------------------------------------------------------------

#: Keys worth showing, in the order in which a person would ask.
_SHOWN: tuple[str, ...] = (
    *(f"modelspec.{key}" for key in (
        "title", "author", "description", "license", "date", "architecture", "implementation",
        "prediction_type", "resolution", "timestep_range", "encoder_layer", "trigger_phrase",
        "usage_hint", "tags", "merged_from", "preprocessor")),
    *(f"ss_{key}" for key in (
        "output_name", "training_comment", "base_model_version", "sd_model_name", "sd_model_hash",
        "new_sd_model_hash", "vae_name", "v2", "network_module", "network_dim", "network_alpha",
        "network_args", "resolution", "clip_skip", "num_train_images", "num_epochs", "epoch",
        "steps", "learning_rate", "unet_lr", "text_encoder_lr", "optimizer", "lr_scheduler",
        "mixed_precision", "noise_offset", "min_snr_gamma", "zero_terminal_snr")),
    "sshs_model_hash", "sshs_legacy_hash", "sd_merge_models", "sd_merge_recipe", "format",
    "sd_checkpoint_name", "sd_checkpoint", "name", "step", "general.architecture", "general.name",
    "general.author", "general.license", "software", "training_info",
)  # fmt: skip
_VALUE_CHARS = 500
#: What a pickle says beside its tensors: WebUI's embeddings and hypernetworks name their maker.
_LEAVES = ("name", "step", "sd_checkpoint_name", "sd_checkpoint")
_TAGS = 20
_TAG_CHARS = 100
#: JSON inside a metadata value is looked at up to this size and depth.
_JSON_CHARS = 4 << 20
_JSON_DEPTH = 8


def shown(table: TensorTable) -> dict[str, str]:
    """What the file says of itself, chosen keys in plain text of bounded length."""
    said: dict[str, str] = {}
    leaves = {
        str(leaf.path[0]): str(leaf.value) for leaf in table.leaves
        if len(leaf.path) == 1 and leaf.path[0] in _LEAVES
        and isinstance(leaf.value, (str, int, float)) and not isinstance(leaf.value, bool)
    }  # fmt: skip
    for key in _SHOWN:
        value = table.metadata.get(key) or leaves.get(key, "")
        if key == "sd_merge_models":
            value = ", ".join(_merged(value))
        if value and value != "None":
            said[key] = _plain(value, _VALUE_CHARS)
    picture = table.metadata.get("modelspec.thumbnail", "")
    if picture:
        said["modelspec.thumbnail"] = f"a picture in {len(picture):,} characters"
    return said


def suggested_tags(metadata: Mapping[str, str]) -> tuple[str, ...]:
    """Tags that the author or the training captions suggest, the commonest first."""
    tags: dict[str, None] = {}
    for word in metadata.get("modelspec.tags", "").split(","):
        if word.strip():
            tags[_plain(word, _TAG_CHARS)] = None
    for word in _captioned(metadata.get("ss_tag_frequency", "")):
        tags[_plain(word, _TAG_CHARS)] = None
    tags.pop("", None)
    return tuple(tags)[:_TAGS]


def _captioned(text: str) -> Iterator[str]:
    """Words of the captions, over all data sets."""
    counts: Counter[str] = Counter()
    sets = _json(text)
    for words in sets.values() if isinstance(sets, dict) else ():
        for word, count in words.items() if isinstance(words, dict) else ():
            if isinstance(count, int) and not isinstance(count, bool) and 0 < count < 1 << 40:
                counts[word.strip()] += count
    return (word for word, _ in counts.most_common(_TAGS))


def _merged(text: str) -> Iterator[str]:
    """Names of the models that a merge was made of."""
    models = _json(text)
    for model in list(models.values())[:_TAGS] if isinstance(models, dict) else ():
        if isinstance(model, dict) and isinstance(model.get("name"), str):
            yield _plain(model["name"], _TAG_CHARS)


def _json(text: str) -> object:
    """The value, or None where it is none, or larger or deeper than it has reason to be."""
    if not text or len(text) > _JSON_CHARS or text.count("[") + text.count("{") > _JSON_CHARS // 64:
        return None
    raw = text.encode("utf-8", "replace")
    if json_header.depth(raw) > _JSON_DEPTH:
        return None
    try:
        return cast(object, json.loads(raw))
    except (ValueError, RecursionError):
        return None


def _plain(text: str, limit: int) -> str:
    """One line without control characters, and with nothing that UTF-8 cannot write."""
    line = " ".join(text[: 2 * limit].split())
    kept = "".join(sign for sign in line if sign.isprintable()).strip()
    return kept if len(kept) <= limit else kept[: limit - 1] + "…"
