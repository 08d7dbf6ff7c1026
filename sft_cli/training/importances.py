"""The importance of weights to old tasks: read from the checkpoint, measured on rows, recorded for later."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from sft_cli.encoding.encoder import Example
from sft_cli.model.names import resolve_model
from sft_cli.run.errors import UserError
from sft_cli.run.progress import Progress
from sft_cli.run.text import counted
from sft_cli.training.continual.fisher import Fisher, estimate_fisher
from sft_cli.training.continual.importance import FILE, Importance, check_fits, importance_weights, read_importance
from sft_cli.training.continual.protocol import Continual
from sft_cli.training.continual.si import PathIntegral
from sft_cli.training.rows.corpus import Corpus
from sft_cli.training.settings.continual import IMPORTANCE_ROWS, strengths
from sft_cli.training.tables import IMPORTANCES

if TYPE_CHECKING:
    from sft_cli.training.setup import Setup

# Where an estimate rests on less than this share of its rows, labels are drawn at the temperature: 1 to 2 of 256 rows
# at temperature 1 were 207 to 219 at 4 (docs/log.md).
COLLAPSE_SHARE, COLLAPSE_TEMPERATURE = 1 / 8, 4.0


def old_importances(setup: Setup) -> dict[str, Importance]:
    """The importance of the old tasks for each regularizer that is on and needs one; before the world is joined.

    From the checkpoint that --model names; EWC measures it on --importance-data where the checkpoint has none. Raises
    UserError if there is neither.
    """
    settings, found = setup.settings, {}
    kinds = [name for name in strengths(settings) if name in IMPORTANCES]
    kept = _recorded(settings.model) if kinds else None
    shapes = {name: tuple(weight.shape) for name, weight in importance_weights(setup.model).items()}
    for kind in kinds:
        if kept is not None and kept.kind == kind:
            share = check_fits(kept, shapes, f"{settings.model}/{FILE}")
            tasks = counted(len(kept.tasks), "old task")
            setup.run.say(
                f"importance ({kind}): of {tasks}, from {settings.model}; it covers {share:.1%} of what trains"
            )
            found[kind] = kept
        elif kind == "ewc" and setup.rows.importance is not None:
            found[kind] = measure_importance(setup, setup.rows.importance)
        else:
            raise UserError(_missing(kind, settings.model, kept))
    return found


def _recorded(model: str) -> Importance | None:
    path = resolve_model(model)
    return read_importance(path) if Path(path).is_dir() else None


def _missing(kind: str, model: str, kept: Importance | None) -> str:
    what = f"no importance ({FILE})" if kept is None else f"an importance of kind {kept.kind}"
    if kind == "ewc":
        return (
            f"--regularizer ewc: {model} keeps {what}\n"
            "hint: --importance-data FILE, old rows or ones like them, measures it now"
        )
    return (
        f"--regularizer si: {model} keeps {what}, and SI's can only be recorded while the old task is trained "
        "(--record-importance si)\n"
        "hint: --regularizer ewc measures on old rows, --regularizer l2-sp needs nothing"
    )


def measure_importance(setup: Setup, rows: Corpus) -> Importance:
    """EWC's importance on some rows, drawn by the seed; says what it rests on.

    Where a few rows carry the estimate (the model is sure of its answers, and rare draws are all that has a gradient),
    labels are drawn at a higher temperature.
    """
    settings = setup.settings
    wanted = IMPORTANCE_ROWS if settings.importance_rows is None else settings.importance_rows
    drawn = [int(row) for row in np.random.default_rng(settings.seed).permutation(len(rows))[:wanted]]
    temperature = settings.fisher_temperature or 1.0
    found = _estimate(setup, rows, drawn, temperature)
    note = ""
    if settings.fisher_temperature is None and found.effective_rows < COLLAPSE_SHARE * len(drawn):
        note = f"; at temperature 1 on {found.effective_rows:.1f}"
        temperature = COLLAPSE_TEMPERATURE
        found = _estimate(setup, rows, drawn, temperature)
    facts = {"rows": len(drawn), "target_tokens": found.tokens, "effective_rows": found.effective_rows}
    facts |= {"temperature": temperature, "entropy": found.entropy / max(found.tokens, 1)}
    setup.run.say(
        f"importance (ewc): Fisher information of {counted(len(drawn), 'row')}, {found.tokens:,} target tokens of "
        f"entropy {facts['entropy']:.3f}; at temperature {temperature:g} it rests on {found.effective_rows:.1f} "
        f"rows{note}"
    )
    return Importance.normalised("ewc", {name: value.cpu() for name, value in found.diagonal().items()}, facts)


def _estimate(setup: Setup, rows: Corpus, drawn: list[int], temperature: float) -> Fisher:
    settings, world = setup.settings, setup.world
    own = drawn[world.rank :: world.size]
    weights = importance_weights(setup.model)
    with Progress("importance", len(own), "row", settings.quiet) as progress:

        def examples() -> Iterator[tuple[str, Example]]:
            for done, row in enumerate(own, 1):
                yield rows.ids[row], rows[row]
                progress.update(done, {})

        fisher = estimate_fisher(setup.model, weights, examples(), temperature, settings.seed)
    if world.size > 1:
        for value in fisher.sums.values():
            shared = value.cpu()
            torch.distributed.all_reduce(shared)
            value.copy_(shared)
        fisher.squares = [square for part in world.gather(fisher.squares) for square in part]
        totals = world.sum({"tokens": float(fisher.tokens), "entropy": fisher.entropy})
        fisher.tokens, fisher.entropy = int(totals["tokens"]), totals["entropy"]
    return fisher


def record_importance(setup: Setup, methods: list[Continual], old: dict[str, Importance], folder: Path) -> None:
    """Write the importance of what this run has learned, and of what came before it, into the checkpoint's folder."""
    kind = setup.settings.record_importance
    if kind is None:
        return
    if kind == "si":
        recorder = next(method for method in methods if isinstance(method, PathIntegral))
        found = recorder.importance()
    else:
        rows = setup.rows.importance if setup.rows.importance is not None and "ewc" not in old else setup.rows.train
        found = measure_importance(setup, rows)
    kept = old.get(kind) or _recorded(setup.settings.model)
    before = kept if kept is not None and kept.kind == kind else None
    decay = setup.settings.importance_decay
    if setup.world.is_main:
        found.after(before, 1.0 if decay is None else decay).save(folder)
