"""From rows to encoded examples, with every row counted, and their lines of the plan."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sft_cli.encoding.encoder import Encoder, Example
from sft_cli.encoding.sentences import SentenceEnds
from sft_cli.encoding.token_weights import TokenWeights
from sft_cli.run.errors import FieldError, UserError, shown
from sft_cli.run.ledger import Ledger
from sft_cli.run.manifest import file_hash
from sft_cli.run.text import counted
from sft_cli.training.rows.corpus import Corpus
from sft_cli.training.rows.entries import Entry, row_batches
from sft_cli.training.rows.notes import RowNotes, SystemTexts
from sft_cli.training.rows.overflow import Fit
from sft_cli.training.rows.parallel_encoding import encode_batches
from sft_cli.training.rows.storage import RowWriter
from sft_cli.training.rows.token_cache import TokenCache
from sft_cli.training.settings import TrainSettings


@dataclass
class CorpusReader:
    """Reads files of rows into corpora."""

    encoder: Encoder
    ledger: Ledger
    settings: TrainSettings
    max_length: int

    def read(self, paths: list[str], what: str, rules: str | None = None) -> Corpus:
        """Encode every row, or read them from the cache; bad rows and long rows go to the ledger, by the settings.

        `rules` names a file of token weights.
        Raises UserError if no row is left, or if no row ends with a stop token that is a target.
        """
        names = ("targets", "overflow", "limit", "order", "curriculum_key")
        options = {name: getattr(self.settings, name) for name in names} | {"max_length": self.max_length, "what": what}
        token_weights = TokenWeights.read(rules, self.encoder)
        options["rules"] = file_hash(Path(rules)) if rules else ""
        cache = TokenCache(paths, self.encoder, options, is_on=self.settings.token_cache)
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
                "sets another template" + ("; perhaps a rule of --token-weights sets its weight to 0" if rules else "")
            )
        return corpus

    def _encode(
        self, paths: list[str], what: str, cache: TokenCache, writer: RowWriter, token_weights: TokenWeights
    ) -> Corpus:
        ledger, before = self.ledger, dict(self.ledger.counts)
        rejected, kept_of, systems, notes = ledger.rejected, Counter[str](), SystemTexts(), RowNotes()
        ends = SentenceEnds(self.encoder.tokenizer)
        fit = Fit(self.settings.overflow, self.max_length, self.encoder.stop_ids, what, ends)
        batches = row_batches(paths, ledger, self.settings.limit)
        for entries, encoded in encode_batches(batches, self.encoder, self.settings.targets):
            kept, ids, tasks, difficulties, replays = [], [], [], [], []
            examples = iter(encoded)
            for entry in entries:
                try:
                    example = encoded_example(entry, examples)
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
        if self.settings.limit is None:  # --limit may end before the last file
            for file in files:
                if not kept_of[file]:
                    ledger.count(f"{what} rows of {Path(file).name}: it is empty, or all its rows were dropped", 0)
        for line, count in token_weights.counts.items():
            ledger.count(line, count)
        columns = writer.columns()
        corpus = Corpus.of(columns, writer.task_names, writer.highest_id)
        corpus.system_texts = systems.facts()
        corpus.warnings = [f"{what}: {line}" for line in notes.lines()]
        if cache.key and ledger.rejected == rejected:
            cache.keep(writer, corpus, _since(before, ledger))
        return corpus


def encoded_example(entry: Entry, examples: Iterator[Example | FieldError]) -> Example:
    """The example of an entry; the next of `examples`, which has none for a rejected row. Raises its FieldError."""
    outcome = entry.error or next(examples)
    if isinstance(outcome, FieldError):
        raise outcome
    return outcome


def _since(before: Mapping[str, int], ledger: Ledger) -> dict[str, int]:
    """The counts of a ledger since `before`."""
    counts = {name: rows - before.get(name, 0) for name, rows in ledger.counts.items()}
    return {name: rows for name, rows in counts.items() if rows or name not in before}


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
        lines.append(
            f"  {counted(seams, 'token')} at the border between a prompt and its answer, with text of both: not targets"
        )
    stopless = int(np.count_nonzero(~(corpus.has_stop | corpus.is_text)))
    if stopless:
        lines.append(f"  {counted(stopless, 'row')} with a target turn that has no stop token at its end")
    return lines


def difficulty_of(row: dict[str, Any], order: str, key: str) -> float:
    """The number by which `--order curriculum` sorts, 0 for other orders; raises FieldError if it is missing."""
    if order != "curriculum":
        return 0.0
    value = row.get(key)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        got = shown(value) if key in row else "nothing"
        raise FieldError(key, f"expected a number for --order curriculum, got {got}")
    return float(value)
