"""LoRA and its relatives: algorithm, naming, rank, targets, and the base they fit.

The base is never written down in the weights; it follows from the width of the prompt that
cross-attention reads, and where that is not trained, from the blocks that are named.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from math import prod
from typing import NamedTuple

from scanner.identify import probes
from scanner.identify.small import CONTEXTS
from scanner.report import Adapter
from scanner.tensors import Tensor, TensorTable

#: What the end of a name says: (ending, role), in the spellings of kohya, diffusers, peft, LyCORIS.
#: ``down`` reads the module's input, ``up`` writes its output.
ENDINGS: tuple[tuple[str, str], ...] = (
    (".lora_down.weight", "down"), (".lora_up.weight", "up"), (".lora_mid.weight", "mid"),
    (".lora_A.weight", "down"), (".lora_B.weight", "up"),
    (".lora_A.default.weight", "down"), (".lora_B.default.weight", "up"),
    (".lora_A", "down"), (".lora_B", "up"),
    (".lora.down.weight", "down"), (".lora.up.weight", "up"),
    (".lora_linear_layer.down.weight", "down"), (".lora_linear_layer.up.weight", "up"),
    ("_lora.down.weight", "down"), ("_lora.up.weight", "up"),
    ("_lora1.down.weight", "down"), ("_lora1.up.weight", "up"),
    ("_lora2.down.weight", "down"), ("_lora2.up.weight", "up"),
    (".alpha", "alpha"),
    (".hada_w1_a", "w1_a"), (".hada_w1_b", "w1_b"), (".hada_w2_a", "w2_a"), (".hada_w2_b", "w2_b"),
    (".hada_t1", "t1"), (".hada_t2", "t2"),
    (".lokr_w1", "k1"), (".lokr_w2", "k2"), (".lokr_w1_a", "k1_a"), (".lokr_w1_b", "k1_b"),
    (".lokr_w2_a", "k2_a"), (".lokr_w2_b", "k2_b"), (".lokr_t1", "kt"), (".lokr_t2", "kt"),
    (".a1.weight", "a1"), (".a2.weight", "a2"), (".b1.weight", "b1"), (".b2.weight", "b2"),
    (".oft_blocks", "oft"), (".oft_diag", "oft"), (".oft_R.weight", "oft"), (".oft_R", "oft"),
    (".on_input", "on_input"), (".diff", "diff"), (".diff_b", "diff_b"),
    (".w_norm", "norm"), (".b_norm", "norm"),
    (".dora_scale", "dora"), (".lora_magnitude_vector", "dora"),
    (".lora_magnitude_vector.weight", "dora"), (".lora_magnitude_vector.default.weight", "dora"),
    (".rescale", "scale"), (".scalar", "scale"), (".bias", "bias"),
    # The first published trainer numbered its layers: "unet:0:up".
    (":down", "down"), (":up", "up"),
)  # fmt: skip
_ALL = tuple(ending for ending, _ in ENDINGS)
#: Roles that other files have too, and so prove nothing.
_COMMON = frozenset({"alpha", "bias", "scale"})
#: At least this share of a file's names must be an adapter's.
_SHARE = 0.5

_PREFIXES: tuple[tuple[str, str], ...] = (
    ("lora_te3_", "text_encoder_3"), ("lora_te2_", "text_encoder_2"), ("lora_te1_", "text_encoder"),
    ("lora_te_", "text_encoder"), ("oft_te_", "text_encoder"),
    ("text_encoder_3.", "text_encoder_3"),
    ("text_encoder_2.", "text_encoder_2"), ("text_encoder.", "text_encoder"),
    ("text_encoders.clip_g.", "text_encoder_2"), ("text_encoders.clip_l.", "text_encoder"),
    ("text_encoders.t5xxl.", "text_encoder_3"), ("clip_l.", "text_encoder"),
    ("clip_g.", "text_encoder_2"), ("t5.", "text_encoder_3"), ("te2_", "text_encoder_2"),
    ("text_encoder:", "text_encoder"),
    ("te1_", "text_encoder"), ("te_", "text_encoder"),
    ("lora_unet_", "unet"), ("lora_transformer_", "unet"), ("lora_prior_unet_", "unet"),
    ("oft_unet_", "unet"), ("unet.", "unet"), ("transformer.", "unet"),
    ("diffusion_model.", "unet"),
    ("model.diffusion_model.", "unet"), ("base_model.model.", "unet"), ("unet_", "unet"),
    ("lycoris_", "unet"), ("unet:", "unet"),
)  # fmt: skip


class Module(NamedTuple):
    """One adapted layer: ``path`` is its name without prefix, dots written as underscores."""

    name: str
    target: str
    prefix: str
    path: str
    roles: Mapping[str, Tensor]


class Found(NamedTuple):
    adapter: Adapter
    base: str | None
    candidates: tuple[str, ...]
    evidence: tuple[str, ...]


def _split(name: str) -> tuple[str, str] | None:
    """(module, role) of an adapter's tensor."""
    if not name.endswith(_ALL):
        return None
    # The longest ending: ".diff_b" is not ".b".
    for tail in _tails(name):
        role = _ROLE.get(tail)
        if role is not None:
            return name[: len(name) - len(tail)], role
    ending = next(ending for ending in _ALL if name.endswith(ending))
    return name.removesuffix(ending), _ROLE[ending]


