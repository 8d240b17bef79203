"""Out of memory, step by step. No GPU is needed: a device is a name until something lies on it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from scanner.smoke.bases import BASES
from scanner.smoke.options import Options
from scanner.smoke.outcome import Outcome, Result

torch = pytest.importorskip("torch")
pytest.importorskip("diffusers")


def setting(device: str) -> object:
    from scanner.smoke.setting import Setting

    return Setting(Path(), Path(), Options(), torch.device(device), lambda _done, _total: None)


def shown(device: str, show: Callable[[str, int], None]) -> Result:
    """What comes of a run that ``show`` may end, told the device and the picture's side."""
    from scanner.smoke import memory, showing

    def attempt(given: object) -> Result:
        show(given.device.type, showing.effort_of(BASES["sd1"], given).size)  # type: ignore[attr-defined, arg-type]
        return Result(Outcome.PASSED)

    return memory.within(setting(device), attempt)  # type: ignore[arg-type]


def test_a_run_that_has_room_is_left_alone() -> None:
    assert shown("cuda", lambda *_: None).checks == ()


@pytest.mark.parametrize(
    ("device_that_fails", "least", "expected", "words"),
    [
        ("cuda", 512, [("cuda", 512), ("cuda", 256)], "at half the size"),
        ("cuda", 0, [("cuda", 512), ("cuda", 256), ("cpu", 256)], "on the CPU"),
    ],
)
def test_a_gpu_without_memory_is_asked_for_less_and_then_the_cpu(
    device_that_fails: str, least: int, expected: list[tuple[str, int]], words: str
) -> None:
    tried: list[tuple[str, int]] = []

    def show(device: str, size: int) -> None:
        tried.append((device, size))
        if device == device_that_fails and size >= least:
            raise torch.OutOfMemoryError("CUDA out of memory.")

    result = shown("cuda", show)
    assert tried == expected
    assert result.checks[-1].name == "memory"
    assert words in result.checks[-1].message
    # It is the machine's affair: the model has not done worse for it.
    assert result.verdict is Outcome.PASSED


@pytest.mark.parametrize(
    "words",
    [
        "CUDA error: out of memory",
        "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
        "cuDNN error: CUDNN_STATUS_ALLOC_FAILED",
        "NVML_SUCCESS == r INTERNAL ASSERT FAILED at CUDACachingAllocator.cpp",
        "GET was unable to find an engine to execute this computation",
    ],
)
def test_want_of_a_gpus_memory_goes_by_many_names(words: str) -> None:
    def show(device: str, _size: int) -> None:
        if device == "cuda":
            raise RuntimeError(words)

    assert "on the CPU" in shown("cuda", show).checks[-1].message
    with pytest.raises(RuntimeError, match=words[:9]):
        shown("cpu", lambda *_: show("cuda", 0))


def test_a_cpu_without_memory_is_the_end() -> None:
    def show(_device: str, _size: int) -> None:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9")

    with pytest.raises(MemoryError):
        shown("cpu", show)


def test_another_error_is_passed_on() -> None:
    def show(_device: str, _size: int) -> None:
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    with pytest.raises(RuntimeError, match="mat1"):
        shown("cuda", show)
