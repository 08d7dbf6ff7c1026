"""SuperGLUE (Wang et al. 2019): its JSONL files, and the fields of Hugging Face's copies."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from sft_cli.data.benchmarks.question import FALSE_TRUE, Question, label_of, number_of, text_of
from sft_cli.run.errors import FieldError, shown

CONNECTORS = {"cause": "because", "effect": "therefore"}
# Spaces from a treebank tokenizer, in the order in which they are removed.
SPACED = ((" n't", "n't"), (" )", ")"), ("( ", "("), ('" ', '"'), (' "', '"'))


def boolq(record: dict[str, Any]) -> Question:
    """BoolQ (from SuperGLUE, or the file of Clark et al. 2019): yes or no, from a passage."""
    passage = text_of(record, "passage")
    title = record.get("title")
    if isinstance(title, str) and title and not passage.startswith(f"{title} -- "):
        passage = f"{title} -- {passage}"  # as in SuperGLUE
    prompt = f"{passage}\nQuestion: {text_of(record, 'question')}?\nAnswer:"
    return Question(prompt, ["no", "yes"], label_of(record, FALSE_TRUE, "label", "answer"))


def cb(record: dict[str, Any]) -> Question:
    """CommitmentBank: is the hypothesis true, false or neither?"""
    asked = f"Question: {text_of(record, 'hypothesis')}. True, False, or Neither?"
    label = label_of(record, ("entailment", "contradiction", "neutral"), "label")
    return Question(f"{text_of(record, 'premise')}\n{asked}\nAnswer:", ["True", "False", "Neither"], label)


def copa(record: dict[str, Any]) -> Question:
    """Choice of Plausible Alternatives: which is the cause, or the effect?

    Each choice begins with a space, and the delimiter adds another, as in lm-evaluation-harness.
    """
    asked = record.get("question")
    if not isinstance(asked, str) or asked not in CONNECTORS:
        raise FieldError("question", f"expected {' or '.join(CONNECTORS)}, got {shown(asked)}")
    prompt = f"{text_of(record, 'premise').strip()[:-1]} {CONNECTORS[asked]}"  # without its full stop
    choices = [text_of(record, name) for name in ("choice1", "choice2")]
    lowered = [f" {choice[0].lower()}{choice[1:]}" for choice in choices]
    return Question(prompt, lowered, label_of(record, ("choice1", "choice2"), "label"))


def multirc(record: dict[str, Any]) -> Question:
    """Multi-Sentence Reading Comprehension: is this answer to the question right?

    lm-evaluation-harness 0.4.13 has `yes` as its first choice, but reads label 1 (right) as the second choice, `no`.
    Here label 1 is the first choice, so that the answer is correct.
    """
    prompt = f"{text_of(record, 'paragraph')}\nQuestion: {text_of(record, 'question')}\nAnswer:"
    choices = [f"{text_of(record, 'answer')}\nIs the answer correct? {word}" for word in ("yes", "no")]
    return Question(prompt, choices, 1 - label_of(record, FALSE_TRUE, "label"))


def multirc_answers(record: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A flat record for each answer in SuperGLUE's nested record; a flat record as it is."""
    if not isinstance(record.get("passage"), dict):
        yield record
        return
    passage = record["passage"]
    for place, question in enumerate(_objects(passage, "questions", "passage.questions")):
        where = f"passage.questions[{place}].answers"
        for answer in _objects(question, "answers", where):
            flat = {
                "paragraph": passage.get("text"),
                "question": question.get("question"),
                "answer": answer.get("text"),
            }
            yield {**flat, **({"label": answer["label"]} if "label" in answer else {})}


def _objects(holder: dict[str, Any], name: str, field: str) -> list[dict[str, Any]]:
    value = holder.get(name)
    if not isinstance(value, list) or not value or not all(isinstance(each, dict) for each in value):
        raise FieldError(field, f"expected a list of objects, got {shown(value)}")
    return value


def wic(record: dict[str, Any]) -> Question:
    """Word in Context: has a word the same sense in two sentences?"""
    first, second = text_of(record, "sentence1"), text_of(record, "sentence2")
    word = first[number_of(record, "start1") : number_of(record, "end1")]
    if not word:
        raise FieldError("end1", f"expected a word of sentence1 from start1 to end1, got {shown(record['end1'])}")
    asked = f"Question: Is the word '{word}' used in the same way in the two sentences above?"
    prompt = f"Sentence 1: {first}\nSentence 2: {second}\n{asked}\nAnswer:"
    return Question(prompt, ["no", "yes"], label_of(record, FALSE_TRUE, "label"))


def wsc(record: dict[str, Any]) -> Question:
    """Winograd Schema Challenge: does the pronoun mean this noun?

    The spans are corrected as in Hugging Face's `wsc.fixed`, which lm-evaluation-harness reads.
    """
    spans = record["target"] if isinstance(record.get("target"), dict) else record
    text = text_of(record, "text")
    noun, pronoun = (_span(text, spans, name) for name in ("span1", "span2"))
    before = " ".join(text.split()[: number_of(spans, "span2_index")])
    after = text[len(before) + len(pronoun) + 1 :]
    passage = _without_treebank_spaces(f"{before} *{pronoun}*{after}")
    asked = f'Question: In the passage above, does the pronoun "*{pronoun}*" refer to "*{noun}*"?'
    return Question(f"Passage: {passage}\n{asked}\nAnswer:", ["no", "yes"], label_of(record, FALSE_TRUE, "label"))


def _span(text: str, spans: dict[str, Any], name: str) -> str:
    """The words of a span. If they are not in the text: with the case of its first word, and no full stop."""
    span, words, index = text_of(spans, f"{name}_text"), text.split(), number_of(spans, f"{name}_index")
    if index >= len(words):
        raise FieldError(f"{name}_index", f"expected the position of one of the {len(words)} words, got {index}")
    if span in text:
        return span
    first = span[0].lower() if words[index][0].islower() else span[0].upper()
    mended = (first + span[1:]).rstrip(".").replace("\n", " ")
    return mended if mended in text else span


def _without_treebank_spaces(text: str) -> str:
    for spaced, plain in SPACED:
        text = text.replace(spaced, plain)
    return re.sub(r" (['.,])", r"\1", text)
