"""The second half of `train` and `distill`: loop, watchers, saving and resuming, and the final checkpoint."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from sft_cli.losses import LOSSES
from sft_cli.model.checkpoint import disk_errors, model_card
from sft_cli.model.forward import make_batch
from sft_cli.run.errors import UserError
from sft_cli.run.progress import Progress
from sft_cli.training.best import Judge, best_of
from sft_cli.training.importances import old_importances, record_importance
from sft_cli.training.loop import LoopState, NotANumber, Watcher, start, train_loop
from sft_cli.training.objective import Objective, anchored, supervised
from sft_cli.training.plan.steps import Step
from sft_cli.training.processes.data_parallel import group_gradients, join
from sft_cli.training.regularizers import Regularizers, regularizers
from sft_cli.training.saving.request import plan_hash, requested, rows_hash
from sft_cli.training.saving.states import METRICS_FILE, States
from sft_cli.training.setup import Setup
from sft_cli.training.tuning import saved_format
from sft_cli.training.watching.divergence import divergence
from sft_cli.training.watching.interrupt import Interrupt
from sft_cli.training.watching.loss_curve import read_metrics, write_curve
from sft_cli.training.watching.tracking import TrackedRun, tracking
from sft_cli.training.watching.watchers import (
    best_keeper,
    evaluator,
    metrics_writer,
    progress_shower,
    retain_guard,
    saver,
    stopper,
)

Evaluate = Callable[[], dict[str, Any]]


def fit(setup: Setup, objective: Objective, title: str, judge: Judge | None = None) -> Path:
    """Train and write the checkpoint directory; returns its path."""
    run, settings, world = setup.run, setup.settings, setup.world
    importances = old_importances(setup)
    _join_processes(setup, objective)
    with world.output_directory(run, settings.resume) as folder:
        state = start(setup.compute, setup.rows.train, settings)
        acting = regularizers(setup, importances)
        state.continual = acting.methods
        states = _states(setup, folder, state, judge)
        if settings.resume:
            run.say(states.restore(state))
        if not states.is_resumed:
            states.before = evaluate(setup, acting)
        _loop(setup, objective, state, states, lambda: evaluate(setup, acting, judge))
        record_importance(setup, acting.methods, importances, folder)
        is_best = states.publish(state, settings.best)
        if not world.is_main:
            return Path(settings.out)
        write_curve(folder / METRICS_FILE, folder / "loss.svg")
        facts, diverged = _facts(setup, state, states, is_best), divergence(read_metrics(folder / METRICS_FILE))
        run.record |= _manifest_record(setup, facts, diverged)
        shown = {name: shown_fact(value) for name, value in facts.items()} | (
            {"diverged": diverged} if diverged else {}
        )
        with disk_errors(folder, states.way_on):
            card = model_card(title, run.described["config"], shown, settings.model, settings.adapter)
            (folder / "README.md").write_text(card, encoding="utf-8")
    _say_outcome(setup, shown, is_best)
    return Path(settings.out)


def _join_processes(setup: Setup, objective: Objective) -> None:
    join(setup.model, setup.world, setup.place.device, setup.settings.shard)
    train = setup.rows.train
    with setup.place.autocast():
        shortest = train[int(train.lengths.argmin())]
        group_gradients(setup.model, setup.world, objective, make_batch([shortest], setup.place.device))


def _states(setup: Setup, folder: Path, state: LoopState, judge: Judge | None) -> States:
    request = _request(setup, state) if setup.world.is_main else {}
    settings = setup.settings
    best, dtype = best_of(settings, judge), saved_format(settings)
    return States(folder, setup.encoder.tokenizer, settings.keep, request, best, dtype=dtype)


def _request(setup: Setup, state: LoopState) -> dict[str, Any]:
    request = requested(setup.run)
    request["settings"]["dtype"] = setup.place.dtype
    request["contents"] |= {"training rows": rows_hash(setup.rows.train), "plan of steps": plan_hash(state.plan)}
    if setup.rows.held_out is not None:
        request["contents"]["held-out rows"] = rows_hash(setup.rows.held_out)
    return request


def _loop(setup: Setup, objective: Objective, state: LoopState, states: States, evaluate: Evaluate) -> None:
    """Train to the end, or until a signal, whose exception is then raised."""
    settings, world, steps = setup.settings, setup.world, len(state.plan)
    path = states.folder / METRICS_FILE if world.is_main else Path(os.devnull)
    config = setup.run.described["config"] if world.is_main else {}
    first = state.at.step + 1 if states.is_resumed else 0
    tracked = TrackedRun(settings.run_name or "", Path(settings.out), config, first)
    with (
        tracking(settings.track, tracked, setup.run.warn) as trackers,
        open(path, "a" if states.is_resumed else "w", encoding="utf-8", newline="\n") as metrics,
        Progress("train", steps, "step", settings.quiet, state.at.step) as progress,
        Interrupt(setup.run.say) as interrupt,
    ):
        write = metrics_writer(metrics, partial(disk_errors, path, states.way_on))
        if states.before and not states.is_resumed:
            for watch in (write, *trackers):
                watch(state, Step(0, [], False), {"step": 0, "epoch": 0, **states.before})
        # Each watcher reads what those before it added to the line: first come those that measure, then those that
        # judge by it, then those that write it down, and last those that save and stop.
        watchers = [*_measuring(setup, states, evaluate), write, progress_shower(progress), *trackers]
        watchers += [saver(states.save, settings.save_every), stopper(interrupt)]
        try:
            train_loop(state, objective, watchers)
        except NotANumber as error:
            raise UserError(f"{error}; {states.way_back(settings.adapter != 'none')}") from error
        if interrupt.is_agreed(world) and not states.best.is_exhausted:
            states.save(state)
            interrupt.leave(f"stopped after step {state.at.step} of {steps}; the same command with --resume continues")


def _measuring(setup: Setup, states: States, evaluate: Evaluate) -> list[Watcher]:
    """The watchers that evaluate, and those that keep or stop by what was evaluated."""
    settings, rows = setup.settings, setup.rows
    watchers = []
    if rows.held_out is not None or rows.retained is not None:
        watchers.append(evaluator(evaluate, settings.eval_every))
    if settings.retain_limit is not None:
        watchers.append(retain_guard(lambda: float(states.before["retain_loss"]), settings.retain_limit))
    if rows.held_out is not None:
        watchers.append(best_keeper(states.best, states.save_best if settings.best else None))
    return watchers


def evaluate(setup: Setup, acting: Regularizers, judge: Judge | None = None) -> dict[str, Any]:
    """The plain cross-entropy of the held-out and of the old rows, and the judge's values of held-out answers."""
    rows, compute, line = setup.rows, setup.compute, dict[str, Any]()
    plain = supervised(LOSSES.load("cross-entropy"))
    if rows.held_out is not None:
        line |= {f"eval_{name}": value for name, value in compute.mean_loss(rows.held_out, plain).items()}
    if rows.retained is not None:
        line |= {f"retain_{name}": value for name, value in compute.mean_loss(rows.retained, plain).items()}
        if acting.old is not None:
            moved = anchored(acting.old, 1.0, acting.temperature)
            line["retain_kl"] = compute.mean_loss(rows.retained, moved)["loss"]
    if judge is not None and rows.held_out is not None:
        with setup.place.autocast():
            line["eval_metric"] = {judge.key: setup.world.of_main(partial(judge.score, setup.model))}
    return line


