"""A template that would take all time or memory is ended; one that a model was published with is rendered as ever."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from workbench.templates.budget import TooMuchError
from workbench.templates.sandbox import render

ASKED = [{"role": "user", "content": "x"}]
BIG = "{% set big = 'a' * 900000 %}"
MANY = "{% for i in range(99999) %}"
DOUBLED = "{% set n = namespace(s='abc', a=[1], b=[1]) %}{% for i in range(60) %}"
BOMBS = {
    "loops in loops": MANY + MANY + "{% endfor %}{% endfor %}",
    "a loop that takes nothing": MANY + "{% for b in range(99999) if false %}{% endfor %}{% endfor %}",
    "a loop that calls itself": "{% for a in range(9) recursive %}{{ loop(range(9)) }}{% endfor %}",
    "a text many times": "{{ 'a' * 10000000000 }}",
    "a list many times": "{{ [0] * 10000000000 }}",
    "a power": "{{ 9 ** (9 ** 9) }}",
    "a text doubled": DOUBLED + "{% set n.s = n.s ~ n.s %}{% endfor %}",
    "a text added to itself": DOUBLED + "{% set n.s = n.s + n.s %}{% endfor %}",
    "a list of itself twice": DOUBLED + "{% set n.a = [n.a, n.a] %}{% endfor %}{{ n.a }}",
    "two such lists compared": DOUBLED
    + "{% set n.a = [n.a, n.a] %}{% set n.b = [n.b, n.b] %}{% endfor %}{{ n.a == n.b }}",
    "a mapping of itself twice": DOUBLED + "{% set n.a = dict(x=n.a, y=n.a) %}{% endfor %}{{ n.a|tojson }}",
    "padding": "{{ 'a'.ljust(10000000000) }}",
    "a filter's padding": "{{ 'a'|center(10000000000) }}",
    "an indent": "{{ 'a\nb'|indent(10000000000) }}",
    "an indent of text": BIG + "{{ ('a\n' * 9999)|indent(big) }}",
    "an indent of JSON": "{{ [1]|tojson(indent=10000000000) }}",
    "a width": "{{ '%10000000000d' % 1 }}",
    "a width beside it": "{{ '%*d' % (10000000000, 1) }}",
    "a width in braces": "{{ '{:>10000000000}'.format(1) }}",
    "a width in braces in braces": "{{ '{:{w}}'.format(1, w=10000000000) }}",
    "a format of many": BIG + "{{ ('%s' * 99999) % ((big,) * 99999) }}",
    "replacing": BIG + "{{ big.replace('a', big) }}",
    "a filter's replacing": BIG + "{{ big|replace('a', big) }}",
    "joining": BIG + "{{ big.join(big) }}",
    "a filter's joining": BIG + "{{ big|join(big) }}",
    "tabs": "{{ '\t'.expandtabs(10000000000) }}",
    "batches": "{{ [1]|batch(10000000000, 1)|list }}",
    "a block of much": BIG + "{% set x %}" + MANY + "{{ big }}{% endfor %}{% endset %}",
    "much written": BIG + MANY + "{{ big }}{% endfor %}",
    "a macro that calls itself": "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
    "a macro that calls itself twice":
        "{% macro m(n) %}{% if n %}{{ m(n-1) }}{{ m(n-1) }}{% endif %}{% endmacro %}{{ m(60) }}",
    "sums": MANY + "{{ range(99999)|sum }}{% endfor %}",
    "brackets": "{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}",
    "blocks in blocks": "{% for a in [1] %}" * 30 + "{% endfor %}" * 30,
    "a long template": "x" * 2_000_000,
}  # fmt: skip


@pytest.mark.parametrize("name", BOMBS)
def test_a_template_that_takes_too_much_is_ended(name: str) -> None:
    begun = time.process_time()
    with pytest.raises(TooMuchError):
        render(BOMBS[name], ASKED, None)
    assert time.process_time() - begun < 60


@pytest.mark.parametrize(
    "template",
    ["{{ ''.__class__.__mro__ }}", "{{ messages.append(1) }}", "{{ lipsum(n=10000000) }}",
     "{{ raise_exception('no') }}",
     "{{ namespace(_x=1) }}"],
)  # fmt: skip
def test_a_template_sees_nothing_of_python(template: str) -> None:
    from jinja2 import TemplateError

    with pytest.raises(TemplateError):
        render(template, ASKED, None)


def test_what_a_conversation_holds_is_no_bomb() -> None:
    long = [{"role": "user", "content": "word " * 400_000}, {"role": "assistant", "content": "ok"}] * 3
    template = "{% for m in messages %}<{{ m.role }}>{{ m.content | trim }}</>\n{% endfor %}"
    assert len(render(template, long, None)) > 6_000_000
    many = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "ok"}] * 2_000
    assert render(template, many, None).count("<user>") == 2_000


TEMPLATES = (
    "{{ bos_token }}{% for m in messages %}{% if loop.first and m['role'] != 'system' %}{{ 'S\n' }}{% endif %}"
    "{{ '<|' + m['role'] + '|>' ~ loop.index0 ~ '\n' + m['content'].strip() }}{% if not loop.last %}, {% endif %}"
    "{% generation %}{{ eos_token }}{% endgeneration %}\n{% endfor %}{% if add_generation_prompt %}A:{% endif %}",
    "{%- set ns = namespace(last=-1, seen=[]) -%}\n  {%- for m in messages[::-1] %}\n"
    "    {%- if m.role == 'user' and ns.last == -1 %}{% set ns.last = loop.index0 %}{% endif %}\n  {%- endfor %}\n"
    "{{- ns.last }} {{ tools | tojson(indent=2) if tools else '' }} {{ {'a': [1, 'ü', none]} | tojson }}"
    "{% for m in messages if m.content is string %}{% if loop.index > 2 %}{% break %}{% endif %}"
    "{{ m.content.split('</think>')[-1].lstrip('\\n') | upper | replace('O', '0') | indent(4) }}"
    "|{{ m.get('thinking', '') }}"
    "{% else %}none{% endfor %}{{ messages | map(attribute='role') | list | join('/') }}"
    "{% macro put(x, y='z') %}<{{ x }}{{ y }}>{{ caller() if caller else '' }}{% endmacro %}"
    "{{ put(1) }}{% call put(2) %}c{% endcall %}"
    "{{ '%s-%05.1f' % ('a', 2.5) }} {{ 'x{}y'.format(3) }} {{ 7 // 2 }} {{ 2 ** 5 }}"
    "{{ (1, 2)[0] }} {{ 'abc'[:2] * 2 }}",
)


@pytest.mark.parametrize("template", TEMPLATES, ids=["plain", "rich"])
@pytest.mark.parametrize("tools", [None, [{"type": "function", "function": {"name": "f", "parameters": {}}}]])
@pytest.mark.parametrize("prompt", [False, True])
def test_a_template_is_rendered_as_the_library_renders_it(
    template: str, tools: list[object] | None, prompt: bool
) -> None:
    from transformers.utils.chat_template_utils import render_jinja_template

    talk = [
        {"role": "system", "content": "Be <b>brief</b> & 友好"},
        {"role": "user", "content": " Hello\nthere "},
        {"role": "assistant", "content": "<think>\nhm\n</think>\n\nHo ho", "reasoning_content": "hm"},
        {"role": "user", "content": "And?"},
    ]
    names = {"bos_token": "<s>", "eos_token": "</s>", "add_generation_prompt": prompt}
    theirs, _ = render_jinja_template(conversations=[talk], tools=tools, chat_template=template, **names)
    assert render(template, talk, tools, **names) == theirs[0]


def test_the_published_templates_at_hand_are_rendered_as_the_library_renders_them(shared: Path) -> None:
    import json

    from transformers.utils.chat_template_utils import render_jinja_template

    talk = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]
    names = {"bos_token": "<s>", "eos_token": "</s>"}
    for file in sorted((shared / "tokenizers").rglob("tokenizer_config.json")):
        template = json.loads(file.read_text(encoding="utf-8")).get("chat_template")
        if isinstance(template, str):
            theirs, _ = render_jinja_template(conversations=[talk], chat_template=template, **names)
            assert render(template, talk, None, add_generation_prompt=False, **names) == theirs[0]