_ROLE = dict(ENDINGS)


def _tails(name: str) -> Iterator[str]:
    """The endings of a name that begin at one of its last three dots, longest first."""
    at = len(name)
    tails: list[str] = []
    for _ in range(3):
        at = name.rfind(".", 0, at)
        if at < 0:
            break
        tails.append(name[at:])
    return reversed(tails)


def modules(table: TensorTable) -> tuple[Module, ...]:
    """The adapted layers, or nothing if this is no adapter."""
    roles: dict[str, dict[str, Tensor]] = {}
    telling = counted = 0
    scaled = {
        tensor.name.removesuffix(".on_input") + ".weight"
        for tensor in table
        if tensor.name.endswith(".on_input")
    }
    for tensor in table:
        split = _split(tensor.name)
        if split is None:
            if tensor.name in scaled:
                split = tensor.name.removesuffix(".weight"), "ia3"
            else:
                continue
        name, role = split
        roles.setdefault(name, {})[role] = tensor
        counted += 1
        telling += role not in _COMMON
    if not telling or telling < _SHARE * (len(table) - (counted - telling)):
        return ()
    return tuple(_module(name, held) for name, held in roles.items())


#: The telling prefixes, wherever a renamed file has them.
_INNER = re.compile(
    r"lora_(te[123]?|unet|transformer)_|(?<![a-z])(unet|transformer|text_encoder(_[23])?)\."
)


def _module(name: str, roles: Mapping[str, Tensor]) -> Module:
    prefix, target, path = _placed(name)
    return Module(name, target, prefix, path, roles)


def placed(name: str) -> tuple[str, str]:
    """(part of the model, path in it with underscores for dots) of an adapted layer."""
    return _placed(name)[1:]


def _placed(name: str) -> tuple[str, str, str]:
    held = _prefixed(name)
    if held is None:
        inner = _INNER.search(name)
        held = _prefixed(name[inner.start() :]) if inner else None
    prefix, target, rest = held or ("", "unet", name)
    path = rest.replace(".", "_")
    if path.startswith("text_model_"):
        target = target if target.startswith("text") else "text_encoder"
    return prefix, target, path


def _prefixed(name: str) -> tuple[str, str, str] | None:
    """(prefix, target, rest) of a name that begins as one of ours do."""
    for prefix, target in _PREFIXES:
        if name.startswith(prefix):
            return prefix, target, name[len(prefix) :]
    return None


# -- one layer -----------------------------------------------------------------------------------


def _rank(module: Module) -> int | None:
    """The rank; for a LoKr of two whole matrices the size of the smaller one, which is how far its
    trainer let it go; None where there is nothing of the kind (diff, IA3)."""
    roles = module.roles
    for role in ("down", "w1_b", "k1_b", "k2_b", "a2"):
        if role in roles and roles[role].shape:
            return roles[role].shape[0]
    if "k1" in roles and roles["k1"].shape:
        return min(roles["k1"].shape)
    if "oft" in roles and roles["oft"].shape:
        shape = roles["oft"].shape
        # kohya's rank is the number of blocks, LyCORIS's the size of one.
        return shape[0] if module.prefix.startswith("oft_") else shape[-1]
    return None


def _width(module: Module, sides: tuple[str, ...], axis: int) -> int | None:
    for role in sides:
        tensor = module.roles.get(role)
        if tensor is not None and len(tensor.shape) >= 2:
            return tensor.shape[axis]
    return None


