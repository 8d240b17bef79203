"""Genuine listings as files on disk, through the whole inspection: every byte has a name.

The files are sparse: a header, and as many noughts as it promises.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

from scanner import inspection
from scanner.limits import DEFAULT
from scanner.report import Identity, Ledger, State
from scanner.source import FileSource
from scanner.tensors import Tensor, TensorTable

Listing = Callable[[str], TensorTable]
Row = dict[str, str]

_UNET, _EMA = "model.diffusion_model.", "model_ema."
_VAE = ("first_stage_model.", "vae.")
_TEXT = ("cond_stage_model.", "conditioner.", "text_encoders.")


def _written(path: Path, tensors: Iterable[tuple[str, Tensor]]) -> int:
    header: dict[str, object] = {}
    end = 0
    for name, tensor in tensors:
        start, end = end, end + tensor.nbytes
        header[name] = {"dtype": tensor.dtype, "shape": tensor.shape, "data_offsets": [start, end]}
    text = json.dumps(header).encode()
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        file.truncate(8 + len(text) + end)
    return 8 + len(text) + end


def _inspected(path: Path) -> tuple[Identity, Ledger]:
    fd = os.open(path, os.O_RDONLY)
    try:
        report = inspection.inspect(FileSource(fd), DEFAULT, only=("identity", "ledger"))
    finally:
        os.close(fd)
    assert report.identity is not None and report.ledger is not None
    return report.identity, report.ledger


def _read(listing: Listing, label: Row) -> list[tuple[str, Tensor]]:
    if not label["file"]:
        pytest.skip("needs the corpora beside the project, which are no part of it")
    return [(tensor.name, tensor) for tensor in listing(label["file"])]


def _variants(whole: list[tuple[str, Tensor]]) -> Iterator[tuple[str, list[tuple[str, Tensor]]]]:
    def without(*starts: str) -> list[tuple[str, Tensor]]:
        return [item for item in whole if not item[0].startswith(starts)]

    def below(prefix: str) -> list[tuple[str, Tensor]]:
        return [(name.removeprefix(prefix), tensor) for name, tensor in whole
                if name.startswith(prefix)]  # fmt: skip

    unet = [item for item in whole if item[0].startswith(_UNET)]
    yield "whole", whole
    yield "noVAE", without(*_VAE)
    yield "noCLIP", without(*_TEXT)
    yield "neither", without(*_VAE, *_TEXT)
    yield "bare UNet", below(_UNET)
    if any(name.startswith(_EMA + "diffusion") for name, _ in whole):
        yield "EMA only", without(_UNET)
    yield "NAI", [(name.replace(".transformer.text_model.", ".transformer."), tensor)
                  for name, tensor in whole if not name.endswith("position_ids")]  # fmt: skip
    yield "missing", [item for item in whole if item is not unet[7]]
    bent = unet[11][1]
    shape = (bent.shape[0] + 1, *bent.shape[1:])
    yield "misshapen", [(name, Tensor(name, bent.dtype, shape, bent.stride, bent.storage))
                        if tensor is bent else (name, tensor)
                        for name, tensor in whole]  # fmt: skip


def test_every_byte_of_a_checkpoint_and_its_variants_has_a_name(
    listing: Listing, checkpoint: Row, tmp_path: Path
) -> None:
    whole = _read(listing, checkpoint)
    for what, tensors in _variants(whole):
        size = _written(tmp_path / "model.safetensors", tensors)
        identity, ledger = _inspected(tmp_path / "model.safetensors")
        assert ledger.unexplained == 0, what
        assert sum(row.bytes for row in ledger.rows) == size, what
        stray = sum(row.bytes for row in ledger.rows if row.what.startswith("other"))
        assert stray <= size / 1000, (what, ledger.summary)
        held = {name for name, part in identity.components.items() if part.state is State.WHOLE}
        absent = {name for name, part in identity.components.items() if part.state is State.ABSENT}
        assert ("noVAE" in ledger.words) is ("vae" in absent and _travels(identity)), what
        assert set(ledger.expected) >= held
        for name in held:
            widths, part = ledger.expected[name], identity.components[name]
            # Counters and indices are part of a component, and no numbers of a precision.
            if (width := widths.get(part.precision or "")) is not None:
                assert abs(width - part.bytes) <= part.bytes / 1000, (what, name)


def _travels(identity: Identity) -> bool:
    """A diffusion transformer alone lacks nothing."""
    return identity.kind == "checkpoint" or not (identity.base or "").startswith(("sd3", "flux"))


def test_junk_is_a_row_and_a_question(listing: Listing, checkpoint: Row, tmp_path: Path) -> None:
    whole = _read(listing, checkpoint)
    large = whole[0][1]
    junk = Tensor("junk.weight", "F32", (64, 1024, 1024), (1024 * 1024, 1024, 1), large.storage)
    size = _written(tmp_path / "model.safetensors", [*whole, ("junk.weight", junk)])
    _, ledger = _inspected(tmp_path / "model.safetensors")
    (stray,) = (row for row in ledger.rows if row.what == "other tensors fp32")
    assert stray.bytes >= junk.nbytes
    told = any(text.endswith("that no component explains.") for text in ledger.anomalies)
    assert told is (stray.bytes >= size * 0.005)
