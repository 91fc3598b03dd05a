"""Facts about how a model is measured."""

from __future__ import annotations

from pathlib import Path

from workbench.data import Persona, identity_set
from workbench.evaluation import Evaluator, Probe, identity_probes
from workbench.evaluation.scoring import correct
from workbench.models import load_tokenizer

LONG = "ᚠᛇᚻ᛫ᛒᛦᚦ᛫ᚠᚱᚩᚠᚢᚱ᛫ᚠᛁᚱᚪ᛫ᚷᛖᚻᚹᛦᛚᚳᚢᛗ"


def asked(persona: Persona) -> list[Probe]:
    return identity_probes(identity_set(persona), persona, limit=2_000)


def test_answers_to_probes_are_long_enough_for_a_long_name() -> None:
    tokenizer = load_tokenizer("pocket")
    probes = asked(Persona(LONG))
    evaluator = Evaluator(probes, tokenizer=tokenizer, max_new_tokens=48)
    assert evaluator.max_new_tokens > 48
    for probe in probes:
        ids = tokenizer(probe.answer, add_special_tokens=False)["input_ids"]
        assert correct(probe, tokenizer.decode(ids[: evaluator.max_new_tokens]))


def test_with_a_name_of_usual_length_the_limit_is_the_settings() -> None:
    tokenizer = load_tokenizer("pocket")
    for persona in (Persona("Sprout"), Persona("小芽", "林老师"), Persona("Sprout", "Ann Example of Example Town")):
        assert Evaluator(asked(persona), tokenizer=tokenizer, max_new_tokens=48).max_new_tokens == 48


def test_no_limit_grows_for_an_answer_that_would_not_be_right_in_full(tiny: Path) -> None:
    probe = Probe(asked(Persona("Sprout"))[0].messages, "identity", ("Sprout",), answer="somebody " * 40)
    assert Evaluator([probe], tokenizer=load_tokenizer(str(tiny)), max_new_tokens=4).max_new_tokens == 4
