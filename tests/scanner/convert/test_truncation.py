"""A file that ends too early, wherever it does: an error by name, and nothing on the disk."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from tests.scanner.convert import boundaries
from tests.scanner.convert.sources import rewritten, tarred

#: What a file that is not whole may be called.
_CODES = {"convert.refused", "convert.no_tensors"}
_STATE = {"layer.weight": torch.arange(12.0).double().view(3, 4), "layer.steps": torch.arange(5)}


def _torch_zip(folder: Path) -> Path:
    torch.save(_STATE, folder / "plain.ckpt")
    return folder / "plain.ckpt"


def _deflated(folder: Path) -> Path:
    torch.save(_STATE, folder / "plain.ckpt")
    return rewritten(folder / "plain.ckpt", method=zipfile.ZIP_DEFLATED, streamed=True, zip64=True)


def _legacy(folder: Path) -> Path:
    path = folder / "legacy.ckpt"
    torch.save(_STATE, path, _use_new_zipfile_serialization=False)
    return path


def _tar(folder: Path) -> Path:
    return tarred(_STATE, folder / "old.ckpt")


def _safetensors(folder: Path) -> Path:
    save_file(_STATE, folder / "plain.safetensors", {"note": "x"})
    return folder / "plain.safetensors"


_FORMS = {
    "torch-zip": (_torch_zip, boundaries.zip_file),
    "deflated": (_deflated, boundaries.zip_file),
    "legacy": (_legacy, boundaries.legacy),
    "tar": (_tar, boundaries.tar),
    "safetensors": (_safetensors, boundaries.safetensors),
}


def convert(source: Path, target: Path, *more: str) -> subprocess.CompletedProcess[str]:
    # Something that changes safetensors files, or they would be left out.
    asked = ("--metadata", "note=cut", "--json", *more)
    return subprocess.run(
        [sys.executable, "-m", "scanner", "convert", str(source), str(target), *asked],
        capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.mark.parametrize("form", _FORMS)
def test_a_file_cut_at_any_boundary_is_refused_and_leaves_nothing(
    tmp_path: Path, form: str
) -> None:
    make, walk = _FORMS[form]
    whole = make(tmp_path)
    data, cuts = whole.read_bytes(), tmp_path / "cuts"
    cuts.mkdir()
    lengths = boundaries.around(walk, data)
    for length in lengths:
        (cuts / f"{length:06}{whole.suffix}").write_bytes(data[:length])
    done = convert(cuts, tmp_path / "out", "--jobs", "2")
    assert done.returncode == 1, done.stderr
    codes = {
        int(Path(line["source"]).stem): line.get("error", {}).get("code")
        for line in map(json.loads, done.stdout.splitlines())
    }
    assert codes.keys() == set(lengths)
    assert {length: code for length, code in codes.items() if code not in _CODES} == {}
    assert [path for path in (tmp_path / "out").rglob("*") if not path.is_dir()] == []
    # And it was the cut that did it.
    assert convert(whole, tmp_path / "whole.safetensors").returncode == 0


@pytest.mark.parametrize("form", _FORMS)
def test_a_single_file_that_is_cut_is_an_error_of_the_same_kind(tmp_path: Path, form: str) -> None:
    make, walk = _FORMS[form]
    whole = make(tmp_path)
    data, cut = whole.read_bytes(), tmp_path / f"cut{whole.suffix}"
    lengths = boundaries.around(walk, data)
    cut.write_bytes(data[: lengths[len(lengths) // 2]])
    (tmp_path / "out").mkdir()
    done = convert(cut, tmp_path / "out" / "x.safetensors")
    assert (done.returncode, json.loads(done.stdout)["error"]["code"]) == (1, "convert.refused")
    assert list((tmp_path / "out").iterdir()) == []
