"""Archives on which readers disagree (CVE-2025-1716, CVE-2025-1944, CVE-2025-1945)."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import struct
import warnings
import zipfile
import zlib
from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from scanner.extents import Part
from scanner.limits import Limits
from scanner.report import Format, Severity
from tests.scanner.formats.files import (
    EVIL,
    HARMLESS,
    Record,
    crafted,
    end_record,
    entry,
    imports,
    read,
    rules,
    safetensors,
    saved,
    zipped,
)
from tests.scanner.opcode_builder import integer, pickled, text

pytestmark = pytest.mark.filterwarnings("ignore:Duplicate name")
STATE = {"w": torch.arange(6, dtype=torch.float32).reshape(2, 3)}


def test_a_genuine_file_has_no_findings_and_no_byte_unclaimed() -> None:
    found = read(saved(STATE))
    assert found.format is Format.TORCH_ZIP
    assert not found.findings
    assert Part.UNCLAIMED not in {extent.part for extent in found.extents}


def test_storage_extents_carry_the_key_of_the_tensors_storage() -> None:
    found = read(saved(STATE))
    assert found.table is not None
    keys = {extent.key for extent in found.extents if extent.part is Part.STORAGE}
    assert keys == {tensor.storage.key for tensor in found.table}


@pytest.mark.parametrize("order", [(HARMLESS, EVIL), (EVIL, HARMLESS)])
def test_both_members_of_one_name_are_traced(order: tuple[bytes, bytes]) -> None:
    found = read(zipped(("archive/data.pkl", order[0]), ("archive/data.pkl", order[1])))
    assert "zip-duplicate" in rules(found)
    assert "os.system" in imports(found)


def test_a_member_that_differs_in_case_is_traced() -> None:
    found = read(zipped(("archive/data.pkl", HARMLESS), ("archive/DATA.PKL", EVIL)))
    assert "zip-case-duplicate" in rules(found)
    assert "os.system" in imports(found)


@pytest.mark.parametrize("bit", [0x1, 0x20, 0x40])
@pytest.mark.parametrize("where", [b"PK\x03\x04", b"PK\x01\x02"])
def test_flag_bits_hide_nothing(bit: int, where: bytes) -> None:
    data = bytearray(zipped(("archive/data.pkl", EVIL)))
    at = data.index(where) + (6 if where == b"PK\x03\x04" else 8)
    data[at] |= bit
    found = read(bytes(data))
    assert rules(found) & {"zip-flags", "zip-encrypted"}
    assert "os.system" in imports(found)


def test_a_name_that_differs_between_directory_and_member_is_reported() -> None:
    data = zipped(("archive/data.pkl", EVIL))
    found = read(data.replace(b"archive/data.pkl", b"archive/data.txt", 1))
    assert "zip-name-mismatch" in rules(found)
    assert "os.system" in imports(found)


def test_a_wrong_checksum_is_unreadable_and_the_pickle_traced_all_the_same() -> None:
    data = bytearray(zipped(("archive/data.pkl", EVIL)))
    for magic, at in ((b"PK\x03\x04", 14), (b"PK\x01\x02", 16)):
        struct.pack_into("<I", data, data.index(magic) + at, 0xDEADBEEF)
    found = read(bytes(data))
    assert "zip-crc" in rules(found)
    assert "os.system" in imports(found)


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_packed_members_are_read(method: int) -> None:
    assert "os.system" in imports(read(zipped(("archive/data.pkl", EVIL), method=method)))


def test_a_pickle_in_front_of_an_archive_is_traced() -> None:
    found = read(EVIL + saved(STATE))
    assert {"polyglot", "zip-prefix"} <= rules(found)
    assert "os.system" in imports(found)


def test_the_first_of_two_archives_is_read_too() -> None:
    found = read(zipped(("a/data.pkl", EVIL)) + zipped(("a/data.pkl", HARMLESS)))
    assert "os.system" in imports(found)


def test_a_pickle_in_the_comment_is_found() -> None:
    file = io.BytesIO(saved(STATE))
    with zipfile.ZipFile(file, "a") as archive:
        archive.comment = EVIL
    found = read(file.getvalue())
    assert {"zip-comment", "hidden-pickle"} <= rules(found)
    assert "os.system" in imports(found)


def test_a_member_that_the_directory_leaves_out_is_found() -> None:
    data = zipped(("archive/data.pkl", HARMLESS), ("archive/x.pkl", EVIL))
    end = data.rindex(b"PK\x05\x06")
    second = data.rindex(b"PK\x01\x02")
    directory = data.index(b"PK\x01\x02")
    tail = struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, 1, 1, second - directory, directory, 0)
    found = read(data[:second] + tail)
    assert end > second
    assert "zip-hidden-member" in rules(found)
    assert "os.system" in imports(found)


def test_an_archive_without_its_directory_is_unreadable_and_searched() -> None:
    data = zipped(("archive/data.pkl", EVIL))
    found = read(data[: data.index(b"PK\x01\x02")])
    assert "zip-no-directory" in rules(found)
    assert "os.system" in imports(found)


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd", "a/..\\b", "C:evil"])
def test_names_that_lead_out_are_reported(name: str) -> None:
    assert "zip-unsafe-name" in rules(read(zipped((name, b"text"))))


def test_a_link_is_reported() -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        link = zipfile.ZipInfo("archive/data/0")
        link.create_system, link.external_attr = 3, 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
    assert "zip-link" in rules(read(file.getvalue()))


def test_a_bomb_is_reported_without_being_unpacked() -> None:
    data = zipped(("archive/data/0", bytes(80 << 20)), method=zipfile.ZIP_DEFLATED)
    assert "zip-bomb" in rules(read(data))


def test_archives_in_archives_end_at_the_limit() -> None:
    data = EVIL
    for _ in range(8):
        data = zipped(("inner.zip", data))
    assert "nested-too-deep" in rules(read(data))
    assert "os.system" in imports(read(data, Limits(container_depth=10)))


def test_a_pickle_in_a_storage_is_reported() -> None:
    hidden = EVIL + bytes(24 - len(EVIL) % 24)
    numel = len(hidden)
    # Built by hand: torch never writes such a storage.
    found = read(saved({"w": torch.frombuffer(bytearray(hidden), dtype=torch.uint8)}))
    assert numel and "pickle-in-storage" in rules(found)


@pytest.mark.parametrize("at", range(1, 12))
def test_a_file_cut_off_anywhere_is_never_clean(at: int) -> None:
    data = saved(STATE)
    assert read(data[: len(data) * at // 12]).findings


GOOD = Record(b"a/data.pkl", HARMLESS)
FULL = 0xFFFFFFFF


def _field(tag: int, body: bytes) -> bytes:
    return struct.pack("<HH", tag, len(body)) + body


def _deflated(data: bytes) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return packer.compress(data) + packer.flush()


def test_crafted_records_without_lies_are_clean() -> None:
    assert not rules(read(crafted([GOOD, Record(b"a/version", b"3\n")])))


@pytest.mark.parametrize("tag", [0xBEEF, 0x5455, 0x4246, 0xCAFE])
@pytest.mark.parametrize("where", ["local", "central"])
def test_a_pickle_in_an_extra_field_is_found(where: str, tag: int) -> None:
    lies = {where: {"extra": _field(tag, EVIL)}}
    found = read(crafted([Record(b"a/data.pkl", HARMLESS, **lies)]))
    assert "hidden-pickle" in rules(found)
    assert "os.system" in imports(found)


def test_an_extra_field_of_no_known_kind_is_reported() -> None:
    for extra in (_field(0xBEEF, b"x"), b"\1\0\xff\xffzz"):
        assert "zip-extra" in rules(
            read(crafted([Record(b"a/data.pkl", HARMLESS, {"extra": extra})]))
        )


def test_torch_s_own_padding_is_no_news() -> None:
    padded = Record(b"a/data.pkl", HARMLESS, {"extra": _field(0x4246, b"Z" * 40)})
    assert not rules(read(crafted([padded])))


@pytest.mark.parametrize("size", [0x2E8E, 0x182, 0x2E])
def test_the_wide_sizes_of_a_member_hide_no_pickle(size: int) -> None:
    """As opcodes they may be anything; as anything else than the sizes they are looked into."""
    raw = pickled(text("x" * (size - 8)))
    wide = {"packed": 0xFFFFFFFF, "size": 0xFFFFFFFF}
    sizes = _field(1, struct.pack("<QQ", len(raw), len(raw)))
    found = read(crafted([Record(b"a/data.pkl", raw, {**wide, "extra": sizes})]))
    assert "hidden-pickle" not in rules(found)
    found = read(crafted([Record(b"a/data.pkl", raw, {**wide, "extra": sizes + _field(1, EVIL)})]))
    assert "os.system" in imports(found)


@pytest.mark.parametrize("inside", ["a.safetensors", "notes.txt"])
def test_a_deflated_folder_is_a_folder(inside: str) -> None:
    """Its no bytes take two."""
    weights = safetensors({"w": entry(0, 4)}, bytes(4))
    raw = zipped(("model/", b""), (f"model/{inside}", weights), method=zipfile.ZIP_DEFLATED)
    found = read(raw)
    assert "bytes-left-over" not in rules(found)
    assert Part.UNCLAIMED not in {extent.part for extent in found.extents}


def test_a_folder_with_something_in_it_is_read() -> None:
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = packer.compress(EVIL) + packer.flush()
    sizes = {"method": 8, "crc": zlib.crc32(EVIL), "size": 0}
    found = read(crafted([Record(b"a/", packed, sizes, sizes), Record(b"a/x", b"text")]))
    assert "os.system" in imports(found)


def test_a_name_in_an_extra_field_that_differs_is_reported() -> None:
    path = _field(0x7075, b"\1" + struct.pack("<I", zlib.crc32(b"a/notes")) + b"a/data.pkl")
    found = read(crafted([Record(b"a/notes", EVIL, {"extra": path}, {"extra": path})]))
    assert "zip-name-mismatch" in rules(found)
    assert "os.system" in imports(found)


def test_a_pickle_in_a_member_s_comment_is_found() -> None:
    found = read(crafted([Record(b"a/data.pkl", HARMLESS, {}, {"comment": EVIL})]))
    assert {"zip-comment", "hidden-pickle"} <= rules(found)
    assert "os.system" in imports(found)


@pytest.mark.parametrize("place", range(3))
def test_every_one_of_three_members_by_one_name_is_traced(place: int) -> None:
    """torch's reader searches a sorted directory: it may take the one in the middle."""
    parts = [EVIL if number == place else HARMLESS for number in range(3)]
    found = read(zipped(*(("a/data.pkl", part) for part in parts)))
    assert "os.system" in imports(found)


