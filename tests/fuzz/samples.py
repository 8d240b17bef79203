"""Small files of every format, to be mutated: genuine ones, none of which does anything."""

from __future__ import annotations

import bz2
import collections
import gzip
import io
import json
import lzma
import pickle
import struct
import tarfile
import warnings
import zipfile
import zlib
from collections.abc import Iterator

import numpy as np
from PIL import Image


def samples() -> dict[str, bytes]:
    """By format's name."""
    return {
        name: raw for part in (_torch(), _pickles(), _arrays(), _others()) for name, raw in part
    }


def _torch() -> Iterator[tuple[str, bytes]]:
    import torch

    weights = collections.OrderedDict(
        weight=torch.arange(6.0).reshape(2, 3), bias=torch.zeros(3, dtype=torch.float16)
    )
    for name, zipped in (("torch-zip", True), ("torch-legacy", False)):
        file = io.BytesIO()
        torch.save(weights, file, _use_new_zipfile_serialization=zipped)
        yield name, file.getvalue()
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), file)
    yield "torchscript", file.getvalue()


def _pickles() -> Iterator[tuple[str, bytes]]:
    value = {"state": [1, 2.5, "text", b"bytes", None], "array": np.arange(4, dtype=np.int16)}
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        yield f"pickle-{protocol}", pickle.dumps(value, protocol)
    plain = pickle.dumps(value, 4)
    yield "stream", plain * 3
    yield "gzip", gzip.compress(plain, mtime=0)
    yield "zlib", zlib.compress(plain)
    yield "bz2", bz2.compress(plain)
    yield "xz", lzma.compress(plain)
    yield "lzma", lzma.compress(plain, lzma.FORMAT_ALONE)
    yield "zip-in-zip", _zip({"inner.zip": _zip({"data.pkl": plain}), "readme.txt": b"text"})


def _arrays() -> Iterator[tuple[str, bytes]]:
    for name, array in (
        ("npy", np.arange(6, dtype=np.float32).reshape(2, 3)),
        ("npy-objects", np.array([{"a": 1}, None], dtype=object)),
    ):
        file = io.BytesIO()
        np.save(file, array)
        yield name, file.getvalue()
    file = io.BytesIO()
    np.savez_compressed(file, one=np.zeros(3), two=np.array([None], dtype=object))
    yield "npz", file.getvalue()


def _others() -> Iterator[tuple[str, bytes]]:
    header = json.dumps({
        "__metadata__": {"format": "pt"},
        "a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]},
        "b": {"dtype": "BF16", "shape": [1, 2], "data_offsets": [8, 12]},
    }).encode()  # fmt: skip
    header += b" " * (-len(header) % 8)
    yield "safetensors", struct.pack("<Q", len(header)) + header + bytes(12)
    yield "gguf", _gguf()
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        for name in ("storages", "tensors", "pickle"):
            raw = pickle.dumps(collections.OrderedDict(a=1), 2)
            member = tarfile.TarInfo(name)
            member.size = len(raw)
            archive.addfile(member, io.BytesIO(raw))
    yield "tar", file.getvalue()
    yield "png", _png()
    file = io.BytesIO()
    waves = (np.arange(1_200) ** 2 % 251).astype(np.uint8).reshape(20, 20, 3)
    Image.fromarray(waves).save(file, "WEBP", lossless=True)
    yield "webp", file.getvalue()
    yield "yaml", b"model:\n  target: ldm.models.Diffusion\n  params: &x {a: [1, 2], b: *x}\n"
    yield "json", json.dumps({"_class_name": "UNet2DConditionModel", "sizes": [1, [2]]}).encode()


def _zip(members: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, raw in members.items():
            archive.writestr(zipfile.ZipInfo(name), raw)
    return file.getvalue()


def _gguf() -> bytes:
    def text(value: str) -> bytes:
        return struct.pack("<Q", len(value)) + value.encode()

    facts = text("general.architecture") + struct.pack("<I", 8) + text("sd1")
    facts += text("list") + struct.pack("<IIQ", 9, 4, 2) + struct.pack("<II", 1, 2)
    tensor = text("weight") + struct.pack("<IQQIQ", 2, 4, 2, 0, 0)
    head = b"GGUF" + struct.pack("<IQQ", 3, 1, 2) + facts + tensor
    return head + bytes(-len(head) % 32) + bytes(32)


def _png() -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    head = struct.pack(">IIBBBBB", 2, 2, 8, 2, 0, 0, 0)
    pixels = zlib.compress(b"\0" + bytes(6) + b"\0" + bytes(6))
    words = chunk(b"tEXt", b"sd-ti-embedding\0e30=")
    parts = (chunk(b"IHDR", head), words, chunk(b"IDAT", pixels), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)