def _kron(module: Module, axis: int) -> int | None:
    first = _width(module, ("k1", "k1_b" if axis else "k1_a"), axis)
    second = _width(module, ("k2", "k2_b" if axis else "k2_a"), axis)
    return None if first is None or second is None else first * second


def inputs(module: Module) -> int | None:
    """In-features of the layer."""
    return _width(module, ("down", "w1_b", "a2", "diff"), 1) or _kron(module, 1)


def outputs(module: Module) -> int | None:
    """Out-features of the layer; of an IA3, the width that it scales."""
    ia3 = module.roles.get("ia3")
    if ia3 is not None and ia3.shape:
        return max(ia3.shape)
    oft = module.roles.get("oft")
    if oft is not None and len(oft.shape) >= 3:
        return prod(oft.shape[-3:-1])
    return _width(module, ("up", "w1_a", "b1", "diff"), 0) or _kron(module, 0)


def _spatial(module: Module) -> bool:
    """Whether the layer is a convolution over more than one pixel."""
    return "mid" in module.roles or any(
        len(tensor.shape) == 4 and max(tensor.shape[2:]) > 1
        for role, tensor in module.roles.items()
        if role in ("down", "up", "mid")
    )


# -- the whole file ------------------------------------------------------------------------------


def find(table: TensorTable) -> Found | None:
    """The adapter, or None if the file is none."""
    layers = modules(table)
    if not layers:
        return None
    present: set[str] = set().union(*(layer.roles for layer in layers))
    ranks = Counter(rank for rank in map(_rank, layers) if rank is not None)
    alphas = [layer.roles["alpha"] for layer in layers[:64] if "alpha" in layer.roles]
    dora = "dora" in present
    adapter = Adapter(
        algorithm=_algorithm(layers, present, dora),
        naming=_naming(layers),
        ranks={str(rank): count for rank, count in sorted(ranks.items())},
        alpha=probes.commonest(alphas, big_endian=table.big_endian),
        targets=tuple(sorted({layer.target for layer in layers}, key=_target_order)),
        dora=dora,
    )
    bases, evidence = _bases(layers)
    if not bases:
        # Some converters write every matrix the other way round.
        bases, evidence = _bases(tuple(map(_turned, layers)))
    base = next(iter(bases)) if len(bases) == 1 else None
    return Found(adapter, base, () if base else tuple(sorted(bases)), evidence)


def _turned(layer: Module) -> Module:
    roles = {
        role: Tensor(item.name, item.dtype, item.shape[::-1], item.stride[::-1], item.storage)
        for role, item in layer.roles.items()
    }
    return Module(layer.name, layer.target, layer.prefix, layer.path, roles)


def _target_order(target: str) -> tuple[bool, str]:
    return target != "unet", target


def _algorithm(layers: tuple[Module, ...], present: set[str], dora: bool) -> str:
    if present & {"w1_a", "w1_b"}:
        return "loha"
    if present & {"k1", "k1_a", "k2", "k2_a"}:
        return "lokr"
    if {"a1", "b1"} <= present:
        return "glora"
    if "oft" in present:
        return "boft" if any(len(layer.roles["oft"].shape) == 4 for layer in layers
                             if "oft" in layer.roles) else "oft"  # fmt: skip
    if present & {"down", "up"}:
        if dora:
            return "dora"
        return "locon" if any(map(_spatial, layers)) else "lora"
    if "on_input" in present:
        return "ia3"
    return "full"


def _naming(layers: tuple[Module, ...]) -> str:
    names = [layer.name for layer in layers]
    prefixes = {layer.prefix for layer in layers}
    if any(prefix.startswith(("lora_", "oft_")) for prefix in prefixes):
        return "kohya"
    if "base_model.model." in prefixes:
        return "peft"
    if prefixes & {"diffusion_model.", "model.diffusion_model."}:
        return "bfl"
    if any(".processor." in name for name in names):
        return "xlabs" if any("double_blocks." in name for name in names) else "diffusers"
    return "diffusers"


