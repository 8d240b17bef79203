"""Hypernetworks: two small nets for each width, one before an attention's keys, one before its
values. Read from our safetensors layout, ``{width}.{0|1}.{key}`` with WebUI's options as metadata.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager

import torch
from torch import nn

from scanner.smoke.addons.attached import Fit

Net = Callable[[torch.Tensor], torch.Tensor]
State = Mapping[str, torch.Tensor]

_KEY = re.compile(
    r"(?P<width>\d{1,5})\.(?P<side>[01])\.linear\.?(?P<index>\d{1,3})\.(?P<what>weight|bias)"
)
#: WebUI's names: its own first, then torch's classes in lower case.
_ACTIVATIONS: Mapping[str, Callable[[], nn.Module]] = {
    "linear": nn.Identity, "relu": nn.ReLU, "leakyrelu": nn.LeakyReLU, "elu": nn.ELU,
    "swish": nn.Hardswish, "tanh": nn.Tanh, "sigmoid": nn.Sigmoid,
    "celu": nn.CELU, "gelu": nn.GELU, "hardshrink": nn.Hardshrink, "hardsigmoid": nn.Hardsigmoid,
    "hardswish": nn.Hardswish, "hardtanh": nn.Hardtanh, "logsigmoid": nn.LogSigmoid,
    "mish": nn.Mish, "relu6": nn.ReLU6, "selu": nn.SELU, "silu": nn.SiLU, "softplus": nn.Softplus,
    "softshrink": nn.Softshrink, "softsign": nn.Softsign, "tanhshrink": nn.Tanhshrink,
}  # fmt: skip
#: The projection that each of the two nets stands before.
_SIDES: Mapping[str, str] = {"0": "to_k", "1": "to_v"}


def unknown_activation(metadata: Mapping[str, str]) -> str | None:
    """The activation that we do not know, if it is one."""
    name = metadata.get("activation_func", "linear")
    return None if name in _ACTIVATIONS else name


class Hypernetwork:
    """A hypernetwork fitted to a base's UNet."""

    def __init__(self, unet: nn.Module, state: State, metadata: Mapping[str, str]) -> None:
        widths = {module.in_features for _, module in _projections(unet)}
        like = next(unet.parameters())
        self._unet = unet
        self._nets: dict[tuple[int, str], Net] = {}
        applied: list[str] = []
        unmatched: list[str] = []
        misfit: list[str] = []
        for place, keys in _by_net(state).items():
            if place is None or place[0] not in widths:
                unmatched += keys
                continue
            net = _net({key: state[key] for key in keys}, metadata)
            if _keeps(net, place[0]):
                applied += keys
                self._nets[place] = net.to(like.device, like.dtype)
            else:
                misfit += keys
        self.fit = Fit(tuple(applied), tuple(unmatched), tuple(misfit))

    @contextmanager
    def at(self, strength: float) -> Iterator[None]:
        with ExitStack() as hooks:
            for side, module in _projections(self._unet):
                net = self._nets.get((module.in_features, side))
                if net is not None:
                    hook = module.register_forward_pre_hook(_hook(net, strength))
                    hooks.callback(hook.remove)
            yield

    def words(self, prompt: str) -> str:
        return prompt


def _projections(unet: nn.Module) -> Iterator[tuple[str, nn.Linear]]:
    """Every attention's keys and values, to itself and to the prompt."""
    for name, module in unet.named_modules():
        last = name.rpartition(".")[2]
        if last in _SIDES.values() and isinstance(module, nn.Linear):
            yield last, module


def _hook(
    net: Net, strength: float
) -> Callable[[nn.Module, tuple[torch.Tensor, ...]], tuple[torch.Tensor, ...]]:
    def before(_module: nn.Module, given: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
        read, *rest = given
        return (read + strength * net(read), *rest)

    return before


def _by_net(state: State) -> dict[tuple[int, str] | None, list[str]]:
    """Names of tensors by width and projection; under None those that are no net's."""
    found: dict[tuple[int, str] | None, list[str]] = {}
    for name in state:
        match = _KEY.fullmatch(name)
        place = (int(match["width"]), _SIDES[match["side"]]) if match else None
        found.setdefault(place, []).append(name)
    return found


def _net(state: State, metadata: Mapping[str, str]) -> nn.Sequential:
    """One net as WebUI builds it: linear layers with activations between, and normalisations where
    the file has them. Dropout is for training only."""
    layers: dict[int, dict[str, torch.Tensor]] = {}
    for name, tensor in state.items():
        match = _KEY.fullmatch(name)
        if match:
            layers.setdefault(int(match["index"]), {})[match["what"]] = tensor
    activation = _ACTIVATIONS[metadata.get("activation_func", "linear")]
    ordered = [layers[index] for index in sorted(layers)]
    linears = sum(_is_linear(layer) for layer in ordered)
    modules: list[nn.Module] = []
    for layer in ordered:
        modules.append(_layer(layer))
        if _is_linear(layer):
            linears -= 1
            if linears or _flag(metadata, "activate_output", default=True):
                modules.append(activation())
    return nn.Sequential(*modules)


def _is_linear(layer: Mapping[str, torch.Tensor]) -> bool:
    return "weight" in layer and layer["weight"].dim() == 2


def _layer(tensors: Mapping[str, torch.Tensor]) -> nn.Module:
    weight, bias = tensors.get("weight"), tensors.get("bias")
    shape = tuple(weight.shape) if weight is not None else (0,)
    made: nn.Module
    if _is_linear(tensors):
        made = nn.Linear(shape[1], shape[0], bias=bias is not None, device="meta")
    else:
        made = nn.LayerNorm(shape, bias=bias is not None, device="meta")
    for name, tensor in tensors.items():
        setattr(made, name, nn.Parameter(tensor.float(), requires_grad=False))
    return made


def _keeps(net: nn.Sequential, width: int) -> bool:
    """Whether the net gives back what it takes; found out without computing."""
    shapes = {name: tensor.to("meta") for name, tensor in net.state_dict().items()}
    sample = torch.empty(1, 2, width, device="meta")
    try:
        made = torch.func.functional_call(net, shapes, (sample,))
    except RuntimeError:
        return False
    return bool(made.shape == sample.shape)


def _flag(metadata: Mapping[str, str], key: str, *, default: bool) -> bool:
    try:
        return bool(json.loads(metadata[key].lower()))
    except (KeyError, ValueError, RecursionError):
        return default
