"""Chat templates: what leaves Jinja's sandbox is found, what genuine templates do is let be."""

from __future__ import annotations

import time

import pytest

from scanner.formats import templates

ESCAPES = [
    "{{ x.__class__ }}",
    "{{ ''['__cl' + 'ass__'] }}",
    "{% set a = '_' %}{{ ''[a + a + 'class' + a + a] }}",
    "{{ ''[['_', '_class_', '_'] | join] }}",
    "{{ ''['x_' + '_y'] }}",
    "{{ ''['%c%cclass%c%c' | format(95, 95, 95, 95)] }}",
    "{{ x|attr(y) }}",
    "{{ cycler._x }}",
    "{{ x['\\x5F\\x5Fclass'] }}",
    "{{ x | map('attr', y) }}",
    "{% set p %}__{% endset %}{{ ''[p ~ 'class' ~ p] }}",
    # Signs that look as if they closed what they do not close.
    "{{ '}}' ~ x.__class__ }}",
    "{{ {'a': {'b': 1}}['a'].__class__ }}",
    "{% set y = '%}' ~ x.__class__ %}",
    "{# {{ ' #}{{ 'x }} ' .__class__ }}",
    "{% raw %}{{ ' {%- endraw -%}{{ 'x }} ' .__class__ }}",
    "{{ {'a': 1}}}don't {{ 'x }} ' .__class__ }}",
    "a" * (2 << 20) + "{{ x.__class__ }}",
]


@pytest.mark.parametrize("template", ESCAPES)
def test_what_leaves_the_sandbox_is_found(template: str) -> None:
    assert templates.escape(template)


@pytest.mark.parametrize(
    "template",
    [
        "{% for m in messages %}{{ '[INST] ' + m['content'] + ' [/INST]' }}{% endfor %}",
        "{{ messages[messages|length - 1].content.split('</think>')[-1].lstrip('\\n') }}",
        "{%- set ns = namespace(last=messages|length - 1) %}{{ ns.last }}",
        "{{ tool.name | replace('_', ' ') }}{{ x.y_z | join('_') }}",
        "{% if x == '_' %}{{ x }}{% endif %}",
        "{{ {'a': 1} | tojson(indent=4) }}{{ strftime_now('%d %b %Y') }}",
        # What stands outside the signs, in a comment or in a raw part is not run.
        "Python's __init__ and subprocess {{ bos_token }}",
        "{# x.__class__ #}{% raw %}{{ x.__class__ }}{% endraw %}",
        "an f-string {{'a': 1}} and __main__",
    ],
)
def test_what_genuine_templates_do_is_let_be(template: str) -> None:
    assert templates.escape(template) is None
    assert templates.loading(template) is None


@pytest.mark.parametrize(
    "piece", ["{% set x %}" + "_" * 400_000, "{{ '" + "_a" * 200_000, "{{" * 200_000]
)
def test_a_long_one_takes_no_long_time(piece: str) -> None:
    begun = time.process_time()
    templates.escape(piece)
    assert time.process_time() - begun < 5


@pytest.mark.parametrize("template", ["{% include '/etc/passwd' %}", "{%- from 'x' import y %}"])
def test_another_file_is_noticed(template: str) -> None:
    assert templates.escape(template) is None
    assert templates.loading(template)
