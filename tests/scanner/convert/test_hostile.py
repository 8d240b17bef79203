"""Hostile files through the converter: nothing runs, nothing is written, the code says why.

Every payload is built from opcodes and sits in a file with genuine tensors, so that only the
verdict stands between it and a conversion. No file here is ever loaded.
"""

from __future__ import annotations

import io
import json
import pickletools
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from safetensors import safe_open

from scanner import reading, safety
from scanner.limits import DEFAULT
from scanner.report import Verdict
from scanner.source import BytesSource
from tests.scanner.convert.sources import tarred
from tests.scanner.formats.files import saved, zipped
from tests.scanner.opcode_builder import (
    MARK,
    call,
    data,
    dict_of,
    name,
    op,
    pickled,
    stack_name,
    text,
    tuple_of,
)

ROOT = Path(__file__).resolve().parents[3]
CORPUS = ROOT.parent / "shared" / "corpora" / "scanner"
MARKER = "/tmp/weighhouse-marker-of-the-hostile-tests"
COMMAND = text(f"touch {MARKER}")
STATE = {"layer.weight": torch.arange(12.0).view(3, 4), "layer.bias": torch.ones(4)}

#: Ways to run the command, by what they use. Each leaves one object on the stack.
PAYLOADS = {
    "reduce": call(name("os", "system"), COMMAND),
    "posix": call(name("posix", "system"), COMMAND),
    "stack-global": call(stack_name("os", "system"), COMMAND),
    "inst": MARK + COMMAND + op("INST", b"os\nsystem\n"),
    "obj": MARK + name("os", "system") + COMMAND + op("OBJ"),
    "newobj": name("subprocess", "Popen") + tuple_of(COMMAND) + op("NEWOBJ"),
    "newobj-ex": name("subprocess", "Popen") + tuple_of() + dict_of((text("args"), COMMAND))
    + op("NEWOBJ_EX"),
    "eval": call(name("builtins", "eval"), text(f"open({MARKER!r}, 'w')")),
    "old-eval": call(name("__builtin__", "eval"), text(f"open({MARKER!r}, 'w')")),
    "memo": text("os") + op("BINPUT", b"\7") + op("POP") + op("BINGET", b"\7") + text("system")
    + op("STACK_GLOBAL") + tuple_of(COMMAND) + op("REDUCE"),
    "dotted": call(stack_name("torch", "serialization.os.system"), COMMAND),
    "getattr": call(call(name("builtins", "getattr"), name("os", "path"), text("os")), COMMAND),
    "partial": call(call(name("functools", "partial"), name("os", "system"), COMMAND)),
    "map": call(name("builtins", "list"), call(name("builtins", "map"), name("os", "system"),
                                               tuple_of(COMMAND))),
    "trampoline": call(name("torch._tensor", "_rebuild_from_type_v2"), name("os", "system"),
                       name("torch", "Tensor"), tuple_of(COMMAND), op("NONE")),
    "parameter": call(name("torch._utils", "_rebuild_parameter"),
                      call(name("os", "system"), COMMAND), op("NEWTRUE"), op("EMPTY_DICT")),
    "hook": call(name("torch", "load"), text("/tmp/x.pt")),
    "nested": call(name("torch.storage", "_load_from_bytes"),
                   data(pickled(call(name("os", "system"), COMMAND)))),
    "pip": call(name("pip", "main"), tuple_of(text("install"), text("x"))),
    "default-factory": call(name("collections", "defaultdict"), name("os", "system")),
    "build-on-module": name("os", "path") + dict_of((text("x"), COMMAND)) + op("BUILD"),
    "setitem-on-class": name("torch", "Tensor") + text("x") + COMMAND + op("SETITEM"),
}  # fmt: skip


def _before(pickle: bytes, payload: bytes) -> bytes:
    """The same pickle, with the payload run and forgotten first."""
    assert pickle[:1] == b"\x80"
    return pickle[:2] + payload + op("POP") + pickle[2:]


