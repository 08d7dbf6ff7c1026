"""What `train` and `distill` begin with: load, encode, plan. training/running.py goes on from there."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import torch

from sft_cli.model.attention import describe_attention
from sft_cli.model.encode import Encoder
from sft_cli.model.forward import inner_model
from sft_cli.model.load import (
    adapter_base,
    config_at,
    device_of,
    dtype_note,
    load_tokenizer,
    pick_dtype,
    resolve_model,
    stop_ids_at,
    use_threads,
)
from sft_cli.model.turn_end import save_with_turn_end, turn_end_notes
from sft_cli.run.context import Run
from sft_cli.run.errors import UserError
from sft_cli.run.marked_text import print_marked
from sft_cli.run.text import counted
from sft_cli.training.allocator import keep_freed_memory
from sft_cli.training.batches import StepPlan
from sft_cli.training.continual_flags import strengths
from sft_cli.training.corpus import Corpus
from sft_cli.training.flags import check_settings
from sft_cli.training.loop import warmup_note, warmup_steps
from sft_cli.training.memory import estimate_memory
from sft_cli.training.neftune import add_neftune
from sft_cli.training.place import Place
from sft_cli.training.preview import heading, spans
from sft_cli.training.reading import CorpusReader, ReadRows, context_length, describe_corpus
from sft_cli.training.request import check_same_request
from sft_cli.training.settings import TrainSettings
from sft_cli.training.tuning import (
    check_torch,
    describe_format,
    describe_tuning,
    load_for_tuning,
    name_column,
    tune,
)
from sft_cli.training.world import World


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
    importance_rows: Corpus | None = None  # what EWC measures on
    anchors: Corpus | None = None
    retained: Corpus | None = None
    world: World = field(default_factory=World)


def open_session(settings: TrainSettings, run: Run, read_rows: ReadRows, world: World | None = None) -> Session:
    """Load the model, encode the rows, and print the plan. Raises UserError for anything a user can mend."""
    world = world or World()
    run.settings = settings = world.own_settings(settings)
    check_settings(settings)
    check_torch(settings)
    if world.is_main and not settings.dry_run:
        run.check_output_directory(settings.resume)
        if settings.resume:
            check_same_request(run)
    use_threads(settings.threads)
    keep_freed_memory()
    device = device_of(world.ranks, settings.device)
    place = Place(device, pick_dtype(settings.dtype, device))
    if world.is_main and (note := dtype_note(settings.dtype, place.dtype)):
        run.warn(note)
    with world.main_first():  # it may convert the model into the cache
        path = resolve_model(settings.model)
    if adapter_base(path):
        raise UserError(
            f"--model: {settings.model} is an adapter of {adapter_base(path)}, expected a full model\n"
            f"hint: sft export {settings.model} -o MERGED makes one of it; or train on its base"
        )
    tokenizer = load_tokenizer(settings.model, settings.chat_template)
    encoder = Encoder(tokenizer, stop_ids_at(settings.model), settings.special_tokens_in_text)
    longest = context_length(config_at(settings.model), settings.max_length)
    with world.main_first(), run.ledger() as ledger:
        reader = CorpusReader(read_rows, encoder, ledger, settings, longest)
        train = reader.read(settings.data, "training", settings.token_weights)
        # Rules do not weigh held-out rows: their loss is there to compare runs.
        held_out = reader.read(settings.eval_data, "held-out") if settings.eval_data else None
        watched = {
            "importance_rows": (settings.importance_data, "importance"),
            "anchors": (settings.anchor_data, "anchor"),
            "retained": (settings.retain, "retained"),
        }
        others = {field: reader.read(paths, what) for field, (paths, what) in watched.items() if paths}
        known = train if settings.adapter == "corda" else None  # it looks at rows first
        if known is not None and settings.corda_data:
            known = reader.read(settings.corda_data, "CorDA")
    for corpus in (train, held_out, *others.values()):
        for line in corpus.warnings if corpus is not None and world.is_main else ():
            run.warn(line)
    model = load_for_tuning(settings, place)
    save_with_turn_end(inner_model(model), encoder)
    _check_vocabulary(model, [train, held_out, known, *others.values()])
    torch.manual_seed(settings.seed)
    model = tune(model, settings, place, known)
    name_column(model, settings, train.task_names)
    if settings.neftune_alpha is not None:
        add_neftune(model, settings.neftune_alpha)
    session = Session(settings, run, model, tokenizer, encoder, place, train, held_out, world=world, **others)
    for row in range(min(settings.show, len(train))):
        print_marked(heading(train[row], train.ids[row], train.tasks[row]), spans(train[row], tokenizer))
    run.say("\n".join([*ledger.lines(), *plan(session)]))
    if world.is_main and (late := warmup_note(len(StepPlan(train, settings)), settings)):
        run.warn(late)
    return session


def _check_vocabulary(model: Any, corpora: Iterable[Corpus | None]) -> None:
    rows, highest = model.get_input_embeddings().weight.shape[0], max(c.highest_id for c in corpora if c is not None)
    if highest >= rows:
        raise UserError(
            f"--model: its tokenizer gives token {highest}, but the model has only {rows} embeddings; "
            "the tokenizer belongs to another model"
        )


def plan(session: Session) -> list[str]:
    """What is about to be done, as text."""
    settings = session.settings
    step_plan = StepPlan(session.train, settings)
    steps = len(step_plan)
    shards = session.world.size if settings.shard else 1
    memory = estimate_memory(session.model, session.train, settings, session.place.dtype, shards)
    lines = describe_corpus(session.train, "train")
    if session.held_out is not None:
        lines += describe_corpus(session.held_out, "held out")
    for corpus, what in ((session.anchors, "anchors"), (session.retained, "retained")):
        lines += describe_corpus(corpus, what) if corpus is not None else []
    return [
        *lines,
        *turn_end_notes(session.encoder),
        *describe_tuning(session.model, settings),
        f"steps: {step_plan.length}; "
        f"{settings.optimizer}, peak learning rate {settings.peak_learning_rate:g}, "
        f"{counted(warmup_steps(steps, settings), 'step')} of warm-up, then {settings.schedule}",
        *step_plan.lines(),
        *_kept(settings),
        f"on: {session.place.device}, matrix products in {session.place.dtype}, {torch.get_num_threads()} threads; "
        f"about {memory / 1e9:.1f} GB of memory",
        *describe_attention(inner_model(session.model).config),
        *describe_format(settings),
        *_processes(session.world, settings.shard),
    ]


def _kept(settings: TrainSettings) -> list[str]:
    found = strengths(settings)
    shown = ", ".join(f"{name} of strength {strength:g}" for name, strength in found.items())
    return [f"kept near the start by: {shown}"] if found else []


def _processes(world: World, is_sharded: bool) -> list[str]:
    kept = "a part of the weights in each (FSDP2)" if is_sharded else "all weights in each (DDP)"
    return [f"processes: {world.size}, {kept}; the batch is shared out over them"] if world.size > 1 else []
