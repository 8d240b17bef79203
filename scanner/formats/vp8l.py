"""WebP's lossless pixels: the one form of a WebP picture in whose pixels data can survive.

Source: the WebP Lossless Bitstream Specification. Pixels are whole numbers, alpha, red, green and
blue from the highest byte down, in one list row by row.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from scanner.errors import FileError

_SIGNATURE = 0x2F
_BLACK = 0xFF00_0000
_LENGTHS, _CODES = 24, 256
_DISTANCES = 40
#: In which order the lengths of the code of code lengths are written.
_ORDER = (17, 18, 0, 1, 2, 3, 4, 5, 16, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)
_LONGEST = 15
#: Bits of a code that are looked up at once; longer codes are rare.
_AT_ONCE = 9
_HASH = 0x1E35_A7BD
#: Distances up to 120 stand for neighbours, to the left and above, nearest first.
_NEIGHBOURS = (
    (0, 1), (1, 0), (1, 1), (-1, 1), (0, 2), (2, 0), (1, 2), (-1, 2), (2, 1), (-2, 1), (2, 2),
    (-2, 2), (0, 3), (3, 0), (1, 3), (-1, 3), (3, 1), (-3, 1), (2, 3), (-2, 3), (3, 2), (-3, 2),
    (0, 4), (4, 0), (1, 4), (-1, 4), (4, 1), (-4, 1), (3, 3), (-3, 3), (2, 4), (-2, 4), (4, 2),
    (-4, 2), (0, 5), (3, 4), (-3, 4), (4, 3), (-4, 3), (5, 0), (1, 5), (-1, 5), (5, 1), (-5, 1),
    (2, 5), (-2, 5), (5, 2), (-5, 2), (4, 4), (-4, 4), (3, 5), (-3, 5), (5, 3), (-5, 3), (0, 6),
    (6, 0), (1, 6), (-1, 6), (6, 1), (-6, 1), (2, 6), (-2, 6), (6, 2), (-6, 2), (4, 5), (-4, 5),
    (5, 4), (-5, 4), (3, 6), (-3, 6), (6, 3), (-6, 3), (0, 7), (7, 0), (1, 7), (-1, 7), (5, 5),
    (-5, 5), (7, 1), (-7, 1), (4, 6), (-4, 6), (6, 4), (-6, 4), (2, 7), (-2, 7), (7, 2), (-7, 2),
    (3, 7), (-3, 7), (7, 3), (-7, 3), (5, 6), (-5, 6), (6, 5), (-6, 5), (8, 0), (4, 7), (-4, 7),
    (7, 4), (-7, 4), (8, 1), (8, 2), (6, 6), (-6, 6), (8, 3), (5, 7), (-5, 7), (7, 5), (-7, 5),
    (8, 4), (6, 7), (-6, 7), (7, 6), (-7, 6), (8, 5), (7, 7), (-7, 7), (8, 6), (8, 7),
)  # fmt: skip

Pixels = list[int]


class _Bits:
    """Bits from the lowest up. A few noughts may be read behind the end, as decoders do."""

    __slots__ = ("_at", "_count", "_data", "_held")

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0
        self._held = 0
        self._count = 0

    def _fill(self) -> None:
        self._held |= int.from_bytes(self._data[self._at : self._at + 8], "little") << self._count
        self._at += 8
        self._count += 64
        if self._at > len(self._data) + 64:
            raise FileError("webp.pixels", "The pixels end too early.")

    def read(self, count: int) -> int:
        if self._count < count:
            self._fill()
        value = self._held & ((1 << count) - 1)
        self._held >>= count
        self._count -= count
        return value

    def used(self) -> int:
        """Bytes of which a bit was read."""
        return self._at - self._count // 8

    def symbol(self, code: _Code) -> int:
        """The next symbol of a prefix code."""
        if self._count < _LONGEST:
            self._fill()
        symbol, length = code.short[self._held & code.mask]
        if length < 0:
            symbol, length = code.long_one(self._held)
        self._held >>= length
        self._count -= length
        return symbol

    def prefixed(self, code: int) -> int:
        """The number that a length's or a distance's symbol stands for."""
        if code < 4:
            return code + 1
        extra = (code - 2) >> 1
        return ((2 + (code & 1)) << extra) + self.read(extra) + 1


class _Code:
    """A canonical prefix code. ``short`` is looked up by the next bits."""

    __slots__ = ("long", "mask", "short")

    def __init__(self, lengths: list[int]) -> None:
        used = [symbol for symbol, length in enumerate(lengths) if length]
        self.long: dict[tuple[int, int], int] = {}
        if len(used) < 2:
            # One symbol takes no bits at all.
            self.mask = 0
            self.short = [(used[0] if used else 0, 0)]
            return
        longest = max(lengths)
        at_once = min(longest, _AT_ONCE)
        self.mask = (1 << at_once) - 1
        self.short = [(0, -1)] * (1 << at_once)
        self._assign(lengths, longest, at_once)

    def _assign(self, lengths: list[int], longest: int, at_once: int) -> None:
        code = 0
        for length in range(1, longest + 1):
            for symbol, own in enumerate(lengths):
                if own != length:
                    continue
                if code >> length:
                    raise FileError("webp.code", "A prefix code of too many symbols.")
                turned = int(f"{code:0{length}b}"[::-1], 2)
                if length <= at_once:
                    for place in range(turned, 1 << at_once, 1 << length):
                        self.short[place] = (symbol, length)
                else:
                    self.long[length, turned] = symbol
                code += 1
            code <<= 1
        if code != 1 << (longest + 1):
            raise FileError("webp.code", "A prefix code with a gap.")

    def long_one(self, bits: int) -> tuple[int, int]:
        for length in range(_AT_ONCE + 1, _LONGEST + 1):
            symbol = self.long.get((length, bits & ((1 << length) - 1)))
            if symbol is not None:
                return symbol, length
        raise FileError("webp.code", "A prefix code without such a symbol.")


class _Group(NamedTuple):
    """The five codes of a part of the picture."""

    green: _Code
    red: _Code
    blue: _Code
    alpha: _Code
    distance: _Code


class Picture(NamedTuple):
    width: int
    height: int
    pixels: Pixels
    #: Bytes of the chunk that hold them.
    used: int

    def rows(self) -> list[bytes]:
        """Red, green and blue, a row each."""
        numbers = b"".join((pixel & 0xFFFFFF).to_bytes(3, "big") for pixel in self.pixels)
        length = 3 * self.width
        return [numbers[at : at + length] for at in range(0, len(numbers), length)]


def size(data: bytes) -> tuple[int, int]:
    """Width and height in pixels; ``FileError`` where it is no lossless picture."""
    bits = _Bits(data[:16])
    if len(data) < 5 or bits.read(8) != _SIGNATURE:
        raise FileError("webp.pixels", "No lossless picture.")
    width, height = bits.read(14) + 1, bits.read(14) + 1
    bits.read(1)
    if bits.read(3):
        raise FileError("webp.pixels", "A version that nobody knows.")
    return width, height


def decode(data: bytes) -> Picture:
    """The picture in a VP8L chunk. Time and memory grow with width × height; see ``size``."""
    width, height = size(data)
    bits = _Bits(data)
    bits.read(40)
    undo: list[Callable[[Pixels], Pixels]] = []
    across = width
    seen: set[int] = set()
    while bits.read(1):
        kind = bits.read(2)
        if kind in seen:
            raise FileError("webp.transform", "A transform twice.")
        seen.add(kind)
        across = _transform(bits, kind, across, height, undo)
    pixels = _stream(bits, across, height, outer=True)
    used = bits.used()
    if used > len(data):
        raise FileError("webp.pixels", "The pixels end too early.")
    for step in reversed(undo):
        pixels = step(pixels)
    return Picture(width, height, pixels, used)


def _parts(length: int, bits: int) -> int:
    return (length + (1 << bits) - 1) >> bits


# -- the entropy-coded picture -------------------------------------------------------------------


def _stream(bits: _Bits, width: int, height: int, *, outer: bool = False) -> Pixels:
    cache_bits = bits.read(4) if bits.read(1) else 0
    if cache_bits > 11:
        raise FileError("webp.cache", "A colour cache of impossible size.")
    # Without a picture of parts the whole of it is one.
    shift, choice = 16, [0]
    if outer and bits.read(1):
        shift = bits.read(3) + 2
        choice = [
            pixel >> 8 & 0xFFFF
            for pixel in _stream(bits, _parts(width, shift), _parts(height, shift))
        ]
    if max(choice) >= 4 * len(choice) + 256:
        raise FileError("webp.code", "More prefix codes than parts.")
    cached = 1 << cache_bits if cache_bits else 0
    groups = [_group(bits, cached) for _ in range(max(choice) + 1)]
    return _pixels(bits, width, height, cache_bits, shift, [groups[index] for index in choice])


def _group(bits: _Bits, cached: int) -> _Group:
    return _Group(
        _code(bits, _CODES + _LENGTHS + cached),
        _code(bits, _CODES), _code(bits, _CODES), _code(bits, _CODES),
        _code(bits, _DISTANCES),
    )  # fmt: skip


def _code(bits: _Bits, symbols: int) -> _Code:
    lengths = [0] * symbols
    if bits.read(1):
        two = bits.read(1)
        first = bits.read(8 if bits.read(1) else 1)
        for symbol in (first, bits.read(8)) if two else (first,):
            if symbol >= symbols:
                raise FileError("webp.code", "A symbol beyond its alphabet.")
            lengths[symbol] = 1
        return _Code(lengths)
    outer = [0] * len(_ORDER)
    for place in _ORDER[: 4 + bits.read(4)]:
        outer[place] = bits.read(3)
    code = _Code(outer)
    left = 2 + bits.read(2 + 2 * bits.read(3)) if bits.read(1) else symbols
    at, previous = 0, 8
    while at < symbols and left:
        left -= 1
        length = bits.symbol(code)
        if length < 16:
            lengths[at] = length
            previous = length or previous
            at += 1
            continue
        repeat = (3, 3, 11)[length - 16] + bits.read((2, 3, 7)[length - 16])
        if at + repeat > symbols:
            raise FileError("webp.code", "Lengths beyond the alphabet.")
        if length == 16:
            lengths[at : at + repeat] = [previous] * repeat
        at += repeat
    return _Code(lengths)


def _pixels(
    bits: _Bits, width: int, height: int, cache_bits: int, shift: int, groups: list[_Group]
) -> Pixels:
    total, across = width * height, _parts(width, shift)
    cache = [0] * (1 << cache_bits)
    cooled = 32 - cache_bits
    # What is not in the cache yet: hashing is put off until the cache is asked.
    hashed = 0
    pixels: Pixels = []
    symbol = bits.symbol
    while len(pixels) < total:
        at = len(pixels)
        group = groups[(at // width >> shift) * across + (at % width >> shift)]
        code = symbol(group.green)
        if code < _CODES:
            red, blue = symbol(group.red), symbol(group.blue)
            pixels.append(symbol(group.alpha) << 24 | red << 16 | code << 8 | blue)
        elif code < _CODES + _LENGTHS:
            length = bits.prefixed(code - _CODES)
            distance = _distance(bits.prefixed(symbol(group.distance)), width)
            if distance > at or at + length > total:
                raise FileError("webp.copy", "A copy from or to outside the picture.")
            _copy(pixels, distance, length)
        else:
            for pixel in pixels[hashed:]:
                cache[(_HASH * pixel & 0xFFFF_FFFF) >> cooled] = pixel
            hashed = at
            pixels.append(cache[code - _CODES - _LENGTHS])
    return pixels


def _distance(code: int, width: int) -> int:
    if code > len(_NEIGHBOURS):
        return code - len(_NEIGHBOURS)
    left, above = _NEIGHBOURS[code - 1]
    return max(1, left + above * width)


def _copy(pixels: Pixels, distance: int, length: int) -> None:
    start = len(pixels) - distance
    part = pixels[start : start + length]
    # A copy that overlaps itself repeats what it has.
    while len(part) < length:
        part += part[: length - len(part)]
    pixels += part


# -- transforms ----------------------------------------------------------------------------------


def _transform(
    bits: _Bits, kind: int, width: int, height: int, undo: list[Callable[[Pixels], Pixels]]
) -> int:
    """Read one transform; the width of the picture before it."""
    if kind == 2:
        undo.append(_greened)
        return width
    if kind == 3:
        return _indexing(bits, width, height, undo)
    shift = bits.read(3) + 2
    blocks = _stream(bits, _parts(width, shift), _parts(height, shift))
    step = _predicted if kind == 0 else _coloured
    undo.append(lambda pixels: step(pixels, width, shift, blocks))
    return width


def _added(first: int, second: int) -> int:
    """Channel by channel, without a carry between them."""
    high = (first & 0xFF00_FF00) + (second & 0xFF00_FF00) & 0xFF00_FF00
    return high | (first & 0x00FF_00FF) + (second & 0x00FF_00FF) & 0x00FF_00FF


def _greened(pixels: Pixels) -> Pixels:
    return [_added(pixel, (pixel >> 8 & 0xFF) * 0x1_0001) for pixel in pixels]


def _signed(value: int) -> int:
    return value - 256 if value > 127 else value


def _coloured(pixels: Pixels, width: int, shift: int, blocks: Pixels) -> Pixels:
    across = _parts(width, shift)
    out: Pixels = []
    for at, pixel in enumerate(pixels):
        block = blocks[(at // width >> shift) * across + (at % width >> shift)]
        green = _signed(pixel >> 8 & 0xFF)
        red = (pixel >> 16) + (_signed(block & 0xFF) * green >> 5) & 0xFF
        blue = pixel + (_signed(block >> 8 & 0xFF) * green >> 5)
        blue = blue + (_signed(block >> 16 & 0xFF) * _signed(red) >> 5) & 0xFF
        out.append(pixel & 0xFF00_FF00 | red << 16 | blue)
    return out


def _indexing(bits: _Bits, width: int, height: int, undo: list[Callable[[Pixels], Pixels]]) -> int:
    """A palette; of few colours several indices lie in one pixel."""
    count = bits.read(8) + 1
    colours = _stream(bits, count, 1)
    for at in range(1, count):
        colours[at] = _added(colours[at], colours[at - 1])
    packed = 3 if count <= 2 else 2 if count <= 4 else 1 if count <= 16 else 0
    across = _parts(width, packed)
    depth = 8 >> packed
    colours += [0] * (256 - count)

    def unpacked(pixels: Pixels) -> Pixels:
        out: Pixels = []
        for row in range(height):
            greens = [pixel >> 8 & 0xFF for pixel in pixels[row * across : (row + 1) * across]]
            for at in range(width):
                place = greens[at >> packed] >> depth * (at & (1 << packed) - 1)
                out.append(colours[place & (1 << depth) - 1])
        return out

    undo.append(unpacked)
    return across


def _predicted(pixels: Pixels, width: int, shift: int, blocks: Pixels) -> Pixels:
    """Each pixel is the difference from what its neighbours left and above foretell."""
    across = _parts(width, shift)
    out: Pixels = []
    add = _added
    for at, pixel in enumerate(pixels):
        column = at % width
        if at < width:
            guess = out[-1] if at else _BLACK
        elif not column:
            guess = out[at - width]
        else:
            mode = blocks[(at // width >> shift) * across + (column >> shift)] >> 8 & 0xF
            top = at - width
            guess = _PREDICTORS[mode](out[-1], out[top], out[top + 1], out[top - 1])
        out.append(add(pixel, guess))
    return out


def _mean(first: int, second: int) -> int:
    """Half the sum, channel by channel, rounded down."""
    return (((first ^ second) & 0xFEFE_FEFE) >> 1) + (first & second)


def _channels(pixel: int) -> tuple[int, int, int, int]:
    return pixel >> 24, pixel >> 16 & 0xFF, pixel >> 8 & 0xFF, pixel & 0xFF


def _select(left: int, top: int, corner: int) -> int:
    """The neighbour that is nearer to left + top - corner."""
    lefts = tops = 0
    for a, b, c in zip(_channels(left), _channels(top), _channels(corner), strict=True):
        lefts += abs(b - c)
        tops += abs(a - c)
    return left if lefts < tops else top


def _clamped(channels: list[int]) -> int:
    pixel = 0
    for value in channels:
        pixel = pixel << 8 | (0 if value < 0 else 255 if value > 255 else value)
    return pixel


def _full(left: int, top: int, corner: int) -> int:
    triples = zip(_channels(left), _channels(top), _channels(corner), strict=True)
    return _clamped([a + b - c for a, b, c in triples])


def _half(mean: int, corner: int) -> int:
    # Towards nought, as C divides.
    pairs = zip(_channels(mean), _channels(corner), strict=True)
    return _clamped([a + int((a - b) / 2) for a, b in pairs])


#: By number: from the left, the top, the top right and the top left neighbour.
_PREDICTORS: tuple[Callable[[int, int, int, int], int], ...] = (
    lambda _l, _t, _tr, _tl: _BLACK,
    lambda left, _t, _tr, _tl: left,
    lambda _l, top, _tr, _tl: top,
    lambda _l, _t, right, _tl: right,
    lambda _l, _t, _tr, corner: corner,
    lambda left, top, right, _tl: _mean(_mean(left, right), top),
    lambda left, _t, _tr, corner: _mean(left, corner),
    lambda left, top, _tr, _tl: _mean(left, top),
    lambda _l, top, _tr, corner: _mean(corner, top),
    lambda _l, top, right, _tl: _mean(top, right),
    lambda left, top, right, corner: _mean(_mean(left, corner), _mean(top, right)),
    lambda left, top, _tr, corner: _select(left, top, corner),
    lambda left, top, _tr, corner: _full(left, top, corner),
    lambda left, top, _tr, corner: _half(_mean(left, top), corner),
    lambda _l, _t, _tr, _tl: _BLACK,
    lambda _l, _t, _tr, _tl: _BLACK,
)
