"""A few rows and settings for steps of a tiny model."""

from __future__ import annotations

import io
from typing import Any

import numpy as np

from sft_cli.encoding.encoder import Example
from sft_cli.losses import LOSSES
from sft_cli.model.adapters import AdapterPlan
from sft_cli.model.adapters.add import add_adapter
from sft_cli.training.compute import Compute
from sft_cli.training.loop import Position, start
from sft_cli.training.loop import train_loop as run_loop
from sft_cli.training.objective import supervised
from sft_cli.training.rows.corpus import Corpus
from sft_cli.training.settings import TrainSettings
from sft_cli.training.watching.watchers import evaluator, metrics_writer

OBJECTIVE = supervised(LOSSES.load("cross-entropy"))


def corpus(rows: int = 8) -> Corpus:
    draw = np.random.default_rng(1)
    examples = []
    for row in range(rows):
        length = int(draw.integers(3, 30))
        weights = (draw.random(length) < 0.3 + 0.08 * row).astype(np.float32) * draw.choice([0.25, 1.0, 3.0])
        weights[0], weights[-1] = 0, 1
        examples.append(Example(draw.integers(3, 200, length).astype(np.int32), weights.astype(np.float32)))
    return Corpus(examples, [f"r{row}" for row in range(rows)], [""] * rows)


def settings(**changes: Any) -> TrainSettings:
    return TrainSettings(**{"model": "tiny", "quiet": True, "learning_rate": 1e-3, **changes})


def train_loop(
    model: Any, corpus: Corpus, objective: Any, settings: TrainSettings, log: Any = None, evaluate: Any = None
) -> Position:
    watchers = [metrics_writer(log or io.StringIO())]
    if evaluate is not None:
        watchers.insert(0, evaluator(evaluate, settings.eval_every))
    compute = Compute(model, microbatch_tokens=settings.microbatch_tokens)
    return run_loop(start(compute, corpus, settings), objective, watchers)


def add_lora(model: Any, base: str, rank: int, alpha: int, dropout: float, seed: int) -> Any:
    """A PeftModel: LoRA on every linear layer except the head, with weights from `seed`. `base` is recorded."""
    return add_adapter(model, base, AdapterPlan("lora", rank, alpha, dropout, seed=seed))
