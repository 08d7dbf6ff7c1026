"""`sft prep --judge`: what a judge is shown, what is told, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sft_cli.data.judging.template import NAMES
from sft_cli.data.language import is_chinese

pytestmark = pytest.mark.usefixtures("here")


def generation(name: Any, completion: str | None, question: str = "Why?", **more: Any) -> dict[str, Any]:
    messages = [{"role": "user", "content": question}]
    return {"id": name, "messages": messages, "completion": completion, "sample": 0, "finish_reason": "stop", **more}


def write(path: str, *rows: Any) -> None:
    Path(path).write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))


def prompts(result: Any) -> list[str]:
    assert result.code == 0, result.err
    return [row["messages"][0]["content"] for row in result.rows]


def test_bad_rows_of_the_base_are_told_too(sft: Any) -> None:
    write("base", generation("a", "1"), "{", generation("b", "2"))
    write("other", generation("a", "1"), generation("b", "2"))
    result = sft("prep", "--judge", "pairwise", "base", "other")
    assert (result.code, "base:2: expected a JSON object, got" in result.err) == (2, True)
    result = sft("prep", "--judge", "pairwise", "base", "other", "--on-error", "skip")
    assert [row["id"] for row in result.rows] == ["a#1", "a#2", "b#1", "b#2"]
    assert "1  rejected: not a row" in result.err


def test_pairs_are_of_the_same_question(sft: Any) -> None:
    write("base", generation("a", "1"), generation("b", "2"))
    write("other", generation("a", "1", "Who?"), generation("b", "2"))
    result = sft("prep", "--judge", "pairwise", "base", "other")
    assert "other:1: messages: this question differs from base:1, which has the same id" in result.err
    assert result.code == 2
    own_system = {"messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Why?"}]}
    write("other", generation("a", "1", **own_system), generation("b", "2"))
    assert len(prompts(sft("prep", "--judge", "pairwise", "base", "other"))) == 4


def test_texts_are_paired_by_what_they_say(sft: Any) -> None:
    for name, text in (("base", "Q: why?"), ("same", "Q: why?"), ("another", "Q: who?")):
        write(name, {"id": "a", "text": text, "completion": "1"})
    assert "[Request]\nQ: why?\n" in prompts(sft("prep", "--judge", "pairwise", "base", "same"))[0]
    assert "which has the same id" in sft("prep", "--judge", "pairwise", "base", "another").err


def test_samples_are_paired_one_by_one(sft: Any) -> None:
    write("base", *(generation("a", f"base {sample}", sample=sample) for sample in (0, 1)))
    write("other", *(generation("a", f"other {sample}", sample=sample) for sample in (1, 0, 2)))
    result = sft("prep", "--judge", "pairwise", "base", "other")
    assert [row["id"] for row in result.rows] == ["a/1#1", "a/1#2", "a#1", "a#2"]
    assert [row["judge"]["pair"] for row in result.rows] == ["a/1", "a/1", "a", "a"]
    assert "[Answer A]\nbase 1\n\n[Answer B]\nother 1\n" in prompts(result)[0]
    assert "2 pairs; 0 only in base, 1 only in other, not judged" in result.err


def test_failed_answers_are_empty_ones_and_told(sft: Any) -> None:
    write("a", generation("x", "half an ans", finish_reason="error"), generation("y", None), generation("z", "whole"))
    result = sft("prep", "--judge", "rating", "a")
    shown = [text.split("[Answer]\n")[1].split("\n")[0] for text in prompts(result)]
    assert shown == ["", "", "whole"]
    assert "2 failed answers, judged as empty text" in result.err


def test_all_references_are_shown_and_an_answer_is_one(sft: Any) -> None:
    write("a", generation("x", "1", references=["four", "4"]), generation("y", "1", answer=7), generation("z", "1"))
    both, answer, none = prompts(sft("prep", "--judge", "rating", "a"))
    assert "[Reference answer]\nfour\n\n[Reference answer]\n4\n" in both
    assert "[Reference answer]\n7\n" in answer
    assert "Reference" not in none


def test_keys_pass_through_but_for_what_the_metrics_would_read_as_the_judges(sft: Any) -> None:
    more = {"references": ["r"], "answer": "r", "choices": ["r"], "prompt_tokens": 3, "error": None, "weight": 2.0}
    more |= {"prediction": "r", "predictions": ["r", None], "consistency": 0.5, "samples": 2, "text_logprobs": None}
    write("a", generation("x", "1", task="t", language="en", order=3, **more))
    (row,) = sft("prep", "--judge", "rating", "a").rows
    hashes = ["prompt_hash", "references_hash"]  # of what was judged
    assert list(row) == ["id", "messages", "judge", *hashes, "task", "language", "order", "source"]
    assert (row["task"], row["source"]) == ("t", "a:1")
    assert sft("prep", "--judge", "rating", "a", "--task", "u").rows[0]["task"] == "u"


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("什么是机器学习？", True),
        ("请解释 Python 的 list comprehension", True),
        ("Explain 机器学习 in one sentence, please.", False),
        ("Как перевести 你好?", False),
        ("日本の首都はどこですか？", False),
        ("", False),
    ],
)
def test_the_language_of_the_prompt_is_that_of_the_question(text: str, answer: bool) -> None:
    assert is_chinese(text) == answer


@pytest.mark.parametrize("kind", NAMES)
@pytest.mark.parametrize(("question", "heading"), [("Why?", "[Request]"), ("这是为什么？", "[请求]")])
def test_every_built_in_prompt_shows_everything(sft: Any, kind: str, question: str, heading: str) -> None:
    write("a", generation("x", "One answer {{ 1 }}", question, references=["A reference"]))
    texts = prompts(sft("prep", "--judge", kind, *["a"] * len(NAMES[kind])))
    for text in texts:
        assert f"{heading}\n{question}\n" in text
        assert "\nA reference\n" in text
        assert text.count("\nOne answer {{ 1 }}\n") == len(NAMES[kind])  # what a model wrote is no template
        assert "[[" in text


def test_a_template_of_ones_own(sft: Any) -> None:
    write("a", generation("x", "42", "What is x?"))
    Path("t.j2").write_text("Q: {{ question }} A: {{ answer }}. Good?")
    assert prompts(sft("prep", "--judge", "rating", "a", "--judge-template", "t.j2")) == ["Q: What is x? A: 42. Good?"]


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("line\n{{ question", "t.j2:2: unexpected end of template"),
        (
            "{{ answer }}\n\n{{ nothing }}",
            "t.j2:3: 'nothing' is undefined; a template has question, references, answer",
        ),
        ("{{ answer }}\n{{ question + 1 }}", 't.j2:2: can only concatenate str (not "int") to str'),
        ("{{ answer.__class__.__mro__ }}", "t.j2:1: access to attribute '__class__' of 'str' object is unsafe"),
        ("{{ references.append(answer) }}", "t.j2:1: access to attribute 'append' of 'list' object is unsafe"),
        ("{{ question }}", "t.j2:1: expected {{ answer }} in a template of --judge rating, got none"),
        ("{% if not answer %}{% endif %}", "t.j2:1: expected a prompt, got an empty text"),
    ],
)
def test_mistakes_of_a_template_are_told_with_their_line(sft: Any, template: str, message: str) -> None:
    write("a", generation("x", "42"))
    Path("t.j2").write_text(template)
    result = sft("prep", "--judge", "rating", "a", "--judge-template", "t.j2")
    assert (result.code, message in result.err) == (2, True), result.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("a", "--judge-template", "a"), "--judge-template: has an effect only with --judge"),
        (("a", "--judge", "rating", "--judge-template", "no.j2"), "no.j2: cannot read: No such file"),
        (("a", "--judge", "rating", "--judge-template", "latin"), "latin: cannot read: not UTF-8"),
        (("a", "--judge", "pairwise"), "--judge pairwise: expected two files, the base and another, got 1"),
        (("-", "-", "--judge", "pairwise"), "--judge pairwise: expected two files, got stdin twice"),
        (("a", "a", "--judge", "rating"), "--judge rating: expected one file of generations, got 2"),
        (("a", "--judge", "rating", "--eval"), "--eval: has no effect with --judge"),
    ],
)
def test_flags_that_cannot_be_meant_are_refused(sft: Any, words: tuple[str, ...], message: str) -> None:
    write("a", generation("x", "1"))
    Path("latin").write_bytes(b"\xe9")
    result = sft("prep", *words)
    assert (result.code, message in result.err) == (2, True), result.err


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (
            {"id": "x", "messages": []},
            "bad:2: completion: expected text, got null; --judge reads files that sft generate",
        ),
        (generation("x", "1", messages=[]), "bad:2: messages: expected the turns of the prompt, got []"),
        (generation(["x"], "1"), 'bad:2: id: expected text, got ["x"]'),
        (generation("x", "1", sample=[1]), "bad:2: sample: expected a number of at least 0, got [1]"),
        (generation("x", "1", references="r"), 'bad:2: references: expected a list of strings, got "r"'),
        (generation("x", "1", answer=["r"]), 'bad:2: answer: expected a string or a number, got ["r"]'),
        (generation("a", "1"), "bad:2: id: expected one row for each id and sample, got 'a' in line 1 too"),
    ],
)
def test_bad_generations_are_told_with_line_and_field(sft: Any, row: dict[str, Any], message: str) -> None:
    write("bad", generation("a", "1"), row)
    result = sft("prep", "--judge", "rating", "bad")
    assert (result.code, message in result.err) == (2, True), result.err


def test_a_sample_and_an_id_that_looks_like_one_are_not_mixed_up(sft: Any) -> None:
    write("a", generation("a", "1", sample=1), generation("a/1", "2"))
    assert (
        "a:2: id: expected one row for each id and sample, got 'a/1' in line 1"
        in sft("prep", "--judge", "rating", "a").err
    )
