from __future__ import annotations

from scanner import listing
from scanner.identify.anatomy import Anatomy
from scanner.limits import DEFAULT
from scanner.source import BytesSource
from scanner.tensors import Storage, Tensor, TensorTable


def _anatomy(*names: str) -> Anatomy:
    return Anatomy(
        TensorTable(
            tuple(Tensor(name, "F16", (2, 3), (3, 1), Storage(name, 12, BytesSource(b"")))
                  for name in names)
        )
    )  # fmt: skip


def test_every_tensor_with_its_use() -> None:
    found = listing.listed(_anatomy("first_stage_model.loss.logvar", "x"), DEFAULT)
    assert found.rows == (
        ("first_stage_model.loss.logvar", "F16", (2, 3), "loss", 12),
        ("x", "F16", (2, 3), "other", 12),
    )
    assert (found.total, found.left_out) == (2, 0)


def test_the_list_is_bounded_by_rows_and_by_characters() -> None:
    names = [f"tensor{number}" for number in range(9)]
    found = listing.listed(_anatomy(*names), DEFAULT._replace(listed_tensors=4))
    assert (len(found.rows), found.total, found.left_out) == (4, 9, 5)
    found = listing.listed(_anatomy(*names), DEFAULT._replace(listed_chars=15))
    assert (len(found.rows), found.left_out) == (2, 7)


def test_a_name_that_is_no_text_can_be_written() -> None:
    ((name, *_),) = listing.listed(_anatomy("a\ud800"), DEFAULT).rows
    name.encode()
