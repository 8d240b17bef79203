"""Configurations that a loader evaluates: Hydra, LDM, Lightning, Keras, YAML tags, Jinja."""

from __future__ import annotations

import json

import pytest
import torch

from scanner import reading, safety
from scanner.limits import DEFAULT
from scanner.report import Verdict
from scanner.source import BytesSource
from tests.scanner.formats.files import entry, read, rules, safetensors, saved, zipped

LDM = b"""model:
  base_learning_rate: 1.0e-04
  target: ldm.models.diffusion.ddpm.LatentDiffusion
  params:
    timesteps: 1000
    scheduler_config: # 10000 warm-up steps
      target: ldm.lr_scheduler.LambdaLinearScheduler
      params:
        warm_up_steps: [ 10000 ]
    first_stage_config:
      target: ldm.models.autoencoder.AutoencoderKL
      params:
        ddconfig: {attn_resolutions: [], dropout: 0.0}
        lossconfig:
          target: torch.nn.Identity
    cond_stage_config: "__is_unconditional__"
"""
INDEX = {
    "_class_name": "StableDiffusionPipeline",
    "_diffusers_version": "0.6.0",
    "safety_checker": ["stable_diffusion", "StableDiffusionSafetyChecker"],
    "feature_extractor": [None, None],
    "unet": ["diffusers", "UNet2DConditionModel"],
}
WEIGHTS = safetensors({"w": entry(0, 4)}, bytes(4))


def verdict(data: bytes) -> Verdict:
    return safety.judge(reading.read(BytesSource(data, 0), DEFAULT), DEFAULT).verdict


@pytest.mark.parametrize(
    "data",
    [
        LDM,
        json.dumps(INDEX, indent=2).encode(),
        # A brace where a safetensors header would begin.
        b'{"abcd":{"_class_name": "X"}}',
        json.dumps({"act_fn": "silu", "_class_name": "UNet2DConditionModel"}).encode(),
        # Pairs of names that are no library and class.
        json.dumps(
            {**INDEX, "_class_name": "UNet2DModel", "down_block_types": ["DownBlock2D", "UpBlock"]}
        ).encode(),
        # A vocabulary has every sign somewhere, and none of them is a template.
        json.dumps({"vocab": {"{{": 1, "__init__": 2, "subprocess": 3, "}}": 4}}).encode(),
        json.dumps({"description": "target: os.system", "sd version": "SD1"}).encode(),
        b'{"chat_template": "{% for m in messages %}{{ m.role }}{% endfor %}"}',
    ],
)  # fmt: skip
def test_a_genuine_configuration_is_clean(data: bytes) -> None:
    assert verdict(data) is Verdict.CLEAN
    assert "config" in rules(read(data))
    assert verdict(zipped(("m/config", data), ("m/w", WEIGHTS))) is Verdict.CLEAN


HOSTILE = [
    LDM.replace(b"torch.nn.Identity", b"os.system"),
    b"_target_: os.system\ncommand: touch marker\n",
    b"- {_target_: builtins.eval, _args_: [x]}\n",
    b'{"_target_": "subprocess.Popen", "args": ["touch", "marker"]}',
    b'{"model": {"class_path": "os.system", "init_args": {}}}',
    b"_target_: hydra.utils.get_method\npath: os.system\n",
    b"a: !!python/object/apply:os.system [touch marker]\n",
    b"!<tag:yaml.org,2002:python/object/apply:os.system> [touch marker]\n",
    b"a: !!python/name:os.system\n",
    b"%TAG ! tag:yaml.org,2002:python/\n---\n- !name:os.system\n",
    b"%TAG !e! tag:yaml.org,2002:python/ # note\n---\n- !e!name:os.system\n",
    b"%TAG !! tag:x,2000:\n---\n- a\n...\n---\n- !!python/name:os.system\n",
    b"a: !!python/module:os\n",
    b"a: !apply:os.system [touch marker]\n",
    b"a: !new:subprocess.Popen\n  args: touch marker\n",
    b"_component_: os.system\n",
    b"_target_ : os.system\n",
    b"k: &k _target_\nx:\n  *k : os.system\n",
    b"v: &v os.system\nx: {_target_: *v}\n",
    b'"\\x5ftarget_": os.system\n',
    b"_target_: >-\n  os.system\n",
    b"# note\xc2\x85_target_: os.system\n",
    b'{"py/reduce": [{"py/type": "os.system"}, {"py/tuple": ["touch marker"]}]}',
    json.dumps({**INDEX, "unet": ["os", "system"]}).encode(),
    json.dumps({"_class_name": "X", "unet": ["os", "system"]}).encode(),
    # CVE-2024-3660, CVE-2025-1550
    b'{"class_name": "Lambda", "config": {"function": ["4wEAAAA", null, null]}}',
    b'{"module": "os", "class_name": "function", "config": "system"}',
    # CVE-2024-34359
    b'{"chat_template": "{{ x.__class__ }}"}',
    b'{"chat_template": [{"name": "a", "template": "{{ x|attr(\'_\'*2~\'class\') }}"}]}',
    b"{% for x in ''.__class__.__mro__ %}{{ x }}{% endfor %}",
]  # fmt: skip


