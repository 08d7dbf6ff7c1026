"""GLUE (Wang et al. 2019): its TSV files, and the fields of Hugging Face's copies."""

from __future__ import annotations

from typing import Any

from sft_cli.data.benchmarks.question import Question, label_of, refuse_hidden, text_of
from sft_cli.run.errors import FieldError, shown

HIGHEST_SIMILARITY = 5
ENTAILMENT = ("entailment", "not_entailment")


def rte(record: dict[str, Any]) -> Question:
    """Recognizing Textual Entailment, GLUE's or SuperGLUE's: does the second sentence follow?"""
    first, second = text_of(record, "sentence1", "premise"), text_of(record, "sentence2", "hypothesis")
    prompt = f"{first}\nQuestion: {second} True or False?\nAnswer:"
    return Question(prompt, ["True", "False"], label_of(record, ENTAILMENT, "label"))


def wnli(record: dict[str, Any]) -> Question:
    """Winograd NLI: does the sentence with the pronoun replaced follow?"""
    prompt = f"{text_of(record, 'sentence1')}\nQuestion: {text_of(record, 'sentence2')} True or False?\nAnswer:"
    return Question(prompt, ["False", "True"], label_of(record, ("not_entailment", "entailment"), "label"))


def qnli(record: dict[str, Any]) -> Question:
    """Question NLI: does the sentence answer the question?"""
    asked = f"{text_of(record, 'question')}\n{text_of(record, 'sentence')}"
    prompt = f"{asked}\nQuestion: Does this response answer the question?\nAnswer:"
    return Question(prompt, ["yes", "no"], label_of(record, ENTAILMENT, "label"))


def mnli(record: dict[str, Any]) -> Question:
    """Multi-Genre NLI: does the hypothesis follow, contradict or neither?"""
    premise = text_of(record, "premise", "sentence1")
    hypothesis = text_of(record, "hypothesis", "sentence2").strip()
    stop = "" if hypothesis.endswith(".") else "."
    prompt = f"{premise}\nQuestion: {hypothesis}{stop} True, False or Neither?\nAnswer:"
    label = label_of(record, ("entailment", "neutral", "contradiction"), "label", "gold_label")
    return Question(prompt, ["True", "Neither", "False"], label)


def mrpc(record: dict[str, Any]) -> Question:
    """Microsoft Research Paraphrase Corpus: do two sentences mean the same?"""
    first, second = text_of(record, "sentence1", "#1 String"), text_of(record, "sentence2", "#2 String")
    asked = "Question: Do both sentences mean the same thing?"
    prompt = f"Sentence 1: {first}\nSentence 2: {second}\n{asked}\nAnswer:"
    return Question(prompt, ["no", "yes"], label_of(record, ("not_equivalent", "equivalent"), "label", "Quality"))


def qqp(record: dict[str, Any]) -> Question:
    """Quora Question Pairs: do two questions ask the same?"""
    first, second = text_of(record, "question1"), text_of(record, "question2")
    asked = "Question: Do both questions ask the same thing?"
    prompt = f"Question 1: {first}\nQuestion 2: {second}\n{asked}\nAnswer:"
    return Question(prompt, ["no", "yes"], label_of(record, ("not_duplicate", "duplicate"), "label", "is_duplicate"))


def sst2(record: dict[str, Any]) -> Question:
    """Stanford Sentiment Treebank: is a sentence positive or negative?"""
    prompt = f"{text_of(record, 'sentence')}\nQuestion: Is this sentence positive or negative?\nAnswer:"
    return Question(prompt, ["negative", "positive"], label_of(record, ("negative", "positive"), "label"))


def cola(record: dict[str, Any]) -> Question:
    """Corpus of Linguistic Acceptability: is a sentence correct English?"""
    prompt = f"{text_of(record, 'sentence')}\nQuestion: Does this sentence make sense?\nAnswer:"
    return Question(prompt, ["no", "yes"], label_of(record, ("unacceptable", "acceptable"), "label"))


def stsb(record: dict[str, Any]) -> Question:
    """Semantic Textual Similarity Benchmark: how similar are two sentences, from 0 to 5? A number, without choices."""
    first, second = text_of(record, "sentence1"), text_of(record, "sentence2")
    asked = f"Question: How similar are both sentences, from 0 to {HIGHEST_SIMILARITY}?"
    prompt = f"Sentence 1: {first}\nSentence 2: {second}\n{asked}\nAnswer:"
    return Question(prompt, [], None, {"references": [f"{_similarity(record):g}"]})


def _similarity(record: dict[str, Any]) -> float:
    name = "score" if "score" in record else "label"
    refuse_hidden(record, name)
    try:
        number = float(record[name])
    except (TypeError, ValueError):
        number = -1.0
    if isinstance(record[name], bool) or not 0 <= number <= HIGHEST_SIMILARITY:
        raise FieldError(name, f"expected a number from 0 to {HIGHEST_SIMILARITY}, got {shown(record[name])}")
    return number
