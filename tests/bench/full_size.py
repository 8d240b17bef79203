"""A full-size file through the whole house: ``python -m tests.bench.full_size [--keep] [--dir D]``.

Makes a 4.27 GB fp32 checkpoint with SD1.5's exact key set and random values, starts ``manage.py
serve`` on a fresh folder, and takes the file through upload, inspection, conversion, smoke test,
review and download with the ordinary API. Prints time and peak memory of each step, and proves that
what comes out equals ``torch.load`` of what went in, tensor for tensor. About 13 GB of disk.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import psutil
import requests

from scanner.writer import Tree, write_torch_zip
from tests.bench.values import Maker, shapes_of

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 1_800


@dataclass
class Row:
    step: str
    seconds: float
    peak: int
    note: str = ""


@dataclass
class Watch:
    """Samples the resident memory of a process tree, by what each process does."""

    root: psutil.Process
    peaks: dict[str, int] = field(default_factory=dict)
    stopped: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        while not self.stopped.wait(0.05):
            for process in self._processes():
                try:
                    role = _role(process.cmdline())
                    # USS: a forked child shares most pages with its parent.
                    used = process.memory_full_info().uss
                except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
                    continue
                self.peaks[role] = max(self.peaks.get(role, 0), used)

    def _processes(self) -> list[psutil.Process]:
        try:
            return self.root.children(recursive=True)
        except psutil.NoSuchProcess:
            return []


def _role(words: list[str]) -> str:
    if "scanner" in words:
        return words[words.index("scanner") + 1]
    if any("gunicorn" in word for word in words):
        return "web"
    return "other"


#: The noise schedule's buffers, as the reference implementation registers them.
_SCHEDULE = (
    "betas", "alphas_cumprod", "alphas_cumprod_prev", "sqrt_alphas_cumprod",
    "sqrt_one_minus_alphas_cumprod", "log_one_minus_alphas_cumprod", "sqrt_recip_alphas_cumprod",
    "sqrt_recipm1_alphas_cumprod", "posterior_variance", "posterior_log_variance_clipped",
    "posterior_mean_coef1", "posterior_mean_coef2",
)  # fmt: skip


def make(path: Path) -> None:
    """SD1.5's 1,143 tensors in fp32, schedule buffers included, as ``torch.save`` lays them out;
    values as training would start from them, so that a generation stays finite."""
    maker = Maker(seed=15)
    parts = (
        ("model.diffusion_model.", shapes_of("sd1", "ldm-unet")),
        ("first_stage_model.", shapes_of("vae-4ch", "ldm-vae")),
        ("cond_stage_model.transformer.text_model.", shapes_of("clip-l", "clip")),
    )
    state: dict[str | int, Tree] = {
        prefix + name: maker.weight(prefix + name, shape)
        for prefix, shapes in parts
        for name, shape in shapes.items()
    }
    state |= {name: maker.normal(name, (1000,), 1.0) for name in _SCHEDULE}
    if len(state) != 1_143:
        raise SystemExit(f"{len(state)} tensors instead of 1,143")
    write_torch_zip(path, {"state_dict": state})


class Client:
    """The ordinary API, with an ordinary token."""

    def __init__(self, base: str, token: str) -> None:
        self.base = base
        self.session = requests.Session()
        self.session.headers["Authorization"] = f"Bearer {token}"

    def post(self, path: str, **kwargs: Any) -> dict[str, Any]:
        return self._json(self.session.post(f"{self.base}/api/v1{path}", **kwargs))

    def get(self, path: str) -> dict[str, Any]:
        return self._json(self.session.get(f"{self.base}/api/v1{path}", timeout=60))

    def _json(self, response: requests.Response) -> dict[str, Any]:
        if not response.ok:
            raise SystemExit(f"{response.url}: {response.status_code} {response.text[:500]}")
        body: dict[str, Any] = response.json()
        return body

    def wait(self, version: int) -> dict[str, Any]:
        """The version once a person is asked for; its way there is printed."""
        deadline = time.monotonic() + PATIENCE
        said = ""
        while time.monotonic() < deadline:
            state = self.get(f"/versions/{version}")
            progress = state.get("progress") or {}
            now = f"{state['stage']} {progress.get('step') or ''} {progress.get('percent') or ''}"
            if now != said:
                print(f"\r  {now:<40}", end="", flush=True)
                said = now
            if state["stage"] in {"in_review", "quarantined"} or state.get("problem"):
                print()
                return state
            time.sleep(0.25)
        raise SystemExit("the pipeline did not end in time")


@contextmanager
def served(home: Path) -> Iterator[tuple[str, psutil.Process]]:
    """``manage.py serve`` on a fresh folder, ended and cleaned up afterwards."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        bind = f"127.0.0.1:{probe.getsockname()[1]}"
    environment = os.environ | {
        "WEIGHHOUSE_HOME": str(home),
        "WEIGHHOUSE_BIND": bind,
        "WEIGHHOUSE_DEMO": "0",
        "WEIGHHOUSE_ADMIN_PASSWORD": secrets.token_urlsafe(16),
    }
    with (home / "serve.log").open("wb") as log:
        server = subprocess.Popen(
            [sys.executable, "manage.py", "serve"],
            cwd=ROOT,
            env=environment,
            stdout=log,
            stderr=log,
        )
    try:
        _await(f"http://{bind}/readyz")
        yield f"http://{bind}", psutil.Process(server.pid)
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(timeout=20)