#: Block names that only one family has, where no UNet's block stands before them. The first that
#: any layer has decides.
_FAMILIES: tuple[tuple[str, str], ...] = (
    (r"(down|up)_blocks_\d+_\d+_(attention|kv_mapper|channelwise)", "stable-cascade"),
    (r"(double|single)_stream_blocks_\d", "hidream"),
    (r"joint_transformer_blocks_\d", "auraflow"),
    (r"joint_blocks_\d", "sd3"),
    (r"individual_token_refiner_", "hunyuan-video"),
    (r"double_blocks_\d+_(img|txt)_mlp_fc[12]", "hunyuan-video"),
    (r"(single|double)_blocks_\d+_(modulation|img_mod|txt_mod)_linear", "hunyuan-video"),
    (r"double_blocks_(19|[2-9]\d)_", "hunyuan-video"),
    (r"single_blocks_(3[89]|[4-9]\d)_", "hunyuan-video"),
    (r"(double_blocks|single_blocks|single_transformer_blocks)_\d", "flux"),
    (r"blocks_\d+_attn1_Wqkv", "hunyuan-dit"),
    (r"blocks_\d+_(adaln_modulation|(cross|self)_attn_\w+_proj|mlp_layer)", "anima"),
    (r"blocks_\d+_(cross|self)_attn_[qkvo]$", "wan"),
    (r"transformer_blocks_\d+_(img|txt)_(mlp|mod)", "qwen"),
    (r"(layers|noise_refiner|context_refiner)_\d+_(attention|feed_forward)", "z"),
)


@cache
def _families() -> tuple[tuple[re.Pattern[str], str], ...]:
    """Compiled when the first adapter is seen: most files are none."""
    return tuple((re.compile(r"(?:^|_)" + pattern), base) for pattern, base in _FAMILIES)


_UNET = re.compile(r"attentions_\d|(in|out)put_blocks_|middle_block_|mid_block_|_resnets_")
_BLOCK = re.compile(r"(?:^|_)transformer_blocks_(\d+)_")
_MMDIT = re.compile(r"(?:^|_)transformer_blocks_\d+_(attn_|ff|norm1)")
#: Attention of its own and attention to the prompt, in blocks that no UNet has around them.
_DIT = re.compile(r"(?:^|_)(transformer_)?blocks_\d+_attn1_")


def _bases(layers: tuple[Module, ...]) -> tuple[set[str], tuple[str, ...]]:
    """The bases that remain possible, and why."""
    unet = [layer for layer in layers if layer.target == "unet"]
    targets = {layer.target for layer in layers}
    if not unet and "text_encoder_3" in targets:
        three = "text_encoder_2" in targets
        return (set(_SD3S) if three else {"flux"}), ("T5 is among the text encoders",)
    if any(_UNET.search(layer.path) for layer in unet):
        return _stable_diffusion(unet, layers)
    for pattern, base in _families():
        if any(pattern.search(layer.path) for layer in unet):
            if base == "sd3":
                return _sd3(unet)
            bases = _NARROWED[base](unet) if base in _NARROWED else {base}
            return bases, (f"blocks named as in {' or '.join(sorted(bases))}",)
    if any(_DIT.search(layer.path) for layer in unet):
        return _dit(unet)
    if any(_MMDIT.search(layer.path) for layer in unet):
        return _mmdit(unet)
    if any(layer.prefix == "unet:" for layer in unet):
        return _numbered(unet)
    return _stable_diffusion(unet, layers)


def _widths(unet: list[Module]) -> set[int]:
    return {width for layer in unet for width in (inputs(layer), outputs(layer)) if width}


def _flux(unet: list[Module]) -> set[str]:
    # HunyuanVideo joins with an underscore where Flux has a dot.
    if any(".img_attn_qkv" in layer.name for layer in unet):
        return {"hunyuan-video"}
    return {"flux2"} if _is_flux2(unet) else {"flux"}


def _next(unet: list[Module]) -> set[str]:
    """Z-Image is wider than Lumina 2."""
    widths = _widths(unet)
    if 3840 in {inputs(layer) for layer in unet}:
        return {"z"}
    return {"lumina2"} if 2304 in widths else {"z"} if 3840 in widths else {"lumina2", "z"}


def _cosmos(unet: list[Module]) -> set[str]:
    """Anima was made from the small Cosmos-Predict2; the large one is 5,120 wide."""
    return {"cosmos"} if 5120 in _widths(unet) else {"anima"}


_NARROWED: Mapping[str, Callable[[list[Module]], set[str]]] = {
    "flux": _flux, "z": _next, "anima": _cosmos,
}  # fmt: skip
#: Width of the diffusion transformers whose blocks are named alike.
_DIT_WIDTHS: Mapping[int, str] = {
    1152: "pixart", 2048: "ltx", 4096: "ltx", 2240: "sana", 1408: "hunyuan-dit",
    1920: "cogvideox",
}  # fmt: skip


