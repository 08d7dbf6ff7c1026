"""The training loop: steps of packed micro-batches, one division per optimizer step."""

from __future__ import annotations

import contextlib
import json
import math
import resource
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, TextIO

import torch

from sft_cli.model.encode import Example
from sft_cli.model.forward import make_batch
from sft_cli.run.errors import UserError
from sft_cli.run.progress import Progress
from sft_cli.training.batches import cut, steps_of_epoch
from sft_cli.training.objective import Objective
from sft_cli.training.schedule import SCHEDULES, learning_rate_factor
from sft_cli.training.settings import TrainSettings


@dataclass
class Corpus:
    """Encoded rows and their ids."""

    examples: list[Example]
    ids: list[str]

    @property
    def tokens(self) -> int:
        """Tokens of all rows."""
        return sum(len(example.ids) for example in self.examples)

    @property
    def targets(self) -> int:
        """Target tokens of all rows."""
        return sum(example.target_count for example in self.examples)


@dataclass
class Position:
    """Where the loop is, and what it has seen."""

    step: int = 0
    tokens: int = 0
    target_tokens: int = 0
    last: dict[str, Any] = field(default_factory=dict)  # the latest line of metrics


def count_steps(rows: int, settings: TrainSettings) -> int:
    """Optimizer steps of the whole run."""
    steps = settings.epochs * math.ceil(rows / settings.batch_size)
    return min(steps, settings.max_steps) if settings.max_steps is not None else steps


def warmup_steps(steps: int, settings: TrainSettings) -> int:
    """Steps of warm-up: a share of the run if below 1, else a number of steps."""
    return round(settings.warmup * steps) if settings.warmup < 1 else int(settings.warmup)


def make_optimizer(model: Any, settings: TrainSettings) -> torch.optim.AdamW:
    """AdamW over the weights that train; decay on matrices alone."""
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    groups = [
        {"params": [p for p in trained if p.ndim >= 2], "weight_decay": settings.weight_decay},
        {"params": [p for p in trained if p.ndim < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW([g for g in groups if g["params"]], lr=settings.peak_learning_rate, fused=True)


def autocast(device: str, dtype: str) -> contextlib.AbstractContextManager[Any]:
    """Matrix products in bfloat16 if `dtype` says so; weights, sums and norms stay float32."""
    return torch.autocast(device.split(":")[0], dtype=torch.bfloat16, enabled=dtype == "bfloat16")


def backward_step(
    model: Any, examples: list[Example], objective: Objective, microbatch_tokens: int, device: str, dtype: str
) -> tuple[dict[str, float], float]:
    """Gradients of one optimizer step: Σ loss / Σ weights over all of its micro-batches. Gives (sums, Σ weights).

    The divisor is known before the first backward, so how the step is cut does not change its gradient.
    """
    weight_total = sum(float(example.weights.sum()) for example in examples)
    sums: dict[str, float] = {}
    for members in cut([len(example.ids) for example in examples], microbatch_tokens):
        batch = make_batch([examples[i] for i in members], device)
        with autocast(device, dtype):
            total, parts = objective(model, batch)
        (total / weight_total).backward()
        for name, value in parts.items():
            sums[name] = sums.get(name, 0.0) + value
    return sums, weight_total


def train_loop(
    model: Any,
    corpus: Corpus,
    objective: Objective,
    settings: TrainSettings,
    device: str,
    dtype: str,
    metrics: TextIO,
    evaluate: Callable[[], dict[str, float]] | None = None,
) -> Position:
    """Train `model` in place, writing one line per step to `metrics`.

    Raises UserError when the loss stops being a number, naming the step and its rows.
    """
    steps = count_steps(len(corpus.examples), settings)
    optimizer = make_optimizer(model, settings)
    trained = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    shape, warmup = SCHEDULES.load(settings.schedule), warmup_steps(steps, settings)
    at = Position()
    model.train()
    with Progress("train", steps, "step", settings.quiet) as progress:
        for epoch, rows, ends_epoch in _schedule(len(corpus.examples), steps, settings):
            started = time.perf_counter()
            rate = settings.peak_learning_rate * learning_rate_factor(at.step, steps, warmup, shape)
            for group in optimizer.param_groups:
                group["lr"] = rate
            examples = [corpus.examples[row] for row in rows]
            sums, weight = backward_step(model, examples, objective, settings.microbatch_tokens, device, dtype)
            norm = float(torch.nn.utils.clip_grad_norm_(trained, settings.clip or math.inf))
            _check_finite(sums["loss"], norm, at.step + 1, [corpus.ids[row] for row in rows])
            optimizer.step()
            optimizer.zero_grad(set_to_none=False)
            at.step += 1
            at.tokens += sum(len(example.ids) for example in examples)
            at.target_tokens += sum(example.target_count for example in examples)
            seconds = time.perf_counter() - started
            speed = sum(len(example.ids) for example in examples) / seconds
            line: dict[str, Any] = {"step": at.step, "epoch": epoch}
            line |= {name: value / weight for name, value in sums.items()}
            line |= {"learning_rate": rate, "grad_norm": norm, "tokens": at.tokens, "target_tokens": at.target_tokens}
            line |= {"seconds": seconds, "tokens_per_second": speed, "peak_memory_gb": peak_memory_gb(device)}
            every = settings.eval_every is not None and at.step % settings.eval_every == 0
            if evaluate is not None and (ends_epoch or every or at.step == steps):
                line |= evaluate()
            at.last = line
            metrics.write(json.dumps(line) + "\n")
            metrics.flush()
            held_out = {"held out": line["eval_loss"]} if "eval_loss" in line else {}
            progress.update(at.step, {"loss": line["loss"], **held_out, "tokens/s": speed})
    model.eval()
    return at


def _schedule(rows: int, steps: int, settings: TrainSettings) -> Iterator[tuple[int, list[int], bool]]:
    """(epoch, row numbers, whether this is the epoch's last step) for each step of the run."""
    done = 0
    for epoch in range(settings.epochs):
        for members in steps_of_epoch(rows, settings.batch_size, settings.seed, epoch):
            if done == steps:
                return
            done += 1
            yield epoch, members, done % math.ceil(rows / settings.batch_size) == 0


def _check_finite(loss: float, norm: float, step: int, ids: list[str]) -> None:
    if math.isfinite(loss) and math.isfinite(norm):
        return
    what = f"loss is {loss}" if not math.isfinite(loss) else f"gradient norm is {norm}"
    raise UserError(
        f"step {step}: {what}, expected a number; rows of this step: {', '.join(ids[:8])}{', …' if ids[8:] else ''}\n"
        "hint: lower --learning-rate, or look at these rows; nothing was saved"
    )


def evaluate_loss(
    model: Any, corpus: Corpus, objective: Objective, microbatch_tokens: int, device: str, dtype: str
) -> dict[str, float]:
    """Held-out loss: {"eval_loss": Σ loss / Σ weights over all rows}, without gradients."""
    was_training = model.training
    model.eval()
    total = 0.0
    with torch.no_grad(), autocast(device, dtype):
        for members in cut([len(example.ids) for example in corpus.examples], microbatch_tokens):
            value, _ = objective(model, make_batch([corpus.examples[i] for i in members], device))
            total += float(value)
    model.train(was_training)
    return {"eval_loss": total / sum(float(example.weights.sum()) for example in corpus.examples)}


def peak_memory_gb(device: str) -> float:
    """Most memory held so far, in GB: of the GPU if there is one, else of the process."""
    if device.startswith("cuda"):
        return torch.cuda.max_memory_allocated() / 1e9
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
