"""The first half of `train` and `distill`: check, load, encode, plan. training/fit.py continues."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from sft_cli.encoding.encoder import Encoder
from sft_cli.encoding.turn_end import save_with_turn_end, turn_end_notes
from sft_cli.model.attention import describe_attention
from sft_cli.model.device import device_of, dtype_note, pick_dtype, use_threads
from sft_cli.model.forward import inner_model
from sft_cli.model.load import config_at, load_tokenizer, stop_ids_at
from sft_cli.model.names import adapter_base, resolve_model
from sft_cli.run.context import Run
from sft_cli.run.errors import UserError
from sft_cli.run.ledger import Ledger
from sft_cli.run.marked_text import print_marked
from sft_cli.run.text import counted
from sft_cli.training.compute import Compute
from sft_cli.training.memory import estimate_memory
from sft_cli.training.neftune import add_neftune
from sft_cli.training.place import Place, keep_freed_memory
from sft_cli.training.plan.schedule import warmup_note, warmup_steps
from sft_cli.training.plan.steps import StepPlan
from sft_cli.training.processes.world import World
from sft_cli.training.rows.preview import heading, spans
from sft_cli.training.rows.reader import CorpusReader, context_length
from sft_cli.training.rows.row_sets import RowSets, read_row_sets
from sft_cli.training.saving.request import check_same_request
from sft_cli.training.settings import TrainSettings
from sft_cli.training.settings.checks import check_settings
from sft_cli.training.settings.continual import strengths
from sft_cli.training.tuning import (
    check_torch,
    describe_format,
    describe_tuning,
    load_for_tuning,
    name_column,
    tune,
)


@dataclass
class Setup:
    """A run before its first step: what was asked for, the rows, and the model with all that computes it."""

    settings: TrainSettings
    run: Run
    encoder: Encoder
    rows: RowSets
    compute: Compute

    @property
    def model(self) -> Any:
        """The model that trains."""
        return self.compute.model

    @property
    def place(self) -> Place:
        """Where it computes."""
        return self.compute.place

    @property
    def world(self) -> World:
        """The processes that share the work."""
        return self.compute.world


def set_up(settings: TrainSettings, run: Run, world: World | None = None) -> Setup:
    """Load the model, encode the rows, and print the plan. Raises UserError for errors that a user can correct."""
    world = world or World()
    run.settings = settings = world.own_settings(settings)
    check_settings(settings)
    check_torch(settings)
    claim_output(settings, run, world)
    place = choose_place(settings, run, world)
    encoder = load_encoder(settings, world)
    with world.main_first(), run.ledger() as ledger:
        longest = context_length(config_at(settings.model), settings.max_length)
        rows = read_row_sets(CorpusReader(encoder, ledger, settings, longest), settings)
    for line in (line for corpus in rows.all() for line in corpus.warnings if world.is_main):
        run.warn(line)
    model = load_for_training(settings, place, encoder, rows)
    setup = Setup(settings, run, encoder, rows, Compute(model, place, world, settings.microbatch_tokens))
    say_plan(setup, ledger)
    return setup


def claim_output(settings: TrainSettings, run: Run, world: World) -> None:
    """Raise UserError if the output may not be written, or if it cannot be resumed."""
    if world.is_main and not settings.dry_run:
        run.check_output_directory(settings.resume)
        if settings.resume:
            check_same_request(run)


def choose_place(settings: TrainSettings, run: Run, world: World) -> Place:
    """Set the threads and the allocator of this process, and choose its device and number format."""
    use_threads(settings.threads)
    keep_freed_memory()
    device = device_of(world.ranks, settings.device)
    place = Place(device, pick_dtype(settings.dtype, device))
    if world.is_main and (note := dtype_note(settings.dtype, place.dtype)):
        run.warn(note)
    return place


def load_encoder(settings: TrainSettings, world: World) -> Encoder:
    """The tokenizer of the model to start from, with its chat template. Raises UserError for an adapter."""
    with world.main_first():  # it may convert the model into the cache
        path = resolve_model(settings.model)
    if adapter_base(path):
        raise UserError(
            f"--model: expected a full model, got the adapter {settings.model} of {adapter_base(path)}\n"
            f"hint: sft export {settings.model} -o MERGED makes a full model of it; or train its base"
        )
    tokenizer = load_tokenizer(settings.model, settings.chat_template)
    return Encoder(tokenizer, stop_ids_at(settings.model), settings.special_tokens_in_text)


def load_for_training(settings: TrainSettings, place: Place, encoder: Encoder, rows: RowSets) -> Any:
    """The model with its adapter, its frozen weights and its noise; seeds torch for what is drawn from now on."""
    model = load_for_tuning(settings, place)
    save_with_turn_end(inner_model(model), encoder)
    check_vocabulary(model, rows)
    torch.manual_seed(settings.seed)
    model = tune(model, settings, place, rows.corda)
    name_column(model, settings, rows.train.task_names)
    if settings.neftune_alpha is not None:
        add_neftune(model, settings.neftune_alpha)
    return model


def check_vocabulary(model: Any, rows: RowSets) -> None:
    """Raise UserError if a token has no embedding."""
    size, highest = model.get_input_embeddings().weight.shape[0], max(corpus.highest_id for corpus in rows.all())
    if highest >= size:
        raise UserError(
            f"--model: its tokenizer has token {highest}, but the model has only {size} embeddings; "
            "the tokenizer belongs to another model"
        )


def say_plan(setup: Setup, ledger: Ledger) -> None:
    """Show the rows of --show, what became of all rows, and what is about to be done."""
    settings, train = setup.settings, setup.rows.train
    for row in range(min(settings.show, len(train))):
        print_marked(heading(train[row], train.ids[row], train.tasks[row]), spans(train[row], setup.encoder.tokenizer))
    plan = StepPlan(train, settings)
    setup.run.say("\n".join([*ledger.lines(), *describe_plan(setup, plan)]))
    if setup.world.is_main and (late := warmup_note(len(plan), settings)):
        setup.run.warn(late)


def describe_plan(setup: Setup, plan: StepPlan) -> list[str]:
    """The plan of the run, as text."""
    settings, model, place = setup.settings, setup.model, setup.place
    shards = setup.world.size if settings.shard else 1
    memory = estimate_memory(model, setup.rows.train, settings, place.dtype, shards)
    return [
        *setup.rows.describe(),
        *turn_end_notes(setup.encoder),
        *describe_tuning(model, settings),
        f"steps: {plan.length}; "
        f"{settings.optimizer}, peak learning rate {settings.peak_learning_rate:g}, "
        f"{counted(warmup_steps(len(plan), settings), 'step')} of warm-up, then {settings.schedule}",
        *plan.lines(),
        *_regularizers(settings),
        f"on: {place.device}, matrix products in {place.dtype}, {torch.get_num_threads()} threads; "
        f"about {memory / 1e9:.1f} GB of memory",
        *describe_attention(inner_model(model).config),
        *describe_format(settings),
        *_processes(setup.world, settings.shard),
    ]


def _regularizers(settings: TrainSettings) -> list[str]:
    chosen = strengths(settings)
    shown = ", ".join(f"{name} with strength {strength:g}" for name, strength in chosen.items())
    return [f"regularizers: {shown}"] if chosen else []


def _processes(world: World, is_sharded: bool) -> list[str]:
    kept = "each with a part of the weights (FSDP2)" if is_sharded else "each with all weights (DDP)"
    return [f"processes: {world.size}, {kept}; the batch is divided among them"] if world.size > 1 else []
