"""Rows of old tasks that a model writes: it continues examples or an empty turn; then relabelling and filters."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sft_cli.data.rows import Row
from sft_cli.replay.budget import Budget
from sft_cli.replay.settings import ReplayBuildSettings
from sft_cli.replay.synthesis.drafts import Draft, OldRows, scratch_drafts
from sft_cli.replay.synthesis.filters import Filters
from sft_cli.replay.synthesis.in_context import STOPS, read_continuation
from sft_cli.replay.synthesis.settings import SHOTS
from sft_cli.run.context import Run
from sft_cli.run.errors import UserError
from sft_cli.run.ledger import Ledger
from sft_cli.run.output import is_stream
from sft_cli.run.text import counted


@dataclass
class Synthesis:
    """One run of `replay-build --synthesize`. Written text is kept beside --out until the output exists."""

    settings: ReplayBuildSettings
    run: Run
    ledger: Ledger

    def run_on(self, old: Iterable[Row], budget: Budget) -> tuple[list[tuple[str, Row]], Budget]:
        """(id, row) of the written rows that pass the filters, and the budget of the rows to keep.

        A dry run writes nothing. Raises UserError if no row stays.
        """
        drafts, budget, questions = self._plan(old, budget)
        self.run.say(f"to write: {counted(len(drafts), 'row')}; at most {budget.amount:,} of them are kept")
        if self.settings.dry_run:
            return [], budget
        rows = list(self._rows(drafts, questions))
        if not rows:
            hint = "hint: --max-new-tokens N allows longer rows, --oversample N writes more rows"
            raise UserError("\n".join(["no written row passes the filters", *self.ledger.lines(), hint]))
        tasks = {row.get("task", "") for _, row in rows}
        for name, quota in budget.quotas.items():
            if quota and name not in tasks:
                self.ledger.count(f"rows of {name or 'no task'} pass the filters", 0)
        return rows, replace(budget, quotas={name: quota for name, quota in budget.quotas.items() if name in tasks})

    def _plan(self, old: Iterable[Row], budget: Budget) -> tuple[list[Draft], Budget, set[str]]:
        """The drafts, the budget of the rows to keep, and the questions of the old rows."""
        settings = self.settings
        if settings.synthesize == "scratch":
            return scratch_drafts(settings.task or "", budget, settings.seed, settings.oversample), budget, set()
        rows = OldRows.of(old, settings.seed)
        if not rows.selection.tasks:
            raise UserError(f"no rows in {settings.inputs}")
        drafts, budget = rows.drafts(budget, settings.seed, settings.shots or SHOTS, settings.oversample)
        if rows.unfit:
            self.ledger.count(
                "rows of OLD that cannot be examples: an example is exactly one user turn and its answer", rows.unfit
            )
        return drafts, budget, rows.questions

    def _rows(self, drafts: list[Draft], questions: set[str]) -> Iterator[tuple[str, Row]]:
        from sft_cli.metrics.repetition import sequence_repetition
        from sft_cli.metrics.tokenizers import load_splitter

        split = load_splitter("mixed")

        def repetition(text: str) -> float:
            words = split(text)
            return sequence_repetition(words, 4) if len(words) >= 4 else 0.0

        filters, by_id = Filters(repetition, questions), {draft.id: draft for draft in drafts}
        rows = self._written(drafts)
        rows = [row for row in rows if self._stays(filters.against_question(row, by_id[row["id"]].like))]
        if rows and (self.settings.relabel_with or self.settings.synthesize == "scratch"):
            rows = self._answered(rows)
        for row in rows:
            draft = by_id[row["id"]]
            if self._stays(filters.against_answer(row, draft.like)):
                yield row["id"], {**row, "synthetic": self._provenance(draft)}

    def _stays(self, reason: str | None) -> bool:
        if reason is not None:
            self.ledger.count(f"left out: {reason}")
        return reason is None

    def _provenance(self, draft: Draft) -> dict[str, Any]:
        settings = self.settings
        provenance: dict[str, Any] = {"model": settings.model, "method": settings.synthesize}
        if draft.examples:
            provenance["examples"] = [example.id for example in draft.examples]
        if settings.relabel_with:
            provenance["relabelled_by"] = settings.relabel_with
        return {**provenance, "seed": settings.seed}

    def _written(self, drafts: list[Draft]) -> list[Row]:
        """Rows with their question; with in-context also the answer that was written after it."""
        settings = self.settings
        sampling = {name: getattr(settings, name) for name in ("temperature", "top_p", "repetition_penalty")}
        stop = list(STOPS) if settings.synthesize == "in-context" else []
        prompts = [draft.prompt for draft in drafts]
        texts = self._complete(str(settings.model), prompts, "questions", stop=stop, **sampling)
        self.ledger.count("written", len(texts))
        rows: list[Row] = []
        for draft, text in zip(drafts, texts, strict=True):
            if text is None:
                continue
            if not draft.examples:
                rows.append(draft.row(text.strip(), None))
                continue
            pair = read_continuation(text, draft.examples)
            if pair is None:
                self._stays("not a question and an answer")
            else:
                rows.append(draft.row(*pair))
        return rows

    def _answered(self, rows: list[Row]) -> list[Row]:
        """The rows with greedy answers of --relabel-with, or of the model that asked."""
        asked = [{**row, "messages": [m for m in row["messages"] if m["role"] != "assistant"]} for row in rows]
        answers = self._complete(str(self.settings.relabel_with or self.settings.model), asked, "answers")
        return [
            {**row, "messages": [*row["messages"], {"role": "assistant", "content": text.strip()}]}
            for row, text in zip(asked, answers, strict=True)
            if text is not None
        ]

    def _complete(self, model: str, rows: list[Row], what: str, **decoding: Any) -> list[str | None]:
        """The text of a model for each row; None (counted) if it fails or does not end."""
        from sft_cli.decoding.engines.transformers import TransformersEngine
        from sft_cli.decoding.generation import Generation
        from sft_cli.decoding.prompts import UserTurns
        from sft_cli.decoding.settings import GenerateSettings
        from sft_cli.decoding.values import rewards
        from sft_cli.model.device import dtype_note

        names = (
            "dtype",
            "device",
            "threads",
            "chat_template",
            "special_tokens_in_text",
            "quiet",
            "seed",
            "max_new_tokens",
            "force",
        )
        shared = {name: getattr(self.settings, name) for name in names}
        settings = GenerateSettings(model=model, generation_config="none", **shared, **decoding)
        engine = TransformersEngine.open(settings)
        if note := dtype_note(settings.dtype, engine.described["dtype"]):
            self.run.warn(note)
        for line in rewards(engine.values):
            self.run.warn(line)
        if what == "questions" and self.settings.synthesize == "scratch":
            engine.prompts = UserTurns(engine.encoder, engine.prompts.embeddings)
        generation = Generation(engine, rows, settings, what=what)
        out = self.settings.out
        path = None if out == "-" or is_stream(out) else Path(f"{out}.{what}.partial")
        generation.keep_at(path, generation.asked(self.run.described["fingerprint"]))
        self.run.kept += generation.partial.files()
        count = len(generation.items)
        if generation.partial.done:
            self.run.say(f"resuming: {len(generation.partial.done)} of {count} {what} already exist")
        self.run.say(f"{model} writes {counted(count, what.removesuffix('s'))}")
        return [self._text(row, what) for row in generation.complete()]

    def _text(self, row: dict[str, Any], what: str) -> str | None:
        if row["finish_reason"] == "error":
            self.ledger.count(f"left out: {what.removesuffix('s')} failed: {row['error']}")
        elif row["finish_reason"] == "length":
            self.ledger.count(f"left out: {what.removesuffix('s')} too long")
        return row["completion"] if row["finish_reason"] == "stop" else None
