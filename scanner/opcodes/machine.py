"""The strict pickle machine: follows one pickle as CPython's C unpickler would, and makes nothing.

Where C stops, the machine stops, with a fatal oddity. Where only some reader would go on (other
versions, other encodings, huge indices), it goes on as well and records an oddity: better to see
more than a loader would than less.
"""

from __future__ import annotations

from collections.abc import Callable

from scanner.errors import FileError, LimitExceeded
from scanner.limits import Limits
from scanner.opcodes import literals
from scanner.opcodes.cursor import READERS, Argument, Cursor
from scanner.opcodes.hashing import cost
from scanner.opcodes.table import OPS
from scanner.opcodes.trace import Import, Mutation, Oddity, Trace
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
from scanner.source import Source

#: Stands for a part of a name that is made at load time.
COMPUTED = "<computed>"
HIGHEST_PROTOCOL = 5
_NONE, _TRUE, _FALSE = Const(None), Const(True), Const(False)
_SMALL = tuple(Const(number) for number in range(256))
_STOP = ord(".")

Handler = Callable[["Machine", Argument], None]


def trace(
    source: Source,
    start: int,
    limits: Limits,
    *,
    member: str,
    memo: dict[int, Value] | None = None,
) -> Trace:
    """The pickle that starts at ``start`` of ``source`` (a member of the file), up to its STOP.

    ``memo`` is what earlier pickles of the same stream left behind: most readers begin each pickle
    with an empty one, some carry it over, so both are followed. Never raises on hostile bytes:
    what cannot be read ends the trace with a fatal oddity.
    """
    main, alternates = _run(source, start, limits, {})
    after = main.memo
    if memo:
        carried, others = _run(source, start, limits, memo)
        after = carried.memo
        if carried.used_inherited:
            # A stream whose pickles share a memo makes no sense without it.
            if main.missed and not carried.missed:
                main, carried = carried, main
            alternates = [*alternates, carried, *others]
    return _traced(
        main, source, member, after, tuple(_traced(run, source, member, {}) for run in alternates)
    )


def _run(
    source: Source, start: int, limits: Limits, memo: dict[int, Value]
) -> tuple[Machine, list[Machine]]:
    """The pickle as it is followed in memory, and as readers that drop the rest of one frame or
    another follow it."""
    first = Machine(Cursor(source, start, limits), limits, memo)
    first.run()
    others: list[Machine] = []
    # Last in, first out, and the first crossing on top: a reader that drops all comes first.
    ways = _ways(first)
    left = limits.opcodes
    while ways:
        if len(others) == limits.frame_ways or left <= 0:
            first.odd("limit.frame_ways", "more ways to read across its frames than are followed")
            break
        short = limits._replace(opcodes=left)
        other = Machine(Cursor(source, start, short, dropping=ways.pop()), short, memo)
        other.run()
        others.append(other)
        left -= other.opcodes
        ways += _ways(other)
    return first, others


def _ways(machine: Machine) -> list[tuple[bool, ...]]:
    """What else may be dropped: the rest of each frame that was crossed and kept by default."""
    taken = machine.cursor.dropping
    later = range(machine.cursor.crossed - len(taken))
    return [(*taken, *(False,) * kept, True) for kept in reversed(later)]


def _traced(
    machine: Machine,
    source: Source,
    member: str,
    memo: dict[int, Value],
    alternates: tuple[Trace, ...] = (),
) -> Trace:
    return Trace(
        member=member,
        start=machine.cursor.start,
        end=machine.cursor.offset,
        result=machine.result,
        imports=tuple(machine.imports),
        calls=tuple(machine.calls),
        mutations=tuple(machine.mutations),
        persistent=tuple(machine.persistent),
        extensions=tuple(machine.extensions),
        oddities=tuple(machine.oddities),
        protocol=machine.protocol,
        opcodes=machine.opcodes,
        file_offset=source.file_offset,
        memo=memo,
        source=source,
        alternates=alternates,
    )


