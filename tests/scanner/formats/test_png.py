"""Embeddings inside pictures: in PNG's texts and in its pixels, and what hides beside them."""

from __future__ import annotations

import base64
import io
import json
import struct
import zlib
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from scanner import inspection
from scanner.limits import DEFAULT
from scanner.report import Format, Verdict
from scanner.source import BytesSource
from tests.scanner.formats.files import EVIL, imports, read, rules, saved
from tests.scanner.formats.pictures import EMBEDDING, VECTORS, Pixels, in_pixels, noise, vectors


def _saved(pixels: Pixels, **texts: bytes) -> bytes:
    info = PngInfo()
    for name, text in texts.items():
        info.add_text(name.replace("_", "-"), text.decode())
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG", pnginfo=info)
    return file.getvalue()


def _text(value: object) -> bytes:
    return base64.b64encode(json.dumps(value).encode())


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _with(data: bytes, chunk: bytes, before: bytes = b"IDAT") -> bytes:
    at = data.index(before) - 4
    return data[:at] + chunk + data[at:]


PLAIN = _saved(noise())
WRITTEN = _saved(noise(), sd_ti_embedding=_text(EMBEDDING))


def test_an_embedding_in_a_text_is_read_whole() -> None:
    found = read(WRITTEN)
    assert found.format is Format.IMAGE
    assert rules(found) == {"picture-embedding"}
    assert np.array_equal(vectors(found), VECTORS)


@pytest.mark.parametrize("channels", [3, 4])
def test_an_embedding_in_the_pixels_is_read_whole(channels: int) -> None:
    pixels = in_pixels(EMBEDDING, noise())
    if channels == 4:
        pixels = np.concatenate([pixels, np.full((*pixels.shape[:2], 1), 255, np.uint8)], 2)
    found = read(_saved(pixels))
    assert rules(found) == {"picture-embedding"}
    assert np.array_equal(vectors(found), VECTORS)


def test_a_black_border_around_such_a_picture_is_no_obstacle() -> None:
    pixels = np.pad(in_pixels(EMBEDDING, noise()), ((3, 2), (4, 1), (0, 0)))
    assert np.array_equal(vectors(read(_saved(pixels))), VECTORS)


def test_the_report_says_what_the_embedding_is() -> None:
    report = inspection.inspect(BytesSource(WRITTEN, 0), DEFAULT)
    assert report.safety is not None
    assert report.safety.verdict is Verdict.CLEAN
    assert report.identity is not None
    assert report.identity.kind == "embedding"
    assert report.identity.embedding is not None
    assert report.identity.embedding.vectors == 2
    assert report.identity.base == "sd1"


@pytest.mark.parametrize("how", ["zTXt", "iTXt", "iTXt packed"])
def test_other_texts_are_read_too(how: str) -> None:
    body, packed = _text(EMBEDDING), zlib.compress(_text(EMBEDDING))
    chunk = {
        "zTXt": _chunk(b"zTXt", b"sd-ti-embedding\0\0" + packed),
        "iTXt": _chunk(b"iTXt", b"sd-ti-embedding\0\0\0\0\0" + body),
        "iTXt packed": _chunk(b"iTXt", b"sd-ti-embedding\0\1\0\0\0" + packed),
    }[how]
    assert np.array_equal(vectors(read(_with(PLAIN, chunk))), VECTORS)


def test_a_picture_without_one_is_not_a_model() -> None:
    for pixels in (noise(), noise(channels=4), np.zeros((9, 9, 3), np.uint8), noise()[:, :, 0]):
        found = read(_saved(pixels))
        assert rules(found) == {"picture"}
        assert found.table is None


@pytest.mark.parametrize(
    "hide",
    [
        lambda data: data + EVIL,
        lambda data: data + saved({"w": [1]}) + EVIL,
        lambda data: _with(data, _chunk(b"tEXt", b"note\0" + EVIL)),
        lambda data: _with(data, _chunk(b"prVt", EVIL)),
        lambda data: _with(data, _chunk(b"IDAT", EVIL), before=b"IEND"),
    ],
)
def test_a_pickle_in_a_picture_is_found(hide: Callable[[bytes], bytes]) -> None:
    found = read(hide(WRITTEN))
    assert rules(found) - {"picture-embedding"}
    assert "os.system" in imports(found)


@pytest.mark.parametrize("at", range(1, 12))
def test_a_picture_cut_off_is_never_clean(at: int) -> None:
    assert rules(read(WRITTEN[: len(WRITTEN) * at // 12])) - {"picture-embedding"}


def test_a_flipped_bit_is_noticed() -> None:
    for at in range(8, len(PLAIN), 97):
        damaged = bytearray(PLAIN)
        damaged[at] ^= 4
        assert rules(read(bytes(damaged))) - {"picture", "picture-chunk"}


@pytest.mark.parametrize(
    "value",
    [
        [1],
        {"a": 1},
        {"a": {"TORCHTENSOR": [[1, 2], [3]]}},
        {"a": {"TORCHTENSOR": [[1, "x"]]}},
        {"a": {"TORCHTENSOR": [1e300]}},
        {"a": {"TORCHTENSOR": 1}},
    ],
)
def test_a_text_that_is_no_embedding_is_unreadable(value: object) -> None:
    found = read(_saved(noise(), sd_ti_embedding=_text(value)))
    assert "picture-broken" in rules(found)
    assert found.table is None


def test_a_bomb_is_not_unpacked() -> None:
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    bomb = _chunk(b"IHDR", header) + _chunk(b"IDAT", zlib.compress(bytes(1 << 20)))
    assert "limit-reached" in rules(read(b"\x89PNG\r\n\x1a\n" + bomb + _chunk(b"IEND", b"")))
