"""Every sentence shown to people: in both languages, with the same values, and each one that the code asks for."""

from __future__ import annotations

import ast
import json
import re
from collections import defaultdict
from functools import cache
from pathlib import Path
from string import Formatter
from typing import Any

import pytest
import yaml

import workbench.errors
from workbench.texts import LANGUAGES, fill, first_of, language, listed, lookup, text

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "workbench"
TEXTS = PACKAGE / "texts"
ROOMS = sorted(file.stem for file in (TEXTS / "en").glob("*.yaml"))
ERRORS = {
    name for name, kind in vars(workbench.errors).items() if isinstance(kind, type) and issubclass(kind, Exception)
}
ASKS = {"text", "lookup", "entry"}
KEY = re.compile(rf"(?:{'|'.join(ROOMS)})(?:\.\w+)+")
A_FILE = re.compile(r"\.(?:ya?ml|jsonl?|py|tsv|csv|md|html|safetensors|txt)$")
# What these functions are given besides the text's own values.
OPTIONS = {"lang"}


class OnceOnly(yaml.SafeLoader):
    """Refuses what YAML lets pass: a name that stands twice, of which only the last would be read."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        names = [key.value for key, _ in node.value]
        twice = {name for name in names if names.count(name) > 1}
        assert not twice, f"line {node.start_mark.line + 1}: {twice}"
        return super().construct_mapping(node, deep)


@pytest.mark.parametrize("file", sorted(TEXTS.glob("*/*.yaml")), ids=lambda file: f"{file.parent.name}/{file.stem}")
def test_no_name_stands_twice(file: Path) -> None:
    assert yaml.load(file.read_text(encoding="utf-8"), OnceOnly)
    with pytest.raises(AssertionError, match=r"line 1: .'a'."):
        yaml.load("a: 1\na: 2", OnceOnly)


def leaves(room: str, lang: str) -> dict[str, Any]:
    """Dotted key -> sentence (or a list of them) of one room."""
    found: dict[str, Any] = {}

    def walk(node: Any, path: str) -> None:
        if isinstance(node, dict):
            for name, child in node.items():
                walk(child, f"{path}.{name}")
        else:
            found[path] = node

    walk(yaml.safe_load((TEXTS / lang / f"{room}.yaml").read_text(encoding="utf-8")), room)
    return found


@cache
def everything(lang: str) -> dict[str, Any]:
    return {key: said for room in ROOMS for key, said in leaves(room, lang).items()}


def fields_of(said: Any) -> list[tuple[str, str]]:
    """(name, format) of each brace."""
    parts = [part for part in (said if isinstance(said, list) else [said]) if isinstance(part, str)]
    return [(name, spec or "") for part in parts for _, name, spec, _ in Formatter().parse(part) if name is not None]


def values_of(said: Any) -> set[str]:
    """The names in braces; ``{0}`` and ``{row[name]}`` count by their root."""
    names = {name for name, _ in fields_of(said)}
    return {re.split(r"[.\[]", name)[0] for name in names}


@cache
def nodes() -> list[tuple[str, ast.AST]]:
    """(where, node) of every call and string in the package and in the apps."""
    found: list[tuple[str, ast.AST]] = []
    for file in sorted([*PACKAGE.rglob("*.py"), *(ROOT / "apps").rglob("*.py")]):
        tree = ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        told = (node for node in tree if isinstance(node, ast.Call | ast.Constant | ast.JoinedStr))
        found += [(f"{file.relative_to(ROOT)}:{node.lineno}", node) for node in told]
    return found


@cache
def calls() -> list[tuple[str, str, ast.Call]]:
    """(where, name of what is called, the call) of every call in the package whose first argument is a string."""
    found = []
    for where, node in nodes():
        if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant | ast.JoinedStr):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            found.append((where, name, node))
    return found


def asked() -> list[tuple[str, str, str, ast.Call]]:
    """(where, name, key, call) of each literal key given to a text function or to an error."""
    return [
        (where, name, node.args[0].value, node)
        for where, name, node in calls()
        if name in ASKS | ERRORS and isinstance(node.args[0], ast.Constant) and isinstance(node.args[0].value, str)
        if KEY.fullmatch(node.args[0].value)
    ]


@cache
def prefixes() -> set[str]:
    """How the keys that are put together at run time begin: ``render.curves.`` of ``f"render.curves.{name}"``."""
    found = set()
    for _, node in nodes():
        if isinstance(node, ast.JoinedStr) and node.values and isinstance(node.values[0], ast.Constant):
            start = str(node.values[0].value)
            if re.fullmatch(rf"(?:{'|'.join(ROOMS)})\.[\w.]*", start):
                found.add(start)
    return found


@cache
def constants() -> set[str]:
    """Every string in the package that reads like a key."""
    found = set()
    for _, node in nodes():
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and KEY.fullmatch(node.value):
            found |= {node.value} if known(node.value) or not A_FILE.search(node.value) else set()
    return found


def known(key: str) -> bool:
    """There is a sentence of that key, or a group of sentences under it."""
    return any(said == key or said.startswith(key + ".") for said in everything("en"))


def test_every_part_of_the_studio_finds_its_words() -> None:
    """Its keys are put together at run time, ``studio.`` and what ``say`` names."""
    said = [
        (where, k.value)
        for where, node in nodes()
        if isinstance(node, ast.Call)
        for k in node.keywords
        if k.arg == "say"
    ]
    keys = [
        (where, v.value)
        for where, d in said
        if isinstance(d, ast.Dict)
        for v in d.values
        if isinstance(v, ast.Constant)
    ]
    keys += [  # buttons that take a while: their words, and those for what is being done
        (where, key)
        for where, node in nodes()
        if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "act"
        for name, words in [[part.value for part in node.args[1:3] if isinstance(part, ast.Constant)]]
        for key in (words, f"doing.{name.replace('-', '_')}")
    ]
    assert len(keys) >= 20
    assert not [(where, key) for where, key in keys if not known(f"studio.{key}")]


def test_both_languages_have_the_same_rooms() -> None:
    assert sorted(file.stem for file in (TEXTS / "zh").glob("*.yaml")) == ROOMS


@pytest.mark.parametrize("room", ROOMS)
def test_both_languages_say_the_same_things(room: str) -> None:
    assert leaves(room, "en").keys() == leaves(room, "zh").keys()


@pytest.mark.parametrize("room", ROOMS)
def test_both_languages_name_the_same_values(room: str) -> None:
    """But a count that only chooses between it and them: Chinese has one form."""
    zh = {key: values_of(said) for key, said in leaves(room, "zh").items()}
    for key, said in leaves(room, "en").items():
        shown = {name for name, spec in fields_of(said) if "|" not in spec or "#" in spec}
        assert values_of("".join(f"{{{name}}}" for name in shown)) <= zh[key] <= values_of(said), key


@pytest.mark.parametrize("lang", LANGUAGES)
def test_no_sentence_is_empty(lang: str) -> None:
    empty = [
        key for key, said in everything(lang).items() if said is None or (isinstance(said, str) and not said.strip())
    ]
    assert not [key for key in empty if not key.endswith(".space")]  # what stands between two sentences


@pytest.mark.parametrize("lang", LANGUAGES)
def test_no_key_is_swallowed_by_yaml(lang: str) -> None:
    """An unquoted ``no:`` or ``on:`` is a truth value, not a word."""
    assert not [key for key in everything(lang) if {"True", "False", "None"} & set(key.split("."))]


def test_every_key_that_the_code_names_is_there() -> None:
    assert not [(where, key) for where, _, key, _ in asked() if not known(key)]
    assert not {start for start in prefixes() if not any(key.startswith(start) for key in everything("en"))}


def test_every_error_says_what_was_wrong_and_what_to_do() -> None:
    wrong = []
    for where, name, key, _ in asked():
        if name in ERRORS:
            entry = lookup(key, "en")
            wrong += [] if isinstance(entry, dict) and entry.get("say") and entry.get("do") else [(where, key)]
    assert not wrong


def test_every_value_that_a_sentence_names_is_given() -> None:
    wrong = []
    for where, name, key, node in asked():
        given = {keyword.arg for keyword in node.keywords}
        said = lookup(key, "en") if known(key) else None
        if None in given or name not in ERRORS | {"text"} or said is None:  # **values: not to be seen from here
            continue
        needed = values_of(list(said.values())) if isinstance(said, dict) else values_of(said)
        wrong += [(where, key, needed - given)] if needed - given else []
    assert not wrong


def test_no_value_is_given_that_no_sentence_names() -> None:
    wrong = []
    for where, name, key, node in asked():
        if name != "text" or not known(key):
            continue
        given = {keyword.arg for keyword in node.keywords if keyword.arg} - OPTIONS
        wrong += [(where, key, extra)] if (extra := given - values_of(lookup(key, "en"))) else []
    assert not wrong


def test_no_sentence_is_kept_that_nobody_says() -> None:
    starts = prefixes() | {key + "." for key in constants()}
    said = constants()
    unused = [key for key in everything("en") if key not in said and not any(key.startswith(start) for start in starts)]
    assert not [key for key in unused if key.rpartition(".")[0] not in said]


def test_chinese_is_set_with_chinese_punctuation() -> None:
    ascii_after = re.compile(r"[\u4e00-\u9fff][,;!?](?:\s|$|[\u4e00-\u9fff])|[\u4e00-\u9fff]:(?:\s|$|[\u4e00-\u9fff])")
    zh = {key: said if isinstance(said, list) else [said] for key, said in everything("zh").items()}
    assert not {
        key: part for key, parts in zh.items() for part in parts if isinstance(part, str) and ascii_after.search(part)
    }


@pytest.mark.parametrize(
    ("given", "expected"),
    [("zh", "zh"), ("zh_CN.UTF-8", "zh"), ("Chinese (Simplified)_China", "zh"), ("en_GB", "en"), ("fr_FR", "en")],
)
def test_a_locale_is_spoken_to_in_its_language(given: str, expected: str) -> None:
    assert language(given) == expected


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"WORKBENCH_LANG": "zh", "LANG": "en_US"}, "zh"),
        ({"LC_ALL": "zh_TW", "LANG": "en_US"}, "zh"),
        ({"LANG": "C.UTF-8"}, "en"),
    ],
)
def test_the_first_variable_that_is_set_chooses_the_language(
    variables: dict[str, str], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("WORKBENCH_LANG", "LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert language() == expected


def test_an_error_speaks_both_languages() -> None:
    error = workbench.errors.UnknownName("cli.unknown_command", given="qickstart", nearest="quickstart")
    assert error.say("en") != error.say("zh")
    assert "quickstart" in error.do("zh")
    assert str(error).startswith(error.say())


@pytest.mark.parametrize("name", sorted(ERRORS - {"WorkbenchError"}))
def test_an_error_is_the_same_in_another_process(name: str) -> None:
    error = getattr(workbench.errors, name)("cli.unknown_command", given="qickstart", nearest="quickstart")
    told = workbench.errors.error_from_record(**json.loads(json.dumps(workbench.errors.record(error))))
    assert type(told) is type(error) and [told.say("zh"), told.do("en")] == [error.say("zh"), error.do("en")]
    assert type(workbench.errors.error_from_record("eval", error.key, error.values)) is workbench.errors.Failed


@pytest.mark.parametrize(("lang", "expected"), [("en", "c1, c2 …"), ("zh", "c1、c2 …")])
def test_several_names_are_listed_as_the_language_lists_them(lang: str, expected: str) -> None:
    names = first_of(["c1", "c2", "c3"], 2)
    assert listed(names, lang) == fill("{names}", {"names": names}, lang) == expected
    error = workbench.errors.BadInput("models.adapter_kind", file="a", given="b", known=("c1", "c2"))
    told = workbench.errors.error_from_record(**json.loads(json.dumps(workbench.errors.record(error))))
    assert expected[:-2] in told.say(lang) + told.do(lang)
    assert first_of(["c1"], 2) == ("c1",)


def test_no_sentence_is_given_names_that_english_has_joined() -> None:
    """They would keep its comma in every language."""
    joined = [
        (where, keyword.arg)
        for where, node in nodes()
        if isinstance(node, ast.Call)
        and (getattr(node.func, "attr", "") or getattr(node.func, "id", "")) in ASKS | ERRORS
        for keyword in node.keywords
        for part in ast.walk(keyword.value)
        if isinstance(part, ast.Attribute) and part.attr == "join"
        if isinstance(part.value, ast.Constant) and part.value.value == ", "
    ]
    assert not joined


def test_an_unknown_key_is_a_mistake_of_ours() -> None:
    with pytest.raises(KeyError, match=r"cli\.nothing"):
        text("cli.nothing")


def test_one_conversation_is_not_one_conversations() -> None:
    said = text("templates.summary.examples", "en", examples=1, tokens=11, trained=2, share=0.5)
    assert said.startswith("1 conversation, 11 tokens, of which 2 are trained")


@pytest.mark.parametrize(
    ("rows", "tokens", "expected"),
    [
        (0, 1, "0 rows are longer than 1 token (the longest has 9): –"),
        (1, 2, "1 row is longer than 2 tokens (the longest has 9): –"),
        (2, 1, "2 rows are longer than 1 token (the longest has 9): –"),
    ],
)
def test_each_count_of_a_sentence_has_the_form_that_goes_with_it(rows: int, tokens: int, expected: str) -> None:
    values = {"count": rows, "max_length": tokens, "longest": 9, "some": "–"}
    assert text("data.findings.would_be_truncated.message", "en", **values) == expected


def test_a_number_is_written_as_its_form_says() -> None:
    assert fill("{n:,|# row|# rows}", {"n": 12345}) == "12,345 rows"
    assert fill("{n:.0f|# row|# rows}", {"n": 1.2}) == "1 row"
    assert fill("{n:.1f|# row|# rows}", {"n": 1.0}) == "1.0 rows"
    assert fill("{n:it is|they are} {name}", {"n": 3, "name": "{n} | # rows"}) == "they are {n} | # rows"


@cache
def english() -> list[tuple[str, str]]:
    """(key, sentence) of every English sentence with named values."""
    parts = [
        (key, part) for key, said in everything("en").items() for part in (said if isinstance(said, list) else [said])
    ]
    return [(key, part) for key, part in parts if isinstance(part, str) and any(map(str.isidentifier, values_of(part)))]


@cache
def forms() -> set[tuple[str, str, str]]:
    """(value, one, several) of every phrase that depends on a count."""
    fields = [field for _, part in english() for field in fields_of(part)]
    return {(name, one, several) for name, spec in fields if "|" in spec for one, several in [spec.split("|")[-2:]]}


def rendered(number: int) -> list[tuple[str, str]]:
    """(key, sentence), where each value that is a count somewhere is ``number``, and every other one a name."""
    counts = {name for name, _, _ in forms()} - {"given"}
    name = type("Name", (float,), {"__format__": lambda self, spec: "NAME", "__repr__": lambda self: "NAME"})()
    return [(key, fill(part, defaultdict(lambda: name, dict.fromkeys(counts, number)))) for key, part in english()]


def counted(form: int) -> set[str]:
    """The nouns behind a number, as one (0) or as several (1): ``# general row has|# general rows have``."""
    phrases = [[phrase.split() for phrase in phrases] for _, *phrases in forms() if phrases[0].startswith("# ")]
    nouns = {next(pair for pair in zip(*both, strict=False) if pair[0] != pair[1])[form] for both in phrases}
    return nouns - {"is", "are", "was", "were"}