class Machine:
    """Stack, marks and memo of one pickle. ``fence`` is the height that no opcode may pop below:
    that of the last mark."""

    def __init__(self, cursor: Cursor, limits: Limits, memo: dict[int, Value]) -> None:
        self.cursor = cursor
        self.limits = limits
        self.stack: list[Value] = []
        self.marks: list[int] = []
        self.fence = 0
        self.memo = dict(memo)
        self._inherited = set(memo)
        #: How many parts of keys may still be hashed.
        self._hashing = limits.hashed_parts
        #: Whether MEMOIZE took other indices than it would have in a pickle on its own.
        self._shifted = False
        self.result: Value | None = None
        self.imports: list[Import] = []
        self.calls: list[Call] = []
        self.mutations: list[Mutation] = []
        self.persistent: list[Persistent] = []
        self.extensions: list[Extension] = []
        self.oddities: list[Oddity] = []
        self._odd: set[str] = set()
        self.protocol = 0
        self.opcodes = 0
        self._globals: dict[tuple[str, str], Global] = {}
        #: Whether it read memo entries of an earlier pickle, or ones that nobody set.
        self.used_inherited = False
        self.missed = False
        #: The opcode at work, for offsets and oddities.
        self.at = cursor.offset
        self.opcode: str | None = None

    def run(self) -> None:
        try:
            self._loop()
        except FileError as error:
            if self.cursor.crossed:
                self._straddled()
            self.odd(error.code, error.message, fatal=True)
        except (RecursionError, MemoryError) as error:
            self.odd("limit.memory", type(error).__name__, fatal=True)

    def _loop(self) -> None:
        cursor, dispatch, stack = self.cursor, _DISPATCH, self.stack
        most, deepest = self.limits.opcodes, self.limits.stack_depth
        count = 0
        while True:
            # Cursor.offset and Cursor.u1, written out: this loop is where the time goes.
            at = cursor.at
            self.at = cursor.base + at
            if at < len(cursor.data):
                code = cursor.data[at]
                cursor.at = at + 1
            else:
                self.opcode = None
                code = cursor.u1()
            step = dispatch[code]
            if step is None:
                self.opcode = None
                raise FileError("pickle.unknown_opcode", f"byte 0x{code:02x} is no opcode")
            name, read, handler, protocol = step
            self.opcode = name
            self.opcodes = count = count + 1
            framed = cursor.frame_end
            if framed:
                self._check_frame(code)
            if protocol > self.protocol:
                self._newer(protocol)
            if count > most:
                raise LimitExceeded("opcodes", most)
            argument = read(cursor) if read is not None else None
            handler(self, argument)
            if framed and cursor.crossed:
                self._straddled()
            if code == _STOP:
                return
            # No opcode pushes more than one value.
            if count > deepest and len(stack) > deepest:
                raise LimitExceeded("stack_depth", deepest)

    # Oddities.

    def odd(self, code: str, message: str, *, fatal: bool = False) -> None:
        """Record a form that a pickler does not write; the first of each kind says it."""
        if fatal or code not in self._odd:
            self._odd.add(code)
            self.oddities.append(Oddity(code, message, self.at, self.opcode, fatal))

    def _newer(self, protocol: int) -> None:
        if self.opcode != "PROTO" and "newer-opcode" not in self._odd:
            self.odd(
                "newer-opcode",
                f"{self.opcode} belongs to protocol {protocol}, the pickle says {self.protocol}",
            )

    def _check_frame(self, code: int) -> None:
        if self.at >= self.cursor.frame_end:
            if self.at > self.cursor.frame_end:
                self._straddled()
            self.cursor.frame_end = 0
        elif OPS[code].name == "FRAME":
            self.odd("frame-in-frame", "a frame begins before the last one has ended")

    def _straddled(self) -> None:
        self.odd("frame-straddled", "an opcode reaches over the end of its frame")

    # Stack and marks.

    def pop(self) -> Value:
        if len(self.stack) <= self.fence:
            raise FileError("pickle.stack_underflow", "the stack is empty")
        return self.stack.pop()

    def top(self) -> Value:
        if len(self.stack) <= self.fence:
            raise FileError("pickle.stack_underflow", "the stack is empty")
        return self.stack[-1]

    def pop_mark(self) -> int:
        """The height of the last mark, which is taken off."""
        if not self.marks:
            raise FileError("pickle.no_mark", "there is no mark on the stack")
        height = self.marks.pop()
        self.fence = self.marks[-1] if self.marks else 0
        return height

    def pop_to_mark(self) -> list[Value]:
        return self.cut(self.pop_mark())

    def cut(self, height: int) -> list[Value]:
        """Everything above ``height``, taken off."""
        values = self.stack[height:]
        del self.stack[height:]
        return values

    def below(self, height: int) -> Value:
        """The value just under ``height``, which opcodes such as SETITEMS work on."""
        if height > len(self.stack) or height <= self.fence:
            raise FileError("pickle.stack_underflow", "nothing lies under the mark")
        return self.stack[height - 1]

    def mark(self) -> None:
        if len(self.marks) == self.limits.marks:
            # No fatal end: the stack's own limit comes later, and a payload may come between.
            self.odd("limit.marks", f"more than {self.limits.marks} marks")
        if len(self.marks) >= self.limits.stack_depth:
            raise LimitExceeded("stack_depth", self.limits.stack_depth)
        self.marks.append(len(self.stack))
        self.fence = len(self.stack)

    # Memo.

    def remember(self, index: int) -> None:
        if len(self.stack) <= self.fence:
            raise FileError("pickle.stack_underflow", "the stack is empty")
        most = self.limits.memo_entries
        if index < 0:
            raise FileError("pickle.negative_memo", f"memo index {index}")
        if index > most:
            # C would allocate a table of that length.
            self.odd("limit.memo_index", f"memo index {index}")
        if len(self.memo) >= most and index not in self.memo:
            raise LimitExceeded("memo_entries", most)
        self.memo[index] = self.stack[-1]
        if self._inherited:
            self._inherited.discard(index)

    def memoize(self) -> None:
        self._shifted = self._shifted or bool(self._inherited)
        self.remember(len(self.memo))

    def recall(self, index: int) -> None:
        value = self.memo.get(index)
        if value is None:
            # C stops here; go on, for a payload behind it is worth knowing.
            self.missed = True
            self.odd("memo-missing", f"memo {index} was never set")
            value = _NONE
        if self._shifted:
            self.used_inherited = True
        if index in self._inherited:
            self.used_inherited = True
            self.odd("memo-carried", "the pickle uses the memo of the pickle before it")
        self.stack.append(value)

    # What a load would do.

    def named(self, module: str, name: str) -> Global:
        """Push an imported name."""
        key = (module, name)
        target = self._globals.get(key)
        if target is None:
            if len(self._globals) >= self.limits.globals:
                raise LimitExceeded("globals", self.limits.globals)
            target = self._globals[key] = Global(module, name)
        self._room(self.imports)
        self.imports.append(Import(target, self.opcode or "", self.at))
        return target

    def call(self, callee: Value, args: Value, kwargs: Value | None = None) -> None:
        literal = isinstance(args, TupleValue)
        values = args.items if isinstance(args, TupleValue) else (args,)
        call = Call(callee, values, kwargs, self.opcode or "", self.at, spread=not literal)
        if len(values) == 1 and isinstance(values[0], ListValue):
            self.hashed(values[0].items)
        if isinstance(args, (Const, ListValue, DictValue, SetValue)):
            self.odd("arguments-not-a-tuple", "a call whose arguments are no tuple")
        self._room(self.calls)
        self.calls.append(call)
        self.stack.append(call)

    def hashed(self, keys: list[Value]) -> None:
        """Keys of a dict, or members of a set."""
        if self._hashing > 0 and TupleValue in set(map(type, keys)):
            self._hashing -= cost(keys, self._hashing)
            if self._hashing <= 0:
                self.odd("hash-bomb", "keys that take a loader very long to hash")

    def mutate(self, target: Value, argument: Value) -> None:
        self._room(self.mutations)
        self.mutations.append(Mutation(target, self.opcode or "", self.at, argument))

    def _room(self, events: list[Import] | list[Call] | list[Mutation]) -> None:
        if len(events) >= self.limits.events:
            raise LimitExceeded("events", self.limits.events)

    def text(self, raw: bytes, *, surrogates: bool = False) -> str:
        try:
            return raw.decode("utf-8", "surrogatepass" if surrogates else "strict")
        except UnicodeDecodeError:
            self.odd("text-encoding", "text that is not UTF-8")
            return raw.decode("utf-8", "backslashreplace")

    def number(self, parse: Callable[[bytes, int], int], text: bytes) -> Value:
        """A number from text; 0 stands for one that is malformed or too long."""
        try:
            value = parse(text, self.limits.integer_digits)
        except literals.TooLong as error:
            self.odd("limit.integer_digits", str(error))
            return _SMALL[0]
        except ValueError:
            self.odd("number-malformed", f"{self.opcode} with an argument that is no number")
            return _SMALL[0]
        return Const(value)


