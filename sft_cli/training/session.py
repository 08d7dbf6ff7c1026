"""What `train` and `distill` share: load, encode, plan, loop, save."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import torch

from sft_cli.losses import LOSSES
from sft_cli.model.checkpoint import add_lora, model_card, save_checkpoint
from sft_cli.model.encode import Encoder, stop_ids_of
from sft_cli.model.load import (
    adapter_base,
    load_model,
    load_tokenizer,
    pick_device,
    pick_dtype,
    resolve_model,
    use_threads,
)
from sft_cli.run.context import Run
from sft_cli.run.errors import UserError
from sft_cli.run.progress import Progress
from sft_cli.run.text import counted
from sft_cli.training.allocator import keep_freed_memory
from sft_cli.training.batches import StepPlan
from sft_cli.training.corpus import Corpus
from sft_cli.training.loop import Position, Watcher, evaluate_loss, start, train_loop, warmup_steps
from sft_cli.training.memory import estimate_memory
from sft_cli.training.objective import Objective, supervised
from sft_cli.training.place import Place
from sft_cli.training.reading import CorpusReader, ReadRows, context_length, describe_corpus
from sft_cli.training.settings import TrainSettings
from sft_cli.training.watchers import evaluator, metrics_writer, progress_shower


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
    if not settings.dry_run:
        run.check_output_directory()
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
    model = load_model(settings.model, "float32", device)
    torch.manual_seed(settings.seed)
    if settings.adapter == "lora":
        base = str(Path(path).resolve()) if Path(path).is_dir() else path
        alpha = settings.lora_alpha or 2 * settings.rank
        model = add_lora(model, base, settings.rank, alpha, settings.lora_dropout, settings.seed)
    encoder = Encoder(tokenizer, stop_ids_of(model))
    longest = context_length(model.config, settings.max_length)
    with run.ledger() as ledger:
        reader = CorpusReader(read_rows, encoder, ledger, settings, longest)
        train = reader.read(settings.data, "training")
        held_out = reader.read(settings.eval_data, "held-out") if settings.eval_data else None
    session = Session(settings, run, model, tokenizer, encoder, place, train, held_out)
    _check_vocabulary(session)
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
    steps = len(StepPlan(len(session.train), settings))
    trained = sum(p.numel() for p in session.model.parameters() if p.requires_grad)
    total = sum(p.numel() for p in session.model.parameters())
    memory = estimate_memory(session.model, session.train, settings.microbatch_tokens, session.place.dtype)
    lines = describe_corpus(session.train, "train")
    if session.held_out is not None:
        lines += describe_corpus(session.held_out, "held out")
    return [
        *lines,
        f"model: {settings.model}, {total / 1e6:,.1f} M weights, {trained / 1e6:,.1f} M of them trained"
        + (f" (LoRA of rank {settings.rank})" if settings.adapter == "lora" else ""),
        f"steps: {steps} of up to {counted(settings.batch_size, 'row')}, {counted(settings.epochs, 'epoch')}; "
        f"AdamW, peak learning rate {settings.peak_learning_rate:g}, "
        f"{counted(warmup_steps(steps, settings), 'step')} of warm-up, then {settings.schedule}",
        f"on: {session.place.device}, matrix products in {session.place.dtype}, {torch.get_num_threads()} threads; "
        f"about {memory / 1e9:.1f} GB of memory",
    ]


def run_session(session: Session, objective: Objective, title: str) -> Path:
    """Train and write the checkpoint directory; gives its path."""
    run = session.run
    with run.output_directory() as folder:
        before = _held_out_loss(session)
        with open(folder / "metrics.jsonl", "w", encoding="utf-8", newline="\n") as metrics:
            position = _loop(session, objective, metrics)
        save_checkpoint(session.model, session.tokenizer, folder)
        facts = _facts(session, position, before)
        run.record |= {"device": session.place.device, "dtype": session.place.dtype, **facts}
        is_adapter = session.settings.adapter != "none"
        card = model_card(title, run.described["config"], facts, session.settings.model, is_adapter)
        (folder / "README.md").write_text(card, encoding="utf-8")
    if before:
        run.say(f"held-out loss: {facts['held-out loss']}")
    return Path(session.settings.out)


def _loop(session: Session, objective: Objective, metrics: TextIO) -> Position:
    settings = session.settings
    state = start(session.model, len(session.train), settings)
    with Progress("train", len(state.plan), "step", settings.quiet) as progress:
        watchers: list[Watcher] = [metrics_writer(metrics), progress_shower(progress)]
        if session.held_out is not None:
            watchers.insert(0, evaluator(lambda: _held_out_loss(session), settings.eval_every))
        return train_loop(state, session.train, objective, settings, session.place, watchers)


def _held_out_loss(session: Session) -> dict[str, float]:
    """{"eval_loss": plain cross-entropy of the held-out rows}; empty if there are none."""
    if session.held_out is None:
        return {}
    plain = supervised(LOSSES.load("cross-entropy"))
    return evaluate_loss(session.model, session.held_out, plain, session.settings.microbatch_tokens, session.place)


def _facts(session: Session, position: Position, before: dict[str, float]) -> dict[str, Any]:
    """What the model card and the manifest say of the run."""
    last = position.last
    facts: dict[str, Any] = {"base": session.settings.model, "rows": len(session.train)}
    facts |= {"steps": position.step, "tokens": position.tokens, "target tokens": position.target_tokens}
    facts |= {"loss of the last step": f"{last['loss']:.4f}"}
    if before:
        facts |= {"held-out loss": f"{before['eval_loss']:.4f} before, {last['eval_loss']:.4f} after"}
    return facts