VERBS = ("is|was|has|does", "are|were|have|do")
COUNT = r"(?<![\w.,@]){number} (?:[a-z-]+ ){{0,{words}}}?(?P<last>{last})(?![\w-])"


@pytest.mark.parametrize(("number", "form"), [(0, 0), (1, 1), (2, 0)], ids=["0 row", "1 rows", "2 row"])
def test_no_english_sentence_counts_in_the_wrong_form(number: int, form: int) -> None:
    nouns, several = "|".join(counted(form)), "|".join(counted(1))
    last = rf"(?:(?:general|oldest|held-out) )?(?:{nouns})(?! (?:{several})\b)|{VERBS[form]}"  # but "2 picture tokens"
    wrong = COUNT.format(number=number, words=0, last=last)
    assert not [(key, m[0]) for key, said in rendered(number) for m in re.finditer(wrong, said)]


def test_every_thing_that_is_counted_has_a_form() -> None:
    """A noun that nothing was counted by before is found by its s."""
    plural = COUNT.format(number=1, words=2, last=r"[a-z-]*[^s\W]s")
    fine = {word for _, one, _ in forms() for word in one.split()} | {"is", "was", "has", "its", "as", "this"}
    found = [(key, m[0].split()) for key, said in rendered(1) for m in re.finditer(plural, said)]
    assert not [(key, words) for key, words in found if words[-1] not in fine and not counted(0) & set(words)]


def test_chinese_has_no_forms() -> None:
    assert not [key for key, said in everything("zh").items() if re.search(r"\{\w+:[^}]*\|", str(said))]