def _expect(argument: Argument) -> bytes:
    assert isinstance(argument, bytes)
    return argument


def _size(argument: Argument) -> int:
    assert isinstance(argument, int)
    return argument


# Constants.


def _none(machine: Machine, _: Argument) -> None:
    machine.stack.append(_NONE)


def _true(machine: Machine, _: Argument) -> None:
    machine.stack.append(_TRUE)


def _false(machine: Machine, _: Argument) -> None:
    machine.stack.append(_FALSE)


def _binint(machine: Machine, argument: Argument) -> None:
    assert isinstance(argument, int)
    machine.stack.append(_SMALL[argument] if 0 <= argument < 256 else Const(argument))


def _int(machine: Machine, argument: Argument) -> None:
    text = _expect(argument)
    if not text:
        raise FileError("pickle.empty_line", "an INT without a number")
    if text not in (b"00", b"01") and not literals.is_plain(text):
        machine.odd("number-form", "an INT in a form that no pickler writes")
    machine.stack.append(machine.number(literals.integer, text))


def _long(machine: Machine, argument: Argument) -> None:
    text = _expect(argument)
    if not text:
        raise FileError("pickle.empty_line", "a LONG without a number")
    if not literals.is_plain(text):
        machine.odd("number-form", "a LONG in a form that no pickler writes")
    machine.stack.append(machine.number(literals.long, text.removesuffix(b"L")))


