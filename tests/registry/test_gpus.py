"""One smoke worker a GPU, and which GPUs there are."""

from __future__ import annotations

from pathlib import Path

import pytest

from registry.management.commands import serve
from scanner import gpus


@pytest.mark.parametrize(
    ("nodes", "listed", "found"),
    [
        ([], None, []),
        ([], "0,1", []),
        (["nvidia0"], None, ["0"]),
        # A container may be given the fourth alone, which CUDA then calls the first.
        (["nvidia3"], None, ["0"]),
        (["nvidia0", "nvidia1", "nvidiactl", "nvidia-uvm"], None, ["0", "1"]),
        (["nvidia0", "nvidia1"], "1", ["1"]),
        (["nvidia0", "nvidia1"], "GPU-8932f937, GPU-5b0d1c20", ["GPU-8932f937", "GPU-5b0d1c20"]),
        (["nvidia0", "nvidia1"], "", []),
        (["nvidia0", "nvidia1"], "-1", []),
        (["nvidia0", "nvidia1"], "1,-1,0", ["1"]),
    ],
)
def test_gpus_are_called_as_cuda_calls_them(
    tmp_path: Path, nodes: list[str], listed: str | None, found: list[str]
) -> None:
    for name in nodes:
        (tmp_path / name).touch()
    environ = {} if listed is None else {gpus.VISIBLE: listed}
    assert gpus.visible(environ, tmp_path) == found


@pytest.mark.parametrize("available", [[], ["0"]])
def test_one_worker_draws_on_what_there_is(available: list[str]) -> None:
    programs = serve.programs(3, drawing_on=available, with_demo=False)
    (worker,) = [program for program in programs if program.name.startswith("smoke")]
    assert not worker.environ


def test_several_gpus_have_a_worker_each() -> None:
    programs = serve.programs(3, drawing_on=["0", "GPU-5b0d1c20"], with_demo=False)
    workers = {program.name: program for program in programs if program.name.startswith("smoke")}
    assert {name: worker.environ for name, worker in workers.items()} == {
        "smoke-0": {"CUDA_VISIBLE_DEVICES": "0"},
        "smoke-1": {"CUDA_VISIBLE_DEVICES": "GPU-5b0d1c20"},
    }
    assert all("smoke" in worker.command for worker in workers.values())
    hosts = {worker.command[worker.command.index("--hostname") + 1] for worker in workers.values()}
    assert len(hosts) == 2
