"""The prompts of an add-on's pictures: what is asked for with it and without it, and how WebUI's
users would write it down."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from scanner.smoke.options import Options
from scanner.smoke.plan import AddOn
from scanner.smoke.prompts import Prompt, is_negative

_TAGS = {"lora": "lora", "hypernetwork": "hypernet"}


@dataclass(frozen=True, slots=True)
class Words:
    """``words`` join every prompt, or what is to be avoided if ``negative``; of an embedding,
    ``word`` among them is what calls it up. ``name`` is the add-on's."""

    kind: str
    name: str
    words: str
    word: str
    negative: bool = False

    def without(self, prompt: Prompt) -> Prompt:
        """The base model's prompt: trigger words say nothing of an embedding that is not there,
        but a LoRA's are ordinary words."""
        return prompt if self.kind == "embedding" else self.within(prompt)

    def within(self, prompt: Prompt) -> Prompt:
        if self.negative:
            return replace(prompt, negative=self._joined(prompt.negative))
        return replace(prompt, text=self._joined(prompt.text))

    def _joined(self, text: str) -> str:
        if not self.words or self.words.lower() in text.lower():
            return text
        return f"{self.words}, {text}" if text else self.words

    def written(self, prompt: Prompt, strength: float) -> Prompt:
        """As a user of WebUI writes it."""
        if self.kind in _TAGS:
            tag = f"<{_TAGS[self.kind]}:{self.name}:{strength:g}>"
            return replace(prompt, text=f"{prompt.text} {tag}")
        if strength == 1.0:
            return prompt
        weighed, avoided = (
            called(self.word).sub(lambda found: f"({found[0]}:{strength:g})", text)
            for text in (prompt.text, prompt.negative)
        )
        return replace(prompt, text=weighed, negative=avoided)


def called(word: str) -> re.Pattern[str]:
    """A word where it stands for itself: "ir" is not called up by "circle"."""
    return re.compile(rf"(?<!\w){re.escape(word)}(?!\w)", re.IGNORECASE)


def of(plan: AddOn, options: Options, stem: str) -> Words:
    """``stem`` is what the file is called, where nobody says what the model is."""
    name = options.model or stem
    given = options.trigger or plan.trigger or ""
    if plan.kind != "embedding":
        return Words(plan.kind, name, given, "")
    own = plan.trigger or name
    negative = is_negative((name, own, given))
    if not options.trigger or own.lower() in options.trigger.lower():
        return Words(plan.kind, name, given or own, own, negative)
    # What is asked for in other words is the embedding by another name.
    return Words(plan.kind, name, options.trigger, options.trigger, negative)
