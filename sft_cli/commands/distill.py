"""`sft distill`: a student learns from rows and from a teacher's distributions."""

from __future__ import annotations

from typing import Any

from sft_cli.commands.early import check_training
from sft_cli.run.context import Run
from sft_cli.run.errors import UserError
from sft_cli.run.process import wait_politely
from sft_cli.training.settings import DistillSettings


def distill(settings: DistillSettings, run: Run) -> None:
    """Fine-tune a student on rows and on a teacher's distributions; prints the checkpoint's path.

    \b
    Example:
      sft distill train.jsonl --model small --teacher runs/big -o runs/student

    Minimises alpha·CE + (1 − alpha)·T²·KL(teacher‖student) on target tokens (Hinton et al. 2015). Teacher and
    student must share their tokenizer. Everything else is as in sft train.
    """
    check_training(settings, run)
    if settings.loss != "cross-entropy":
        raise UserError(f"--loss: distillation mixes cross-entropy with KL, got {settings.loss!r}")
    wait_politely()
    from sft_cli.commands.evaluating import answer_judge, evaluation_metric
    from sft_cli.commands.reading import training_rows
    from sft_cli.model.load import load_model, load_tokenizer
    from sft_cli.training.checking import check_template
    from sft_cli.training.estimate import expected
    from sft_cli.training.launch import join_world
    from sft_cli.training.objective import distillation
    from sft_cli.training.running import run_session
    from sft_cli.training.session import open_session

    with join_world(settings) as world:
        if settings.check_template:
            return check_template(settings, run, training_rows)
        metric = evaluation_metric(settings)
        session = open_session(settings, run, training_rows, world)
        judge = answer_judge(metric, session)
        if load_tokenizer(settings.teacher).get_vocab() != session.tokenizer.get_vocab():
            raise UserError(
                f"--teacher: {settings.teacher} has another vocabulary than {settings.model}, expected the same\n"
                "hint: sft generate lets the teacher write answers, and sft train learns from those with any tokenizer"
            )
        teacher = load_model(settings.teacher, "float32", session.place.device)
        teacher.requires_grad_(False)
        if world.is_main:
            run.say(describe_teacher(teacher, settings))
        objective = distillation(teacher, settings.alpha, settings.temperature)
        if settings.dry_run:
            return run.say(expected(session, objective)) if world.store is None else None
        path = run_session(session, objective, f"{settings.model}, distilled from {settings.teacher}", judge)
        if world.is_main:
            print(path)


def describe_teacher(teacher: Any, settings: DistillSettings) -> str:
    """Lines of the plan: who teaches, what it costs, how its words and the rows' are mixed."""
    weights = sum(weight.numel() for weight in teacher.parameters())
    return (
        f"teacher: {settings.teacher}, {weights / 1e6:,.1f} M weights in float32, {4 * weights / 1e9:.1f} GB of memory "
        f"more; it is asked about the rows' targets as they come\n"
        f"loss: {settings.alpha:g} · cross-entropy + {1 - settings.alpha:g} · T² · KL(teacher‖student), "
        f"temperature T = {settings.temperature:g}"
    )
