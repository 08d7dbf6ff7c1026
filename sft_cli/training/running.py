"""What `train` and `distill` go on with: loop, watch, save and resume, and the checkpoint at the end."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import Any

from sft_cli.losses import LOSSES
from sft_cli.model.checkpoint import disk_errors, model_card
from sft_cli.model.forward import make_batch
from sft_cli.run.curve import read_lines, write_curve
from sft_cli.run.errors import UserError
from sft_cli.run.progress import Progress
from sft_cli.training.batches import Step
from sft_cli.training.divergence import divergence
from sft_cli.training.importances import old_importances, record_importance
from sft_cli.training.interrupt import Interrupt
from sft_cli.training.learner import join, settle, through
from sft_cli.training.loop import LoopState, NotANumber, Watcher, evaluate_loss, start, train_loop
from sft_cli.training.objective import Objective, anchored, supervised
from sft_cli.training.regularizing import Keeping, keeping
from sft_cli.training.request import plan_hash, requested, rows_hash
from sft_cli.training.session import Session
from sft_cli.training.state import METRICS, States
from sft_cli.training.stopping import Judge, best_of
from sft_cli.training.tracking import tracking
from sft_cli.training.tuning import saved_format
from sft_cli.training.watchers import (
    best_keeper,
    evaluator,
    metrics_writer,
    progress_shower,
    retain_guard,
    saver,
    stopper,
)


def run_session(session: Session, objective: Objective, title: str, judge: Judge | None = None) -> Path:
    """Train and write the checkpoint directory; gives its path."""
    run, settings, world = session.run, session.settings, session.world
    importances = old_importances(session)
    join(session.model, world, session.place.device, settings.shard)
    with session.place.autocast():
        shortest = session.train[int(session.train.lengths.argmin())]
        settle(session.model, world, objective, make_batch([shortest], session.place.device))
    with world.output_directory(run, settings.resume) as folder:
        state = start(session.model, session.train, settings, world)
        kept = keeping(session, importances, partial(through, world))
        state.continual = kept.methods
        states = _states(session, folder, state, judge)
        if settings.resume:
            run.say(states.restore(state))
        if not states.is_resumed:
            states.before = _evaluate(session, kept)
        _loop(session, through(world, objective), state, states, kept, judge)
        record_importance(session, kept.methods, importances, folder)
        is_best = states.publish(state, settings.best)
        if not world.is_main:
            return Path(settings.out)
        write_curve(folder / METRICS, folder / "loss.svg")
        facts, bad = _facts(session, state, states, is_best), divergence(read_lines(folder / METRICS))
        run.record |= {
            "device": session.place.device,
            "dtype": session.place.dtype,
            **facts,
            "diverged": bad is not None,
            "system_texts": session.train.system_texts,
        }
        told = {name: shown(value) for name, value in facts.items()} | ({"diverged": bad} if bad else {})
        card = model_card(title, run.described["config"], told, settings.model, settings.adapter)
        with disk_errors(folder, states.way_on):
            (folder / "README.md").write_text(card, encoding="utf-8")
    if settings.best and not is_best:
        run.warn("--best: no evaluation is within --retain-limit, so the weights of the last step are published")
    for name in ("stopped early", "weights of step", "held-out loss", "loss of old rows"):
        if name in facts:
            run.say(f"{name}: {told[name]}")
    if bad:
        run.warn(
            f"the run has diverged: {bad}; its manifest and its model card say so\n"
            f"hint: a lower --learning-rate (it was {settings.peak_learning_rate:g})"
        )
    return Path(settings.out)


def _states(session: Session, folder: Path, state: LoopState, judge: Judge | None) -> States:
    request = _request(session, state) if session.world.is_main else {}
    settings = session.settings
    best, dtype = best_of(settings, judge), saved_format(settings)
    return States(folder, session.tokenizer, settings.keep, request, best, dtype=dtype)


def _request(session: Session, state: LoopState) -> dict[str, Any]:
    request = requested(session.run)
    request["settings"]["dtype"] = session.place.dtype
    request["contents"] |= {"training rows": rows_hash(session.train), "plan of steps": plan_hash(state.plan)}
    if session.held_out is not None:
        request["contents"]["held-out rows"] = rows_hash(session.held_out)
    return request


def _loop(
    session: Session, objective: Objective, state: LoopState, states: States, kept: Keeping, judge: Judge | None
) -> None:
    """Train to the end, or to where somebody stops it, which raises what the signal would have."""
    settings, world, steps = session.settings, session.world, len(state.plan)
    path = states.folder / METRICS if world.is_main else Path(os.devnull)
    config = session.run.described["config"] if world.is_main else {}
    name, first = settings.run_name or "", state.at.step + 1 if states.is_resumed else 0
    with (
        tracking(settings.track, name, Path(settings.out), config, first, session.run.warn) as trackers,
        open(path, "a" if states.is_resumed else "w", encoding="utf-8", newline="\n") as metrics,
        Progress("train", steps, "step", settings.quiet, state.at.step) as progress,
        Interrupt(session.run.say) as interrupt,
    ):
        watchers: list[Watcher] = []
        if session.held_out is not None or session.retained is not None:
            watchers.append(evaluator(lambda: _evaluate(session, kept, judge), settings.eval_every))
        if settings.retain_limit is not None:
            watchers.append(retain_guard(lambda: float(states.before["retain_loss"]), settings.retain_limit))
        if session.held_out is not None:
            watchers.append(best_keeper(states.best, states.save_best if settings.best else None))
        write = metrics_writer(metrics, partial(disk_errors, path, states.way_on))
        watchers += [write, progress_shower(progress), *trackers]
        if states.before and not states.is_resumed:
            for watch in (write, *trackers):
                watch(state, Step(0, [], False), {"step": 0, "epoch": 0, **states.before})
        watchers += [saver(states.save, settings.save_every), stopper(interrupt)]
        try:
            train_loop(state, session.train, objective, settings, session.place, watchers)
        except NotANumber as error:
            raise UserError(f"{error}; {states.way_back(settings.adapter != 'none')}") from error
        if interrupt.is_agreed(world) and not states.best.is_exhausted:
            states.save(state)
            interrupt.leave(f"stopped after step {state.at.step} of {steps}; the same command with --resume goes on")


def _evaluate(session: Session, kept: Keeping, judge: Judge | None = None) -> dict[str, Any]:
    """The plain cross-entropy of the held-out and of the old rows, and what the judge says of held-out answers."""
    world, tokens, found = session.world, session.settings.microbatch_tokens, dict[str, Any]()
    plain = through(world, supervised(LOSSES.load("cross-entropy")))
    if session.held_out is not None:
        found |= evaluate_loss(session.model, session.held_out, plain, tokens, session.place, world)
    if session.retained is not None:
        retained = evaluate_loss(session.model, session.retained, plain, tokens, session.place, world)
        found |= {name.replace("eval_", "retain_"): value for name, value in retained.items()}
        if kept.old is not None:
            moved = through(world, anchored(kept.old, 1.0, kept.temperature))
            measured = evaluate_loss(session.model, session.retained, moved, tokens, session.place, world)
            found["retain_kl"] = measured["eval_loss"]
    if judge is not None and session.held_out is not None:
        with session.place.autocast():
            found["eval_metric"] = {judge.key: world.of_main(partial(judge.score, session.model))}
    return found


def _facts(session: Session, state: LoopState, states: States, is_best: bool) -> dict[str, Any]:
    """What the model card and the manifest say of the run."""
    at, best = state.at, states.best
    facts: dict[str, Any] = {"base": session.settings.model, "rows": len(session.train)}
    facts |= {"steps": at.step, "tokens": at.tokens, "target tokens": at.target_tokens}
    facts |= {"loss of the last step": at.last["loss"]}
    facts |= {"number format": states.dtype}
    facts |= {"stopped early": state.stop} if state.stop else {}
    facts |= {"weights of step": best.shown()} if is_best else {}
    measured = best.measured if is_best else at.last
    for name, key in {"held-out loss": "eval_loss", "loss of old rows": "retain_loss"}.items():
        if key in states.before:
            facts |= {name: {"before": states.before[key], "after": measured[key]}}
    facts |= {f"{name} of held-out answers": value for name, value in measured.get("eval_metric", {}).items()}
    return facts


def shown(value: Any) -> str:
    """A fact as the model card has it: `0.8431`, `2.5825 before, 0.8431 after`."""
    if isinstance(value, dict):
        return ", ".join(f"{number:.4f} {when}" for when, number in value.items())
    return f"{value:.4f}" if isinstance(value, float) else str(value)
