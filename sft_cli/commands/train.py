"""`sft train`: rows to a checkpoint."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from sft_cli.run.context import Run
from sft_cli.run.process import wait_politely
from sft_cli.training.settings import TrainSettings

if TYPE_CHECKING:
    from sft_cli.training.objective import Objective


def train(settings: TrainSettings, run: Run) -> None:
    """Fine-tune a model on rows; prints the checkpoint's path.

    \b
    Example:
      sft train train.jsonl --model smollm2-135m-instruct -o runs/a

    The loss is on assistant turns only (or on every token of raw text): Σ weight·loss / Σ weight over the whole
    optimizer step. Rows are packed without padding and never see each other. Before the first step sft prints the plan:
    rows, tokens, share of target tokens (those with a loss), lengths, steps, memory. --dry-run measures two
    micro-batches, prints the expected time and memory, and stops. The directory has the files of a Hugging Face model,
    metrics.jsonl (a line per step), a model card and manifest.json.
    """
    fine_tune(settings, run, _supervised, f"{settings.model}, fine-tuned")


def _supervised(setup: Any) -> Objective:
    from sft_cli.training.objective import chosen_loss, supervised

    return supervised(chosen_loss(setup.settings))


def fine_tune(settings: TrainSettings, run: Run, objective_of: Callable[[Any], Objective], title: str) -> None:
    """What `train` and `distill` do: `objective_of` makes the objective from the Setup, `title` heads the card."""
    from sft_cli.training.settings.checks import check_before_loading

    check_before_loading(settings, run)
    wait_politely()
    from sft_cli.training.check_template import check_template
    from sft_cli.training.dry_run import expected
    from sft_cli.training.fit import fit
    from sft_cli.training.processes.torchrun import join_world
    from sft_cli.training.settings.checks import evaluation_metric
    from sft_cli.training.setup import set_up
    from sft_cli.training.watching.answers import answer_judge

    with join_world(settings) as world:
        if settings.check_template:
            check_template(settings, run)
            return
        metric = evaluation_metric(settings)
        setup = set_up(settings, run, world)
        judge = answer_judge(metric, setup)
        objective = objective_of(setup)
        if settings.dry_run:
            if world.store is None:
                run.say(expected(setup, objective))
            return
        path = fit(setup, objective, title, judge)
        if world.is_main:
            print(path)
