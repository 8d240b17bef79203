"""Looking through a file's tensors by name, component, dtype and shape, without the file."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from registry.contents import Tensor
from registry.errors import UserError

#: Components first, in the order in which people think of a model; what else there is comes last.
ORDER = ("unet", "transformer", "ema", "text_encoder", "text_encoder_2", "text_encoder_3", "vae",
         "image_encoder", "depth_model")  # fmt: skip
_RANK = {name: rank for rank, name in enumerate(ORDER)}
#: Dimensions of a shape that somebody may ask for.
_MOST_DIMENSIONS = 16
_SEPARATORS = re.compile(r"[\s,×x\[\]()]+", re.IGNORECASE)
_ANY = "*"


@dataclass(frozen=True, slots=True)
class Query:
    """``shape``: "320, 4, 3, 3", with ``*`` for any dimension; a single number is found anywhere
    in a shape. Empty fields ask for nothing."""

    search: str = ""
    component: str = ""
    dtype: str = ""
    shape: str = ""

    @property
    def dimensions(self) -> tuple[int | None, ...]:
        """``UserError("field.invalid")`` where it is no shape; None stands for any dimension."""
        words = [word for word in _SEPARATORS.split(self.shape) if word]
        if len(words) > _MOST_DIMENSIONS or not all(map(_is_dimension, words)):
            raise UserError(
                "field.invalid", detail="A shape is like 320, 4, 3, 3; * is any number."
            )
        return tuple(None if word == _ANY else int(word) for word in words)


def _is_dimension(word: str) -> bool:
    return word == _ANY or (word.isascii() and word.isdigit() and len(word) <= 18)


def grouped(rows: Iterable[Tensor]) -> list[Tensor]:
    """By component, and as they lie in the file within each."""
    return sorted(rows, key=lambda row: (_RANK.get(row.component, len(_RANK)), row.component))


def narrowed(rows: Iterable[Tensor], query: Query) -> list[Tensor]:
    """The tensors that the query asks for; every word of ``search`` has to be in the name."""
    words = query.search.lower().split()
    asked = query.dimensions
    return [
        row
        for row in rows
        if (not query.component or row.component == query.component)
        and (not query.dtype or row.dtype == query.dtype)
        and (not asked or _fits(row.shape, asked))
        and all(word in row.name.lower() for word in words)
    ]


def _fits(shape: Sequence[int], asked: Sequence[int | None]) -> bool:
    if len(asked) == 1 and asked[0] is not None:
        return asked[0] in shape
    return len(shape) == len(asked) and all(
        want is None or want == have for want, have in zip(asked, shape, strict=True)
    )


def components(rows: Iterable[Tensor]) -> Mapping[str, int]:
    """How many tensors there are of each component, in the order of a list that is grouped."""
    return Counter(row.component for row in grouped(rows))


def dtypes(rows: Iterable[Tensor]) -> Mapping[str, int]:
    """How many tensors there are of each dtype, most first."""
    return dict(Counter(row.dtype for row in rows).most_common())