def test_a_name_ends_at_its_nul() -> None:
    found = read(crafted([Record(b"a/data.pkl\0.txt", EVIL)]))
    assert found.format is Format.TORCH_ZIP
    assert "zip-unsafe-name" in rules(found)
    assert "os.system" in imports(found)


@pytest.mark.parametrize(
    ("local", "central"),
    [
        ({"method": 8}, {}),
        ({}, {"method": 8}),
        ({}, {"packed": 5, "size": 5}),
        ({"packed": 5, "size": 5}, {}),
        ({}, {"size": 5}),
        ({}, {"crc": 1}),
        ({"flags": 8}, {}),
        ({"name": b"a/notes.tx"}, {}),
        ({}, {"name": b"a/notes.tx"}),
        ({}, {"disk": 3}),
        (
            {},
            {
                "packed": FULL,
                "size": FULL,
                "extra": _field(1, struct.pack("<QQ", 3, 3)) + _field(1, struct.pack("<QQ", 9, 9)),
            },
        ),
    ],
)
def test_records_that_contradict_each_other_hide_nothing(
    local: dict[str, object], central: dict[str, object]
) -> None:
    found = read(crafted([Record(b"a/data.pkl", EVIL, local, central)]))
    assert rules(found) & {"zip-record-mismatch", "zip-name-mismatch"}
    assert "os.system" in imports(found)