def _facts(setup: Setup, state: LoopState, states: States, is_best: bool) -> dict[str, Any]:
    """The facts about the run for the model card and the manifest."""
    at, best = state.at, states.best
    facts: dict[str, Any] = {"base": setup.settings.model, "rows": len(setup.rows.train)}
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


def _manifest_record(setup: Setup, facts: dict[str, Any], diverged: str | None) -> dict[str, Any]:
    """What the manifest says of the run, beside what every manifest says."""
    return {
        "device": setup.place.device,
        "dtype": setup.place.dtype,
        **facts,
        "diverged": diverged is not None,
        "system_texts": setup.rows.train.system_texts,
    }


def shown_fact(value: Any) -> str:
    """A fact for the model card: `0.8431`, `2.5825 before, 0.8431 after`."""
    if isinstance(value, dict):
        return ", ".join(f"{number:.4f} {when}" for when, number in value.items())
    return f"{value:.4f}" if isinstance(value, float) else str(value)


def _say_outcome(setup: Setup, shown: dict[str, str], is_best: bool) -> None:
    """Say what of the run's facts a user must not miss."""
    run, settings = setup.run, setup.settings
    if settings.best and not is_best:
        run.warn("--best: no evaluation is within --retain-limit, so the weights of the last step are the output")
    for name in ("stopped early", "weights of step", "held-out loss", "loss of old rows"):
        if name in shown:
            run.say(f"{name}: {shown[name]}")
    if "diverged" in shown:
        run.warn(
            f"the run has diverged: {shown['diverged']}; this is noted in its manifest and its model card\n"
            f"hint: use a lower --learning-rate (it was {settings.peak_learning_rate:g})"
        )
