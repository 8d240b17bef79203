"""An add-on shown: the base model's pictures without it and with it, at two strengths.

The base model is not on trial: where it cannot be used the test is skipped, and what is odd about
its own pictures is not held against the add-on.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import replace

import torch

from scanner.smoke import beside, prompts, showing, weights
from scanner.smoke.addons import attached, hypernetwork, wording
from scanner.smoke.addons.attached import Attached
from scanner.smoke.addons.embedding import Embedding
from scanner.smoke.addons.hypernetwork import Hypernetwork
from scanner.smoke.addons.lora import Lora
from scanner.smoke.addons.wording import Words
from scanner.smoke.beside import Way
from scanner.smoke.outcome import Check, Outcome, Result, failed, skipped, verdict
from scanner.smoke.parts import Pipeline
from scanner.smoke.plan import AddOn
from scanner.smoke.prompts import Prompt
from scanner.smoke.setting import Setting, family
from scanner.smoke.weights import State

#: Half strength tells a subtle add-on from one that was trained too long.
STRENGTHS = (0.5, 1.0)
_AVOIDED = Check(
    "negative",
    Outcome.PASSED,
    "Its name says that it is made for the negative prompt, and there it stands.",
)
_CHANGED = ("unet", "text_encoder", "text_encoder_2")


def show(plan: AddOn, setting: Setting) -> Result:
    """As a whole model is shown, but three times: without, at half strength and at full."""
    return showing.in_precision(plan.on.base, setting, lambda dtype: _attempt(plan, setting, dtype))


def _attempt(plan: AddOn, setting: Setting, dtype: torch.dtype) -> Result:
    effort = showing.effort_of(plan.on.base, setting)
    state = weights.load_all(setting.path)
    finite = weights.finite_check(state.items())
    if finite.outcome is Outcome.FAILED:
        return failed("smoke.weights", finite.message, (finite,))
    with weights.opened(setting.path) as file:
        metadata: dict[str, str] = file.metadata() or {}
    if plan.kind == "hypernetwork" and (odd := hypernetwork.unknown_activation(metadata)):
        return skipped("smoke.algorithm", f"the activation {odd[:40]!r} cannot be run here yet")
    pipeline = beside.base(plan.on, setting, dtype, effort.size)
    if isinstance(pipeline, Result):
        return pipeline
    words = wording.of(plan, setting.options, setting.path.stem)
    addon = _attached(plan.kind, pipeline, state, metadata, words)
    checks: tuple[Check, ...] = (finite, attached.applied_check(addon.fit))
    if words.negative:
        checks += (_AVOIDED,)
    useless = attached.not_applied(addon.fit, checks)
    if useless:
        return useless
    options = setting.options
    sheet = prompts.sheet(
        plan.on.base_name, effort.pictures, own=options.prompts, seed=options.seed,
        family=family(plan.on, setting.base_model),
    )  # fmt: skip
    shots = beside.take(pipeline, plan.on, _ways(addon, words, sheet), effort, setting)
    fault = beside.fault_of_base(shots, dtype)
    if fault:
        return fault
    judged = beside.judge(shots)
    images = beside.save(shots, plan.on, effort, setting)
    if not beside.finite(shots, "model"):
        checks = (*checks, *judged)
        result = failed("smoke.picture_not_finite", judged[0].message, checks)
        return replace(result, images=images)
    checks = (*checks, beside.effect_check(shots), *judged)
    return Result(verdict(checks), checks, images)


def _attached(
    kind: str,
    pipeline: Pipeline,
    state: State,
    metadata: Mapping[str, str],
    words: Words,
) -> Attached:
    parts = {
        name: part
        for name, part in pipeline.components.items()
        if name in _CHANGED and isinstance(part, torch.nn.Module)
    }
    if kind == "embedding":
        return Embedding(pipeline, state, words.word)
    if kind == "hypernetwork":
        return Hypernetwork(parts["unet"], state, metadata)
    return Lora(parts, state, metadata)


def _ways(addon: Attached, words: Words, sheet: tuple[Prompt, ...]) -> list[Way]:
    without = [words.without(prompt) for prompt in sheet]
    ways = [
        Way("base", None, [beside.Wording(item, item, item) for item in without], nullcontext())
    ]
    for strength in STRENGTHS:
        within = [
            beside.Wording(
                replace(shown, text=addon.words(shown.text), negative=addon.words(shown.negative)),
                shown,
                words.written(shown, strength),
            )
            for shown in map(words.within, sheet)
        ]
        ways.append(Way("model", strength, within, addon.at(strength)))
    return ways
