"""The forms of one file: packed, turned round, streamed; and what is no model."""

from __future__ import annotations

import io
import tarfile
import zipfile
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from scanner.convert import Options, to_file
from tests.scanner.convert.sources import assert_equal, rewritten


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    path = tmp_path / "model.ckpt"
    base = torch.arange(600, dtype=torch.float32).reshape(20, 30)
    torch.save({"state_dict": {"a": base, "b": base.t(), "c": torch.randn(9)}}, path)
    return path


def test_deflated_members_are_inflated(plain: Path) -> None:
    path = rewritten(plain, method=zipfile.ZIP_DEFLATED)
    assert_equal(path, torch.load(plain, weights_only=True)["state_dict"])


def test_big_endian_files_are_turned_round(plain: Path) -> None:
    path = rewritten(plain, byteorder=b"big")
    expected = torch.load(path, weights_only=True)["state_dict"]
    assert not torch.equal(expected["a"], torch.arange(600.0).reshape(20, 30))
    assert_equal(path, expected)


def test_a_file_saved_into_a_stream_converts(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    torch.save({"w": torch.randn(4, 4)}, buffer)
    path = tmp_path / "streamed.bin"
    path.write_bytes(buffer.getvalue())
    assert_equal(path, torch.load(path, weights_only=True))


def test_a_plain_tar_is_no_model(tmp_path: Path) -> None:
    from scanner.errors import Refused

    path = tmp_path / "x.tar"
    with tarfile.open(path, "w") as tar:
        tar.addfile(tarfile.TarInfo("readme"))
    with pytest.raises(Refused):
        to_file(path, tmp_path / "x.safetensors")
    assert [item.name for item in tmp_path.iterdir()] == ["x.tar"]


def test_safetensors_come_out_equal_and_keep_their_metadata(tmp_path: Path) -> None:
    from safetensors import safe_open
    from safetensors.torch import save_file

    path, target = tmp_path / "in.safetensors", tmp_path / "out.safetensors"
    given = {"a": torch.randn(3, 5), "b": torch.arange(4)}
    save_file(given, path, {"ss_base_model_version": "sd_v1"})
    to_file(path, target)
    loaded = load_file(target)
    assert all(torch.equal(loaded[name], tensor) for name, tensor in given.items())
    with safe_open(target, "pt") as opened:
        assert opened.metadata()["ss_base_model_version"] == "sd_v1"
        assert opened.metadata()["format"] == "pt"


def test_digests_of_the_source_are_not_said_of_the_result(tmp_path: Path) -> None:
    from safetensors import safe_open
    from safetensors.torch import save_file

    path, target = tmp_path / "in.safetensors", tmp_path / "out.safetensors"
    stale = {"modelspec.hash_sha256": "0x12", "sshs_model_hash": "34", "sshs_legacy_hash": "56"}
    forged = {"weighhouse.source_sha256": "78", "weighhouse.made": "pruned"}
    kept = {"modelspec.title": "Fox", "ss_sd_model_hash": "9a"}
    save_file({"a": torch.ones(3)}, path, {**stale, **forged, **kept})
    done = to_file(path, target, Options(metadata={"weighhouse.source_sha256": "ours"}))
    assert {item.name for item in done.dropped} == stale.keys()
    with safe_open(target, "pt") as opened:
        metadata = opened.metadata()
    assert metadata["weighhouse.source_sha256"] == "ours"
    assert metadata.keys() == {
        *kept, "format", "weighhouse.converter", "weighhouse.source_sha256"
    }  # fmt: skip
