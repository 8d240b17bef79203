"""Our reading of YAML against PyYAML's: whatever that one would compose, we see, or refuse."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from scanner.errors import FileError
from scanner.formats import yaml_text

KEY = "_target_"


def _theirs(text: str) -> set[tuple[str, str]]:
    """Every scalar that stands under a scalar key, by PyYAML's pure composer: no object is made."""
    found: set[tuple[str, str]] = set()
    seen: set[int] = set()

    def walk(node: yaml.Node | None) -> None:
        if node is None or id(node) in seen:
            return
        seen.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            for item in node.value:
                walk(item)
        elif isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                walk(key)
                walk(value)
                if isinstance(key, yaml.ScalarNode) and isinstance(value, yaml.ScalarNode):
                    found.add((key.value, value.value))

    for document in yaml.compose_all(text, Loader=yaml.SafeLoader):
        walk(document)
    return found


pieces = st.sampled_from(
    [
        "_target_", '"_target_"', "'_target_'", '"\\x5ftarget_"', "os.system", "'os.system'", ": ",
        ":", ":\n", "\n", "\n  ", "\n    ", "- ", "? ", "{", "}", "[", "]", ", ", "&a ", "*a",
        " *a ", "!!str ", "!x ", "|\n", ">-\n", "|2\n", "# ", " # note\n", "---\n", "...\n",
        "a", "b: 1\n",
        "\x85", "\t", "\r\n", '"os.\\\n  system"', "<<: ", "~", '"', "'", "%TAG ! x:\n", " ",
    ]
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.lists(pieces, max_size=14).map("".join))
@example("_target_: os.system")
@example("_target_ : os.system")
@example("{_target_ : os.system , a : b }")
@example("a: |\n_target_: os.system")
@example("- a: |\n  _target_: os.system")
@example("a:\n  |\n os.system\n_target_: b")
@example("{_target_: os.system}")
@example('{"_target_":os.system}')
@example("k: &k _target_\nx: {*k : os.system}")
@example("# c\x85_target_: os.system")
@example("? _target_\n: os.system")
@example("- - |\n  a\n  _target_: b")
def test_what_pyyaml_composes_is_seen_or_refused(text: str) -> None:
    try:
        theirs = _theirs(text)
    except (yaml.YAMLError, RecursionError, ValueError):
        return
    try:
        ours = yaml_text.read(text)
    except FileError:
        return
    values = {value.strip() for key, value in theirs if key == KEY and value}
    assert values <= {value.strip() for key, value in ours.pairs if key == KEY}


def test_the_subset_that_configurations_use_is_not_refused() -> None:
    text = """
    %YAML 1.1
    ---
    model:  # the model
      target: ldm.models.Latent
      params: {a: [1, 2], "b": 'c', scale: 1.0e-04}
      note: |
        target: not.a.key
        more
      folded: >-
        one
        two
      list:
      - a: 1
        b: &anchor x
      - *anchor
    """.replace("\n    ", "\n").strip()
    found = yaml_text.read(text)
    assert ("target", "ldm.models.Latent") in found.pairs
    assert ("target", "not.a.key") not in found.pairs
    assert ("b", "c") in found.pairs
    assert not found.tags


@pytest.mark.parametrize(
    "tag",
    [
        "!!python/name:os.system",
        "!<tag:yaml.org,2002:python/name:os.system>",
        "!!python%2Fname:os.system",
    ],
)
def test_tags_are_written_out(tag: str) -> None:
    assert yaml_text.read(f"a: {tag}\n").tags == ["tag:yaml.org,2002:python/name:os.system"]


def test_aliases_are_not_expanded() -> None:
    lines = ["a0: &a0 x"] + [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 40)]
    assert len(yaml_text.read("\n".join(lines)).keys) == 40
