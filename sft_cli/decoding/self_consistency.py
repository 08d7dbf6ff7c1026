"""Self-consistency: one completion from several samples, chosen by their answers."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import groupby
from typing import Any

from sft_cli.decoding.settings import GenerateSettings
from sft_cli.metrics.answers import said
from sft_cli.metrics.consistency import majority_share, mean_pairwise_f1, nearest_to_all
from sft_cli.metrics.exact_match import normalize_value
from sft_cli.metrics.extract import EXTRACTORS, JSON_RULE, extractor
from sft_cli.metrics.labels import INVALID, read_label
from sft_cli.run.errors import UserError
from sft_cli.run.registry import near_name
from sft_cli.run.text import counted

Answer = Callable[[Mapping[str, Any]], str | None]  # of a generation row
RULES = (JSON_RULE, "regex:PATTERN", "labels:A/B", "choices")
RULE_NAMES = tuple(rule.partition(":")[0] for rule in (*EXTRACTORS, *RULES))


def answer_by(rule: str) -> Answer:
    """The function that reads the answer of a generation row, by --extract; raises UserError for an unknown rule.

    It reads the text without thoughts, like `score`. The rules:
    A name of `EXTRACTORS`; `json:a.b`, the field of the first JSON object; `regex:P`, the last match of P or of its
    first group; `labels:A/B`, or `choices` for the choices of the row: the label that occurs first.
    """
    read = _reader(rule)
    return lambda row: None if (text := said(row)) is None else read(text, row)


def _reader(rule: str) -> Callable[[str, Mapping[str, Any]], str | None]:
    name, _, argument = rule.partition(":")
    if (extract := extractor(rule)) is not None:
        return lambda text, row: extract(text)
    if name == "labels" and argument:
        return lambda text, row: _label(text, argument.split("/"))
    if rule == "choices":
        return lambda text, row: _label(text, row["choices"]) if row.get("choices") else None
    if name == "regex" and argument:
        try:
            pattern = re.compile(argument)
        except re.error as error:
            raise UserError(f"--extract: regex:{argument}: {error}") from None
        return lambda text, row: _last_match(text, pattern)
    known = [*EXTRACTORS, *RULES]
    raise UserError(f"--extract: expected one of {', '.join(known)}, got {rule!r}.{near_name(rule, known)}")


def _label(text: str, labels: list[str]) -> str | None:
    label, _ = read_label(text, labels)
    return None if label == INVALID else label


def _last_match(text: str, pattern: re.Pattern[str]) -> str | None:
    last = next(iter(reversed(list(pattern.finditer(text)))), None)
    return None if last is None else last[1 if pattern.groups else 0]


def check_consistency(settings: GenerateSettings) -> None:
    """Raise UserError for flags of self-consistency that have no effect together with others."""
    if settings.extract is not None:
        answer_by(settings.extract)
    how = settings.consistency
    if how is not None and settings.samples == 1:
        raise UserError("--consistency: expected several samples, got one\nhint: --samples 5 --temperature 0.7")
    if how is not None and settings.retry_errors:
        raise UserError("--retry-errors: an output of --consistency has only the chosen answers, not all samples")
    if how == "agreement" and settings.extract is not None:
        raise UserError("--extract: has no effect with --consistency agreement\nhint: --consistency majority")
    if settings.min_agreement is not None and how != "filter":
        raise UserError("--min-agreement: has an effect only with --consistency filter")
    if how == "filter" and settings.extract is None and settings.min_agreement is None:
        raise UserError("--consistency filter: needs --extract, or for free text --min-agreement X (mean F1 of pairs)")


class SelfConsistency:
    """Applies --extract and --consistency to the samples of each prompt."""

    def __init__(self, settings: GenerateSettings) -> None:
        self.how, self.extract = settings.consistency, settings.extract
        self.answer = answer_by(settings.extract or "none")
        self.least = 1.0 if settings.min_agreement is None else settings.min_agreement
        self.prompts = 0
        self.dropped = 0

    def rows(self, rows: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        """The rows with their `prediction`, or one row per prompt; the samples of a prompt are adjacent."""
        if self.how is None:
            yield from ({**row, "prediction": self._read(row)} if self.extract else row for row in rows)
            return
        for _, group in groupby(rows, key=lambda row: row["id"]):
            chosen = self._chosen(list(group))
            self.prompts += 1
            if self.how == "filter" and chosen["consistency"] < self.least and chosen["error"] is None:
                self.dropped += 1
            else:
                yield chosen

    def _read(self, row: Mapping[str, Any]) -> str | None:
        return None if row["error"] is not None else self.answer(row)

    def _chosen(self, rows: list[dict[str, Any]]) -> dict[str, Any]:
        """The sample that represents its prompt; if every sample failed, the first error."""
        texts = [None if row["error"] is not None else said(row) for row in rows]
        if self.how == "agreement" or (self.extract is None and self.how == "filter"):
            best = nearest_to_all(texts)
            return {**rows[best], "consistency": mean_pairwise_f1(texts), "samples": len(rows)}
        answers = [self._read(row) for row in rows]
        plain = [None if answer is None else normalize_value(answer) for answer in answers]
        votes = Counter(answer for answer in plain if answer is not None).most_common(1)
        fine = next((place for place, text in enumerate(texts) if text is not None), 0)
        best = plain.index(votes[0][0]) if votes else fine
        more = {"prediction": answers[best], "predictions": answers, "consistency": majority_share(plain)}
        return {**rows[best], **more, "samples": len(rows)}

    def said(self) -> str:
        """The lines to print at the end; empty if nothing was dropped."""
        if self.how != "filter":
            return ""
        return (
            f"--consistency filter: {counted(self.dropped, 'prompt')} of {self.prompts} left out: "
            f"the agreement of their samples is below {self.least:g}"
        )
