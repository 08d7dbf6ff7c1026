"""`sft train`: rows to a checkpoint."""

from __future__ import annotations

from sft_cli.commands.early import check_training
from sft_cli.run.context import Run
from sft_cli.run.process import wait_politely
from sft_cli.training.settings import TrainSettings


def train(settings: TrainSettings, run: Run) -> None:
    """Fine-tune a model on rows; prints the checkpoint's path.

    \b
    Example:
      sft train train.jsonl --model smollm2-135m-instruct -o runs/a

    Loss is taken on assistant turns alone (or on every token of raw text), as Σ weight·loss over Σ weight of the
    whole optimizer step. Rows are packed without padding and never see each other. Before the first step the plan
    is printed: rows, tokens, share of targets, lengths, steps, memory; --dry-run stops there, after it has measured two
    micro-batches and told the time and memory that the run will take. The directory holds what Hugging Face writes,
    metrics.jsonl (a line per step), a model card and manifest.json.
    """
    check_training(settings, run)
    wait_politely()
    from sft_cli.commands.evaluating import answer_judge, evaluation_metric
    from sft_cli.commands.reading import training_rows
    from sft_cli.training.checking import check_template
    from sft_cli.training.chosen_loss import chosen_loss
    from sft_cli.training.estimate import expected
    from sft_cli.training.launch import join_world
    from sft_cli.training.objective import supervised
    from sft_cli.training.running import run_session
    from sft_cli.training.session import open_session

    with join_world(settings) as world:
        objective = supervised(chosen_loss(settings))
        if settings.check_template:
            return check_template(settings, run, training_rows)
        metric = evaluation_metric(settings)
        session = open_session(settings, run, training_rows, world)
        judge = answer_judge(metric, session)
        if settings.dry_run:
            return run.say(expected(session, objective)) if world.store is None else None
        path = run_session(session, objective, f"{settings.model}, fine-tuned", judge)
        if world.is_main:
            print(path)