@pytest.mark.parametrize("method", [9, 12, 14, 77, 93, 95, 99])
def test_a_method_that_is_a_lie_hides_nothing(method: int) -> None:
    lie = {"method": method}
    found = read(crafted([Record(b"a/data.pkl", EVIL, lie, lie)]))
    assert rules(found) & {"zip-method", "unreadable"}
    assert "os.system" in imports(found)


@pytest.mark.parametrize("where", ["local", "central"])
def test_both_methods_are_tried(where: str) -> None:
    data, size = _deflated(EVIL), len(EVIL)
    both = {"size": size, "crc": zlib.crc32(EVIL)}
    records = {"local": dict(both), "central": dict(both)}
    records[where]["method"] = 8
    found = read(crafted([Record(b"a/data.pkl", data, **records)]))
    assert "os.system" in imports(found)


def test_an_end_record_in_a_comment_hides_nothing() -> None:
    good, evil = crafted([GOOD]), crafted([Record(b"a/data.pkl", EVIL)])
    for inner in (end_record(1, 56, len(HARMLESS) + 40), b"PK\5\6", b"PK\5\6" + bytes(30)):
        found = read(crafted([GOOD, Record(b"a/x.pkl", EVIL)], comment=inner))
        assert "os.system" in imports(found)
    assert "os.system" in imports(read(good + evil))
    assert "os.system" in imports(read(evil + good))


