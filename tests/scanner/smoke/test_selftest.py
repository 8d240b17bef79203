from __future__ import annotations

from pathlib import Path

import pytest

from scanner import smoke
from scanner.smoke import miniature, selftest
from tests.scanner.smoke import damage
from tests.scanner.smoke.files import write

pytest.importorskip("torch")
pytest.importorskip("diffusers")

CPU = smoke.Options(device="cpu")


def test_it_passes_where_the_smoke_test_works() -> None:
    result, status = selftest.run(CPU)
    assert status == 0, result
    check = result["checks"][-1]  # type: ignore[index, call-overload]
    assert (check["name"], check["outcome"], check["value"]) == ("selftest", "passed", 2.0)  # type: ignore[index, call-overload]


def test_it_fails_where_a_sound_model_is_not_found_to_be_sound(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = miniature.files

    def deaf(folder: Path) -> dict[str, Path]:
        import safetensors.numpy

        files = made(folder)
        path = files["mini.safetensors"]
        write(path, damage.deaf(dict(safetensors.numpy.load_file(path))))
        return files

    monkeypatch.setattr(miniature, "files", deaf)
    result, status = selftest.run(CPU)
    assert status == 1
    assert result["verdict"] == "failed"
