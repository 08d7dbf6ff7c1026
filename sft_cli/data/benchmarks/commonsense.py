"""PIQA, Social IQa and HellaSwag: which of the given endings is the sensible one?"""

from __future__ import annotations

from typing import Any

from sft_cli.data.benchmarks.lettered import letter_index, lettered_options
from sft_cli.data.benchmarks.question import Question, label_of, text_of
from sft_cli.run.errors import FieldError, shown


def piqa(record: dict[str, Any]) -> Question:
    """Physical Interaction QA (Bisk et al. 2020): which of two solutions reaches the goal?"""
    prompt = f"Question: {text_of(record, 'goal', 'question')}\nAnswer:"
    if "options" in record:
        labels, texts = lettered_options(record)
        return Question(prompt, texts, letter_index(record, "answer", labels))
    choices = [text_of(record, "sol1"), text_of(record, "sol2")]
    return Question(prompt, choices, label_of(record, ("sol1", "sol2"), "label"))


def siqa(record: dict[str, Any]) -> Question:
    """Social IQa (Sap et al. 2019): which of three things would people do, want or feel?"""
    prompt = f"Q: {text_of(record, 'context')} {text_of(record, 'question')}\nA:"
    choices = [text_of(record, f"answer{letter}") for letter in "ABC"]
    return Question(prompt, choices, label_of(record, ("a", "b", "c"), "label", "correct", first=1))


def hellaswag(record: dict[str, Any]) -> Question:
    """HellaSwag (Zellers et al. 2019): how does the scene continue?"""
    endings = record.get("endings")
    if not isinstance(endings, list) or len(endings) != 4 or not all(isinstance(each, str) for each in endings):
        raise FieldError("endings", f"expected a list of four texts, got {shown(endings)}")
    second = record.get("ctx_b", "")
    if not isinstance(second, str):
        raise FieldError("ctx_b", f"expected text, got {shown(second)}")
    context = f"{text_of(record, 'activity_label')}: {text_of(record, 'ctx_a')} {second.capitalize()}"
    label = label_of(record, ("ending 0", "ending 1", "ending 2", "ending 3"), "label")
    return Question(_without_marks(context), [_without_marks(ending) for ending in endings], label)


def _without_marks(text: str) -> str:
    """The text without the marks of WikiHow pages: `[title]` and anything else in brackets."""
    lines = text.strip().replace(" [title]", ". ").split("\n")
    return "\n".join(map(_without_brackets, lines)).replace("  ", " ")


def _without_brackets(line: str) -> str:
    # Removes the matches of \[.*?\] in linear time: the expression takes minutes for a hundred thousand opening
    # brackets.
    kept, place = [], 0
    while (begin := line.find("[", place)) >= 0 and (end := line.find("]", begin)) >= 0:
        kept.append(line[place:begin])
        place = end + 1
    return "".join([*kept, line[place:]])
