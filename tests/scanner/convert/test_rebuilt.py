"""Torch files that we write ourselves hold what the source holds, and nothing that could run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import picklescan.scanner  # type: ignore[import-untyped]
import pytest
import torch
from safetensors.torch import load_file, save_file

from scanner import convert, reading, safety
from scanner.cli.command import main
from scanner.convert import Options, Precision, gather, to_file
from scanner.errors import Refused
from scanner.limits import DEFAULT
from scanner.report import Tier, Verdict
from scanner.source import BytesSource, FileSource


def rebuilt(source: Path, name: str = "again.pt", options: Options | None = None) -> Any:
    """What torch loads from it, once every judge has found it clean."""
    target = source.with_name(name)
    to_file(source, target, options or Options())
    with target.open("rb") as file:
        read = reading.read(FileSource(file.fileno()), DEFAULT)
        report = safety.judge(read, DEFAULT)
    assert report.verdict is Verdict.CLEAN
    assert {use.tier for use in report.globals} == {Tier.KNOWN}
    second = picklescan.scanner.scan_file_path(str(target))
    assert (second.infected_files, second.scan_err) == (0, False)
    return torch.load(target, weights_only=True)


def saved(tree: object, path: Path) -> Path:
    torch.save(tree, path)
    return path


def test_a_hypernetwork_comes_back_as_webui_reads_it(tmp_path: Path) -> None:
    nets: dict[int, tuple[dict[str, torch.Tensor], ...]] = {
        width: tuple(
            {"linear.0.weight": torch.randn(4, width), "linear.0.bias": torch.randn(4)}
            for _ in range(2)
        )
        for width in (320, 768)
    }
    facts = {"name": "h", "layer_structure": [1, 2, 1], "activation_func": "relu", "step": 7}
    everything: dict[object, object] = {key: facts[key] for key in facts}
    everything.update({width: nets[width] for width in nets})
    tree = rebuilt(saved(everything, tmp_path / "h.pt"))
    assert [key for key in tree if isinstance(key, int)] == [320, 768]
    for width, pair in nets.items():
        for net, again in zip(pair, tree[width], strict=True):
            assert net.keys() == again.keys()
            assert all(torch.equal(net[key], again[key]) for key in net)
    assert {key: tree[key] for key in facts} == facts


def test_it_comes_back_from_safetensors_as_well(tmp_path: Path) -> None:
    pair = ({"linear.weight": torch.randn(2, 640)}, {"linear.weight": torch.randn(2, 640)})
    to_file(saved({640: pair}, tmp_path / "h.pt"), tmp_path / "h.safetensors")
    tree = rebuilt(tmp_path / "h.safetensors")
    assert torch.equal(tree[640][1]["linear.weight"], pair[1]["linear.weight"])


def test_an_embedding_is_what_webui_and_diffusers_look_for(tmp_path: Path) -> None:
    vectors = torch.randn(3, 768)
    save_file({"emb_params": vectors}, tmp_path / "mystyle.safetensors")
    tree = rebuilt(tmp_path / "mystyle.safetensors", "mystyle.pt")
    assert torch.equal(tree["string_to_param"]["*"], vectors)
    assert tree["name"] == "mystyle"


def test_an_embedding_for_sdxl_holds_vectors_alone(tmp_path: Path) -> None:
    given = {"clip_l": torch.randn(2, 768), "clip_g": torch.randn(2, 1280)}
    save_file(given, tmp_path / "x.safetensors")
    tree = rebuilt(tmp_path / "x.safetensors")
    assert list(tree) == ["clip_l", "clip_g"]
    assert all(torch.equal(tree[key], given[key]) for key in given)


def test_any_other_model_is_a_state_dict_with_a_note(tmp_path: Path) -> None:
    wide = torch.arange(24.0).reshape(4, 6)
    given = {
        "decoder.conv_in.weight": wide.t(),
        "encoder.half": torch.randn(3, 5).half(),
        "encoder.bfloat": torch.randn(7).bfloat16(),
        "quantize.index": torch.arange(5),
        "nothing": torch.zeros(0, 4),
        "scalar": torch.tensor(1.5),
    }
    options = Options(metadata={"weighhouse.source_sha256": "ab"})
    tree = rebuilt(saved({"state_dict": given}, tmp_path / "in.ckpt"), "x.vae.pt", options)
    assert tree["__metadata__"]["weighhouse.source_sha256"] == "ab"
    assert tree["state_dict"].keys() == given.keys()
    for name, tensor in given.items():
        again = tree["state_dict"][name]
        assert (again.dtype, again.shape) == (tensor.dtype, tensor.shape)
        assert torch.equal(again, tensor)


def test_a_cast_holds_back_what_would_become_infinite(tmp_path: Path) -> None:
    given = {"a.weight": torch.tensor([1e30, 1.0]), "b.weight": torch.tensor([0.1, 2.0])}
    source = saved(given, tmp_path / "in.pt")
    tree = rebuilt(source, options=Options(precision=Precision.FP16))["state_dict"]
    assert torch.equal(tree["a.weight"], given["a.weight"])
    assert torch.equal(tree["b.weight"], given["b.weight"].half())


def test_the_same_source_makes_the_same_file(tmp_path: Path) -> None:
    source = saved({"b": torch.randn(3), "a": torch.randn(2, 2)}, tmp_path / "in.pt")
    for name in ("one.ckpt", "two.ckpt"):
        rebuilt(source, name)
    assert (tmp_path / "one.ckpt").read_bytes() == (tmp_path / "two.ckpt").read_bytes()


def test_a_dtype_without_a_name_is_refused(tmp_path: Path) -> None:
    save_file({"x": torch.zeros(4).to(torch.float8_e4m3fn)}, tmp_path / "x.safetensors")
    with pytest.raises(Refused, match=r"convert\.dtype"):
        to_file(tmp_path / "x.safetensors", tmp_path / "x.pt")
    assert [path.name for path in tmp_path.iterdir()] == ["x.safetensors"]


def test_the_command_line_goes_by_the_suffix(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save_file({"w.x": torch.ones(2)}, tmp_path / "in.safetensors")
    target = tmp_path / "out.ckpt"
    assert main(["convert", str(tmp_path / "in.safetensors"), str(target), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["tensors"] == 1
    assert torch.equal(torch.load(target, weights_only=True)["state_dict"]["w.x"], torch.ones(2))


@pytest.mark.parametrize(
    ("options", "changed"),
    [
        (Options(), False),
        (Options(prune=True), False),
        (Options(position_ids=True), False),
        (Options(precision=Precision.FP16), True),
    ],
)
def test_it_says_whether_anything_was_changed(
    tmp_path: Path, options: Options, changed: bool
) -> None:
    given = {"w.x": torch.ones(2), "m.position_ids": torch.arange(77).reshape(1, 77)}
    source, target = tmp_path / "in.safetensors", tmp_path / "out.safetensors"
    save_file(given, source)
    assert convert.foresee(source, target, options).changed is changed
    assert to_file(source, target, options).changed is changed
    assert load_file(target).keys() == given.keys()


@pytest.mark.parametrize("budget", [8, 40, 1_000])
def test_a_strided_tensor_is_read_from_first_to_last(budget: int) -> None:
    data = torch.arange(60, dtype=torch.int32).reshape(3, 4, 5).permute(2, 0, 1)
    raw = torch.arange(60, dtype=torch.int32).numpy().tobytes()
    view = gather.Strided(tuple(data.shape), data.stride(), 0, 4)
    got = b"".join(gather.in_order(view, BytesSource(raw), budget))
    assert got == data.contiguous().numpy().tobytes()
