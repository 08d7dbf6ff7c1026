"""Questions that a model wrote about documents: how they are read, and which are left out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sft_cli.curation.answerable import pair_problem
from sft_cli.curation.question_pairs import QuestionReader, model_of, question_pairs
from sft_cli.run.errors import FieldError

PAIRS = st.lists(st.tuples(st.text(min_size=1), st.text(min_size=1)))
DOCUMENT = "Damage must be reported within 14 days. The fee is 1,400 euros. Glass must not be sent back."
CHINESE = "玻璃制品不退回。请在14天内寄送照片和标签。"


def generation(text: str | None, **others: Any) -> dict[str, Any]:
    asked = {"id": "d#1", "messages": [{"role": "user", "content": "Write …"}], "context": DOCUMENT}
    return {**asked, "completion": text, "sample": 0, "finish_reason": "stop", **others}


def read(*generations: Any, reader: QuestionReader | None = None) -> tuple[list[Any], list[str]]:
    """The records, and the reasons of those that are left out."""
    reasons: list[str] = []
    located = [(f"g.jsonl:{number}", each) for number, each in enumerate(generations, 1)]
    found = (reader or QuestionReader()).records(iter(located), lambda where, rule, reason: reasons.append(reason))
    return [record for _, record in found], reasons


@given(PAIRS, st.sampled_from(["lines", "array", "fence", "object"]))
def test_pairs_are_read_in_each_form_that_models_write(pairs: list[tuple[str, str]], form: str) -> None:
    objects = [{"question": question, "answer": answer} for question, answer in pairs]
    text = {
        "lines": "Here they are:\n" + "\n".join(map(json.dumps, objects)),
        "array": json.dumps(objects, indent=1),
        "fence": f"```json\n{json.dumps(objects)}\n```\nDone.",
        "object": json.dumps({"questions": objects}),
    }[form]
    assert question_pairs(text) == ([(question.strip(), answer.strip()) for question, answer in pairs], 0)


@pytest.mark.parametrize(
    ("text", "pairs", "broken"),
    [
        ('{"问题": "几天？", "答案": 14}', [("几天？", "14")], 0),
        ('{"Question": "a", "Answer": "b", "level": 1}', [("a", "b")], 0),
        ('{"question": "a", "answer": "b"}\n{"question": "cut', [("a", "b")], 1),
        ('{"question": "a", "answer": ["b"]}', [], 1),
        ('{"question": "a"}', [], 1),
        ("1. What? That.", [], 0),
        ("", [], 0),
    ],
)
def test_what_cannot_be_read_is_counted(text: str, pairs: list[tuple[str, str]], broken: int) -> None:
    assert question_pairs(text) == (pairs, broken)


@pytest.mark.parametrize(
    ("question", "answer", "document", "problem"),
    [
        ("When must damage be reported?", "Within 14 days.", DOCUMENT, ""),
        ("When must damage be reported?", "It is reported within 14 days of the damage.", DOCUMENT, ""),
        ("How much is the fee?", "1400 euros", DOCUMENT, ""),
        ("几天内寄送？", "14天内寄送。", CHINESE, ""),
        ("要寄送什么？", "照片和标签", CHINESE, ""),
        ("When must damage be reported?", "Within 30 days.", DOCUMENT, "answer with a number that the document"),
        ("Who pays?", "The insurance company of the driver.", DOCUMENT, "answer with words that the document"),
        ("要寄送什么？", "发票原件", CHINESE, "answer with words that the document"),
        ("Can glass be sent back?", "No.", DOCUMENT, "answer without content words"),
        ("Can glass be sent back?", " ", DOCUMENT, "empty question or answer"),
        ("According to the document, when?", "Within 14 days.", DOCUMENT, "question refers to the text"),
        ("What does the passage say about glass?", "Glass must not be sent.", DOCUMENT, "question refers to the text"),
        ("根据上文，要寄送什么？", "照片", CHINESE, "question refers to the text"),
        ("Glass must not be sent back.", "Within 14 days.", DOCUMENT, "question copied from the document"),
        ("What is the fee in euros?", "The fee is in euros.", DOCUMENT, "answer repeats the question"),
        ("The fee, is it fair?", "The fee, is it fair? It is 14.", DOCUMENT, "answer repeats the question"),
        ("Can glass be sent back?", "Glass must not be sent back.", DOCUMENT, ""),
        ("玻璃制品不退回。", "照片和标签", CHINESE, "question copied from the document"),
        ("What is the fee?", "I'm sorry, I cannot answer.", DOCUMENT, "answer is a refusal"),
    ],
)
def test_a_pair_is_kept_if_the_document_has_its_answer(question: str, answer: str, document: str, problem: str) -> None:
    assert pair_problem(question, answer, document).startswith(problem)
    assert bool(pair_problem(question, answer, document)) == bool(problem)


def test_a_question_comes_once_also_in_other_case_and_in_a_second_reading() -> None:
    reader = QuestionReader()
    texts = ['{"question": "What is 14?", "answer": "14 days"}', '{"question": "what is 14", "answer": "days"}']
    generations = [generation(text) for text in texts]
    first = read(*generations, reader=reader)
    assert len(first[0]) == 1
    assert first[1] == ["question that another row has"]
    assert read(*generations, reader=reader) == first


def test_a_row_names_its_document_and_keeps_the_fields_of_its_own() -> None:
    text = '{"question": "How many days?", "answer": "14 days"}'
    ((record,), reasons) = read(generation(text, year=2020, template="questions.en", references=["x"]))
    assert reasons == []
    made = {"sample": 0, "finish_reason": "stop"}
    asked = {"question": "How many days?", "answer": "14 days"}
    assert record == {**asked, "year": 2020, "source": "d#1", "generated": made}


@pytest.mark.parametrize(
    ("text", "others", "reason"),
    [
        (None, {"finish_reason": "error"}, "no completion"),
        ("<think>never ends", {}, "no completion"),
        ('<think>{"question": "a", "answer": "b"}</think>None.', {}, "completion without questions"),
    ],
)
def test_a_completion_without_questions_is_left_out(text: Any, others: Any, reason: str) -> None:
    assert read(generation(text, **others)) == ([], [reason])


def test_other_rows_are_bad_rows() -> None:
    records, _ = read({"question": "a", "answer": "b"}, generation("x", context=None), FieldError("", "bad line"))
    assert [str(record) for record in records] == [
        "completion: expected a completion of sft generate, got the fields question, answer",
        "context: expected the text of the document, got nothing",
        "bad line",
    ]


def test_documents_become_questions_by_the_commands_and_rows_name_the_model(sft: Any, here: Path, tiny: Path) -> None:
    (here / "a.md").write_text("# Fee\n\nThe fee is 30 euros.\n")
    assert sft("prep", "a.md", "--ask-questions", "1", "-o", "asks.jsonl").code == 0
    cut = ("--prompt-overflow", "truncate-left")  # the tiny model has a short context
    assert sft("generate", tiny, "asks.jsonl", "--max-new-tokens", "2", *cut, "-o", "g.jsonl").code == 0
    assert model_of("g.jsonl") == str(tiny)
    result = sft("prep", "g.jsonl", "--read-questions")
    assert result.code == 2
    assert "no rows left" in result.err
    (here / "h.jsonl").write_text((here / "g.jsonl").read_text())  # a copy without its manifest
    assert model_of("h.jsonl") == ""
    (here / "h.jsonl.meta.json").write_text((here / "g.jsonl.meta.json").read_text())  # of another file
    assert model_of("h.jsonl") == ""
