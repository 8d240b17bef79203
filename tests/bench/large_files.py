"""Two files of 2 GiB that take 3 MB of disk: ``python -m tests.bench.large_files DIR``.

What torch itself writes for SD1.5 in fp16 (1,143 tensors, some 36,000 opcodes), as zip and in the
legacy format, with holes where the zeros of the storages would be.
"""

from __future__ import annotations

import sys
from io import RawIOBase
from pathlib import Path
from typing import Any

import torch

from tests.bench.values import shapes_of

_PARTS = (
    ("model.diffusion_model.", "sd1", "ldm-unet"),
    ("first_stage_model.", "vae-4ch", "ldm-vae"),
    ("cond_stage_model.transformer.text_model.", "clip-l", "clip"),
)
#: The noise schedule's buffers.
_BUFFERS = 12
_HOLE = 4096


class Sparse(RawIOBase):
    """A file in which long runs of zeros are left out."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("wb")

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        block = bytes(data)
        if len(block) > _HOLE and block.count(0) == len(block):
            self._file.seek(len(block), 1)
        else:
            self._file.write(block)
        return len(block)

    def close(self) -> None:
        if not self._file.closed:
            self._file.truncate(self._file.tell())
            self._file.close()
        super().close()


def state_dict() -> dict[str, torch.Tensor]:
    """Zeros nobody has touched take no memory either."""
    shapes = {
        prefix + name: shape
        for prefix, arch, naming in _PARTS
        for name, shape in shapes_of(arch, naming).items()
    }
    shapes |= {f"buffer_{number}": (1000,) for number in range(_BUFFERS)}
    return {name: torch.zeros(shape, dtype=torch.float16) for name, shape in shapes.items()}


def main(folder: Path) -> None:
    state = {"state_dict": state_dict()}
    with torch.serialization.skip_data():
        torch.save(state, folder / "zip.ckpt")
    with Sparse(folder / "legacy.ckpt") as file:
        torch.save(state, file, _use_new_zipfile_serialization=False)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