def _edited(raw: bytes, edit: Callable[[bytes], bytes]) -> bytes:
    """A torch file with another ``data.pkl``."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(raw)) as old, zipfile.ZipFile(out, "w") as new:
        for member in old.namelist():
            body = old.read(member)
            new.writestr(member, edit(body) if member.endswith("data.pkl") else body)
    return out.getvalue()


def _with_members(raw: bytes, *members: tuple[str, bytes]) -> bytes:
    out = io.BytesIO(raw)
    with zipfile.ZipFile(out, "a") as archive:
        for member, body in members:
            archive.writestr(zipfile.ZipInfo(member), body)
    return out.getvalue()


def _tar(folder: Path, record: str, payload: bytes) -> bytes:
    """torch's first format, with the payload in front of one of its records."""
    path = tarred(STATE, folder / "old.pt")
    out = io.BytesIO()
    with tarfile.open(path) as old, tarfile.open(fileobj=out, mode="w") as new:
        for member in old.getmembers():
            opened = old.extractfile(member)
            assert opened is not None
            body = opened.read()
            body = _before(body, payload) if member.name == record else body
            member.size = len(body)
            new.addfile(member, io.BytesIO(body))
    return out.getvalue()


def _legacy(raw: bytes, number: int, payload: bytes) -> bytes:
    """The payload in one of the five pickles."""
    file, starts = io.BytesIO(raw), []
    for _ in range(5):
        starts.append(file.tell())
        for _ in pickletools.genops(file):
            pass
    at = starts[number]
    return raw[: at + 2] + payload + op("POP") + raw[at + 2 :]


def hostile(folder: Path) -> Iterator[tuple[str, bytes]]:
    good, old = saved(STATE), saved(STATE, legacy=True)
    evil = PAYLOADS["reduce"]
    for title, payload in PAYLOADS.items():
        yield f"zip-{title}", _edited(good, lambda body, payload=payload: _before(body, payload))
    for number in range(5):
        yield f"legacy-{number}", _legacy(old, number, evil)
    for record in ("sys_info", "pickle", "storages", "tensors"):
        yield f"tar-{record}", _tar(folder, record, evil)
    alone = pickled(evil)
    with zipfile.ZipFile(io.BytesIO(good)) as archive:
        root = archive.namelist()[0].split("/")[0]
    # Readers that disagree about which member counts.
    yield "second-member", _with_members(good, (f"{root}/data.pkl", alone))
    yield "other-case", _with_members(good, (f"{root}/DATA.PKL", alone))
    yield "second-pickle", _edited(good, lambda body: body + alone)
    yield "two-archives", good + zipped((f"{root}/data.pkl", alone))
    yield "pickle-in-front", alone + good
    yield "archive-within", _with_members(good, ("inner.zip", zipped(("data.pkl", alone))))
    yield "behind-a-legacy-file", old + alone
    yield "named-otherwise", _with_members(good, ("notes.txt", alone))
    header = json.dumps({"w": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).encode()
    yield "safetensors-tail", len(header).to_bytes(8, "little") + header + bytes(4) + alone


def convert(source: Path, target: Path, *more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "scanner", "convert", str(source), str(target), "--json", "--jobs",
         "2", *more],
        capture_output=True, text=True, check=False, cwd=source,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
    )  # fmt: skip


def told(done: subprocess.CompletedProcess[str]) -> dict[str, dict[str, object]]:
    return {Path(line["source"]).stem: line for line in map(json.loads, done.stdout.splitlines())}


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_no_technique_gets_through(tmp_path: Path) -> None:
    source, target = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    Path(MARKER).unlink(missing_ok=True)
    for title, raw in hostile(tmp_path):
        (source / f"{title}.bin").write_bytes(raw)
    done = convert(source, target)
    assert done.returncode == 1, done.stderr
    codes = {title: line.get("error", {}).get("code") for title, line in told(done).items()}  # type: ignore[attr-defined]
    assert {title for title, code in codes.items() if code != "convert.refused"} == set()
    assert len(codes) == len(list(source.iterdir())) >= 40
    assert [path for path in target.rglob("*") if path.is_file()] == []
    assert not Path(MARKER).exists()