def _await(url: str) -> None:
    for _ in range(240):
        try:
            if requests.get(url, timeout=2).ok:
                return
        except requests.RequestException:
            pass
        time.sleep(0.25)
    raise SystemExit("the portal did not answer within 60 s")


def token(home: Path) -> str:
    """A token for the first admin, from the command line as an admin would make it."""
    made = subprocess.run(
        [sys.executable, "manage.py", "token", "admin", "--scopes", "read,write,review"],
        cwd=ROOT,
        env=os.environ | {"WEIGHHOUSE_HOME": str(home)},
        capture_output=True,
        text=True,
        check=True,
    )
    return made.stdout.strip()


def seconds_between(events: list[dict[str, Any]]) -> dict[str, float]:
    """How long each stage took to reach, from the journal's own times."""
    moves = sorted((event["at"], event["to"]) for event in events if event.get("to"))
    taken: dict[str, float] = {}
    for (before, _), (after, stage) in pairwise(moves):
        start, end = (datetime.fromisoformat(at) for at in (before, after))
        taken[stage] = (end - start).total_seconds()
    return taken


def compare(source: Path, converted: Path) -> int:
    """How many tensors there are; ends the benchmark at the first that differs."""
    import torch
    from safetensors import safe_open

    expected = torch.load(source, map_location="cpu", mmap=True, weights_only=True)["state_dict"]
    with safe_open(converted, framework="pt") as actual:
        names = set(actual.keys())
        if names != set(expected):
            raise SystemExit(f"names differ: {sorted(names ^ set(expected))[:5]}")
        for name in sorted(names):
            tensor = actual.get_tensor(name)
            if tensor.dtype != expected[name].dtype or not torch.equal(tensor, expected[name]):
                raise SystemExit(f"{name} differs")
    return len(names)


def go(source: Path, home: Path) -> list[Row]:
    rows: list[Row] = []
    with served(home) as (base, server):
        watch = Watch(server)
        sampler = threading.Thread(target=watch.run, daemon=True)
        sampler.start()
        client = Client(base, token(home))
        model = client.post("/models", json={"name": "Full size"})
        version = client.post(f"/models/{model['slug']}/versions", json={"name": "1"})
        started = time.monotonic()
        with source.open("rb") as body:
            client.post(
                f"/versions/{version['id']}/artifacts", params={"name": source.name}, data=body
            )
        uploaded = time.monotonic() - started
        rows.append(
            Row("upload (raw body, sha256 on the way)", uploaded, watch.peaks.get("web", 0))
        )
        client.post(f"/versions/{version['id']}/submit")
        state = client.wait(version["id"])
        if state["stage"] != "in_review":
            raise SystemExit(f"{state['stage']}: {state.get('problem')}")
        taken = seconds_between(state["events"])
        peak = watch.peaks
        # The convert step inspects its result: its children have both roles.
        rows += [
            Row("inspect", taken["inspected"], peak.get("inspect", 0)),
            Row("convert, and inspect the result", taken["converted"], peak.get("convert", 0)),
            Row("smoke test", taken["smoke_tested"], peak.get("smoke", 0)),
        ]
        client.post(f"/versions/{version['id']}/publish", json={"note": "benchmark"})
        converted = next(a for a in state["artifacts"] if a["role"] == "converted")
        target = home / "downloaded.safetensors"
        digest = hashlib.sha256()
        started = time.monotonic()
        with (
            client.session.get(
                f"{base}/api/v1/artifacts/{converted['id']}/download", stream=True, timeout=600
            ) as response,
            target.open("wb") as file,
        ):
            response.raise_for_status()
            for chunk in response.iter_content(1 << 20):
                file.write(chunk)
                digest.update(chunk)
        rows.append(Row("download (and sha256)", time.monotonic() - started, peak.get("web", 0)))
        if digest.hexdigest() != converted["sha256"]:
            raise SystemExit("what was downloaded is not what was promised")
        watch.stopped.set()
        sampler.join()
    tensors = compare(source, target)
    print(f"{tensors} tensors equal torch.load's, bit for bit")
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dir", type=Path, help="where to work (13 GB); default: a temporary one")
    parser.add_argument("--keep", action="store_true", help="keep the made checkpoint")
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="full-size-", dir=arguments.dir))
    source = (arguments.dir or folder) / "sd15-random-fp32.ckpt"
    try:
        if not source.exists():
            print("making the checkpoint …")
            make(source)
        print(f"{source.stat().st_size:,} bytes")
        home = folder / "home"
        home.mkdir()
        rows = go(source, home)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if not arguments.keep:
            source.unlink(missing_ok=True)
    print("\n| step | seconds | peak memory |\n| --- | ---: | ---: |")
    for row in rows:
        print(f"| {row.step} | {row.seconds:.1f} | {row.peak / 2**20:,.0f} MiB |")


if __name__ == "__main__":
    main()
