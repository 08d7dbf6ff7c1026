"""What `train` and `distill` share: load, encode, plan, loop, save."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch

from sft_cli.losses import LOSSES
from sft_cli.model.checkpoint import disk_errors, model_card
from sft_cli.model.encode import Encoder, stop_ids_of
from sft_cli.model.load import (
    adapter_base,
    load_tokenizer,
    pick_device,
    pick_dtype,
    resolve_model,
    use_threads,
)
from sft_cli.run.context import Run
from sft_cli.run.curve import write_curve
from sft_cli.run.errors import UserError
from sft_cli.run.marked_text import print_marked
from sft_cli.run.progress import Progress
from sft_cli.run.text import counted
from sft_cli.training.allocator import keep_freed_memory
from sft_cli.training.batches import StepPlan, check_plan_settings
from sft_cli.training.corpus import Corpus
from sft_cli.training.interrupt import Interrupt
from sft_cli.training.loop import LoopState, NotANumber, Watcher, evaluate_loss, start, train_loop, warmup_steps
from sft_cli.training.memory import estimate_memory
from sft_cli.training.neftune import add_neftune
from sft_cli.training.objective import Objective, supervised
from sft_cli.training.place import Place
from sft_cli.training.preview import heading, spans
from sft_cli.training.reading import CorpusReader, ReadRows, context_length, describe_corpus
from sft_cli.training.request import check_same_request, plan_hash, requested, rows_hash
from sft_cli.training.settings import TrainSettings
from sft_cli.training.state import METRICS, States
from sft_cli.training.stopping import Judge, best_of, check_evaluation
from sft_cli.training.tracking import check_trackers, tracking
from sft_cli.training.tuning import check_flags, describe_tuning, load_for_tuning, tune
from sft_cli.training.watchers import best_keeper, evaluator, metrics_writer, progress_shower, saver, stopper


@dataclass
class Session:
    """A model, its tokenizer, and where and how it computes."""

    settings: TrainSettings
    run: Run
    model: Any
    tokenizer: Any
    encoder: Encoder
    place: Place
    train: Corpus
    held_out: Corpus | None


def open_session(settings: TrainSettings, run: Run, read_rows: ReadRows) -> Session:
    """Load the model, encode the rows, and print the plan. Raises UserError for anything a user can mend."""
    if int(os.environ.get("WORLD_SIZE") or 1) > 1:
        raise UserError(f"WORLD_SIZE={os.environ['WORLD_SIZE']}: training on several processes is not built yet")
    check_flags(settings)
    check_plan_settings(settings)
    check_evaluation(settings)
    if not settings.dry_run:
        run.check_output_directory(settings.resume)
        if settings.resume:
            check_same_request(run)
    check_trackers(settings.track)
    use_threads(settings.threads)
    keep_freed_memory()
    device = pick_device(settings.device)
    place = Place(device, pick_dtype(settings.dtype, device))
    path = resolve_model(settings.model)
    if adapter_base(path):
        raise UserError(
            f"--model: {settings.model} is an adapter of {adapter_base(path)}, expected a full model\n"
            "hint: merge it first, with peft's merge_and_unload, or train on its base"
        )
    tokenizer = load_tokenizer(settings.model, settings.chat_template)
    model = load_for_tuning(settings, place)
    torch.manual_seed(settings.seed)
    if settings.adapter != "corda":
        model = tune(model, settings, path, place)
    encoder = Encoder(tokenizer, stop_ids_of(model))
    longest = context_length(model.config, settings.max_length)
    with run.ledger() as ledger:
        reader = CorpusReader(read_rows, encoder, ledger, settings, longest)
        train = reader.read(settings.data, "training", settings.token_weights)
        # Rules do not weigh held-out rows: their loss is there to compare runs.
        held_out = reader.read(settings.eval_data, "held-out") if settings.eval_data else None
        if settings.adapter == "corda":  # it looks at rows first; any other adapter's errors come before they are read
            known = reader.read(settings.corda_data, "CorDA") if settings.corda_data else train
            model = tune(model, settings, path, place, known)
    if settings.neftune_alpha is not None:
        add_neftune(model, settings.neftune_alpha)
    session = Session(settings, run, model, tokenizer, encoder, place, train, held_out)
    _check_vocabulary(session)
    for row in range(min(settings.show, len(train))):
        print_marked(heading(train[row], train.ids[row], train.tasks[row]), spans(train[row], tokenizer))
    run.say("\n".join([*ledger.lines(), *plan(session)]))
    return session


def _check_vocabulary(session: Session) -> None:
    rows = session.model.get_input_embeddings().weight.shape[0]
    if session.train.highest_id >= rows:
        raise UserError(
            f"--model: its tokenizer gives token {session.train.highest_id}, but the model has only {rows} embeddings; "
            "the tokenizer belongs to another model"
        )


def plan(session: Session) -> list[str]:
    """What is about to be done, as text."""
    settings = session.settings
    step_plan = StepPlan(session.train, settings)
    steps = len(step_plan)
    memory = estimate_memory(session.model, session.train, settings, session.place.dtype)
    lines = describe_corpus(session.train, "train")
    if session.held_out is not None:
        lines += describe_corpus(session.held_out, "held out")
    return [
        *lines,
        *describe_tuning(session.model, settings),
        f"steps: {steps} of {step_plan.size}, {counted(settings.epochs, 'epoch')}; "
        f"{settings.optimizer}, peak learning rate {settings.peak_learning_rate:g}, "
        f"{counted(warmup_steps(steps, settings), 'step')} of warm-up, then {settings.schedule}",
        *step_plan.lines(),
        f"on: {session.place.device}, matrix products in {session.place.dtype}, {torch.get_num_threads()} threads; "
        f"about {memory / 1e9:.1f} GB of memory",
    ]


def run_session(session: Session, objective: Objective, title: str, judge: Judge | None = None) -> Path:
    """Train and write the checkpoint directory; gives its path."""
    run, settings = session.run, session.settings
    with run.output_directory(settings.resume) as folder:
        state = start(session.model, session.train, settings)
        states = _states(session, folder, state, judge)
        if settings.resume:
            run.say(states.restore(state))
        if not states.is_resumed:
            states.before = _evaluate(session)
        _loop(session, objective, state, states, judge)
        write_curve(folder / METRICS, folder / "loss.svg")
        is_best = states.publish(state, settings.best)
        facts = _facts(session, state, states, is_best)
        run.record |= {"device": session.place.device, "dtype": session.place.dtype, **facts}
        card = model_card(title, run.described["config"], facts, settings.model, settings.adapter != "none")
        with disk_errors(folder, states.way_on):
            (folder / "README.md").write_text(card, encoding="utf-8")
    for name in ("stopped early", "weights of step", "held-out loss"):
        if name in facts:
            run.say(f"{name}: {facts[name]}")
    return Path(settings.out)


def _states(session: Session, folder: Path, state: LoopState, judge: Judge | None) -> States:
    request = requested(session.run)
    request["settings"]["dtype"] = session.place.dtype
    request["contents"] |= {"training rows": rows_hash(session.train), "plan of steps": plan_hash(state.plan)}
    if session.held_out is not None:
        request["contents"]["held-out rows"] = rows_hash(session.held_out)
    return States(folder, session.tokenizer, session.settings.keep, request, best_of(session.settings, judge))


def _loop(session: Session, objective: Objective, state: LoopState, states: States, judge: Judge | None) -> None:
    """Train to the end, or to where somebody stops it, which raises what the signal would have."""
    settings, path, steps = session.settings, states.folder / METRICS, len(state.plan)
    name, config, first = settings.run_name or "", session.run.described["config"], state.at.step + 1
    with (
        tracking(settings.track, name, Path(settings.out), config, first, session.run.warn) as trackers,
        open(path, "a" if states.is_resumed else "w", encoding="utf-8", newline="\n") as metrics,
        Progress("train", steps, "step", settings.quiet, state.at.step) as progress,
        Interrupt(session.run.say) as interrupt,
    ):
        watchers: list[Watcher] = []
        if session.held_out is not None:
            watchers.append(evaluator(lambda: _evaluate(session, judge), settings.eval_every))
            watchers.append(best_keeper(states.best, states.save_best if settings.best else None))
        watchers += [metrics_writer(metrics, partial(disk_errors, path, states.way_on)), progress_shower(progress)]
        watchers += trackers
        watchers += [saver(states.save, settings.save_every), stopper(interrupt)]
        try:
            train_loop(state, session.train, objective, settings, session.place, watchers)
        except NotANumber as error:
            raise UserError(f"{error}; {states.way_back(settings.adapter != 'none')}") from error
        if interrupt.is_set and not states.best.is_exhausted:
            states.save(state)
            interrupt.leave(f"stopped after step {state.at.step} of {steps}; the same command with --resume goes on")


def _evaluate(session: Session, judge: Judge | None = None) -> dict[str, Any]:
    """The plain cross-entropy of the held-out rows, and what the judge says of the answers to them; {} without any."""
    if session.held_out is None:
        return {}
    plain, settings = supervised(LOSSES.load("cross-entropy")), session.settings
    found = evaluate_loss(session.model, session.held_out, plain, settings.microbatch_tokens, session.place)
    if judge is not None:
        with session.place.autocast():
            found["eval_metric"] = {judge.key: judge.score(session.model)}
    return found


def _facts(session: Session, state: LoopState, states: States, is_best: bool) -> dict[str, Any]:
    """What the model card and the manifest say of the run."""
    at, best = state.at, states.best
    facts: dict[str, Any] = {"base": session.settings.model, "rows": len(session.train)}
    facts |= {"steps": at.step, "tokens": at.tokens, "target tokens": at.target_tokens}
    facts |= {"loss of the last step": f"{at.last['loss']:.4f}"}
    facts |= {"stopped early": state.stop} if state.stop else {}
    facts |= {"weights of step": best.shown()} if is_best else {}
    measured = best.measured if is_best else at.last
    if states.before:
        facts |= {"held-out loss": f"{states.before['eval_loss']:.4f} before, {measured['eval_loss']:.4f} after"}
    facts |= {f"{name} of held-out answers": f"{value:.4f}" for name, value in measured.get("eval_metric", {}).items()}
    return facts