@pytest.mark.parametrize("reader", ["safetensors", "ours"])
def test_of_a_doubtful_file_the_tensors_come_and_nothing_else(tmp_path: Path, reader: str) -> None:
    """A name that no list knows, an odd member, a pickle that lies in a tensor as its values."""
    source, target = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    alone = pickled(PAYLOADS["reduce"])
    unknown = call(name("trainer.hooks", "Callback"), text("x"))
    values = torch.frombuffer(bytearray(alone), dtype=torch.uint8)
    for title, raw in {
        "unknown-name": _edited(saved(STATE), lambda body: _before(body, unknown)),
        "odd-member": _with_members(saved(STATE), ("archive/notes.py", b"import os\n")),
        "pickle-in-values": saved({**STATE, "values": values}),
    }.items():
        (source / f"{title}.bin").write_bytes(raw)
    done = convert(source, target)
    assert done.returncode == 0, done.stdout
    for path in target.iterdir():
        if reader == "ours":
            assert _verdict(path) is Verdict.CLEAN
            continue
        with safe_open(path, "pt") as opened:
            assert set(opened.keys()) - {"values"} == STATE.keys()
            assert torch.equal(opened.get_tensor("layer.weight"), STATE["layer.weight"])
            assert opened.metadata().keys() == {"format", "weighhouse.converter"}
    assert not Path(MARKER).exists()


def _verdict(path: Path) -> Verdict:
    source = BytesSource(path.read_bytes(), file_offset=0)
    return safety.judge(reading.read(source, DEFAULT), DEFAULT).verdict


# -- labelled samples ----------------------------------------------------------------------------


def _labelled(label: str, folder: Path) -> dict[str, Path]:
    """The samples of one label, for a conversion by number: their own names end in anything."""
    found = {}
    for line in (CORPUS / "labels.tsv").read_text().splitlines()[1:]:
        file, said, _ = line.split("\t")
        if said == label:
            number = f"{len(found):04}"
            shutil.copy(CORPUS / file, folder / f"{number}.bin")
            found[number] = CORPUS / file
    return found


@pytest.fixture
def samples(tmp_path: Path) -> Callable[[str], dict[str, Path]]:
    if not (CORPUS / "labels.tsv").exists():
        pytest.skip("needs the corpora beside the project, which are no part of it")
    (tmp_path / "in").mkdir()
    return lambda label: _labelled(label, tmp_path / "in")


Samples = Callable[[str], dict[str, Path]]


def test_no_malicious_sample_is_converted(samples: Samples, tmp_path: Path) -> None:
    files = samples("malicious")
    before = _listing(tmp_path / "in")
    done = convert(tmp_path / "in", tmp_path / "out")
    codes = {number: line.get("error") for number, line in told(done).items()}
    assert done.returncode == 1
    assert codes.keys() == files.keys()
    passed = [files[number] for number, error in codes.items()
              if not isinstance(error, dict) or error["code"] != "convert.refused"]  # fmt: skip
    assert passed == []
    assert [path for path in (tmp_path / "out").rglob("*") if path.is_file()] == []
    assert _listing(tmp_path / "in") == before


def _listing(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*"))


@pytest.mark.parametrize("label", ["suspicious", "benign"])
def test_what_comes_of_any_other_sample_is_clean(
    samples: Samples, tmp_path: Path, label: str
) -> None:
    files = samples(label)
    done = convert(tmp_path / "in", tmp_path / "out")
    assert done.returncode in (0, 1)
    assert told(done).keys() == files.keys()
    codes = {line["error"]["code"] for line in told(done).values() if "error" in line}  # type: ignore[index]
    assert codes <= {"convert.refused", "convert.no_tensors", "convert.name", "convert.dtype"}
    made = list((tmp_path / "out").iterdir())
    assert made
    for path in made:
        assert _verdict(path) is Verdict.CLEAN
        with safe_open(path, "pt") as opened:
            assert list(opened.keys())
