"""From the settings to what acts on each training step: recorders, penalties, anchors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from sft_cli.continual import ANCHOR_ROWS, CONTINUAL
from sft_cli.continual.importance import Importance
from sft_cli.continual.protocol import Continual, Start
from sft_cli.continual.pull import FullPull, QuadraticPenalty
from sft_cli.continual.si import PathIntegral
from sft_cli.model.load import load_model
from sft_cli.training.continual_flags import strengths
from sft_cli.training.importances import importance_weights
from sft_cli.training.loop import backward_step
from sft_cli.training.objective import Objective, anchored
from sft_cli.training.old_model import Old, is_base_at_hand, of_anchors, of_base, of_copy

if TYPE_CHECKING:
    from sft_cli.training.session import Session

ANCHORS = 7  # sets this order apart from that of the training rows


@dataclass
class Keeping:
    """What acts on each step; and the old model, if it is at hand, with the temperature at which its KL is measured."""

    methods: list[Continual] = field(default_factory=list)
    old: Old | None = None
    temperature: float = 1.0


def keeping(session: Session, importances: dict[str, Importance], through: Callable[[Objective], Objective]) -> Keeping:
    """What the settings ask for, from the model as it is now; recorders first, before anything changes gradients.

    `through` takes an objective to the world's learner. KL is measured at the temperature of the Fisher information,
    if there is one, so that it can be held against what this predicts.
    """
    settings, world, found = session.settings, session.world, Keeping()
    if is_base_at_hand(settings):
        found.old = of_base
    elif "kl" in strengths(settings):
        teacher = load_model(settings.model, session.place.dtype, session.place.device)
        found.old = of_copy(teacher.requires_grad_(False))
    if settings.record_importance == "si":
        found.methods.append(PathIntegral(importance_weights(session.model)))
    for name, strength in strengths(settings).items():
        start = Start(
            model=session.model,
            strength=strength,
            mode=settings.penalty_mode or "loss",
            importance=importances.__getitem__,
            anchor=_anchor(session, found.old, through),
            add_up=(lambda value: world.sum({"": value})[""]) if world.is_sharded else (lambda value: value),
        )
        found.methods.append(CONTINUAL.load(name)(start))
    penalties = [method for method in found.methods if isinstance(method, QuadraticPenalty)]
    found.temperature = next((method.temperature for method in penalties if method.raw_mean is not None), 1.0)
    if found.old is None and penalties and not settings.shard:
        whole = [pull for pull in penalties[0].pulls if isinstance(pull, FullPull)]
        if len(whole) == sum(1 for weight in session.model.parameters() if weight.requires_grad):
            found.old = of_anchors(whole)
    return found


def _anchor(
    session: Session, old: Old | None, through: Callable[[Objective], Objective]
) -> Callable[[int, float], float]:
    """Adds the gradient of strength·KL(old‖new) on the rows of a step; gives their mean KL."""
    settings, corpus = session.settings, session.anchors
    count = ANCHOR_ROWS if settings.anchor_rows is None else settings.anchor_rows

    def anchor(step: int, strength: float) -> float:
        assert corpus is not None
        assert old is not None
        examples = [corpus[row] for row in rows_of_step(len(corpus), count, step, settings.seed)]
        objective = through(anchored(old, strength))
        tokens = settings.microbatch_tokens
        means = backward_step(session.model, examples, objective, tokens, session.place, session.world)
        return float(means["loss"])

    return anchor


def rows_of_step(size: int, count: int, step: int, seed: int) -> list[int]:
    """`count` rows of `size`: all come once in a seeded order before any comes again; hangs on (seed, step) alone."""
    orders: dict[int, Any] = {}
    found = []
    for place in range(step * count, (step + 1) * count):
        turn = place // size
        if turn not in orders:
            orders[turn] = np.random.default_rng((seed, turn, ANCHORS)).permutation(size)
        found.append(int(orders[turn][place % size]))
    return found
