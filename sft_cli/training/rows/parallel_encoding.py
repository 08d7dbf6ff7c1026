"""Encoding on all cores: forked processes render and tokenise, in the order of the rows."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from sft_cli.encoding.encoder import Encoder, Example
from sft_cli.run.errors import FieldError
from sft_cli.run.parallel import in_order, usable_cores

BATCHES_ALONE = 20  # batches that this process encodes before it starts others, because their start takes time
Encoded = list[Example | FieldError]


def encode_batches(batches: Iterable[list[Any]], encoder: Encoder, targets: str) -> Iterator[tuple[list[Any], Encoded]]:
    """Each batch of entries, in order, with the examples of the rows that are not yet rejected.

    The other processes start with the tokenizer and its known chunks. They use no tensors, so it does not matter that
    torch's threads are not forked with them.
    """
    source = iter(batches)
    for number, entries in enumerate(source, 1):
        yield entries, encoder.examples(_entry_rows(entries), targets)
        if number == BATCHES_ALONE and usable_cores() > 1:
            _worker.update(encoder=encoder, targets=targets)
            for others, packed in in_order(source, _encode, _entry_rows, "encodes rows"):
                yield others, _unpacked(*packed)


def _entry_rows(entries: list[Any]) -> list[Any]:
    return [entry.row for entry in entries if entry.error is None]


def _unpacked(ids: np.ndarray, weights: np.ndarray, facts: list[tuple[Any, ...]]) -> Encoded:
    examples: Encoded = []
    start = 0
    for fact in facts:
        if isinstance(fact[0], str):
            examples.append(FieldError(*fact))
        else:
            length, *rest = fact
            examples.append(Example(ids[start : start + length], weights[start : start + length], *rest))
            start += length
    return examples


_worker: dict[str, Any] = {}


def _encode(rows: list[dict[str, Any]]) -> tuple[np.ndarray, np.ndarray, list[tuple[Any, ...]]]:
    """Ids and weights of all rows end to end, and for each row the data for its Example or FieldError.

    Two arrays are sent faster than two for each row, and a FieldError cannot be sent as an exception.
    """
    os.environ["TOKENIZERS_PARALLELISM"] = "false"  # its threads were not forked
    examples = _worker["encoder"].examples(rows, _worker["targets"])
    good = [each for each in examples if isinstance(each, Example)]
    facts: list[tuple[Any, ...]] = [
        (len(each.ids), each.has_stop, each.seam_merges, each.is_text, each.notes)
        if isinstance(each, Example)
        else (each.field, each.problem, each.hint)
        for each in examples
    ]
    nothing = np.zeros(0, dtype=np.int32)
    ids = np.concatenate([nothing, *(each.ids for each in good)])
    return ids, np.concatenate([nothing.astype(np.float32), *(each.weights for each in good)]), facts