def _long_bytes(machine: Machine, argument: Argument) -> None:
    raw = _expect(argument)
    # 2.5 decimal digits a byte; shown as text, a longer one would cost quadratic time.
    if len(raw) * 5 > machine.limits.integer_digits * 2:
        machine.odd("limit.integer_digits", f"an integer of {len(raw)} bytes")
        raw = raw[:8]
    machine.stack.append(Const(int.from_bytes(raw, "little", signed=True)))


def _float(machine: Machine, argument: Argument) -> None:
    try:
        value = float(_expect(argument).partition(b"\0")[0])
    except ValueError:
        machine.odd("number-malformed", "a FLOAT that is no number")
        value = 0.0
    machine.stack.append(Const(value))


def _binfloat(machine: Machine, argument: Argument) -> None:
    assert isinstance(argument, float)
    machine.stack.append(Const(argument))


def _string_value(machine: Machine, raw: bytes) -> Const:
    # Readers differ: ASCII by default, UTF-8 in torch.load, latin-1 or bytes where asked for.
    if raw.isascii():
        return Const(raw.decode("ascii"))
    machine.odd("string-encoding", "a protocol-0 string that is not ASCII")
    try:
        return Const(raw.decode("utf-8"))
    except UnicodeDecodeError:
        return Const(raw.decode("latin-1"))


def _string(machine: Machine, argument: Argument) -> None:
    try:
        raw = literals.string(_expect(argument))
    except ValueError as error:
        raise FileError("pickle.string_malformed", str(error)) from error
    machine.stack.append(_string_value(machine, raw))


def _binstring(machine: Machine, argument: Argument) -> None:
    machine.stack.append(_string_value(machine, _expect(argument)))
    _note_skipped(machine)


def _unicode(machine: Machine, argument: Argument) -> None:
    raw = _expect(argument)
    try:
        text = raw.decode("raw-unicode-escape")
    except UnicodeDecodeError:
        machine.odd("text-encoding", "a UNICODE argument with a broken escape")
        text = raw.decode("latin-1")
    machine.stack.append(Const(text))


def _binunicode(machine: Machine, argument: Argument) -> None:
    machine.stack.append(Const(machine.text(_expect(argument), surrogates=True)))
    if machine.cursor.skipped:
        _note_skipped(machine)


