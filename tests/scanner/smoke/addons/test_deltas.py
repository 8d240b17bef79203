"""What is added to a layer, against what LyCORIS's own modules make of their random weights as they
do in training. (Their merging counts alpha twice for LoHa and LoKr.)"""

from __future__ import annotations

import copy
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("lycoris")

from lycoris.modules.ia3 import IA3Module  # noqa: E402
from lycoris.modules.locon import LoConModule  # noqa: E402
from lycoris.modules.loha import LohaModule  # noqa: E402
from lycoris.modules.lokr import LokrModule  # noqa: E402
from lycoris.modules.norms import NormModule  # noqa: E402

from scanner.smoke.addons import deltas, names  # noqa: E402

CLOSE = 1e-4  # of an output: a sum over up to 216 products
LAYERS: dict[str, Any] = {
    "linear": lambda: torch.nn.Linear(24, 40),
    "conv": lambda: torch.nn.Conv2d(24, 40, 3),
    "pointwise": lambda: torch.nn.Conv2d(24, 40, 1),
}


def merged(layer: Any, state: dict[str, Any]) -> Any:
    """Another layer with our sum of weight and change."""
    (found,), strange = names.layers({f"lycoris_x.{name}": held for name, held in state.items()})
    assert strange == ()
    assert deltas.fits(found.tensors, layer.weight, layer.bias)
    change = deltas.weight(found.tensors, layer.weight.detach(), deltas.numbers(found.tensors))
    assert change is not None
    other = copy.deepcopy(layer)
    with torch.no_grad():
        other.weight += change
    return other


def compare(layer: Any, module: Any) -> None:
    ours = merged(layer, saved(module))
    shape = (2, 24) if layer.weight.dim() == 2 else (2, 24, 6, 6)
    given = torch.randn(shape)
    with torch.no_grad():
        plain = layer(given)
        module.eval().apply_to()
        theirs = layer(given)
    assert not torch.allclose(plain, theirs, atol=0.01)
    assert float((ours(given) - theirs).detach().abs().max()) < CLOSE


def trained(kind: Any, layer: Any, **options: Any) -> Any:
    module = kind("lycoris_x", layer, lora_dim=2, alpha=3, **options)
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter, 0.1, 0.3)
    return module


def saved(module: Any) -> dict[str, Any]:
    return {name: held.detach().clone() for name, held in module.state_dict().items()}


@pytest.mark.parametrize("shape", LAYERS)
@pytest.mark.parametrize(
    ("kind", "options"),
    [
        (LoConModule, {}),
        (LoConModule, {"use_tucker": True}),
        (LoConModule, {"use_scalar": True}),
        (LoConModule, {"weight_decompose": True}),
        (LoConModule, {"weight_decompose": True, "wd_on_out": False}),
        (LoConModule, {"rs_lora": True}),
        (LohaModule, {}),
        (LohaModule, {"use_tucker": True}),
        (LohaModule, {"weight_decompose": True}),
        (LokrModule, {}),
        (LokrModule, {"use_tucker": True}),
        (LokrModule, {"decompose_both": True}),
        (LokrModule, {"full_matrix": True}),
        (LokrModule, {"factor": 4, "weight_decompose": True}),
    ],
)
def test_lycoris(shape: str, kind: Any, options: dict[str, Any]) -> None:
    layer = LAYERS[shape]()
    compare(layer, trained(kind, layer, **options))


@pytest.mark.parametrize("by_input", [True, False])
def test_ia3(by_input: bool) -> None:
    layer = LAYERS["linear"]()
    compare(layer, trained(IA3Module, layer, train_on_input=by_input))


def test_a_normalisation_is_shifted() -> None:
    layer = torch.nn.LayerNorm(24)
    module = NormModule("lycoris_x", layer)
    torch.nn.init.normal_(module.w_norm)
    torch.nn.init.normal_(module.b_norm)
    (found,), _ = names.layers({f"x.{name}": held for name, held in saved(module).items()})
    weight = deltas.weight(found.tensors, layer.weight.detach(), deltas.Numbers())
    assert torch.equal(weight, module.w_norm)
    assert torch.equal(deltas.bias(found.tensors, layer.bias), module.b_norm)


def test_alpha_is_divided_by_the_rank() -> None:
    factors = {"down": torch.ones(4, 3), "up": torch.ones(2, 4)}
    assert deltas.numbers(factors).factor == 1
    assert deltas.numbers({**factors, "alpha": torch.tensor(2.0)}).factor == 0.5
    assert deltas.numbers(factors, alpha=8).factor == 2
    assert deltas.numbers({**factors, "scale": torch.tensor(0.25)}, alpha=8).factor == 0.25


@pytest.mark.parametrize(
    "tensors",
    [
        {"down": torch.ones(4, 3), "up": torch.ones(2, 5)},
        {"down": torch.ones(4, 3), "up": torch.ones(9, 4)},
        {"down": torch.ones(4, 3)},
        {"alpha": torch.ones(2)},
        {"k1": torch.ones(0, 0), "k2": torch.ones(1, 1)},
        {"bias": torch.ones(7)},
        {"diff": torch.ones(7)},
        # What these would multiply to has a million million numbers.
        {"down": torch.ones(1, 10**6), "up": torch.ones(10**6, 1)},
    ],
)
def test_shapes_that_make_no_sense_do_not_fit(tensors: dict[str, Any]) -> None:
    assert not deltas.fits(tensors, torch.ones(2, 3), torch.ones(2))
