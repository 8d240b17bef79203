"""Captions as the text encoder reads them, and the few words whose vectors are trained."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from transformers import CLIPTextModel, CLIPTokenizer

from scanner.smoke.miniature.drawing import COLOURS, LIGHTS, OPENINGS, SHAPES, SIZES, Random
from scanner.smoke.miniature.vectors import start
from scanner.smoke.tokenizer import END, START, vocabulary

LENGTH = 77


def tokenizer() -> CLIPTokenizer:
    vocab, merges = vocabulary()
    return CLIPTokenizer(
        vocab=vocab, merges=merges, unk_token=END, bos_token=START, eos_token=END, pad_token=END,
        model_max_length=LENGTH,
    )  # fmt: skip


def ids(tokens: CLIPTokenizer, captions: Sequence[str]) -> torch.Tensor:
    read = tokens(
        list(captions), padding="max_length", max_length=LENGTH, truncation=True,
        return_tensors="pt",
    )  # fmt: skip
    found: torch.Tensor = read.input_ids
    return found


def known(tokens: CLIPTokenizer) -> tuple[int, ...]:
    """The tokens of every caption that there can be."""
    words = [*COLOURS, *SHAPES, *SIZES, *LIGHTS, *OPENINGS, "a", "an", "on a background"]
    return tuple(sorted({int(token) for token in ids(tokens, words).flatten()}))


class Fillers:
    """Words from all over the vocabulary: the miniature shall read past what it does not know."""

    def __init__(self, tokens: CLIPTokenizer) -> None:
        taught = set(known(tokens))
        self._words = [
            token.removesuffix("</w>")
            for token, place in sorted(vocabulary()[0].items())
            if token.endswith("</w>") and token[:-4].isascii() and token[:-4].isalpha()
            and place not in taught
        ]  # fmt: skip

    def put_into(self, caption: str, random: Random) -> str:
        """Before, or behind."""
        word = self._words[int(random.integers(len(self._words)))]
        return f"{word} {caption}" if random.random() < 0.5 else f"{caption}, {word}"


class Vectors(torch.nn.Module):  # type: ignore[misc]  # torch is untyped here
    """The vectors of known words, which are trained; all others stay as they started."""

    def __init__(self, encoder: CLIPTextModel, taught: tuple[int, ...]) -> None:
        super().__init__()
        table = encoder.get_input_embeddings()
        table.weight.requires_grad_(False)
        count, width = table.weight.shape
        with torch.no_grad():
            table.weight.copy_(torch.from_numpy(start(count, width)))
        self.rows = torch.nn.Parameter(table.weight[list(taught)].clone())
        self._place = torch.full((count,), -1)
        self._place[list(taught)] = torch.arange(len(taught))
        table.register_forward_hook(self._instead)

    def _instead(
        self, _table: torch.nn.Module, given: tuple[torch.Tensor], found: torch.Tensor
    ) -> torch.Tensor:
        places = self._place[given[0]]
        rows = torch.nn.functional.embedding(places.clamp(min=0), self.rows)
        return torch.where((places >= 0)[..., None], rows, found)


def random_of(seed: int, what: int) -> Random:
    return np.random.default_rng((seed, what))