def _dit(unet: list[Module]) -> tuple[set[str], tuple[str, ...]]:
    """One stream with attention to the prompt: their width tells, or the prompt's."""
    if not any(_BLOCK.search(layer.path) for layer in unet):
        wide = 1408 in _widths(unet)
        return {"hunyuan-dit" if wide else "wan"}, ("blocks named as diffusers does",)
    if any("attn1_add_" in layer.path for layer in unet):
        return {"mochi"}, ("a second stream in the first attention, as in Mochi",)
    for layer in unet:
        width = inputs(layer)
        if re.search(r"attn1_to_[qkv]$", layer.path) and width:
            if width == 3072:
                return {"cogvideox", "mochi"}, ("attention 3,072 wide",)
            base = _DIT_WIDTHS.get(width)
            return ({base} if base else set()), (f"attention {width:,} wide",)
    return set(), ("transformer blocks of an unknown width",)


def _numbered(unet: list[Module]) -> tuple[set[str], tuple[str, ...]]:
    """Layers without names: the prompt's width is among those that they read."""
    widths = {inputs(layer) for layer in unet}
    for width, base in ((2048, "sdxl"), (1024, "sd2"), (768, "sd1")):
        if width in widths:
            return {base}, (f"layers that read {width} features",)
    return set(_EVERY), ("layers without names",)


def _is_flux2(unet: list[Module]) -> bool:
    """Flux.2's feed-forward layers are wider than Flux's at the same or another width."""
    for layer in unet:
        width, out = inputs(layer), outputs(layer)
        if layer.path.endswith("_linear1") and "single_blocks_" in layer.path and width and out:
            return out == 9 * width
        if re.search(r"double_blocks_\d+_(img|txt)_mlp_0$", layer.path) and width and out:
            return out == 6 * width
    return False


def _sd3(unet: list[Module]) -> tuple[set[str], tuple[str, ...]]:
    """SD3.5-large is wider; SD3.5-medium's first blocks have a second attention."""
    for layer in unet:
        if "attn2" in layer.path:
            return {"sd3.5-medium"}, ("a second attention in the blocks, as in SD3.5-medium",)
        attention = layer.path.endswith(("attn_qkv", "attn_to_q", "attn_to_k", "attn_to_v"))
        if attention and inputs(layer) == 2432:
            return {"sd3.5-large"}, ("blocks 2,432 wide",)
        if re.search(r"_0_(x_block_adaLN_modulation_1|norm1_linear)$", layer.path):
            chunks = {9216: "sd3", 13824: "sd3.5-medium", 14592: "sd3.5-large"}
            base = chunks.get(outputs(layer) or 0)
            if base:
                return {base}, (f"block 0 modulates {outputs(layer):,} values",)
    return {"sd3", "sd3.5-medium"}, ("blocks named as in SD3",)


def _mmdit(unet: list[Module]) -> tuple[set[str], tuple[str, ...]]:
    """diffusers names SD3's, Flux's and Qwen's blocks alike; their width tells."""
    widths = {
        width
        for layer in unet
        if re.search(r"attn_(to_[qkv]|add_[qkv]_proj)$", layer.path)
        and (width := inputs(layer)) is not None
    }
    # Flux has 19 of these blocks, Qwen-Image 60.
    blocks = {int(index) for layer in unet for index in _BLOCK.findall(layer.path)}
    if 3072 in widths and max(blocks, default=0) >= 19:
        return {"qwen"}, ("attention 3,072 wide in more blocks than Flux has",)
    if 3072 in widths and any(layer.prefix == "lora_unet_" for layer in unet):
        return {"qwen"}, ("attention 3,072 wide; kohya's name for Flux's blocks is another",)
    if 3072 in widths and blocks == set(range(19)):
        return {"flux"}, ("attention 3,072 wide in as many blocks as Flux has",)
    if 3072 in widths:
        # diffusers puts "transformer." before Flux's blocks; Qwen's trainers put nothing.
        return {"flux", "qwen"}, ("attention 3,072 wide",)
    if widths & {1536, 2432}:
        return _sd3(unet)
    return set(), ("transformer blocks of an unknown width",)


