"""`sft distill`: a student learns from rows and from a teacher's distributions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sft_cli.commands.train import fine_tune
from sft_cli.run.context import Run
from sft_cli.run.errors import UserError
from sft_cli.training.settings import DistillSettings

if TYPE_CHECKING:
    from sft_cli.training.objective import Objective


def distill(settings: DistillSettings, run: Run) -> None:
    """Fine-tune a student on rows and on a teacher's distributions; prints the checkpoint's path.

    \b
    Example:
      sft distill train.jsonl --model small --teacher runs/big -o runs/student

    The loss is alpha·CE + (1 − alpha)·T²·KL(teacher‖student) on target tokens (Hinton et al. 2015). Teacher and
    student must have the same tokenizer. Everything else is as in sft train.
    """
    if settings.loss != "cross-entropy":
        raise UserError(f"--loss: expected cross-entropy, which distillation combines with KL, got {settings.loss!r}")
    fine_tune(settings, run, _distillation, f"{settings.model}, distilled from {settings.teacher}")


def _distillation(setup: Any) -> Objective:
    """Load the teacher, say what it costs; raises UserError for one with another vocabulary."""
    from sft_cli.model.load import load_model, load_tokenizer
    from sft_cli.training.objective import distillation

    settings = setup.settings
    if load_tokenizer(settings.teacher).get_vocab() != setup.encoder.tokenizer.get_vocab():
        raise UserError(
            f"--teacher: expected the vocabulary of {settings.model}, got another one in {settings.teacher}\n"
            "hint: if the tokenizers differ, write the teacher's answers with sft generate and train on them "
            "with sft train"
        )
    teacher = load_model(settings.teacher, "float32", setup.place.device)
    teacher.requires_grad_(False)
    if setup.world.is_main:
        setup.run.say(describe_teacher(teacher, settings))
    return distillation(teacher, settings.alpha, settings.temperature)


def describe_teacher(teacher: Any, settings: DistillSettings) -> str:
    """Lines of the plan: who teaches, what it costs, how its words and the rows' are mixed."""
    weights = sum(weight.numel() for weight in teacher.parameters())
    return (
        f"teacher: {settings.teacher}, {weights / 1e6:,.1f} M weights in float32, {4 * weights / 1e9:.1f} GB of memory "
        f"more; it computes the distributions of the targets during training\n"
        f"loss: {settings.alpha:g} · cross-entropy + {1 - settings.alpha:g} · T² · KL(teacher‖student), "
        f"temperature T = {settings.temperature:g}"
    )
