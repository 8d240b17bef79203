"""WebP pictures: lossless pixels against Pillow's, and embeddings in them."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from scanner.formats import vp8l
from scanner.report import Format
from tests.scanner.formats.files import EVIL, imports, read, rules
from tests.scanner.formats.pictures import (
    EMBEDDING,
    VECTORS,
    Pixels,
    in_pixels,
    noise,
    vectors,
)


def written(pixels: Pixels, **how: int) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "WEBP", lossless=True, exact=True, **how)
    return file.getvalue()


def chunk(raw: bytes) -> bytes:
    """What is in the VP8L chunk."""
    at = raw.index(b"VP8L")
    return raw[at + 8 : at + 8 + int.from_bytes(raw[at + 4 : at + 8], "little")]


def pictures() -> dict[str, Pixels]:
    """Such that the encoder has use for each transform, the cache and several codes."""
    random = np.random.default_rng(5)
    few = random.integers(0, 256, (16, 3), dtype=np.uint8)
    y, x = np.mgrid[0:61, 0:83]
    channels = [np.sin(x / 9) * 90 + 120 + random.integers(0, 9, x.shape),
                np.cos(y / 7) * 90 + 120, x * y % 200]  # fmt: skip
    return {
        "noise": random.integers(0, 256, (37, 41, 3), dtype=np.uint8),
        "with-alpha": random.integers(0, 256, (20, 31, 4), dtype=np.uint8),
        "two-colours": few[random.integers(0, 2, (33, 29))],
        "four-colours": few[random.integers(0, 4, (33, 30))],
        "sixteen-colours": few[random.integers(0, 16, (33, 31))],
        "grey": np.repeat(random.integers(0, 200, (40, 50, 1), dtype=np.uint8), 3, 2),
        "slope": (3 * x[..., None] + 2 * y[..., None] + np.array([0, 20, 60])).astype(np.uint8),
        "waves": np.stack(channels, -1).astype(np.uint8),
        "one-pixel": np.full((1, 1, 3), 7, np.uint8),
        "repeated": np.tile(random.integers(0, 256, (8, 9, 3), dtype=np.uint8), (6, 7, 1)),
    }


@pytest.mark.parametrize("effort", [0, 3, 6])
@pytest.mark.parametrize("name", sorted(pictures()))
def test_lossless_pixels_are_those_that_were_written(name: str, effort: int) -> None:
    pixels = pictures()[name]
    picture = vp8l.decode(chunk(written(pixels, method=effort, quality=30 * effort // 2)))
    rows = np.frombuffer(b"".join(picture.rows()), np.uint8)
    assert np.array_equal(rows.reshape(picture.height, picture.width, 3), pixels[..., :3])


def test_an_embedding_in_the_pixels_is_read_whole() -> None:
    found = read(written(in_pixels(EMBEDDING, noise())))
    assert found.format is Format.IMAGE
    assert rules(found) == {"picture-embedding"}
    assert np.array_equal(vectors(found), VECTORS)


def test_every_chunk_is_accounted_for() -> None:
    plain = written(noise())
    assert rules(read(plain)) == {"picture"}
    assert "os.system" in imports(read(plain + EVIL))


def test_bytes_behind_the_pixels_are_looked_into() -> None:
    inner = chunk(written(noise()))
    padded = inner + EVIL + bytes((len(inner) + len(EVIL)) % 2)
    size = len(inner) + len(EVIL)
    body = b"WEBPVP8L" + size.to_bytes(4, "little") + padded
    found = read(b"RIFF" + len(body).to_bytes(4, "little") + body)
    assert "picture-broken" in rules(found)
    assert "os.system" in imports(found)


@pytest.mark.parametrize("at", range(40, 400, 23))
def test_broken_pixels_are_said_to_be_broken_or_are_no_embedding(at: int) -> None:
    raw = bytearray(written(in_pixels(EMBEDDING, noise())))
    raw[at] ^= 0x55
    found = rules(read(bytes(raw)))
    assert found & {"picture", "picture-broken", "picture-chunk", "picture-embedding"}


def test_pixels_that_end_early_are_broken() -> None:
    inner = chunk(written(noise()))[:-200]
    body = b"WEBPVP8L" + len(inner).to_bytes(4, "little") + inner + bytes(len(inner) % 2)
    assert "picture-broken" in rules(read(b"RIFF" + len(body).to_bytes(4, "little") + body))


def test_a_picture_of_enormous_size_is_not_unpacked() -> None:
    inner = bytes([0x2F]) + (0x3FFF | 0x3FFF << 14).to_bytes(4, "little") + bytes(100)
    body = b"WEBPVP8L" + len(inner).to_bytes(4, "little") + inner + bytes(len(inner) % 2)
    assert rules(read(b"RIFF" + len(body).to_bytes(4, "little") + body)) == {"picture"}
