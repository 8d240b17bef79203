"""From what a pickle would build to the tensor table: names, wrappers, proofs."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

from scanner.errors import FileError
from scanner.formats import configs
from scanner.formats.anomalies import finding
from scanner.formats.storages import Claim, Locate, claim_of, constant, natural
from scanner.formats.torch_types import Element, dtype_element
from scanner.limits import Limits
from scanner.opcodes.values import (
    Call,
    Const,
    DictValue,
    Extension,
    Global,
    ListValue,
    Persistent,
    SetValue,
    TupleValue,
    Value,
)
from scanner.report import Finding
from scanner.tensors import DTYPE_BITS, Leaf, Storage, Tensor, TensorTable

Path = tuple[str | int, ...]

#: Keys that savers put around the state dict, in the order in which loaders look for them.
WRAPPERS = (
    "state_dict", "model_state_dict", "params_ema", "params", "module", "model", "net", "generator",
    "weights",
)  # fmt: skip
#: Attributes of a pickled nn.Module through which its state dict is reached.
_TRANSPARENT = frozenset({"_parameters", "_buffers", "_modules"})

_TENSOR_V1 = "torch._utils._rebuild_tensor"
_TENSOR_V2 = "torch._utils._rebuild_tensor_v2"
_TENSOR_V3 = "torch._utils._rebuild_tensor_v3"
_PARAMETERS = frozenset(
    {"torch._utils._rebuild_parameter", "torch._utils._rebuild_parameter_with_state"}
)
_FROM_TYPE = frozenset({"torch._tensor._rebuild_from_type_v2", "torch._tensor._rebuild_from_type"})
_DEVICES_IGNORED = 8
_ENORMOUS = 1 << 62
_WRAPPER_DEPTH = 4
_PLAIN_ITEMS = 2_000
_NODES = 1_000_000
#: How often one shared container is walked: real files share tensors, not trees.
_VISITS = 16


class _Build:
    """``wrappers`` are the keys around the state dict, which tensors' names go without."""

    def __init__(
        self, locate: Locate, limits: Limits, member: str, wrappers: tuple[str, ...]
    ) -> None:
        self.locate = locate
        self.limits = limits
        self.member = member
        self.wrappers = wrappers
        self.names: set[str] = set()
        self.tensors: list[Tensor] = []
        self.leaves: list[Leaf] = []
        self.findings: list[Finding] = []
        self.storages: dict[str, Storage | None] = {}

    def wrong(self, rule: str, path: Path, detail: str = "") -> None:
        if len(self.findings) < self.limits.findings:
            name = ".".join(map(str, path))[:200]
            self.findings.append(finding(rule, detail, member=self.member, argument=name))

    def named(self, path: Path) -> str:
        """The tensor's name: its path, without the wrappers where it lies in them."""
        depth = len(self.wrappers)
        inner = path[depth:] if path[:depth] == self.wrappers else path
        name = ".".join(map(str, inner))
        if name in self.names:
            # {1: a, "1": b}, or a key that is there twice: a number tells them apart.
            self.wrong("tensor-duplicate", path)
            name = f"{name}#{len(self.tensors)}"
        self.names.add(name)
        return name


class Built(NamedTuple):
    table: TensorTable
    findings: tuple[Finding, ...]


def build(
    result: Value | None, locate: Locate, limits: Limits, member: str, *, big_endian: bool = False
) -> Built:
    """The table of one pickle's result. Iterative: a hostile tree may be any depth."""
    wrappers = _wrappers(result)
    state = _Build(locate, limits, member, wrappers)
    for path, value in _walk(result, state):
        if len(state.tensors) + len(state.leaves) >= limits.tensors:
            state.wrong("too-many-tensors", path)
            break
        _place(path, value, state)
    state.findings += [
        finding(remark.rule, remark.detail, member=member, argument=remark.argument)
        for remark in islice(configs.of_leaves(state.leaves), limits.findings)
    ]
    table = TensorTable(
        tuple(state.tensors),
        leaves=tuple(state.leaves),
        wrappers=wrappers,
        big_endian=big_endian,
    )
    return Built(table, tuple(state.findings))


# -- the tree ------------------------------------------------------------------------------------


def _key(value: Value) -> str | int | None:
    key = constant(value)
    if type(key) is int or isinstance(key, str):
        return key
    return key.decode("latin-1") if isinstance(key, bytes) else None


def _pairs(value: Value) -> list[tuple[Value, Value]] | None:
    """The items of anything dict-like, whoever makes it; None for what is not."""
    if isinstance(value, DictValue):
        return value.items
    if isinstance(value, Call):
        pairs = list(value.items)
        # OrderedDict([...]) and dict([...]) carry their items as an argument.
        for argument in value.args:
            if isinstance(argument, DictValue):
                pairs = argument.items + pairs
            elif isinstance(argument, (ListValue, TupleValue)):
                found = [
                    item.items
                    for item in argument.items
                    if isinstance(item, (TupleValue, ListValue))
                ]
                pairs = [(items[0], items[1]) for items in found if len(items) == 2] + pairs
        for attributes in value.states:
            pairs += _attributes(attributes)
        return pairs
    return None


