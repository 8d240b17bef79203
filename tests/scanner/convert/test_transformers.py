"""diffusers' own conversion the one way and ours the other make what there was at first."""

from __future__ import annotations

import json
from math import prod
from pathlib import Path

import pytest
import torch
from diffusers.loaders import single_file_utils
from safetensors.torch import load_file, save_file

from scanner import reading
from scanner.convert import Options, converting, plan, transformers, writing
from scanner.convert.converting import Part, Sources
from scanner.convert.options import Precision
from scanner.convert.plan import Plan
from scanner.errors import Refused
from scanner.identify.architectures import table as architectures
from scanner.identify.architectures.table import ARCHITECTURES
from scanner.identify.architectures.transformers import Flux, MMDiT, flux, mmdit, mmdit_diffusers
from scanner.limits import DEFAULT
from scanner.source import FileSource

_PREFIX = "model.diffusion_model."
#: As few blocks as can be. diffusers knows Flux by its width, so the other side is made narrow.
_ORIGINALS = {
    "flux-dev": ("diffusers-flux", flux(Flux(double=2, single=2)).shapes),
    "flux-schnell": ("diffusers-flux", flux(Flux(double=2, single=1, guidance=False)).shapes),
    "sd3": ("diffusers-mmdit", mmdit(MMDiT(3, 4)).shapes),
    "sd3.5-large": ("diffusers-mmdit", mmdit(MMDiT(3, 4, qk_norm=True)).shapes),
    "sd3.5-medium": ("diffusers-mmdit", mmdit(MMDiT(4, 4, qk_norm=True, dual=2)).shapes),
}
_BY_DIFFUSERS = {
    "diffusers-flux": single_file_utils.convert_flux_transformer_checkpoint_to_diffusers,
    "diffusers-mmdit": single_file_utils.convert_sd3_transformer_checkpoint_to_diffusers,
}


def original(model: str) -> dict[str, torch.Tensor]:
    """No two values alike, or two places could change without anyone's noticing."""
    made, count = {}, 0
    for name, shape in _ORIGINALS[model][1].items():
        # What is fused lies below each other: the rows count, the columns do not.
        shape = (shape[0], *(min(size, 2) for size in shape[1:]))
        if name == "context_embedder.weight":
            shape = _ORIGINALS[model][1][name]
        size = prod(shape)
        made[name] = torch.arange(count, count + size, dtype=torch.int32).reshape(shape)
        count += size
    return made


def by_us(
    path: Path, layout: str, precision: Precision = Precision.KEEP
) -> dict[str, torch.Tensor]:
    target = path.with_name("out.safetensors")
    with path.open("rb") as source, target.open("wb") as file:
        table = reading.read(FileSource(source.fileno()), DEFAULT).table
        assert table is not None
        whole = plan.of_table(table, source.fileno())
        pieces = {piece.name: piece for piece in whole.pieces}
        named = Plan(tuple(transformers.renamed(pieces, layout, _PREFIX)))
        writing.write(writing.with_precision(named, precision), file.fileno())
    return load_file(target)


@pytest.mark.parametrize("model", _ORIGINALS)
def test_there_and_back_is_the_identity(tmp_path: Path, model: str) -> None:
    layout, _ = _ORIGINALS[model]
    given = original(model)
    theirs = _BY_DIFFUSERS[layout](dict(given))
    save_file(
        {name: value.contiguous() for name, value in theirs.items()}, tmp_path / "x.safetensors"
    )
    ours = by_us(tmp_path / "x.safetensors", layout)
    assert ours.keys() == {_PREFIX + name for name in given}
    for name, value in given.items():
        assert torch.equal(ours[_PREFIX + name], value), name


def test_strided_parts_and_casts_go_the_same_way(tmp_path: Path) -> None:
    given = {name: (value % 1000).float() for name, value in original("sd3").items()}
    theirs = _BY_DIFFUSERS["diffusers-mmdit"](dict(given))
    # Transposed, or every second row of a storage: nothing lies as it will be written.
    strided = {
        name: value.t().contiguous().t() if value.dim() == 2 else value.repeat_interleave(2, 0)[::2]
        for name, value in theirs.items()
    }
    torch.save(strided, tmp_path / "x.bin")
    ours = by_us(tmp_path / "x.bin", "diffusers-mmdit", Precision.FP16)
    for name, value in given.items():
        assert torch.equal(ours[_PREFIX + name], value.half()), name


@pytest.mark.parametrize("missing", ["transformer_blocks.1.attn.to_k.weight",
                                     "transformer_blocks.0.attn.add_v_proj.bias"])  # fmt: skip
