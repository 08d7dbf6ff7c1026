"""Rows to encoded examples, with every row accounted for, and what the plan says of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np

from sft_cli.model.encode import Encoder, Example
from sft_cli.run.errors import FieldError, UserError
from sft_cli.run.ledger import Ledger
from sft_cli.run.text import counted
from sft_cli.training.corpus import Corpus
from sft_cli.training.orders import difficulty_of
from sft_cli.training.settings import TrainSettings


def read_corpus(
    rows: Iterable[tuple[str, dict[str, Any]]],
    encoder: Encoder,
    ledger: Ledger,
    settings: TrainSettings,
    max_length: int,
    what: str,
) -> Corpus:
    """Encode every (`file:line`, row); bad ones and those that are too long go to the ledger, by the settings.

    Raises UserError if nothing is left, or if no row ends with a stop token that is a target.
    """
    corpus = Corpus()
    for where, row in rows:
        try:
            difficulty = difficulty_of(row, settings.order, settings.curriculum_key)
            example = _fit(encoder.example(row, settings.targets), max_length, settings.overflow, ledger, what)
        except FieldError as error:
            ledger.reject(where, error, row)
            continue
        if example is not None:
            ledger.count(f"{what} rows")
            corpus.append(example, str(row["id"]), row.get("task", ""), difficulty)
    if ledger.rejected and ledger.on_error == "stop":
        ledger.close()
    if not len(corpus):
        raise UserError(f"no {what} rows: {'; '.join(ledger.lines()) or 'the input is empty'}")
    if not any(example.has_stop or example.is_text for example in corpus.examples):
        names = encoder.tokenizer.convert_ids_to_tokens(list(encoder.stop_ids))
        raise UserError(
            f"the stop token ({', '.join(names) or 'none is set'}) is never a target: the model would not learn to "
            "stop\nhint: the chat template must end an assistant turn with it; --chat-template FILE.jinja replaces it"
        )
    return corpus


def _fit(example: Example, max_length: int, overflow: str, ledger: Ledger, what: str) -> Example | None:
    if not example.target_count:
        raise FieldError("messages", "expected at least one target token, got none (are all weights 0?)")
    if len(example.ids) <= max_length:
        return example
    if overflow == "drop":
        ledger.count(f"{what} rows dropped: longer than {max_length} tokens")
        return None
    if overflow == "error":
        raise FieldError(
            "", f"expected at most {max_length} tokens, got {len(example.ids)} (--overflow drop or truncate allows it)"
        )
    weights = example.weights[:max_length]
    if not np.count_nonzero(weights):
        ledger.count(f"{what} rows dropped: no target left after cutting at {max_length} tokens")
        return None
    lost = "their ends are lost" if example.is_text else "their stop token is lost"
    ledger.count(f"{what} rows cut at {max_length} tokens ({lost})")
    return replace(example, ids=example.ids[:max_length], weights=weights, has_stop=False)


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
    seams = sum(example.seam_merges for example in corpus.examples)
    if seams:
        lines.append(f"  {counted(seams, 'time')} a token straddles a prompt and its answer; it is not a target")
    stopless = sum(not (example.has_stop or example.is_text) for example in corpus.examples)
    if stopless:
        lines.append(f"  {counted(stopless, 'row')} with a target turn that has no stop token at its end")
    return lines