def _attributes(state: Value) -> list[tuple[Value, Value]]:
    """What BUILD would set: a dict, or a pair of dicts (slots second)."""
    if isinstance(state, DictValue):
        return state.items
    if isinstance(state, TupleValue):
        return [pair for part in state.items if isinstance(part, DictValue) for pair in part.items]
    return []


def _children(path: Path, value: Value) -> list[tuple[Path, Value]] | None:
    """The parts of a container, or None for something that has none."""
    pairs = _pairs(value)
    if pairs:
        children: list[tuple[Path, Value]] = []
        for index, (key_value, item) in enumerate(pairs):
            key = _key(key_value)
            if key in _TRANSPARENT:
                if _pairs(item):
                    children.append((path, item))
            else:
                children.append(((*path, index if key is None else key), item))
        return children
    if isinstance(value, (ListValue, TupleValue, SetValue)):
        return [((*path, index), item) for index, item in enumerate(value.items)]
    if isinstance(value, Call) and value.appended:
        return [((*path, index), item) for index, item in enumerate(value.appended)]
    return None


def _walk(result: Value | None, state: _Build) -> Iterator[tuple[Path, Value]]:
    """Every tensor and every leaf with its path, in the order in which the file has them."""
    if result is None:
        return
    stack: list[tuple[Path, Value]] = [((), result)]
    visits: dict[int, int] = {}
    nodes = 0
    while stack:
        path, value = stack.pop()
        nodes += 1
        if nodes > _NODES:
            state.wrong("limit-reached", path, "Too many values.")
            return
        if _is_tensor(value) or (path and _is_plain(value)):
            yield path, value
            continue
        children = _children(path, value)
        walked = visits.get(id(value), 0)
        if children is None or walked >= _VISITS or len(path) > state.limits.json_depth:
            yield path, value
            continue
        visits[id(value)] = walked + 1
        stack.extend(reversed(children))


# -- leaves --------------------------------------------------------------------------------------


def _is_plain(value: Value) -> bool:
    """Constants, and small trees of nothing else."""
    if isinstance(value, Const):
        return True
    stack: list[Value] = [value]
    seen = 0
    while stack:
        item = stack.pop()
        seen += 1
        if seen > _PLAIN_ITEMS:
            return False
        if isinstance(item, (ListValue, TupleValue, SetValue)):
            stack.extend(item.items)
        elif isinstance(item, DictValue):
            for key, part in item.items:
                stack += (key, part)
        elif not isinstance(item, Const):
            return False
    return True


def plain(value: Value, depth: int = 0) -> object:
    """A plain tree as Python values: str, int, float, bool, None, bytes, list, dict."""
    if isinstance(value, Const):
        return value.value
    if depth > 32:
        return None
    if isinstance(value, (ListValue, TupleValue, SetValue)):
        return [plain(item, depth + 1) for item in value.items]
    if isinstance(value, DictValue):
        return {_hashable(key): plain(item, depth + 1) for key, item in value.items}
    return None


def _hashable(value: Value) -> str | int | float | bool | bytes | None:
    return value.value if isinstance(value, Const) else type(value).__name__


def _type(value: Value) -> str:
    if isinstance(value, Const):
        return type(value.value).__name__
    if isinstance(value, Call):
        return str(value.callee) if isinstance(value.callee, Global) else "call"
    if isinstance(value, Global):
        return str(value)
    names: dict[type, str] = {
        TupleValue: "tuple",
        ListValue: "list",
        DictValue: "dict",
        SetValue: "set",
        Persistent: "storage",
        Extension: "extension",
    }
    return names[type(value)]


# -- tensors -------------------------------------------------------------------------------------


def _callee(value: Value) -> str:
    if isinstance(value, Call) and isinstance(value.callee, Global):
        return value.callee.spelling
    return ""


def _is_tensor(value: Value) -> bool:
    name = _callee(value)
    return name.startswith(("torch._utils._rebuild_", "torch._tensor._rebuild_"))


class _Arguments(NamedTuple):
    storage: Value
    offset: Value
    shape: Value
    stride: Value
    dtype: Value | None = None
    parameter: bool = False


def _arguments(value: Value) -> _Arguments | None:
    """What the rebuild functions are called with; None for sparse, quantised and other kinds."""
    parameter = False
    for _ in range(_DEVICES_IGNORED):
        name = _callee(value)
        if not isinstance(value, Call):
            return None
        args = value.args
        if name in _PARAMETERS and args:
            value, parameter = args[0], True
        elif name in _FROM_TYPE and len(args) >= 3:
            function, inner = args[0], args[2]
            if not isinstance(function, Global) or not isinstance(inner, TupleValue):
                return None
            kind = args[1]
            parameter |= isinstance(kind, Global) and kind.name == "Parameter"
            value = Call(function, inner.items, None, value.opcode, value.offset)
        elif name in (_TENSOR_V1, _TENSOR_V2) and len(args) >= 4 and _is_as_stored(args[6:]):
            return _Arguments(args[0], args[1], args[2], args[3], None, parameter)
        elif name == _TENSOR_V3 and len(args) >= 7 and _is_as_stored(args[7:]):
            return _Arguments(args[0], args[1], args[2], args[3], args[6], parameter)
        else:
            return None
    return None


