"""Encoding on all cores: forked processes render and tokenise, in the order of the rows."""

from __future__ import annotations

import gc
import multiprocessing
import os
import sys
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any

import numpy as np

from sft_cli.model.encode import Encoder, Example
from sft_cli.run.errors import FieldError, UserError

ALONE = 20  # batches that this process encodes itself before it asks for help: starting it costs something
Encoded = list[Example | FieldError]


def encode_batches(batches: Iterable[list[Any]], encoder: Encoder, targets: str) -> Iterator[tuple[list[Any], Encoded]]:
    """Each batch of entries, in order, with the examples of those rows that were not rejected yet."""
    source = iter(batches)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1
    for number, entries in enumerate(source, 1):
        yield entries, encoder.examples([entry.row for entry in entries if entry.error is None], targets)
        if number == ALONE and cores > 1 and sys.platform == "linux":
            yield from _with_workers(source, encoder, targets, cores)


def _with_workers(
    source: Iterator[list[Any]], encoder: Encoder, targets: str, cores: int
) -> Iterator[tuple[list[Any], Encoded]]:
    """The same by `cores` processes, each at most two batches ahead, so that memory stays flat.

    They are forked: they begin with the tokenizer and the chunks it knows. They touch no tensor, so it does not matter
    that torch's threads are not forked with them.
    """
    first = next(source, None)
    if first is None:
        return
    waiting: deque[tuple[list[Any], Any]] = deque()
    gc.freeze()  # else each process would copy, page by page, what the collector only looks at
    with ProcessPoolExecutor(cores, multiprocessing.get_context("fork"), _begin, (encoder, targets)) as pool:
        try:
            for entries in _chain(first, source):
                rows = [entry.row for entry in entries if entry.error is None]
                waiting.append((entries, pool.submit(_encode, rows)))
                if len(waiting) > 2 * cores:
                    yield _taken(waiting)
            while waiting:
                yield _taken(waiting)
        except BrokenProcessPool as error:
            raise UserError("a process that encodes rows was killed; is there enough memory?") from error
        finally:
            pool.shutdown(cancel_futures=True)
            gc.unfreeze()


def _taken(waiting: deque[tuple[list[Any], Any]]) -> tuple[list[Any], Encoded]:
    entries, future = waiting.popleft()
    ids, weights, facts = future.result()
    examples: Encoded = []
    start = 0
    for fact in facts:
        if isinstance(fact[0], str):
            examples.append(FieldError(*fact))
        else:
            length, *rest = fact
            examples.append(Example(ids[start : start + length], weights[start : start + length], *rest))
            start += length
    return entries, examples


def _chain(first: list[Any], rest: Iterator[list[Any]]) -> Iterator[list[Any]]:
    yield first
    yield from rest


_worker: dict[str, Any] = {}


def _begin(encoder: Encoder, targets: str) -> None:
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to answer
    os.environ["TOKENIZERS_PARALLELISM"] = "false"  # its threads were not forked
    _worker.update(encoder=encoder, targets=targets)


def _encode(rows: list[dict[str, Any]]) -> tuple[np.ndarray, np.ndarray, list[tuple[Any, ...]]]:
    """Ids and weights of all rows end to end, and of each row what makes an Example, or a FieldError, of them.

    Two arrays travel faster than two for each row, and a FieldError as an exception would not survive the way.
    """
    found = _worker["encoder"].examples(rows, _worker["targets"])
    good = [each for each in found if isinstance(each, Example)]
    facts: list[tuple[Any, ...]] = [
        (len(each.ids), each.has_stop, each.seam_merges, each.is_text)
        if isinstance(each, Example)
        else (each.field, each.problem)
        for each in found
    ]
    nothing = np.zeros(0, dtype=np.int32)
    ids = np.concatenate([nothing, *(each.ids for each in good)])
    return ids, np.concatenate([nothing.astype(np.float32), *(each.weights for each in good)]), facts