@pytest.mark.parametrize("claimed", [0, 1, 5, 65535])
def test_a_count_that_is_a_lie_hides_nothing(claimed: int) -> None:
    data = crafted([GOOD, Record(b"a/x.pkl", EVIL)])
    directory = data.index(b"PK\1\2")
    end = data.rindex(b"PK\5\6")
    found = read(data[:end] + end_record(claimed, end - directory, directory))
    assert "zip-record-mismatch" in rules(found)
    assert "os.system" in imports(found)


def test_a_folder_with_data_hides_nothing() -> None:
    zeros = {"size": 0, "packed": 0}
    for lies in ({}, {"central": {"size": 0}}, {"local": zeros, "central": zeros}):
        found = read(crafted([Record(b"a/", EVIL, **lies), GOOD]))
        assert "os.system" in imports(found)


def test_an_archive_inside_a_member_s_data_is_read() -> None:
    inner = crafted([Record(b"b/data.pkl", EVIL)])
    assert "os.system" in imports(read(crafted([GOOD, Record(b"a/x", inner)])))


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress, zlib.compress])
def test_a_packed_pickle_behind_or_before_a_file_is_read(pack: Callable[[bytes], bytes]) -> None:
    for tail in (saved(STATE), HARMLESS, gzip.compress(HARMLESS)):
        assert "os.system" in imports(read(tail + pack(EVIL)))
    assert "os.system" in imports(read(pack(EVIL) + crafted([GOOD])))


members = st.lists(
    st.tuples(
        st.sampled_from(["a/data.pkl", "a/DATA.pkl", "a/Data.Pkl", "b/data.pkl", "a/data/0"]),
        st.integers(0, 255),
    ),
    min_size=1,
    max_size=6,
)


@settings(max_examples=60, deadline=None)
@given(members)
def test_what_torch_would_load_is_traced(chosen: list[tuple[str, int]]) -> None:
    """torch's own reader tells which bytes a load would see. Of several members by one name, in
    whatever case, it takes one that depends on their number: all of them have to be traced."""
    parts = [(name, pickled(integer(number))) for name, number in chosen]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        data = zipped(("a/version", b"3\n"), ("a/byteorder", b"little"), *parts)
    reader = torch._C.PyTorchFileReader(io.BytesIO(data))
    if not reader.has_record("data.pkl"):
        return
    traced = [trace.source.read(0, trace.end) for trace in read(data).traces if trace.source]
    seen = reader.get_record("data.pkl")
    assert seen in traced
    if sum(name.lower() == "a/data.pkl" for name, _ in chosen) == 1:
        assert traced[0] == seen


def _part(*names: str) -> bytes:
    tensors = {name: entry(16 * at, 16 * at + 16) for at, name in enumerate(names)}
    return safetensors(tensors, bytes(range(16 * len(names))))


CONFIG = b'{"_class_name": "UNet2DConditionModel", "_diffusers_version": "0.6.0"}'


