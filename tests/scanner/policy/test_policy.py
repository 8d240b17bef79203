from __future__ import annotations

import pytest

from scanner import policy
from scanner.policy.dangerous import DANGEROUS, EXEMPT, JUDGED
from scanner.policy.dangerous_libraries import CALLED, DANGEROUS_LIBRARIES
from scanner.policy.known_good import KNOWN_GOOD
from scanner.report import Tier
from scanner.rules import RULES
from scanner.rules.arguments import MATCHERS

GROUPS = (*DANGEROUS, *DANGEROUS_LIBRARIES, *CALLED)


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("collections", "OrderedDict"), ("torch._utils", "_rebuild_tensor_v2"),
        ("torch", "FloatStorage"), ("torch", "HalfStorage"), ("torch", "LongStorage"),
        ("torch", "BFloat16Storage"), ("torch", "ByteStorage"), ("torch", "Tensor"),
        ("torch._tensor", "_rebuild_from_type_v2"),
    ],
)  # fmt: skip
def test_the_nine_names_of_diffusion_models_are_known(module: str, name: str) -> None:
    assert policy.tier(module, name) is Tier.KNOWN


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("os", "system"), ("nt", "system"), ("builtins", "exec"), ("__builtin__", "execfile"),
        ("torch", "os.system"), ("collections", "_sys"), ("torch.serialization", "load"),
        ("torch", "serialization"), ("pathlib", "os.system"), ("datetime", "sys.modules.get"),
        ("transformers", "AutoModel.from_pretrained"), ("collections", "namedtuple.__builtins__"),
        ("types", "FunctionType"), ("operator", "attrgetter"), ("cPickle", "loads"),
        ("code", "InteractiveInterpreter.runcode"), ("somewhere", "obj.eval"),
        ("somebody.helpers", "run_command"), ("somebody.io", "load_pickle"),
        ("gettext", "c2py"), ("_testcapi", "run_in_subinterp"), ("pathlib", "Path.touch"),
        ("torch.distributed.checkpoint", "load"), ("pandas", "read_excel"),
        ("langchain.chains.loading", "load_chain"), ("sklearn.utils.fixes", "attrgetter"),
        ("collections", "_itemgetter"), ("numpy._core._multiarray_umath", "fromfile"),
        ("six.moves", "getoutput"), ("torch", "UntypedStorage._new_shared_filename_cpu"),
        ("uuid", "_arp_getnode"), ("warnings", "_setoption"), ("nltk.data", "load"),
        ("builtins", "str.format"), ("encodings", "search_function"), ("uuid", "getnode"),
        ("pytorch_lightning.utilities.cli", "instantiate_class"), ("lxml.etree", "parse"),
        ("deepspeed.launcher.runner", "main"), ("onnx.reference", "ReferenceEvaluator"),
    ],
)  # fmt: skip
def test_ways_to_run_code_are_dangerous(module: str, name: str) -> None:
    assert policy.tier(module, name) is Tier.DANGEROUS
    assert policy.danger(module, name)


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("__main__", "Model"), ("torch.nn.modules.conv", "Conv2d"), ("builtins", "getattr"),
        ("collections", "OrderedDict.fromkeys"), ("code.model", "Net"), ("torch", "trace"),
        ("dill._dill", "_load_type"), ("ultralytics.nn.tasks", "DetectionModel"),
        ("langchain_community.docstore.in_memory", "InMemoryDocstore"),
        ("sympy.functions.elementary.exponential", "exp"), ("numpy", "memmap"),
        ("nltk.tokenize.punkt", "PunktParameters"), ("mmengine.config.config", "ConfigDict"),
        ("transformers.pipelines.text_classification", "TextClassificationPipeline"),
        ("torch.utils.checkpoint", "checkpoint"), ("fastai.learner", "Learner"),
        ("mine", "Outer.Inner"), ("", ""), ("<int>", "<int>"),
        ("datetime", "datetime.now"), ("mine", "Model.trace"), ("copyreg", "__newobj_ex__"),
    ],
)  # fmt: skip
def test_the_rest_is_unknown(module: str, name: str) -> None:
    assert policy.tier(module, name) is Tier.UNKNOWN


def test_every_dangerous_name_is_in_effect() -> None:
    """A line that another table overrules says something untrue."""
    for group in (*DANGEROUS, *DANGEROUS_LIBRARIES):
        for entry in group.names:
            module, name = entry.split(":")
            assert policy.danger(module, name), entry
        for module in (*group.modules, *group.functions):
            assert policy.danger(module, "anything"), module
    for group in CALLED:
        for entry in group.names:
            module, name = entry.split(":")
            assert policy.danger_of_call(module, name) and not policy.danger(module, name), entry


def test_no_known_name_is_a_walk() -> None:
    walks = [row for row in KNOWN_GOOD if "." in row.name]
    assert [(row.module, row.name) for row in walks] == [("datetime", "timezone.utc")]


def test_no_name_is_listed_twice_or_in_two_tiers() -> None:
    known = [(row.module, row.name) for row in KNOWN_GOOD]
    dangerous = [tuple(name.split(":")) for group in GROUPS for name in group.names]
    assert len(known) == len(set(known))
    assert len(dangerous) == len(set(dangerous))
    assert not set(known) & set(dangerous)
    assert not set(known) & EXEMPT
    assert not {(row.module, row.name) for row in JUDGED} & (set(known) | set(dangerous))


def test_every_row_says_why() -> None:
    assert all(row.reason for row in KNOWN_GOOD)
    assert all(row.reason for row in JUDGED)
    assert all(group.reason and group.reference for group in GROUPS)


def test_every_schema_is_made_of_known_words() -> None:
    for row in KNOWN_GOOD:
        for word in row.schema.split():
            assert set(word.rstrip("?*").split("|")) <= set(MATCHERS), row


def test_every_judged_name_has_its_rule() -> None:
    assert {row.rule for row in JUDGED} <= {rule.RULE.id for rule in RULES.values()}


def test_the_version_is_a_digest_of_the_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    assert policy._digest().startswith(policy.VERSION)
    monkeypatch.setattr(policy, "KNOWN_GOOD", KNOWN_GOOD[1:])
    assert not policy._digest().startswith(policy.VERSION)
