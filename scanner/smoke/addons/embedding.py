"""Textual inversion: vectors that stand in a prompt where a word would.

A strength weighs what the text encoder makes of the vectors, as ``(name:0.5)`` does in WebUI and
ComfyUI; vectors scaled themselves would hardly differ after the encoder's first normalisation.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from inspect import signature

import torch
from transformers import CLIPTokenizer, PreTrainedModel

from scanner.smoke.addons.attached import Fit
from scanner.smoke.addons.wording import called
from scanner.smoke.parts import Pipeline

#: Whom tensors of these names are for; any other name is told by its width.
_ENCODERS: Mapping[str, str] = {
    "clip_l": "text_encoder", "text_encoders_0": "text_encoder",
    "clip_g": "text_encoder_2", "text_encoders_1": "text_encoder_2",
}  # fmt: skip
#: The tokenizer beside each encoder.
_TOKENIZERS: Mapping[str, str] = {"text_encoder": "tokenizer", "text_encoder_2": "tokenizer_2"}
#: As many as a prompt has room for.
_MOST = 75


class Embedding:
    """An embedding fitted to a base; ``word`` is what calls it up in a prompt."""

    def __init__(self, pipeline: Pipeline, state: Mapping[str, torch.Tensor], word: str) -> None:
        self._pipeline, self._word = pipeline, word
        self._encoders = {
            part: module
            for part, module in pipeline.components.items()
            if isinstance(module, PreTrainedModel) and part in _TOKENIZERS
        }
        self._vectors: dict[str, torch.Tensor] = {}
        applied: list[str] = []
        unmatched: list[str] = []
        misfit: list[str] = []
        for name, tensor in state.items():
            part = self._meant(name, tensor)
            # Of several for one encoder the first is what the file is for, as WebUI has it.
            if part not in self._encoders or part in self._vectors:
                unmatched.append(name)
            elif tensor.dim() not in (1, 2) or tensor.shape[-1] != _width(self._encoders[part]):
                misfit.append(name)
            else:
                applied.append(name)
                self._vectors[part] = tensor.reshape(-1, tensor.shape[-1])[:_MOST]
        count = max((len(rows) for rows in self._vectors.values()), default=0)
        self._tokens = [f"<weighhouse-{index}>" for index in range(count)]
        self.fit = Fit(tuple(applied), tuple(unmatched), tuple(misfit))

    def _meant(self, name: str, tensor: torch.Tensor) -> str:
        if name in _ENCODERS:
            return _ENCODERS[name]
        width = tensor.shape[-1] if tensor.dim() else 0
        fitting = (part for part, encoder in self._encoders.items() if _width(encoder) == width)
        return next(fitting, "text_encoder")

    @contextmanager
    def at(self, strength: float) -> Iterator[None]:
        with ExitStack() as changed:
            for part, encoder in self._encoders.items():
                name = _TOKENIZERS[part]
                tokenizer = _with(getattr(self._pipeline, name), self._tokens)
                changed.enter_context(_replaced(self._pipeline, name, tokenizer))
                changed.enter_context(_extended(encoder, self._rows(part, encoder)))
            if strength != 1.0:
                weighing = _Weighing(self._pipeline, self._tokens, strength)
                changed.enter_context(_replaced(self._pipeline, "encode_prompt", weighing))
            yield

    def _rows(self, part: str, encoder: PreTrainedModel) -> torch.Tensor:
        """One row a token; an encoder that the file brings none for reads nothing there."""
        rows = torch.zeros(len(self._tokens), _width(encoder))
        held = self._vectors.get(part)
        if held is not None:
            rows[: len(held)] = held
        return rows

    def words(self, prompt: str) -> str:
        tokens = " ".join(self._tokens)
        return called(self._word).sub(lambda _: tokens, prompt)


class _Weighing:
    """A pipeline's ``encode_prompt`` that multiplies what was made of the tokens."""

    def __init__(self, pipeline: Pipeline, tokens: Sequence[str], strength: float) -> None:
        self._encode, self._strength = pipeline.encode_prompt, strength
        self._signature = signature(pipeline.encode_prompt)
        tokenizer: CLIPTokenizer = pipeline.components["tokenizer"]
        self._tokenizer, self._ids = tokenizer, tokenizer.convert_tokens_to_ids(list(tokens))

    def __call__(self, *given: object, **named: object) -> Sequence[object]:
        encoded = list(self._encode(*given, **named))  # type: ignore[arg-type]
        asked = self._signature.bind(*given, **named).arguments
        # Every pipeline answers with what was made of the prompt, then of the negative one.
        for place, name in enumerate(("prompt", "negative_prompt")):
            meaning, prompt = encoded[place], asked.get(name)
            if isinstance(meaning, torch.Tensor) and prompt is not None:
                encoded[place] = self._weighed(meaning, prompt)
        return tuple(encoded)

    def _weighed(self, meaning: torch.Tensor, prompts: Sequence[str]) -> torch.Tensor:
        read = self._tokenizer(
            prompts, padding="max_length", truncation=True, max_length=77, return_tensors="pt"
        )
        here = torch.isin(read.input_ids, torch.tensor(self._ids))
        # Both encoders' tokenizers place the tokens alike.
        weights = torch.where(here, self._strength, 1.0)[..., None]
        return meaning * weights.to(meaning.device, meaning.dtype)


def _width(encoder: PreTrainedModel) -> int:
    return int(encoder.get_input_embeddings().weight.shape[1])


def _with(tokenizer: CLIPTokenizer, tokens: Sequence[str]) -> CLIPTokenizer:
    # One tokenizer serves every pipeline of the process.
    larger = copy.deepcopy(tokenizer)
    larger.add_tokens(list(tokens))
    return larger


@contextmanager
def _replaced(owner: object, name: str, value: object) -> Iterator[None]:
    own, before = name in vars(owner), getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        if own:
            setattr(owner, name, before)
        else:
            # A method put back would hold its owner for ever.
            delattr(owner, name)


@contextmanager
def _extended(encoder: PreTrainedModel, rows: torch.Tensor) -> Iterator[None]:
    """More words at the end of the encoder's table."""
    before = encoder.get_input_embeddings()
    known = before.weight.detach()
    table = torch.cat([known, rows.to(known.device, known.dtype)])
    encoder.set_input_embeddings(torch.nn.Embedding.from_pretrained(table))
    try:
        yield
    finally:
        encoder.set_input_embeddings(before)
