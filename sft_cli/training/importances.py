"""The importance of weights to old tasks: read from the checkpoint, measured on rows, recorded for later."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from sft_cli.continual import COLLAPSE_SHARE, COLLAPSE_TEMPERATURE, IMPORTANCE_ROWS, IMPORTANCES
from sft_cli.continual.fisher import Fisher, estimate_fisher
from sft_cli.continual.importance import FILE, Importance, check_fits, read_importance
from sft_cli.continual.protocol import Continual
from sft_cli.continual.si import PathIntegral
from sft_cli.model.adapters.low_rank import low_rank_layers
from sft_cli.model.load import resolve_model
from sft_cli.run.errors import UserError
from sft_cli.run.progress import Progress
from sft_cli.run.text import counted
from sft_cli.training.continual_flags import strengths
from sft_cli.training.corpus import Corpus

if TYPE_CHECKING:
    from sft_cli.training.session import Session


def importance_weights(model: Any) -> dict[str, Tensor]:
    """The weights whose importance counts, by name: those that train, or those that a LoRA changes."""
    layers = low_rank_layers(model)
    if layers:
        return {layer.name: layer.weight for layer in layers}
    return {name: weight for name, weight in model.named_parameters() if weight.requires_grad}


def old_importances(session: Session) -> dict[str, Importance]:
    """The importance of the old tasks for each regularizer that is on and needs one; before the world is joined.

    From the checkpoint that --model names; EWC measures it on --importance-data where the checkpoint has none. Raises
    UserError if there is neither.
    """
    settings, found = session.settings, {}
    kinds = [name for name in strengths(settings) if name in IMPORTANCES]
    kept = _kept(settings.model) if kinds else None
    shapes = {name: tuple(weight.shape) for name, weight in importance_weights(session.model).items()}
    for kind in kinds:
        if kept is not None and kept.kind == kind:
            share = check_fits(kept, shapes, f"{settings.model}/{FILE}")
            tasks = counted(len(kept.tasks), "old task")
            session.run.say(
                f"importance ({kind}): of {tasks}, from {settings.model}; it covers {share:.1%} of what trains"
            )
            found[kind] = kept
        elif kind == "ewc" and session.importance_rows is not None:
            found[kind] = measure_importance(session, session.importance_rows)
        else:
            raise UserError(_missing(kind, settings.model, kept))
    return found


def _kept(model: str) -> Importance | None:
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


def measure_importance(session: Session, rows: Corpus) -> Importance:
    """EWC's importance on some rows, drawn by the seed; says what it rests on.

    Where a few rows carry the estimate (the model is sure of its answers, and rare draws are all that has a gradient),
    labels are drawn at a higher temperature.
    """
    settings = session.settings
    wanted = IMPORTANCE_ROWS if settings.importance_rows is None else settings.importance_rows
    drawn = [int(row) for row in np.random.default_rng(settings.seed).permutation(len(rows))[:wanted]]
    temperature = settings.fisher_temperature or 1.0
    found = _estimate(session, rows, drawn, temperature)
    note = ""
    if settings.fisher_temperature is None and found.effective_rows < COLLAPSE_SHARE * len(drawn):
        note = f"; at temperature 1 on {found.effective_rows:.1f}"
        temperature = COLLAPSE_TEMPERATURE
        found = _estimate(session, rows, drawn, temperature)
    facts = {"rows": len(drawn), "target_tokens": found.tokens, "effective_rows": found.effective_rows}
    facts |= {"temperature": temperature, "entropy": found.entropy / max(found.tokens, 1)}
    session.run.say(
        f"importance (ewc): Fisher information of {counted(len(drawn), 'row')}, {found.tokens:,} target tokens of "
        f"entropy {facts['entropy']:.3f}; at temperature {temperature:g} it rests on {found.effective_rows:.1f} "
        f"rows{note}"
    )
    return Importance.normalised("ewc", {name: value.cpu() for name, value in found.diagonal().items()}, facts)


def _estimate(session: Session, rows: Corpus, drawn: list[int], temperature: float) -> Fisher:
    settings, world = session.settings, session.world
    own = drawn[world.rank :: world.size]
    weights = importance_weights(session.model)
    device = str(next(iter(weights.values())).device)
    with Progress("importance", len(own), "row", settings.quiet) as progress:
        done = iter(range(1, len(own) + 1))
        named = ((rows.ids[row], rows[row]) for row in own)
        found = estimate_fisher(
            session.model, weights, named, temperature, settings.seed, device, lambda: progress.update(next(done), {})
        )
    if world.size > 1:
        for value in found.sums.values():
            shared = value.cpu()
            torch.distributed.all_reduce(shared)
            value.copy_(shared)
        found.squares = [square for part in world.gather(found.squares) for square in part]
        totals = world.sum({"tokens": float(found.tokens), "entropy": found.entropy})
        found.tokens, found.entropy = int(totals["tokens"]), totals["entropy"]
    return found


def record_importance(session: Session, methods: list[Continual], old: dict[str, Importance], folder: Path) -> None:
    """Write the importance of what this run has learned, and of what came before it, into the checkpoint's folder."""
    kind = session.settings.record_importance
    if kind is None:
        return
    if kind == "si":
        recorder = next(method for method in methods if isinstance(method, PathIntegral))
        found = recorder.importance()
    else:
        rows = session.importance_rows if session.importance_rows is not None and "ewc" not in old else session.train
        found = measure_importance(session, rows)
    kept = old.get(kind) or _kept(session.settings.model)
    before = kept if kept is not None and kept.kind == kind else None
    decay = session.settings.importance_decay
    if session.world.is_main:
        found.after(before, 1.0 if decay is None else decay).save(folder)
