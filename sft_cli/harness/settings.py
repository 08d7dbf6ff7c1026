"""The flags of `sft score --harness`, and the checks of their combinations."""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from sft_cli.run.errors import UserError
from sft_cli.run.flags import DTYPE_HELP, Flag, fields_of

NOT_WITH_HARNESS = ("metric", "tokenizer", "on_error", "rejects")


@dataclass(frozen=True, kw_only=True)
class HarnessFlags:
    """--harness, and the flags that only work with --harness."""

    group: ClassVar[str] = "Harness"

    harness: Annotated[
        str | None,
        Flag(
            "instead of scoring generations: run these tasks of lm-evaluation-harness offline, for example piqa,boolq",
            metavar="TASKS",
        ),
    ] = None
    model: Annotated[
        str | None,
        Flag(
            "with --harness: a checkpoint or adapter directory, a .gguf file, or a model name",
            reads=True,
            is_model=True,
            metavar="MODEL",
        ),
    ] = None
    data: Annotated[
        str | None,
        Flag(
            "with --harness: folder with TASK.jsonl, .json or .parquet for each task, and TASK.train.jsonl for --shots",
            reads=True,
            metavar="DIR",
        ),
    ] = None
    shots: Annotated[
        int | None,
        Flag(
            "with --harness: number of examples from TASK.train.jsonl before each question [default: as the task says]",
            minimum=0,
        ),
    ] = None
    batch_requests: Annotated[
        int | None,
        Flag("with --harness: number of (question, choice) pairs to compute at once [default: 8]", minimum=1),
    ] = None
    dtype: Annotated[
        str | None,
        Flag(f"with --harness: {DTYPE_HELP} [default: auto]", choices=("auto", "float32", "bfloat16")),
    ] = None
    device: Annotated[
        str | None,
        Flag("with --harness: where the model runs: auto, cpu, cuda, cuda:1 or mps [default: auto]", neutral=True),
    ] = None


def check_harness_flags(settings: Any) -> None:
    """Raise UserError for a flag that would be ignored, and for a flag that is missing."""
    named = {field.name: field for field in fields_of(type(settings))}
    if settings.harness is None:
        for field in dataclasses.fields(HarnessFlags):
            if getattr(settings, field.name) is not None:
                option = named[field.name].option
                raise UserError(
                    f"{option}: has an effect only with --harness\nhint: sft score --harness piqa --model M --data DIR"
                )
        if any(text.partition(":")[0] == "harness" for text in settings.metric):
            raise UserError("--metric harness: expected --harness, which measures it\nhint: sft score --harness TASKS")
        return
    if settings.generations:
        raise UserError(f"GENERATIONS: expected no file with --harness, got {settings.generations}")
    for name in NOT_WITH_HARNESS:
        if getattr(settings, name) != named[name].default:
            raise UserError(f"{named[name].option}: has no effect with --harness, whose tasks have their own measures")
    for name in ("model", "data"):
        if getattr(settings, name) is None:
            raise UserError(f"--harness: needs {named[name].option}")
    if settings.limit == 0:
        raise UserError("--limit: expected at least 1 with --harness, got 0")


def read_task_names(text: str) -> list[str]:
    """`piqa,boolq` as a list. Raises UserError for an impossible name, and for a name that is given twice."""
    names = [name.strip() for name in text.split(",")]
    for name in names:
        if not re.fullmatch(r"[\w.+-]+", name):
            raise UserError(f"--harness: expected task names with commas between them, got {text!r}")
        if names.count(name) > 1:
            raise UserError(f"--harness: {name} is given twice")
    return names