def _binbytes(machine: Machine, argument: Argument) -> None:
    machine.stack.append(Const(_expect(argument)))
    _note_skipped(machine)


def _note_skipped(machine: Machine) -> None:
    if machine.cursor.skipped:
        limit = machine.limits.string_bytes
        machine.odd("limit.string_bytes", f"a string of more than {limit} bytes")


# Containers.


def _empty_tuple(machine: Machine, _: Argument) -> None:
    machine.stack.append(TupleValue(()))


def _tuple(machine: Machine, _: Argument) -> None:
    machine.stack.append(TupleValue(tuple(machine.pop_to_mark())))


def _tuple1(machine: Machine, _: Argument) -> None:
    machine.stack.append(TupleValue((machine.pop(),)))


def _tuple2(machine: Machine, _: Argument) -> None:
    second, first = machine.pop(), machine.pop()
    machine.stack.append(TupleValue((first, second)))


def _tuple3(machine: Machine, _: Argument) -> None:
    third, second, first = machine.pop(), machine.pop(), machine.pop()
    machine.stack.append(TupleValue((first, second, third)))


def _empty_list(machine: Machine, _: Argument) -> None:
    machine.stack.append(ListValue([]))


def _list(machine: Machine, _: Argument) -> None:
    machine.stack.append(ListValue(machine.pop_to_mark()))


def _empty_dict(machine: Machine, _: Argument) -> None:
    machine.stack.append(DictValue([]))


def _dict(machine: Machine, _: Argument) -> None:
    pairs = _pairs(machine.pop_to_mark())
    machine.hashed([key for key, _ in pairs])
    machine.stack.append(DictValue(pairs))


def _empty_set(machine: Machine, _: Argument) -> None:
    machine.stack.append(SetValue([]))


def _frozenset(machine: Machine, _: Argument) -> None:
    values = machine.pop_to_mark()
    machine.hashed(values)
    machine.stack.append(SetValue(values, frozen=True))


def _pairs(values: list[Value]) -> list[tuple[Value, Value]]:
    if len(values) % 2:
        raise _odd_items()
    return list(zip(values[::2], values[1::2], strict=True))


def _odd_items() -> FileError:
    return FileError("pickle.odd_items", "a key without a value")


def _append(machine: Machine, _: Argument) -> None:
    _extend(machine, len(machine.stack) - 1)


def _appends(machine: Machine, _: Argument) -> None:
    _extend(machine, machine.pop_mark())


def _extend(machine: Machine, height: int) -> None:
    target = machine.below(height)
    values = machine.cut(height)
    if isinstance(target, ListValue):
        target.items.extend(values)
    elif values:
        _append_to(machine, target, values)


def _append_to(machine: Machine, target: Value, values: list[Value]) -> None:
    if isinstance(target, Call):
        target.appended.extend(values)
    machine.mutate(target, values[0] if len(values) == 1 else TupleValue(tuple(values)))


def _additems(machine: Machine, _: Argument) -> None:
    height = machine.pop_mark()
    target = machine.below(height)
    values = machine.cut(height)
    machine.hashed(values)
    if isinstance(target, SetValue) and not target.frozen:
        target.items.extend(values)
    elif values:
        _append_to(machine, target, values)


def _setitem(machine: Machine, _: Argument) -> None:
    _set(machine, len(machine.stack) - 2)


def _setitems(machine: Machine, _: Argument) -> None:
    _set(machine, machine.pop_mark())


def _set(machine: Machine, height: int) -> None:
    target = machine.below(height)
    values = machine.cut(height)
    # C refuses a key without a value at once, the unpickler in Python only when it comes to it.
    pairs = list(zip(values[::2], values[1::2], strict=False))
    machine.hashed(values[::2])
    if isinstance(target, DictValue):
        target.items.extend(pairs)
    elif pairs:
        if isinstance(target, Call):
            target.items.extend(pairs)
        machine.mutate(target, DictValue(pairs))
    if len(values) % 2:
        raise _odd_items()


# Stack and memo.


def _mark(machine: Machine, _: Argument) -> None:
    machine.mark()


