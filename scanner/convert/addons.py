"""Embeddings and hypernetworks: small files with layouts of their own.

Tools that load embeddings from safetensors expect ``emb_params`` (SD1, SD2) or ``clip_l`` with
``clip_g`` (SDXL) and nothing else. No tool loads a hypernetwork from safetensors: the layout
``{dim}.{0|1}.{key}`` is ours.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from scanner.convert.options import Dropped
from scanner.convert.plan import Piece, Plan, dotted
from scanner.tensors import Tensor, TensorTable

EMB_PARAMS = "emb_params"
SDXL = ("clip_l", "clip_g")
_A1111 = "string_to_param"
ANY = "*"  # WebUI's stand-in for whatever the file is called
#: Widths of the text encoders that embeddings are made for.
_WIDTHS = frozenset({768, 1024, 1280})
_MOST_VECTORS = 128
_NARROWEST = 16  # below it a number at the start of a path is a list's index
_FLOATS = frozenset({"F64", "F32", "F16", "BF16"})


def rename(plan: Plan, table: TensorTable) -> Plan:
    """The plan with an embedding's or a hypernetwork's tensors under the names of its layout; any
    other plan as it is."""
    if len(plan.pieces) != len(table.tensors):
        return plan
    return _hypernetwork(plan, table) or _embedding(plan, table) or plan


def _embedding(plan: Plan, table: TensorTable) -> Plan | None:
    names = {piece.name for piece in plan.pieces}
    if names and names <= {EMB_PARAMS, *SDXL}:
        return plan
    learned = [
        (piece, token)
        for piece, tensor in zip(plan.pieces, table, strict=True)
        if (token := _token(tensor, len(table))) is not None and _is_embedding(tensor)
    ]
    if not learned:
        return None
    if {token for _, token in learned} == set(SDXL):
        return _only(plan, [replace(_rows(piece), name=token) for piece, token in learned])
    # As WebUI does: of several, the first is what the file is for.
    piece, token = learned[0]
    kept = _only(plan, [replace(_rows(piece), name=EMB_PARAMS)], but=piece)
    return kept if token in ("", ANY) else kept.with_metadata({"trigger_token": token})


def _only(plan: Plan, pieces: list[Piece], but: Piece | None = None) -> Plan:
    here = {id(piece.tensor) for piece in pieces}
    others = [piece for piece in plan.pieces if id(piece.tensor) not in here and piece is not but]
    why = "an embedding in safetensors holds its vectors alone"
    return plan.keeping(pieces, *(Dropped(piece.name, why) for piece in others))


def _token(tensor: Tensor, tensors: int) -> str | None:
    """What calls this embedding up, or None where nothing says that it is one."""
    if _A1111 in tensor.path[:-1]:
        return str(tensor.path[-1])
    if tensor.name in SDXL:
        return tensor.name
    # A file of one small tensor under a plain word, as diffusers' trainers write it.
    plain = len(tensor.path) <= 1 and "." not in tensor.name
    return tensor.name if tensors == 1 and plain else None


def _is_embedding(tensor: Tensor) -> bool:
    *vectors, width = tensor.shape or (0,)
    few = len(vectors) == 0 or (len(vectors) == 1 and vectors[0] <= _MOST_VECTORS)
    known = width in _WIDTHS or _A1111 in tensor.path
    return few and known and tensor.dtype in _FLOATS


def _rows(piece: Piece) -> Piece:
    """One vector is a table of one row."""
    if len(piece.shape) != 1:
        return piece
    tensor = piece.tensor
    shape = (1, *tensor.shape)
    stride = (tensor.shape[0] * tensor.stride[0], *tensor.stride)
    return replace(piece, tensor=tensor._replace(shape=shape, stride=stride), shape=shape)


def is_hypernetwork(names: Iterable[str]) -> bool:
    """Whether tensors of these names are a hypernetwork's, in our layout for it."""
    ways = [tuple(name.split(".", 2)) for name in names]
    return bool(ways) and all(_place(way) for way in ways)


def _hypernetwork(plan: Plan, table: TensorTable) -> Plan | None:
    paths = [_place(tensor.path) for tensor in table]
    if not paths or not all(paths):
        return None
    names = [dotted(path) for path in paths if path]
    pieces = [replace(piece, name=name) for piece, name in zip(plan.pieces, names, strict=True)]
    return plan.keeping(pieces) if len(set(names)) == len(names) else None


def _place(path: tuple[str | int, ...]) -> tuple[str | int, ...] | None:
    """A path that starts with a width and one of its two nets: (320, 0, "linear.weight")."""
    if len(path) < 3 or str(path[1]) not in ("0", "1"):
        return None
    return path if str(path[0]).isdecimal() and int(path[0]) >= _NARROWEST else None