@pytest.mark.parametrize("data", HOSTILE)
def test_what_runs_code_is_malicious(data: bytes) -> None:
    assert verdict(data) is Verdict.MALICIOUS
    assert verdict(zipped(("m/config", data), ("m/w", WEIGHTS))) is Verdict.MALICIOUS


@pytest.mark.parametrize(
    ("rule", "data"),
    [
        ("config-unknown-target", b"_target_: my.module.Thing\n"),
        ("config-unknown-target", b"_target_: ${a}.${b}\n"),
        ("config-unknown-target", b"x: ${eval:1+1}\n"),
        ("config-tag", b"a: !custom x\n"),
        ("config-tag", b"a: !!python/tuple [1]\n"),
        ("config-unread", b"%WHAT x\n---\n- !!python/name:os.system\n"),
        ("config-unread", b"{'_target_': os.system, `"),
        ("config-remote-code", b'{"auto_map": {"AutoModel": "modeling_x.Model"}}'),
        ("config-remote-code", json.dumps({**INDEX, "unet": ["my_unet", "UNet"]}).encode()),
        ("config-remote-code", b'{"_class_name": "MyPipeline", "unet": ["my_unet", "UNet"]}'),
        ("config-remote-code", b'{"_class_name": ["repo", "pipeline.py"]}'),
        ("program-text", b"import os\nos.system('touch marker')\n"),
        ("program-text", b"#!/bin/sh\ntouch marker\n"),
    ],
)  # fmt: skip
def test_what_nobody_knows_is_suspicious(rule: str, data: bytes) -> None:
    assert rule in rules(read(data))
    assert verdict(zipped(("m/config", data), ("m/w", WEIGHTS))) is Verdict.SUSPICIOUS


_ENCODINGS = ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-be"]


@pytest.mark.parametrize("encoding", _ENCODINGS)
def test_a_configuration_is_read_in_any_encoding_that_loaders_know(encoding: str) -> None:
    evil = '{"_target_": "os.system", "note": "é木", "command": "true"}'
    beside = ("m/w", WEIGHTS)
    assert verdict(zipped(("m/config", evil.encode(encoding)), beside)) is Verdict.MALICIOUS
    plain = '{"_class_name": "UNet2DConditionModel", "note": "é木"}'
    assert verdict(zipped(("m/config", plain.encode(encoding)), beside)) is Verdict.CLEAN


@pytest.mark.parametrize(
    "data",
    [
        b"---\nlicense: mit\n---\n# Model\n\n```python\nimport diffusers\n```\n",
        b"a photo of os.system(x), detailed: masterpiece\n",
        b"#version: 0.2\ni n\nt h\na n</w>\n",
    ],
)
def test_prose_beside_a_model_is_no_program(data: bytes) -> None:
    assert verdict(zipped(("m/notes", data), ("m/w", WEIGHTS))) is Verdict.CLEAN


@pytest.mark.parametrize("legacy", [True, False])
@pytest.mark.parametrize("key", ["_target_", "_instantiator", "class_path"])
def test_hyper_parameters_are_judged(key: str, legacy: bool) -> None:
    def state(name: str) -> object:
        return {"state_dict": {"w": torch.ones(2)}, "hyper_parameters": {"model": {key: name}}}

    assert verdict(saved(state("os.system"), legacy=legacy)) is Verdict.MALICIOUS
    assert verdict(saved(state("my.Thing"), legacy=legacy)) is Verdict.SUSPICIOUS
    known = "torch.optim.AdamW"
    assert verdict(saved(state(known), legacy=legacy)) is Verdict.CLEAN


@pytest.mark.parametrize(
    ("verdict_of", "text"),
    [
        (Verdict.MALICIOUS, json.dumps({"model": {"_target_": "os.system", "command": "x"}})),
        (Verdict.CLEAN, json.dumps({"_target_": "diffusers.AutoencoderKL", "x": "os.system"})),
        (Verdict.CLEAN, json.dumps({"_target_": "my_trainer.Model"})),
        (Verdict.CLEAN, "{red|_target_ os.system}"),
    ],
)
def test_a_configuration_in_a_header_counts_where_it_is_dangerous(
    verdict_of: Verdict, text: str
) -> None:
    header = {"__metadata__": {"config": text}, "w": entry(0, 4)}
    assert verdict(safetensors(header, bytes(4))) is verdict_of