def _pop(machine: Machine, _: Argument) -> None:
    # As in C: where the mark is what lies on top, POP takes the mark.
    if machine.marks and machine.marks[-1] == len(machine.stack):
        machine.pop_mark()
    else:
        machine.pop()


def _pop_mark(machine: Machine, _: Argument) -> None:
    machine.pop_to_mark()


def _dup(machine: Machine, _: Argument) -> None:
    machine.stack.append(machine.top())
    machine.odd("dup", "DUP, which no pickler writes")


def _index(machine: Machine, argument: Argument) -> int:
    try:
        return literals.decimal(_expect(argument), machine.limits.integer_digits)
    except ValueError as error:
        raise FileError("pickle.memo_malformed", "a memo index that is no number") from error


def _get(machine: Machine, argument: Argument) -> None:
    machine.recall(_index(machine, argument))


def _binget(machine: Machine, argument: Argument) -> None:
    assert isinstance(argument, int)
    machine.recall(argument)


def _put(machine: Machine, argument: Argument) -> None:
    machine.remember(_index(machine, argument))


def _binput(machine: Machine, argument: Argument) -> None:
    assert isinstance(argument, int)
    machine.remember(argument)


def _memoize(machine: Machine, _: Argument) -> None:
    machine.memoize()


# Names and calls.


def _lines(machine: Machine, argument: Argument) -> tuple[str, str]:
    assert isinstance(argument, tuple)
    module, name = argument
    if not module or not name:
        machine.odd("name-empty", "an empty module or name")
    return machine.text(module), machine.text(name)


def _global(machine: Machine, argument: Argument) -> None:
    machine.stack.append(machine.named(*_lines(machine, argument)))


def _stack_global(machine: Machine, _: Argument) -> None:
    name, module = machine.pop(), machine.pop()
    machine.stack.append(machine.named(_spelt(machine, module), _spelt(machine, name)))


def _spelt(machine: Machine, value: Value) -> str:
    if isinstance(value, Const):
        if isinstance(value.value, str):
            return value.value
        machine.odd("name-not-text", "STACK_GLOBAL with something that is no string")
        return f"<{type(value.value).__name__}>"
    machine.odd("name-computed", "STACK_GLOBAL with a name that is made at load time")
    return COMPUTED


def _inst(machine: Machine, argument: Argument) -> None:
    # C looks for the mark first, the unpickler in Python (joblib's) asks for the name first.
    callee = machine.named(*_lines(machine, argument))
    height = machine.pop_mark()
    machine.call(callee, TupleValue(tuple(machine.cut(height))))


def _obj(machine: Machine, _: Argument) -> None:
    height = machine.pop_mark()
    if len(machine.stack) - height < 1:
        raise FileError("pickle.stack_underflow", "OBJ without a class")
    callee, *args = machine.cut(height)
    machine.call(callee, TupleValue(tuple(args)))


def _reduce(machine: Machine, _: Argument) -> None:
    args, callee = machine.pop(), machine.pop()
    machine.call(callee, args)


def _newobj_ex(machine: Machine, _: Argument) -> None:
    kwargs, args, callee = machine.pop(), machine.pop(), machine.pop()
    machine.call(callee, args, kwargs)


def _build(machine: Machine, _: Argument) -> None:
    state = machine.pop()
    target = machine.top()
    if isinstance(target, Call):
        target.states.append(state)
    machine.mutate(target, state)


def _extension(machine: Machine, argument: Argument) -> None:
    code = _size(argument)
    if code <= 0:
        raise FileError("pickle.extension_code", f"extension code {code}")
    value = Extension(code)
    machine.extensions.append(value)
    machine.odd("extension-code", f"copyreg extension code {code}")
    machine.stack.append(value)


def _persid(machine: Machine, argument: Argument) -> None:
    _persist(machine, Const(machine.text(_expect(argument))))


def _binpersid(machine: Machine, _: Argument) -> None:
    _persist(machine, machine.pop())


def _persist(machine: Machine, key: Value) -> None:
    value = Persistent(key)
    machine.persistent.append(value)
    machine.stack.append(value)


# The stream.


