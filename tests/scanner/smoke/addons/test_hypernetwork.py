"""What an attention reads, against nets built here from WebUI's description of them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.scanner.smoke.addons import pipelines

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from scanner.smoke.addons.hypernetwork import Hypernetwork, unknown_activation  # noqa: E402


def webui(width: int, structure: tuple[float, ...], **options: Any) -> nn.Sequential:
    """As WebUI's HypernetworkModule puts a net together."""
    layers: list[nn.Module] = []
    for index in range(len(structure) - 1):
        layers.append(nn.Linear(int(width * structure[index]), int(width * structure[index + 1])))
        last = index >= len(structure) - 2
        if options.get("activation") and not (last and not options.get("activate_output", True)):
            layers.append(options["activation"]())
        if options.get("layer_norm"):
            layers.append(nn.LayerNorm(int(width * structure[index + 1])))
        if options.get("dropout") and not last:
            layers.append(nn.Dropout(0.3))
    net = nn.Sequential(*layers)
    for parameter in net.parameters():
        nn.init.normal_(parameter, 0.0, 0.2)
    return net.eval()


def saved(nets: dict[tuple[int, int], nn.Sequential]) -> dict[str, Any]:
    return {
        f"{width}.{side}.linear.{name}": tensor.detach().clone()
        for (width, side), net in nets.items()
        for name, tensor in net.state_dict().items()
    }


def read(unet: Any) -> dict[str, Any]:
    """What each projection of keys and values was given last."""
    seen: dict[str, Any] = {}
    hooks = [
        module.register_forward_hook(
            lambda _, given, __, name=name: seen.__setitem__(name, given[0])
        )
        for name, module in unet.named_modules()
        if name.endswith((".to_k", ".to_v"))
    ]
    torch.manual_seed(5)
    with torch.inference_mode():
        unet(torch.randn(1, 4, 16, 16), 10, encoder_hidden_states=torch.randn(1, 7, 32))
    for hook in hooks:
        hook.remove()
    return seen


FIRST = "down_blocks.0.attentions.0.transformer_blocks.0"


@pytest.mark.parametrize("strength", [0.5, 1.0])
@pytest.mark.parametrize(
    ("options", "metadata"),
    [
        ({}, {}),
        ({"activation": nn.ReLU}, {"activation_func": "relu"}),
        ({"activation": nn.Hardswish, "layer_norm": True, "dropout": True},
         {"activation_func": "swish", "is_layer_norm": "true", "use_dropout": "true"}),
        ({"activation": nn.Mish, "activate_output": False},
         {"activation_func": "mish", "activate_output": "false"}),
    ],
)  # fmt: skip
def test_it_stands_before_keys_and_values(
    options: dict[str, Any], metadata: dict[str, str], strength: float
) -> None:
    unet = pipelines.sd1().unet
    plain = read(unet)
    nets = {(32, side): webui(32, (1, 2, 1.5, 1), **options) for side in (0, 1)}
    hypernetwork = Hypernetwork(unet, saved(nets), metadata)
    assert len(hypernetwork.fit.applied) == hypernetwork.fit.total
    with hypernetwork.at(strength):
        within = read(unet)
    # The first block reads the same picture and the same prompt, whatever comes later.
    with torch.inference_mode():
        for side, name in ((0, "to_k"), (1, "to_v")):
            for attention in ("attn1", "attn2"):
                given, found = (held[f"{FIRST}.{attention}.{name}"] for held in (plain, within))
                wanted = given + strength * nets[32, side](given)
                assert torch.allclose(found, wanted, atol=1e-5)
    assert all(torch.equal(plain[name], again) for name, again in read(unet).items())


def test_widths_that_the_model_has_not_are_named() -> None:
    nets = {(32, 0): webui(32, (1, 2, 1)), (768, 0): webui(768, (1, 1))}
    fit = Hypernetwork(pipelines.sd1().unet, {**saved(nets), "x": torch.zeros(1)}, {}).fit
    assert {name.split(".")[0] for name in fit.applied} == {"32"}
    assert {name.split(".")[0] for name in fit.unmatched} == {"768", "x"}


def test_a_net_that_gives_back_another_width_is_a_misfit() -> None:
    fit = Hypernetwork(pipelines.sd1().unet, saved({(32, 1): webui(32, (1, 2))}), {}).fit
    assert (fit.applied, len(fit.misfit)) == ((), 2)


def test_half_precision_files_are_read() -> None:
    state = {name: held.half() for name, held in saved({(32, 0): webui(32, (1, 2, 1))}).items()}
    hypernetwork = Hypernetwork(pipelines.sd1().unet, state, {})
    with hypernetwork.at(1.0):
        assert len(hypernetwork.fit.applied) == 4


def test_an_activation_that_nobody_knows() -> None:
    assert unknown_activation({}) is None
    assert unknown_activation({"activation_func": "swish"}) is None
    assert unknown_activation({"activation_func": "rm -rf"}) == "rm -rf"
