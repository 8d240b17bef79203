from __future__ import annotations

import pytest

from scanner.report import Severity
from tests.scanner.opcode_builder import (
    call,
    dict_of,
    found,
    integer,
    name,
    op,
    ordered_dict,
    pickled,
    storage,
    tensor,
    text,
    tuple_of,
)  # fmt: skip


def arguments(offset: int = 0, size: int = 4, stride: int = 1) -> tuple[bytes, ...]:
    shape = (tuple_of(integer(size)), tuple_of(integer(stride)))
    return (storage(numel=4), integer(offset), *shape)


def plain(*where: int) -> bytes:
    return call(
        name("torch._utils", "_rebuild_tensor_v2"),
        *arguments(*where),
        op("NEWFALSE"),
        ordered_dict(),
    )


def quantised(*where: int) -> bytes:
    scheme = tuple_of(name("torch", "per_tensor_affine"), integer(1), integer(0))
    return call(
        name("torch._utils", "_rebuild_qtensor"),
        *arguments(*where),
        scheme,
        op("NEWFALSE"),
        ordered_dict(),
    )


def typed(*where: int) -> bytes:
    return call(
        name("torch._tensor", "_rebuild_from_type_v2"),
        name("torch._utils", "_rebuild_tensor_v2"),
        name("torch", "Tensor"),
        tuple_of(*arguments(*where), op("NEWFALSE"), ordered_dict()),
        dict_of(),
    )


def untyped(*where: int) -> bytes:
    return call(
        name("torch._utils", "_rebuild_tensor_v3"),
        *arguments(*where),
        op("NEWFALSE"),
        ordered_dict(),
        name("torch", "float64"),
    )


def sparse(inner: bytes) -> bytes:
    layout = call(name("torch.serialization", "_get_layout"), text("torch.sparse_coo"))
    parts = tuple_of(tensor(), inner, tuple_of(integer(4)))
    return call(name("torch._utils", "_rebuild_sparse_tensor"), layout, parts)


OUTSIDE = [(1,), (0, 5), (0, 2, 4), (-1,), (0, 2, -1), (0, -1)]


@pytest.mark.parametrize("made", [plain, quantised, typed, untyped])
@pytest.mark.parametrize("where", OUTSIDE)
def test_a_tensor_outside_its_storage_is_malicious(made: object, where: tuple[int, ...]) -> None:
    assert callable(made)
    (finding,) = found("tensor_reach", pickled(made(*where)))
    assert finding.severity is Severity.MALICIOUS


def test_so_is_one_inside_a_sparse_tensor_or_thrown_away() -> None:
    # CVE-2026-24747: what the result does not show is made all the same.
    assert found("tensor_reach", pickled(sparse(plain(0, 4, 2))))
    assert found("tensor_reach", pickled(plain(1), op("POP"), op("NONE")))


def test_tensors_inside_their_storage_are_no_finding() -> None:
    for honest in (
        plain(),
        plain(0, 2, 2),
        plain(4, 0, 1),
        quantised(),
        typed(2, 2),
        sparse(plain()),
    ):
        assert not found("tensor_reach", pickled(honest))


def test_a_width_in_bytes_counts_where_the_storage_has_no_type() -> None:
    # Four floats hold two doubles.
    assert not found("tensor_reach", pickled(untyped(0, 2)))
    assert found("tensor_reach", pickled(untyped(0, 3)))