def _proto(machine: Machine, argument: Argument) -> None:
    protocol = _size(argument)
    if machine.opcodes > 1:
        machine.odd("proto-repeated", "PROTO that is not the first opcode")
    if protocol > HIGHEST_PROTOCOL or protocol < 2:
        machine.odd("proto-unknown", f"protocol {protocol}")
    machine.protocol = protocol


def _frame(machine: Machine, argument: Argument) -> None:
    cursor, size = machine.cursor, _size(argument)
    cursor.cross(size)
    if size > cursor.remaining():
        machine.odd("frame-beyond-end", f"a frame of {size} bytes reaches beyond the end")
    # A frame within a frame leaves the buffer as it is.
    cursor.frame_end = max(cursor.frame_end, cursor.offset + size)


def _next_buffer(machine: Machine, _: Argument) -> None:
    machine.odd("out-of-band-buffer", "the pickle needs a buffer that is not in the file")
    machine.stack.append(Const(b""))


def _readonly_buffer(machine: Machine, _: Argument) -> None:
    machine.top()


def _stop(machine: Machine, _: Argument) -> None:
    machine.result = machine.pop()
    if machine.stack or machine.marks:
        machine.odd("stack-left-over", "values are left on the stack at STOP")
    end, offset = machine.cursor.frame_end, machine.cursor.offset
    if end > offset:
        machine.odd("frame-beyond-stop", "a frame reaches beyond STOP")
    elif 0 < end < offset:
        machine._straddled()


HANDLERS: dict[str, Handler] = {
    "MARK": _mark, "STOP": _stop, "POP": _pop, "POP_MARK": _pop_mark, "DUP": _dup,
    "FLOAT": _float, "INT": _int, "BININT": _binint, "BININT1": _binint, "BININT2": _binint,
    "LONG": _long, "LONG1": _long_bytes, "LONG4": _long_bytes, "BINFLOAT": _binfloat,
    "NONE": _none, "NEWTRUE": _true, "NEWFALSE": _false,
    "STRING": _string, "BINSTRING": _binstring, "SHORT_BINSTRING": _binstring,
    "UNICODE": _unicode, "BINUNICODE": _binunicode, "SHORT_BINUNICODE": _binunicode,
    "BINUNICODE8": _binunicode, "BINBYTES": _binbytes, "SHORT_BINBYTES": _binbytes,
    "BINBYTES8": _binbytes, "BYTEARRAY8": _binbytes,
    "NEXT_BUFFER": _next_buffer, "READONLY_BUFFER": _readonly_buffer,
    "EMPTY_TUPLE": _empty_tuple, "TUPLE": _tuple, "TUPLE1": _tuple1, "TUPLE2": _tuple2,
    "TUPLE3": _tuple3, "EMPTY_LIST": _empty_list, "LIST": _list, "EMPTY_DICT": _empty_dict,
    "DICT": _dict, "EMPTY_SET": _empty_set, "FROZENSET": _frozenset,
    "APPEND": _append, "APPENDS": _appends, "ADDITEMS": _additems,
    "SETITEM": _setitem, "SETITEMS": _setitems,
    "GET": _get, "BINGET": _binget, "LONG_BINGET": _binget,
    "PUT": _put, "BINPUT": _binput, "LONG_BINPUT": _binput, "MEMOIZE": _memoize,
    "GLOBAL": _global, "STACK_GLOBAL": _stack_global, "INST": _inst, "OBJ": _obj,
    "REDUCE": _reduce, "NEWOBJ": _reduce, "NEWOBJ_EX": _newobj_ex, "BUILD": _build,
    "EXT1": _extension, "EXT2": _extension, "EXT4": _extension,
    "PERSID": _persid, "BINPERSID": _binpersid, "PROTO": _proto, "FRAME": _frame,
}  # fmt: skip

#: By opcode byte: its name, how its argument is read, its handler, its protocol.
_DISPATCH: tuple[tuple[str, Callable[[Cursor], Argument] | None, Handler, int] | None, ...] = tuple(
    # Protocols 0 and 1 go unmarked: their opcodes belong to any pickle.
    (op.name, READERS.get(op.shape), HANDLERS[op.name], op.protocol if op.protocol > 1 else 0)
    if (op := OPS.get(code)) is not None
    else None
    for code in range(256)
)