def test_a_matrix_without_one_of_its_parts_is_refused(tmp_path: Path, missing: str) -> None:
    theirs = _BY_DIFFUSERS["diffusers-mmdit"](original("sd3"))
    del theirs[missing]
    save_file(
        {name: value.contiguous() for name, value in theirs.items()}, tmp_path / "x.safetensors"
    )
    with pytest.raises(Refused, match="parts are missing") as caught:
        by_us(tmp_path / "x.safetensors", "diffusers-mmdit")
    assert caught.value.code == "convert.layout"


def test_a_name_that_has_no_place_is_refused(tmp_path: Path) -> None:
    save_file({"transformer_blocks.0.attn.to_x.weight": torch.ones(2)}, tmp_path / "x.safetensors")
    with pytest.raises(Refused, match="no place in a single file"):
        by_us(tmp_path / "x.safetensors", "diffusers-flux")


# -- whole folders -------------------------------------------------------------------------------


def _hollow(path: Path, shapes: dict[str, tuple[int, ...]]) -> None:
    """A safetensors file of full size that takes no place on the disk."""
    header, at = {}, 0
    for name, shape in shapes.items():
        size = 2 * prod(shape)
        header[name] = {"dtype": "F16", "shape": shape, "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(header).encode()
    path.parent.mkdir(parents=True)
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        file.truncate(8 + len(text) + at)


def _shapes(name: str, layout: str, prefix: str = "") -> dict[str, tuple[int, ...]]:
    [row] = [row for row in architectures.rows_of(layout) if ARCHITECTURES[row].name == name]
    return {prefix + local: shape for local, shape in architectures.blueprint(row).shapes.items()}


_FOLDERS = {
    "sd3": {
        "transformer": _shapes("sd3", "diffusers-mmdit"),
        "vae": _shapes("vae-16ch", "diffusers-vae"),
        "text_encoder": {**_shapes("clip-l", "clip", "text_model."),
                         "text_projection.weight": (768, 768)},
        "text_encoder_2": {**_shapes("openclip-g", "clip", "text_model."),
                           "text_projection.weight": (1280, 1280)},
        "text_encoder_3": _shapes("t5-xxl", "t5"),
    },
    "flux-dev": {
        "transformer": _shapes("flux-dev", "diffusers-flux"),
        "vae": _shapes("vae-16ch", "diffusers-vae"),
        "text_encoder": _shapes("clip-l", "clip", "text_model."),
        "text_encoder_2": _shapes("t5-xxl", "t5"),
    },
}  # fmt: skip
_SINGLE = {
    "sd3": {
        **_shapes("sd3", "mmdit", _PREFIX),
        **_shapes("vae-16ch", "ldm-vae", "first_stage_model."),
        **_shapes("clip-l", "clip", "text_encoders.clip_l.transformer.text_model."),
        "text_encoders.clip_l.transformer.text_projection.weight": (768, 768),
        **_shapes("openclip-g", "clip", "text_encoders.clip_g.transformer.text_model."),
        "text_encoders.clip_g.transformer.text_projection.weight": (1280, 1280),
        **_shapes("t5-xxl", "t5", "text_encoders.t5xxl.transformer."),
    },
    "flux-dev": {
        **_shapes("flux-dev", "flux", _PREFIX),
        **_shapes("vae-16ch", "ldm-vae", "vae."),
        **_shapes("clip-l", "clip", "text_encoders.clip_l.transformer.text_model."),
        **_shapes("t5-xxl", "t5", "text_encoders.t5xxl.transformer."),
    },
}


@pytest.mark.parametrize("model", _FOLDERS)
def test_a_whole_folder_comes_under_the_names_that_single_files_have(
    tmp_path: Path, model: str
) -> None:
    parts = []
    for folder, shapes in _FOLDERS[model].items():
        _hollow(tmp_path / folder / "model.safetensors", shapes)
        parts.append((f"{folder}.", (tmp_path / folder / "model.safetensors").open("rb")))
    sources = Sources(tuple(Part(prefix, file.fileno()) for prefix, file in parts))
    _, whole = converting._decided(sources, Options(), DEFAULT)
    for _, file in parts:
        file.close()
    found = {piece.name: piece.shape for piece in whole.pieces}
    assert found.keys() == _SINGLE[model].keys()
    assert found == _SINGLE[model]


def test_the_blueprints_of_both_layouts_agree() -> None:
    """As many values in each, whatever they are called."""
    config = MMDiT(24, 192)
    count = [sum(prod(shape) for shape in build(config).shapes.values())
             for build in (mmdit, mmdit_diffusers)]  # fmt: skip
    assert count[0] == count[1]
