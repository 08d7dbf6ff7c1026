"""From the settings to the methods that act in each training step: recorders, penalties, anchors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from sft_cli.model.load import load_model
from sft_cli.training.continual.importance import Importance, importance_weights
from sft_cli.training.continual.old_model import Old, is_base_at_hand, of_anchors, of_base, of_copy
from sft_cli.training.continual.protocol import Continual, Start
from sft_cli.training.continual.pull import FullPull, QuadraticPenalty
from sft_cli.training.continual.si import PathIntegral
from sft_cli.training.objective import anchored
from sft_cli.training.settings.continual import ANCHOR_ROWS, strengths
from sft_cli.training.tables import REGULARIZERS

if TYPE_CHECKING:
    from sft_cli.training.setup import Setup

ANCHORS = 7  # makes this order different from that of the training rows


@dataclass
class Regularizers:
    """The methods for each step; and the old model, if available, with the temperature of its KL."""

    methods: list[Continual] = field(default_factory=list)
    old: Old | None = None
    temperature: float = 1.0


def regularizers(setup: Setup, importances: dict[str, Importance]) -> Regularizers:
    """What the settings ask for, from the model as it is now; recorders first, before anything changes gradients.

    KL is measured at the temperature of the Fisher information, if there is one, so that it can be compared with what
    this predicts.
    """
    settings, world, kept = setup.settings, setup.world, Regularizers()
    if is_base_at_hand(settings):
        kept.old = of_base
    elif "kl" in strengths(settings):
        teacher = load_model(settings.model, setup.place.dtype, setup.place.device)
        kept.old = of_copy(teacher.requires_grad_(False))
    if settings.record_importance == "si":
        kept.methods.append(PathIntegral(importance_weights(setup.model)))
    for name, strength in strengths(settings).items():
        start = Start(
            model=setup.model,
            strength=strength,
            mode=settings.penalty_mode or "loss",
            importance=importances.__getitem__,
            anchor=_anchor(setup, kept.old),
            add_up=(lambda value: world.sum({"": value})[""]) if world.is_sharded else (lambda value: value),
        )
        kept.methods.append(REGULARIZERS.load(name)(start))
    penalties = [method for method in kept.methods if isinstance(method, QuadraticPenalty)]
    kept.temperature = next((method.temperature for method in penalties if method.raw_mean is not None), 1.0)
    if kept.old is None and penalties and not settings.shard:
        whole = [pull for pull in penalties[0].pulls if isinstance(pull, FullPull)]
        if len(whole) == sum(1 for weight in setup.model.parameters() if weight.requires_grad):
            kept.old = of_anchors(whole)
    return kept


def _anchor(setup: Setup, old: Old | None) -> Callable[[int, float], float]:
    """Adds the gradient of strength·KL(old‖new) on the rows of a step; returns their mean KL."""
    settings, corpus = setup.settings, setup.rows.anchors
    count = ANCHOR_ROWS if settings.anchor_rows is None else settings.anchor_rows

    def anchor(step: int, strength: float) -> float:
        assert corpus is not None
        assert old is not None
        examples = [corpus[row] for row in rows_of_step(len(corpus), count, step, settings.seed)]
        return float(setup.compute.backward(examples, anchored(old, strength))["loss"])

    return anchor


def rows_of_step(size: int, count: int, step: int, seed: int) -> list[int]:
    """`count` rows of `size`: all come once in a seeded order before any comes again; depends on (seed, step) alone."""
    orders: dict[int, Any] = {}
    rows = []
    for place in range(step * count, (step + 1) * count):
        turn = place // size
        if turn not in orders:
            orders[turn] = np.random.default_rng((seed, turn, ANCHORS)).permutation(size)
        rows.append(int(orders[turn][place % size]))
    return rows