def _is_as_stored(metadata: tuple[Value, ...]) -> bool:
    """Whether the values are the storage's: a lazily negated or conjugated tensor's are not."""
    return all(
        (constant(item) is None and isinstance(item, Const))
        or (isinstance(item, DictValue) and not item.items)
        for item in metadata
    )  # fmt: skip


def _sizes(value: Value, limits: Limits) -> tuple[int, ...] | None:
    if isinstance(value, Call) and _callee(value) == "torch.Size" and len(value.args) == 1:
        value = value.args[0]
    if not isinstance(value, (TupleValue, ListValue)) or len(value.items) > limits.tensor_dims:
        return None
    sizes: list[int] = []
    for item in value.items:
        size = natural(item)
        if size is None:
            return None
        sizes.append(size)
    return tuple(sizes)


def _place(path: Path, value: Value, state: _Build) -> None:
    arguments = _arguments(value) if _is_tensor(value) else None
    if arguments is None:
        held = plain(value) if _is_plain(value) else None
        state.leaves.append(Leaf(path, _type(value), held))
        return
    tensor = _tensor(path, arguments, state)
    if tensor is None:
        state.leaves.append(Leaf(path, _callee(value)))
    else:
        state.tensors.append(tensor)


def _tensor(path: Path, arguments: _Arguments, state: _Build) -> Tensor | None:
    shape = _sizes(arguments.shape, state.limits)
    stride = _sizes(arguments.stride, state.limits)
    offset = natural(arguments.offset)
    claim = claim_of(arguments.storage) if isinstance(arguments.storage, Persistent) else None
    if claim is None or shape is None or stride is None or offset is None:
        state.wrong("tensor-arguments", path)
        return None
    element: Element | None = claim.element
    if arguments.dtype is not None:
        named = arguments.dtype
        element = dtype_element(named.module, named.name) if isinstance(named, Global) else None
    if element is None or element.dtype is None:
        return None
    if not _sane(shape, stride, offset):
        state.wrong("tensor-shape", path)
        return None
    needed = _last(shape, stride, offset) * element.size
    if needed > claim.nbytes:
        state.wrong("tensor-bounds", path, f"It needs more than the {claim.nbytes} bytes there.")
        return None
    storage = _storage(claim, state)
    if storage is None:
        return None
    if needed > storage.nbytes:
        state.wrong("tensor-bounds", path, f"Its record has {storage.nbytes} bytes.")
        return None
    assert element.dtype in DTYPE_BITS
    return Tensor(
        state.named(path), element.dtype, shape, stride, storage, offset, path,
        arguments.parameter,
    )  # fmt: skip


def _sane(shape: tuple[int, ...], stride: tuple[int, ...], offset: int) -> bool:
    if len(shape) != len(stride) or offset < 0 or offset >= _ENORMOUS:
        return False
    elements = 1
    for size, step in zip(shape, stride, strict=True):
        if not (0 <= size < _ENORMOUS and 0 <= step < _ENORMOUS):
            return False
        elements *= max(size, 1)
        if elements >= _ENORMOUS:
            return False
    return True


def _last(shape: tuple[int, ...], stride: tuple[int, ...], offset: int) -> int:
    """One more than the last element's index in the storage; 0 for a tensor without elements."""
    if 0 in shape:
        return 0
    return offset + 1 + sum((size - 1) * step for size, step in zip(shape, stride, strict=True))


def _storage(claim: Claim, state: _Build) -> Storage | None:
    key = claim.key if claim.view is None else f"{claim.key}\0{claim.view[0]}"
    if key not in state.storages:
        try:
            state.storages[key] = state.locate(claim)
        except FileError:
            state.storages[key] = None
    return state.storages[key]


# -- names ---------------------------------------------------------------------------------------


def _holds_tensors(value: Value) -> bool:
    """Whether the values under a key are (mostly) tensors, or dicts of them one level down."""
    pairs = _pairs(value)
    if not pairs:
        return False
    return any(
        _is_tensor(item) or any(_is_tensor(part) for _, part in _pairs(item) or ())
        for _, item in pairs[:10_000]
    )


def _wrappers(result: Value | None) -> tuple[str, ...]:
    """The keys around the state dict, outermost first."""
    taken: list[str] = []
    value = result
    while value is not None and len(taken) < _WRAPPER_DEPTH:
        named = {_key(key): item for key, item in _pairs(value) or ()}
        for wrapper in WRAPPERS:
            inner = named.get(wrapper)
            if inner is not None and not _is_tensor(inner) and _wraps(inner):
                taken.append(wrapper)
                value = inner
                break
        else:
            break
    return tuple(taken)


def _wraps(value: Value) -> bool:
    """Whether tensors lie under a key, be it one wrapper further down."""
    for _ in range(_WRAPPER_DEPTH):
        if _holds_tensors(value):
            return True
        inner = [item for key, item in _pairs(value) or () if _key(key) in WRAPPERS]
        if not inner:
            return False
        value = inner[0]
    return False
