"""Which part of the file each byte belongs to."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class Part(StrEnum):
    STORAGE = "storage"  # tensor bytes; ``key`` is the Storage.key
    PICKLE = "pickle"
    HEADER = "header"  # a safetensors or GGUF header, a zip record or directory, a tar header
    PADDING = "padding"  # alignment that the format itself puts in
    OTHER = "other"  # a named member that holds no tensors: version, byteorder, code
    UNCLAIMED = "unclaimed"  # bytes that no part of the format owns


class Extent(NamedTuple):
    """``size`` bytes of the file from ``offset`` on. A file's extents do not overlap and, with the
    unclaimed ones, add up to its size."""

    offset: int
    size: int
    part: Part
    key: str = ""
