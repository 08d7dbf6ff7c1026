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

# If an estimate depends on less than this share of its rows, labels are sampled at this temperature: 1 to 2 of 256
# rows at temperature 1 became 207 to 219 rows at 4 (docs/log.md).
COLLAPSE_SHARE, COLLAPSE_TEMPERATURE = 1 / 8, 4.0


def old_importances(setup: Setup) -> dict[str, Importance]:
    """The importance for the old tasks for each active regularizer that needs it; before the processes are joined.

    It comes from the checkpoint of --model; EWC measures it on --importance-data if the checkpoint has none. Raises
    UserError if there is neither.
    """
    settings, importances = setup.settings, {}
    kinds = [name for name in strengths(settings) if name in IMPORTANCES]
    kept = _recorded(settings.model) if kinds else None
    shapes = {name: tuple(weight.shape) for name, weight in importance_weights(setup.model).items()}
    for kind in kinds:
        if kept is not None and kept.kind == kind:
            share = check_fits(kept, shapes, f"{settings.model}/{FILE}")
            tasks = counted(len(kept.tasks), "old task")
            setup.run.say(
                f"importance ({kind}): of {tasks}, from {settings.model}; it covers {share:.1%} of the trained weights"
            )
            importances[kind] = kept
        elif kind == "ewc" and setup.rows.importance is not None:
            importances[kind] = measure_importance(setup, setup.rows.importance)
        else:
            raise UserError(_missing(kind, settings.model, kept))
    return importances


def _recorded(model: str) -> Importance | None:
    path = resolve_model(model)
    return read_importance(path) if Path(path).is_dir() else None


def _missing(kind: str, model: str, kept: Importance | None) -> str:
    what = f"no importance ({FILE})" if kept is None else f"an importance of kind {kept.kind}"
    if kind == "ewc":
        return (
            f"--regularizer ewc: {model} has {what}\n"
            "hint: --importance-data FILE measures it now, on old or similar rows"
        )
    return (
        f"--regularizer si: {model} has {what}; SI can only record it while the old task is trained "
        "(--record-importance si)\n"
        "hint: --regularizer ewc can measure it on old rows, --regularizer l2-sp needs no importance"
    )


def measure_importance(setup: Setup, rows: Corpus) -> Importance:
    """EWC's importance on some rows, sampled by the seed; reports the basis of the estimate.

    If a few rows dominate the estimate (the model is confident, and only rare samples have a gradient), labels are
    sampled at a higher temperature.
    """
    settings = setup.settings
    wanted = IMPORTANCE_ROWS if settings.importance_rows is None else settings.importance_rows
    drawn = [int(row) for row in np.random.default_rng(settings.seed).permutation(len(rows))[:wanted]]
    temperature = settings.fisher_temperature or 1.0
    estimate = _estimate(setup, rows, drawn, temperature)
    note = ""
    if settings.fisher_temperature is None and estimate.effective_rows < COLLAPSE_SHARE * len(drawn):
        note = f" ({estimate.effective_rows:.1f} at temperature 1)"
        temperature = COLLAPSE_TEMPERATURE
        estimate = _estimate(setup, rows, drawn, temperature)
    facts = {"rows": len(drawn), "target_tokens": estimate.tokens, "effective_rows": estimate.effective_rows}
    facts |= {"temperature": temperature, "entropy": estimate.entropy / max(estimate.tokens, 1)}
    is_narrow = estimate.effective_rows < COLLAPSE_SHARE * len(drawn)
    cure = "; these are few: use a higher --fisher-temperature" if is_narrow else ""
    setup.run.say(
        f"importance (ewc): Fisher information of {counted(len(drawn), 'row')}, {estimate.tokens:,} target tokens, "
        f"mean entropy {facts['entropy']:.3f}; at temperature {temperature:g}, most "
        f"of the estimate comes from about {estimate.effective_rows:.1f} rows{note}{cure}"
    )
    return Importance.normalised("ewc", {name: value.cpu() for name, value in estimate.diagonal().items()}, facts)


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
    """Write the importance for this run and for earlier tasks into the checkpoint's folder."""
    kind = setup.settings.record_importance
    if kind is None:
        return
    if kind == "si":
        recorder = next(method for method in methods if isinstance(method, PathIntegral))
        importance = recorder.importance()
    else:
        rows = setup.rows.importance if setup.rows.importance is not None and "ewc" not in old else setup.rows.train
        importance = measure_importance(setup, rows)
    kept = old.get(kind) or _recorded(setup.settings.model)
    before = kept if kept is not None and kept.kind == kind else None
    decay = setup.settings.importance_decay
    if setup.world.is_main:
        importance.after(before, 1.0 if decay is None else decay).save(folder)
