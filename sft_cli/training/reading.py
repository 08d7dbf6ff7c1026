"""Rows to encoded examples, with every row accounted for, and what the plan says of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from sft_cli.model.encode import Encoder
from sft_cli.model.sentences import SentenceEnds
from sft_cli.model.token_weights import TokenWeights
from sft_cli.run.errors import FieldError, UserError
from sft_cli.run.ledger import Ledger
from sft_cli.run.manifest import file_hash
from sft_cli.run.text import counted
from sft_cli.training.columns import ColumnWriter
from sft_cli.training.corpus import Corpus
from sft_cli.training.orders import difficulty_of
from sft_cli.training.overflow import Fit
from sft_cli.training.row_notes import RowNotes
from sft_cli.training.settings import TrainSettings
from sft_cli.training.system_texts import SystemTexts
from sft_cli.training.token_cache import TokenCache
from sft_cli.training.workers import encode_batches

# Reads (file:line, row) from some files into a ledger; given by the command, which knows the rows' format.
ReadRows = Callable[[list[str], Ledger, int | None], Iterable[tuple[str, dict[str, Any]]]]
BATCH_ROWS, BATCH_CHARACTERS = 512, 4 << 20  # rows that are encoded together


@dataclass(frozen=True)
class Entry:
    """One row in the order read: `file:line`, and what is wrong with it if it was rejected."""

    where: str
    row: Any
    error: FieldError | None = None


class Tape(Ledger):
    """Takes what a reader tells its ledger, so that its errors keep their place between those of encoding."""

    def __init__(self, ledger: Ledger, entries: list[Entry]) -> None:
        super().__init__(ledger.on_error, hint=ledger.hint)
        self.ledger, self.entries = ledger, entries

    def count(self, what: str, rows: int = 1) -> None:
        """Add rows to a line of the ledger behind."""
        self.ledger.count(what, rows)

    def reject(self, where: str, error: FieldError, raw: Any = None) -> None:
        """Remember a bad row."""
        self.entries.append(Entry(where, raw, error))


@dataclass
class CorpusReader:
    """Reads files of rows into corpora. `options` are what else encoding depends on, as JSON: part of the cache key."""

    read_rows: ReadRows
    encoder: Encoder
    ledger: Ledger
    settings: TrainSettings
    max_length: int
    options: dict[str, Any] = field(default_factory=dict)

    def read(self, paths: list[str], what: str, rules: str | None = None) -> Corpus:
        """Encode every row, or take them from the cache; bad ones and long ones go to the ledger, by the settings.

        `rules` names a file of token weights.
        Raises UserError if nothing is left, or if no row ends with a stop token that is a target.
        """
        names = ("targets", "overflow", "limit", "order", "curriculum_key")
        options = {name: getattr(self.settings, name) for name in names} | {"max_length": self.max_length, "what": what}
        token_weights = TokenWeights.read(rules, self.encoder)
        options["rules"] = file_hash(Path(rules)) if rules else ""
        cache = TokenCache(paths if self.settings.token_cache else ["-"], self.encoder, {**options, **self.options})
        corpus = cache.find(self.ledger)
        if corpus is None:
            writer = cache.writer()
            try:
                corpus = self._encode(paths, what, cache, writer, token_weights)
            finally:
                writer.close()
        if not np.any(corpus.has_stop | corpus.is_text):
            names = self.encoder.tokenizer.convert_ids_to_tokens(list(self.encoder.stop_ids))
            raise UserError(
                f"the stop token ({', '.join(names) or 'none is set'}) is never a target: the model would not learn "
                "to stop\nhint: the chat template must end an assistant turn with it; --chat-template FILE.jinja "
                "replaces it" + ("; a rule of --token-weights may give it weight 0" if rules else "")
            )
        return corpus

    def _encode(
        self, paths: list[str], what: str, cache: TokenCache, writer: ColumnWriter, token_weights: TokenWeights
    ) -> Corpus:
        ledger, before = self.ledger, dict(self.ledger.counts)
        rejected, kept_of, systems, notes = ledger.rejected, Counter[str](), SystemTexts(), RowNotes()
        ends = SentenceEnds(self.encoder.tokenizer)
        fit = Fit(self.settings.overflow, self.max_length, self.encoder.stop_ids, what, ends)
        batches = in_batches(self.read_rows, paths, ledger, self.settings.limit)
        for entries, examples in encode_batches(batches, self.encoder, self.settings.targets):
            kept, ids, tasks, difficulties, replays = [], [], [], [], []
            found = iter(examples)
            for entry in entries:
                try:
                    example = entry.error or next(found)
                    if isinstance(example, FieldError):
                        raise example
                    difficulty = difficulty_of(entry.row, self.settings.order, self.settings.curriculum_key)
                    pieces = fit(token_weights.apply(example), ledger)
                except FieldError as error:
                    ledger.reject(entry.where, error, entry.row)
                    continue
                kept += pieces
                kept_of[entry.where.rpartition(":")[0]] += len(pieces)
                systems.add(entry.row)
                row_id, task = str(entry.row["id"]), entry.row.get("task", "")
                notes.add(entry.where, row_id, example.notes)
                ids += [row_id] if len(pieces) == 1 else [f"{row_id}#{n}" for n in range(1, len(pieces) + 1)]
                tasks += [task] * len(pieces)
                difficulties += [difficulty] * len(pieces)
                replays += [entry.row.get("replay") is True] * len(pieces)
            if kept:
                writer.append(kept, ids, tasks, difficulties, replays)
        ledger.kept = (ledger.kept or 0) + (1 if writer.tokens else 0)
        if ledger.rejected and ledger.on_error == "stop":
            ledger.close()
        files = ["<stdin>" if path == "-" else path for path in paths]
        if not writer.tokens:
            reasons = "; ".join(f"{rows} {name}" for name, rows in _since(before, ledger).items() if rows)
            raise UserError(f"{', '.join(files)}: no {what} rows: {reasons or 'the input is empty'}")
        if self.settings.limit is None:  # which may end before the last file
            for file in files:
                if not kept_of[file]:
                    ledger.count(f"{what} rows of {Path(file).name}: it is empty, or none of its rows is left", 0)
        for line, count in token_weights.counts.items():
            ledger.count(line, count)
        columns = writer.columns()
        corpus = Corpus.of(columns, writer.task_names, writer.highest_id)
        corpus.system_texts = systems.facts()
        corpus.warnings = [f"{what}: {line}" for line in notes.lines()]
        if cache.key and ledger.rejected == rejected:
            cache.keep(writer, corpus, _since(before, ledger))
        return corpus


def _since(before: Mapping[str, int], ledger: Ledger) -> dict[str, int]:
    """What a ledger has counted since it was `before`."""
    found = {name: rows - before.get(name, 0) for name, rows in ledger.counts.items()}
    return {name: rows for name, rows in found.items() if rows or name not in before}


def in_batches(read_rows: ReadRows, paths: list[str], ledger: Ledger, limit: int | None) -> Iterator[list[Entry]]:
    """Rows and rejected rows in the order read, some at a time."""
    entries: list[Entry] = []
    tape = Tape(ledger, entries)
    characters = 0
    for where, row in read_rows(paths, tape, limit):
        entries.append(Entry(where, row))
        texts = row["messages"] if "messages" in row else [{"content": row["text"]}]
        characters += sum(len(message.get("content") or "") for message in texts)
        if len(entries) >= BATCH_ROWS or characters >= BATCH_CHARACTERS:
            yield entries.copy()
            entries.clear()
            characters = 0
    ledger.hint = ledger.hint or tape.hint
    if entries:
        yield entries


def context_length(config: Any, wanted: int | None) -> int:
    """The longest row allowed: `--max-length`, or the model's context. Raises UserError beyond the context."""
    context = getattr(config, "max_position_embeddings", None)
    if wanted is not None and context is not None and wanted > context:
        raise UserError(f"--max-length: expected at most {context} (the model's context), got {wanted}")
    return int(wanted or context or 1 << 30)


def describe_corpus(corpus: Corpus, what: str) -> list[str]:
    """Lines of the plan: rows, tokens, share of targets, length quantiles, tokens merged over a seam."""
    lengths = corpus.lengths
    middle, high, highest = (int(np.quantile(lengths, q, method="higher")) for q in (0.5, 0.95, 0.99))
    lines = [
        f"{what}: {counted(len(lengths), 'row')}, {corpus.tokens:,} tokens, {corpus.targets:,} of them targets "
        f"({corpus.targets / corpus.tokens:.1%})",
        f"  tokens per row: median {middle}, 95 % {high}, 99 % {highest}, longest {lengths.max()}",
    ]
    if corpus.note:
        lines.append(f"  {corpus.note}")
    seams = int(corpus.seam_merges.sum())
    if seams:
        lines.append(f"  {counted(seams, 'time')} a token straddles a prompt and its answer; it is not a target")
    stopless = int(np.count_nonzero(~(corpus.has_stop | corpus.is_text)))
    if stopless:
        lines.append(f"  {counted(stopless, 'row')} with a target turn that has no stop token at its end")
    return lines