def test_a_folder_of_parts_is_one_table() -> None:
    found = read(
        zipped(
            ("sd/model_index.json", b'{"_class_name": "X", "_diffusers_version": "0.6.0"}'),
            ("sd/unet/config.json", CONFIG),
            ("sd/unet/diffusion-00001-of-00002.safetensors", _part("a", "b")),
            ("sd/unet/diffusion-00002-of-00002.safetensors", _part("c")),
            ("sd/unet/diffusion.fp16.safetensors", _part("a")),
            ("sd/vae/model.bin", saved({"a": torch.ones(4)})),
            ("sd/tokenizer/merges.txt", b"#version: 0.2\ni n\n"),
            method=zipfile.ZIP_DEFLATED,
        )
    )
    assert found.format is Format.ZIP
    assert {finding.severity for finding in found.findings} == {Severity.NOTE}
    assert found.table is not None
    names = [tensor.name for tensor in found.table]
    assert names[:3] == ["unet.a", "unet.b", "unet.c"]
    assert names[3] == "sd/unet/diffusion.fp16.safetensors.a"
    assert names[4] == "vae.a"
    assert len({tensor.storage.key for tensor in found.table}) == 5


def test_every_part_of_a_folder_is_judged() -> None:
    found = read(
        zipped(
            ("sd/unet/model.safetensors", _part("a")),
            ("sd/vae/model.bin", zipped(("model/data.pkl", EVIL))),
        )
    )
    assert "os.system" in imports(found)


def test_parts_of_one_name_are_not_taken_for_one_another() -> None:
    found = read(zipped(("u/m.safetensors", _part("a")), ("v/m.safetensors", _part("a"))))
    assert found.table is not None
    keys = {tensor.storage.key for tensor in found.table}
    assert len(keys) == 2
    assert keys == {extent.key for extent in found.extents if extent.part is Part.STORAGE}


@pytest.mark.parametrize("where", ["name", "extra", "prefix"])
def test_a_zip_s_first_bytes_as_a_persistent_id_hide_nothing(where: str) -> None:
    """An unpickler that knows persistent ids steps over "PK" and the rest of that line."""
    payload = b"\n0" + EVIL
    if where == "prefix":
        data = b"PK\3\4" + payload + crafted([GOOD])
    elif where == "name":
        data = crafted([Record(b"a" + payload, b"x"), GOOD])
    else:
        data = crafted([Record(b"a/x", b"x", {"extra": _field(0x5455, payload)}), GOOD])
    assert "os.system" in imports(read(data))
    assert "os.system" in imports(read(b"PK\3\4" + payload))


def test_a_packed_size_that_reaches_beyond_the_file_hides_nothing() -> None:
    # zipfile takes what there is: the deflate stream knows its own end.
    packer = zlib.compressobj(wbits=-15)
    data = packer.compress(EVIL) + packer.flush()
    fields = {"method": 8, "size": len(EVIL), "crc": zlib.crc32(EVIL)}
    raw = crafted([Record(b"archive/data.pkl", data, fields, {**fields, "packed": 1 << 22})])
    with zipfile.ZipFile(io.BytesIO(raw)) as archive:
        assert archive.read("archive/data.pkl") == EVIL
    found = read(raw)
    assert "os.system" in imports(found)
    assert "zip-broken-record" in rules(found)


def test_a_name_longer_than_the_directory_hides_no_member() -> None:
    # zipfile takes what is left of the name; torch refuses the file.
    raw = bytearray(crafted([Record(b"archive/data.pkl", EVIL), Record(b"archive/last", b"x")]))
    at = raw.rindex(b"PK\1\2") + 28
    raw[at : at + 2] = b"\xff\xff"
    with zipfile.ZipFile(io.BytesIO(raw)) as archive:
        assert archive.read("archive/data.pkl") == EVIL
    found = read(bytes(raw))
    assert "os.system" in imports(found)
    assert "zip-no-directory" not in rules(found)


def test_a_member_without_a_directory_is_not_hidden_by_the_size_before_it() -> None:
    first = Record(b"first", b"x", {"packed": 60, "size": 60})
    raw = crafted([first, Record(b"archive/data.pkl", EVIL)])
    found = read(raw[: raw.index(b"PK\1\2")])
    assert "archive/data.pkl" in {trace.member for trace in found.traces}


def test_members_without_a_directory_are_looked_for_once() -> None:
    # Each of these headers has all that follows for its data. Read as files in turn, at every
    # depth, they would be sixty-four to the power of four.
    header = struct.pack("<4s5H3I2H", b"PK\3\4", 20, 0, 0, 0, 0, 0, 0, 0, 1, 0) + b"x"
    found = read(header * 64 + EVIL)
    assert "os.system" in imports(found)
    assert sum(finding.rule == "zip-hidden-member" for finding in found.findings) <= 64
