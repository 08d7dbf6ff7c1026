"""Scoring of rows: in chunks, on all cores for large files, added in the order of the file."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain, groupby
from math import isnan
from operator import itemgetter
from typing import Any

from sft_cli.data.identity import prompt_hash, references_hash
from sft_cli.metrics.answers import THINK, Marks
from sft_cli.metrics.protocol import NamedMetric, Sums, needs_completions
from sft_cli.report.intervals import Interval
from sft_cli.report.statistics import StreamedBootstrap
from sft_cli.run.errors import FieldError, UserError
from sft_cli.run.jsonl import as_line, read_objects
from sft_cli.run.ledger import Ledger
from sft_cli.run.parallel import in_order, usable_cores
from sft_cli.scoring.generations import check_generation, prompt_of
from sft_cli.scoring.tally import MOST_GROUPS_WITH_INTERVALS, Tally, is_cut

CONFIDENCE = 0.95
CHUNK_LINES = 1000  # sums are added by chunks, so they do not depend on the number of processes
CHUNKS_ALONE = 2  # chunks that this process scores before it starts others, because their start takes time

LocatedGeneration = tuple[str, dict[str, Any]]  # `file:line`, and its row


@dataclass(frozen=True)
class Scorer:
    """How rows are scored: the metrics, the field of the groups, the number of draws for intervals."""

    named: list[NamedMetric]
    by: str
    draws: int
    seed: int
    path: str
    reasoning: Marks | None = THINK  # the marks around thoughts, which are not answers
    signatures: dict[tuple[str, bool], str] = field(default_factory=dict)  # of the metrics whose options are fixed

    @property
    def needs_samples_together(self) -> bool:
        """Whether some metric needs all samples of a prompt together."""
        return any(metric.metric.of_samples for metric in self.named)

    def new_tally(self) -> Tally:
        """A tally without rows."""
        return Tally(StreamedBootstrap(self.draws, self.seed) if self.draws else None)

    def score(self, lines: Iterable[bytes], first: int, tally: Tally, ledger: Ledger) -> Iterator[str]:
        """The score lines of JSON lines, numbered from `first`; bad rows go to the ledger."""
        rows = self._checked(lines, first, tally, ledger)
        if not self.needs_samples_together:
            for located in rows:
                yield from self.score_samples([located], tally, ledger)
            return
        for row_id, group in groupby(rows, key=lambda located: prompt_of(located[1])):
            samples = list(group)
            tally.prompts.append((row_id, samples[0][0]))
            yield from self.score_samples(samples, tally, ledger)

    def _checked(self, lines: Iterable[bytes], first: int, tally: Tally, ledger: Ledger) -> Iterator[LocatedGeneration]:
        for number, row in read_objects(lines, first):
            try:
                if isinstance(row, FieldError):
                    raise row
                checked = check_generation(row, self.reasoning)
            except FieldError as error:
                ledger.reject(f"{self.path}:{number}", error, None if isinstance(row, FieldError) else row)
            else:
                tally.locate(checked, number)
                yield f"{self.path}:{number}", checked

    def score_samples(self, rows: list[LocatedGeneration], tally: Tally, ledger: Ledger) -> Iterator[str]:
        """The score lines of the samples of one row; those with a field that a metric cannot read go to the ledger."""
        scored: list[tuple[dict[str, Any], dict[str, Sums | None]]] = []
        for where, row in rows:
            try:
                sums = {named.key: named.sums(row) for named in self.named if not named.metric.of_samples}
            except FieldError as error:  # a field that only one metric reads
                ledger.reject(where, error, row)
            else:
                scored.append((row, sums))
        if scored and self.needs_samples_together:
            samples = [row for row, _ in scored]
            # The sums of a prompt are in the line of its first sample.
            scored[0][1].update(
                {named.key: named.sample_sums(samples) for named in self.named if named.metric.of_samples}
            )
        for row, sums in scored:
            group = row.get(self.by)
            if group is not None and not isinstance(group, str):
                group = json.dumps(group, ensure_ascii=False)
            line = self._line(row, sums)
            tally.add(self.named, row, sums, line["metrics"], group)
            yield as_line(line)

    def _line(self, row: dict[str, Any], sums: dict[str, Sums | None]) -> dict[str, Any]:
        line: dict[str, Any] = {"id": row["id"], "sample": row["sample"], "task": row.get("task")}
        if self.by != "task":
            line[self.by] = row.get(self.by)
        if (asked := prompt_hash(row)) is not None:
            line["prompt_hash"] = asked
        line["references_hash"] = references_hash(row)
        if row["completion"] is None and needs_completions(self.named):
            line["finish_reason"] = "error"
        elif is_cut(row):
            line["finish_reason"] = "length"
        values: dict[str, float] = {}
        stats: dict[str, Sums] = {}
        signatures: dict[str, str] = {}
        for metric in self.named:
            metric_sums = sums.get(metric.key)
            if metric_sums is not None:
                values |= metric.row_values(metric_sums)
                stats[metric.key] = metric_sums
                signatures[metric.key] = self._signature(metric, metric_sums)
        return {**line, "metrics": values, "stats": stats, "signatures": signatures}

    def _signature(self, metric: NamedMetric, sums: Sums) -> str:
        kind = metric.key, "predicted" in sums
        if kind in self.signatures:
            return self.signatures[kind]
        signature = metric.signature(sums, of_file=False)
        if metric.metric.is_settled:
            self.signatures[kind] = signature
        return signature


class Scoreboard:
    """Scores a file chunk by chunk and keeps what the summary needs."""

    def __init__(self, scorer: Scorer, ledger: Ledger) -> None:
        self.scorer, self.ledger = scorer, ledger
        self.tally = scorer.new_tally()
        self.prompts: dict[Any, str] = {}

    def score(self, lines: Iterable[bytes], alone: bool) -> Iterator[str]:
        """The score lines, one or many at a time; with `alone` each comes as soon as its row is read.

        Otherwise all cores help after the first chunks. The sums are the same.
        """
        chunks = groupby(numbered_chunks(lines, self.scorer.needs_samples_together), key=itemgetter(0))
        for number, group in chunks:
            _, first, line = next(group)
            tally = self.scorer.new_tally()
            rest = (line for _, _, line in group)
            yield from self.scorer.score(chain([line], rest), first, tally, self.ledger)
            self._take(tally)
            is_settled = all(metric.metric.is_settled for metric in self.scorer.named)
            if not alone and number + 1 >= CHUNKS_ALONE and is_settled and usable_cores() > 1:
                break
        _here["scorer"] = self.scorer
        whole = ([line for _, *line in group] for _, group in chunks)
        for _, (text, tally, rejected) in in_order(whole, _score_chunk, lambda chunk: chunk, "scores rows"):
            for where, error_field, problem, row in rejected:
                self.ledger.reject(where, FieldError(error_field, problem), row)
            self._take(tally)
            yield text

    def score_rows(self, rows: Iterable[LocatedGeneration]) -> Iterator[str]:
        """The score lines of rows that were read and checked elsewhere."""
        tally = self.scorer.new_tally()
        for located in rows:
            yield from self.scorer.score_samples([located], tally, self.ledger)
        self._take(tally)

    def _take(self, tally: Tally) -> None:
        for row_id, where in tally.prompts:
            if row_id in self.prompts:
                key = next(named.key for named in self.scorer.named if named.metric.of_samples)
                raise UserError(
                    f"{where}: id: expected the samples of {row_id!r} together, got the id again after other rows "
                    f"({self.prompts[row_id]})\nhint: --metric {key} needs the rows in the order of sft generate"
                )
            self.prompts[row_id] = where
        self.tally.merge(tally)

    def summary(self) -> dict[str, Any]:
        """The whole summary, ready for JSON."""
        whole, *groups = sorted(self.tally.counts, key=lambda group: (group is not None, group))
        shown = {group: {**self.tally.counts[group], "metrics": self._metrics(group)} for group in groups}
        return {
            "schema": 1,
            **self.tally.counts[whole],
            "reasoning": str(self.scorer.reasoning or "none"),
            "confidence": CONFIDENCE,
            "draws": self.scorer.draws,
            "metrics": self._metrics(whole),
            "by": self.scorer.by,
            "groups": shown,
            **({"repeated": self._repeated()} if self.tally.repeated else {}),
        }

    def _repeated(self) -> dict[str, Any]:
        """The number of rows with the id and sample of an earlier row, and the line of the first."""
        line, before = min(self.tally.repeated)
        return {"rows": len(self.tally.repeated), "line": line, "first_line": before}

    def _metrics(self, group: str | None) -> dict[str, Any]:
        shown = {}
        for named in self.scorer.named:
            total = self.tally.totals[group, named.key]
            value = total.values(named).get(named.primary)
            interval = self._interval(group, named, value)
            how = {"interval_method": interval.method or None, "no_interval": interval.missing or None}
            shown[named.key] = {**total.summary(named, interval.bounds), **how}
        return shown

    def _interval(self, group: str | None, named: NamedMetric, value: float | None) -> Interval:
        if self.tally.bootstrap is None:
            return Interval(None, missing="--draws 0")
        if value is None or isnan(value):
            return Interval(None, missing="no rows" if value is None else "nothing to count")
        if not self.tally.has_interval(group):
            return Interval(None, missing=f"more than {MOST_GROUPS_WITH_INTERVALS} groups")
        statistic = named.statistic(named.metric.primary_sums)
        return self.tally.bootstrap.interval((group, named.key), statistic, CONFIDENCE, value)


def first_rows(lines: Iterable[bytes], limit: int | None) -> Iterator[bytes]:
    """The lines up to the row with the number `limit`; blank lines are not rows."""
    rows = 0
    for line in lines:
        if limit is not None and rows >= limit:
            return
        rows += bool(line.strip())
        yield line


def numbered_chunks(lines: Iterable[bytes], together: bool) -> Iterator[tuple[int, int, bytes]]:
    """Each line with the number of its chunk and its own; `together` keeps adjacent lines with one id in one chunk."""
    chunk, count, last_id = 0, 0, None
    for number, line in enumerate(lines, 1):
        if count >= CHUNK_LINES:
            row_id = _id_of(line) if together else None
            if not together or (row_id is not None and row_id != last_id):
                chunk, count = chunk + 1, 0
        count += 1
        if together and count >= CHUNK_LINES:
            row_id = _id_of(line)
            last_id = last_id if row_id is None else row_id
        yield chunk, number, line


def _id_of(line: bytes) -> Any:
    row = next(read_objects([line]), (0, None))[1]
    return prompt_of(row) if isinstance(row, dict) else None


_here: dict[str, Scorer] = {}  # the scorer for forked processes

Rejected = tuple[str, str, str, Any]


def _score_chunk(chunk: list[list[Any]]) -> tuple[str, Tally, list[Rejected]]:
    """The score lines of numbered lines, their sums, and the bad rows."""
    scorer, rejected = _here["scorer"], Rejections()
    tally = scorer.new_tally()
    text = "".join(scorer.score([line for _, line in chunk], chunk[0][0], tally, rejected))
    if tally.bootstrap:
        tally.bootstrap.flush()
    return text, tally, rejected.found


class Rejections(Ledger):
    """Bad rows on their way to another process's ledger."""

    def __init__(self) -> None:
        super().__init__("skip")
        self.found: list[Rejected] = []

    def reject(self, where: str, error: FieldError, raw: Any = None) -> None:
        """Keep it in a form that can be pickled."""
        self.found.append((where, error.field, error.problem, raw))
