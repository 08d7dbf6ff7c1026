"""When a figure is bad for training, what that means, and what to try."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sft_cli.curation.statistics.phrases import PHRASE
from sft_cli.metrics.tokenizers import SINGLE


@dataclass(frozen=True)
class DataBound:
    """A bound on a figure.

    figure: group and key. most: the largest good share. cure: flags of `sft prep`, or a command, with `{inputs}` and
    other names that `_filled` replaces. beyond: figures; if the command of one was named, only rows beyond it count.
    unless: a group; if it has figures, this one is not bad.
    """

    figure: str
    most: float
    meaning: str
    cure: str
    beyond: tuple[str, ...] = ()
    unless: str = ""


DATA_BOUNDS = (
    DataBound("rows.largest_source", 0.8, "small sources are hardly trained", "--rows {half} --mix-temperature 2"),
    DataBound(
        "tokens.too_long",
        0,
        "sft train stops, drops or cuts these rows",
        "sft train clean.jsonl --model {model} --max-length {longest} -o run",
    ),
    DataBound(
        "writing-systems.answer_in_another_than_the_question",
        0.05,
        "the model learns to answer in another language",
        "--filter script:only={script}",
    ),
    DataBound("duplicates.exact", 0.005, "repeated rows are learned by heart", "--dedup exact"),
    DataBound(
        "duplicates.normalised", 0.01, "repeated rows are learned by heart", "--dedup normalised", ("duplicates.exact",)
    ),
    DataBound(
        "duplicates.near",
        0.02,
        "nearly equal rows count several times",
        "--dedup near",
        ("duplicates.exact", "duplicates.normalised"),
    ),
    DataBound(
        "duplicates.same_question_other_answer",
        0.01,
        "answers contradict each other, unless the text is free",
        "--filter conflict --ledger conflicts.jsonl",
    ),
    DataBound(
        "answers.without_letters_and_digits", 0.001, "there is nothing to learn", "--where 'answer matches \"\\w\"'"
    ),
    DataBound(
        "answers.of_one_or_two_words",
        0.3,
        "the model learns very short answers",
        "--where 'words(answer) > 2'",
        unless="labels",
    ),
    DataBound("answers.refusals", 0.005, "the model learns to refuse", "--filter refusal"),
    DataBound("answers.loops", 0.002, "the model learns to repeat itself", "--filter repetition"),
    DataBound("answers.copies_of_the_question", 0.01, "the model learns to repeat the question", "--filter copy"),
    DataBound("answers.broken_markup", 0.002, "the model learns broken markup", "--filter markup"),
    DataBound("personal-data.any_kind", 0, "the model can learn personal data by heart", "--filter pii"),
    DataBound(
        "labels.most_frequent_label",
        0.8,
        "a model that always says it is right that often",
        "sft score answers.jsonl --metric accuracy",
    ),
    DataBound(
        "phrases.answers_with_a_template_phrase",
        0.1,
        "the model learns the phrase before the content",
        "--where {phrase}",
    ),
    DataBound(
        "phrases.most_frequent_opening",
        0.1,
        "many answers begin alike",
        "--where {opening}",
        ("phrases.answers_with_a_template_phrase",),
    ),
    DataBound(
        "n-grams.in_the_100_most_frequent",
        0.1,
        "the text is narrow; the model falls into its phrases",
        "sft prep {inputs} other.jsonl --rows 10000 --mix-temperature 2 -o mixed.jsonl",
    ),
)


def findings(figures: dict[str, Any], inputs: Sequence[str], model: str = "") -> list[dict[str, Any]]:
    """The figures above their bounds: figure, share, bound, meaning, and the command to try.

    inputs: the words of a command of `sft prep` that reads the rows.
    """
    found: list[dict[str, Any]] = []
    for bound in DATA_BOUNDS:
        share = _share_of(figures, bound.figure)
        named = {each["figure"]: each["share"] for each in found}
        covered = max((named[name] for name in bound.beyond if name in named), default=0.0)
        if share is not None and share - covered > bound.most and bound.unless not in figures:
            cure = bound.cure if bound.cure.startswith("sft ") else f"sft prep {{inputs}} {bound.cure} -o clean.jsonl"
            names = {"inputs": shlex.join(inputs), "model": shlex.quote(model)}
            command = _filled(cure, figures, names)
            found.append(
                {
                    "figure": bound.figure,
                    "share": share,
                    "bound": bound.most,
                    "meaning": bound.meaning,
                    "try": command,
                }
            )
    return found


def _share_of(figures: dict[str, Any], name: str) -> float | None:
    group, _, key = name.partition(".")
    share: float | None = ((figures.get(group) or {}).get(key) or {}).get("share")
    return share


def _filled(cure: str, figures: dict[str, Any], names: dict[str, str]) -> str:
    """The command with the names of this file: its inputs, its most frequent phrase, and so on."""
    systems = [each["text"] for each in figures["writing-systems"]["answers"] if each["text"] != "no letters"]
    values = {
        **names,
        "half": str(max(figures["rows"]["rows"] // 2, 1)),
        "script": {"kana": "han/kana"}.get(systems[0], systems[0]) if systems else "latin",
        "phrase": shlex.quote(_without_phrase(figures.get("phrases") or {})),
        "opening": shlex.quote(_without_phrase({"beginnings": (figures.get("phrases") or {}).get("openings")})),
        "longest": str(((figures.get("tokens") or {}).get("tokens_of_rows") or {}).get("largest", "")),
    }
    return re.sub(r"\{(\w+)\}", lambda match: values[match[1]], cure)


def _without_phrase(phrases: dict[str, Any]) -> str:
    """A condition of --where that drops rows with the most frequent phrase of the template."""
    begin, end = phrases.get("beginnings") or [], phrases.get("endings") or []
    is_end = not begin or (bool(end) and end[0]["rows"] > begin[0]["rows"])
    if not (found := end if is_end else begin):
        return ""
    text = found[0]["text"]
    words = [word for run in text.split() for word in (list(run) if SINGLE.match(run) else [run])]
    near = ".{0,3}".join(re.escape(word) for word in (words[-PHRASE:] if is_end else words[:PHRASE]))
    pattern = (f"{near}.{{0,3}}$" if is_end else f"^.{{0,3}}{near}").replace("\\", "\\\\").replace('"', '\\"')
    return f'not (lower(answer) matches "{pattern}")'