_DEEP = re.compile(r"_transformer_blocks_[1-9]")
#: SDXL has no attention at its widest level.
_WIDE = re.compile(
    r"^(down_blocks_0_attentions|up_blocks_3_|input_blocks_[12]_1_|output_blocks_(9|10|11)_|"
    r"down_blocks_3_|input_blocks_(9|10|11)_|up_blocks_2_attentions|"
    r"output_blocks_[678]_1_(transformer|proj|norm))"
)
#: Widths of the blocks, where the prompt's width is too common to tell the base.
_WIDTHS: Mapping[str, frozenset[int]] = {
    "sd1-mini": frozenset({64}), "sdxl-refiner": frozenset({1536}),
}  # fmt: skip
_SD3S = ("sd3", "sd3.5-medium", "sd3.5-large")
_EVERY = frozenset({"sd1", "sd2", "sdxl"})


def _stable_diffusion(
    unet: list[Module], layers: tuple[Module, ...]
) -> tuple[set[str], tuple[str, ...]]:
    contexts = Counter(
        width
        for layer in unet
        if re.search(r"attn2_(processor_)?to_[kv]$", layer.path)
        and (width := inputs(layer)) is not None
    )
    if contexts:
        width = contexts.most_common(1)[0][0]
        base = CONTEXTS.get(width)
        if base is not None and base in _WIDTHS and not _WIDTHS[base] & _widths(unet):
            base = None
        return ({base} if base else set()), (f"cross-attention reads {width} features",)
    possible: set[str] = set(_EVERY)
    evidence: list[str] = []
    for bases, why in (*_by_blocks(unet), *_by_encoders(layers)):
        possible &= bases
        evidence.append(why)
    return possible, tuple(evidence)


#: SD1 and SD2 have no attention on the first level of the way up.
_EARLY = re.compile(r"^(up_blocks_0_attentions|output_blocks_[012]_1_(transformer|proj|norm))")
#: On the second, they are 1,280 wide, SDXL 640.
_SECOND = re.compile(r"^(up_blocks_1_attentions|output_blocks_[345]_1)_.*attn1_to_[qkv]$")


def _by_blocks(unet: list[Module]) -> Iterator[tuple[frozenset[str], str]]:
    if any(_DEEP.search(layer.path) for layer in unet):
        yield frozenset({"sdxl"}), "more than one transformer block in a row, as only SDXL has"
    if any(_WIDE.search(layer.path) for layer in unet):
        yield frozenset({"sd1", "sd2"}), "attention at the widest level, as SDXL has not"
    if any(_EARLY.search(layer.path) for layer in unet):
        yield frozenset({"sdxl"}), "attention first on the way up, as only SDXL has"
    second = {inputs(layer) for layer in unet if _SECOND.search(layer.path)}
    if second & {640, 1280}:
        wide = 1280 in second
        yield (
            frozenset({"sd1", "sd2"} if wide else {"sdxl"}),
            f"attention {1280 if wide else 640} wide on the second level of the way up",
        )
    for layer in unet:
        down = layer.roles.get("down")
        if down is not None and layer.path.endswith(("proj_in", "proj_out")):
            if len(down.shape) == 4:
                yield frozenset({"sd1"}), "proj_in is a convolution, as only in SD1"
            else:
                yield frozenset({"sd2", "sdxl"}), "proj_in is a linear layer, as in SD2 and SDXL"
            return


_SELF = re.compile(r"self_attn_(q|k|v|out)_proj$")


def _by_encoders(layers: tuple[Module, ...]) -> Iterator[tuple[frozenset[str], str]]:
    """Text encoders: their number, kohya's names for them, and their width."""
    encoders = [layer for layer in layers if layer.target.startswith("text_encoder")]
    if any(layer.target == "text_encoder_2" for layer in encoders):
        yield frozenset({"sdxl"}), "a second text encoder"
    elif any(layer.prefix == "lora_te1_" for layer in encoders):
        yield frozenset({"sdxl"}), "the text encoder is called the first of several"
    widths = {
        inputs(layer) or outputs(layer)
        for layer in encoders
        if layer.target == "text_encoder" and _SELF.search(layer.path)
    }
    if 1024 in widths:
        yield frozenset({"sd2"}), "a text encoder 1,024 wide"
    elif 768 in widths:
        numbered = any(layer.prefix == "lora_te_" for layer in encoders)
        yield (
            frozenset({"sd1"} if numbered else {"sd1", "sdxl"}),
            "a text encoder 768 wide",
        )
