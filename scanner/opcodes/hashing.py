"""What hashing a key costs. A tuple's hash is made of its parts' each time, however often they are
shared: forty tuples, each of the last one twice, keep a loader busy for days."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from scanner.opcodes.values import SetValue, TupleValue, Value

#: A key of so many parts takes time to look at, flat as it may be.
_WIDE = 1_000


def cost(keys: Iterable[Value], most: int) -> int:
    """How many parts hashing all the keys looks at, and finding it out: as far as ``most``."""
    total = 0
    for key in keys:
        if not isinstance(key, (TupleValue, SetValue)):
            continue
        if len(key.items) > _WIDE:
            total += len(key.items)
        if any(isinstance(part, (TupleValue, SetValue)) for part in key.items):
            total += _cost(key, most)
        if total > most:
            break
    return total


def _parts(value: Value) -> Iterable[Value]:
    return value.items if isinstance(value, (TupleValue, SetValue)) else ()


def _cost(key: Value, most: int) -> int:
    """Iterative: a tuple may be nested to any depth."""
    costs: dict[int, int] = {}
    stack: list[tuple[Value, Iterator[Value]]] = [(key, iter(_parts(key)))]
    while stack:
        value, left = stack[-1]
        for part in left:
            if id(part) not in costs and isinstance(part, (TupleValue, SetValue)):
                # Counted as one while it is at work, so that what holds itself ends.
                costs[id(part)] = 1
                stack.append((part, iter(part.items)))
                break
        else:
            stack.pop()
            found = 1 + sum(costs.get(id(part), 1) for part in _parts(value))
            if found > most:
                return found
            costs[id(value)] = found
    return costs[id(key)]
