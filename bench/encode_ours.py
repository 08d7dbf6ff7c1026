"""Our way from a file of rows to stored examples, timed: read, render, tokenise, mask, store, pack."""

from __future__ import annotations

import json
import os
import resource
import sys
import time

import jinja2  # noqa: F401 (loaded before the clock starts, as the peer's libraries are)
import jsonlines  # noqa: F401
import orjson  # noqa: F401

import sft_cli.data.rows  # noqa: F401
from sft_cli.encoding.encoder import Encoder
from sft_cli.model.load import load_tokenizer
from sft_cli.run.ledger import Ledger
from sft_cli.training.plan.packing import microbatches
from sft_cli.training.plan.steps import StepPlan
from sft_cli.training.rows.reader import CorpusReader
from sft_cli.training.settings import TrainSettings


def peak_gb(who: int) -> float:
    """Peak resident memory in 10⁹ bytes."""
    return resource.getrusage(who).ru_maxrss / 1e6


def cpu_seconds() -> float:
    """Seconds of processor time, of this process and of those that it has waited for."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def main() -> None:
    """Arguments: model folder, data, max length, whether the token cache is used (0 or 1), file for ids or ""."""
    model_folder, data, max_length, cache, dump = sys.argv[1:6]
    settings = TrainSettings(model=model_folder, token_cache=cache == "1", overflow="drop")
    tokenizer = load_tokenizer(model_folder)
    before = peak_gb(resource.RUSAGE_SELF)
    begun, cpu = time.perf_counter(), cpu_seconds()
    reader = CorpusReader(Encoder(tokenizer), Ledger(), settings, int(max_length))
    corpus = reader.read([data], "training")
    encoded, cpu = time.perf_counter(), cpu_seconds() - cpu
    steps = [microbatches(corpus.lengths[step.rows].tolist(), 2048) for step in StepPlan(corpus, settings).after(0)]
    packed = time.perf_counter()
    if dump:
        with open(dump, "w", encoding="utf-8") as sink:
            for example in corpus.examples:
                sink.write(json.dumps([example.ids.tolist(), (example.weights > 0).astype(int).tolist()]) + "\n")
    result = {"seconds": packed - begun, "encode_seconds": encoded - begun, "cpu_seconds": cpu, "steps": len(steps)}
    result |= {"rows": len(corpus), "tokens": corpus.tokens, "note": corpus.note, "start_gb": before}
    result |= {"peak_gb": peak_gb(resource.RUSAGE_SELF), "worker_gb": peak_gb(resource.RUSAGE_CHILDREN)}
    print(json.dumps(result))


if __name__ == "__main__":
    main()
