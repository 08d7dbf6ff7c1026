"""The flags of `sft score --harness`, and which flags go together."""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass
from typing import Annotated, Any

from sft_cli.run.errors import UserError
from sft_cli.run.flags import DTYPE_HELP, Flag, fields_of

NOT_WITH_HARNESS = ("metric", "tokenizer", "on_error", "rejects")


@dataclass(frozen=True, kw_only=True)
class HarnessFlags:
    """Flags of `sft score --harness`; all but the first are None unless given."""

    harness: Annotated[
        str | None,
        Flag(
            "instead of generations: run lm-evaluation-harness, offline, on these of its tasks (piqa,boolq)",
            metavar="TASKS",
        ),
    ] = None
    model: Annotated[
        str | None,
        Flag(
            "with --harness: checkpoint or adapter directory, .gguf file, or a name",
            reads=True,
            is_model=True,
            metavar="MODEL",
        ),
    ] = None
    data: Annotated[
        str | None,
        Flag(
            "with --harness: folder that holds TASK.jsonl, .json or .parquet for each task, and TASK.train.jsonl for "
            "--shots",
            reads=True,
            metavar="DIR",
        ),
    ] = None
    shots: Annotated[
        int | None,
        Flag(
            "with --harness: examples before each question, drawn from TASK.train.jsonl [default: the task's own]",
            minimum=0,
        ),
    ] = None
    batch_requests: Annotated[
        int | None, Flag("with --harness: questions, each with one of its choices, at once [default: 8]", minimum=1)
    ] = None
    dtype: Annotated[
        str | None,
        Flag(f"with --harness: {DTYPE_HELP} [default: auto]", choices=("auto", "float32", "bfloat16")),
    ] = None
    device: Annotated[
        str | None, Flag("with --harness: auto, cpu, cuda, cuda:1, mps [default: auto]", neutral=True)
    ] = None


def check_harness_flags(settings: Any) -> None:
    """Raise UserError for a flag that would be ignored, or one that is missing."""
    named = {field.name: field for field in fields_of(type(settings))}
    if settings.harness is None:
        for field in dataclasses.fields(HarnessFlags):
            if getattr(settings, field.name) is not None:
                option = named[field.name].option
                raise UserError(
                    f"{option}: only works with --harness\nhint: sft score --harness piqa --model M --data DIR"
                )
        if any(text.partition(":")[0] == "harness" for text in settings.metric):
            raise UserError("--metric harness: lm-evaluation-harness measures it\nhint: sft score --harness TASKS")
        return
    if settings.generations:
        raise UserError(f"GENERATIONS: --harness asks the model itself, so it reads none; got {settings.generations}")
    for name in NOT_WITH_HARNESS:
        if getattr(settings, name) != named[name].default:
            raise UserError(f"{named[name].option}: does not work with --harness, whose tasks bring their own measures")
    for name in ("model", "data"):
        if getattr(settings, name) is None:
            raise UserError(f"--harness: needs {named[name].option}")
    if settings.limit == 0:
        raise UserError("--limit: expected at least 1 with --harness, got 0")


def read_task_names(text: str) -> list[str]:
    """`piqa,boolq` as a list. Raises UserError for a name that cannot be one, or one that is given twice."""
    names = [name.strip() for name in text.split(",")]
    for name in names:
        if not re.fullmatch(r"[\w.+-]+", name):
            raise UserError(f"--harness: expected names of tasks with commas between them, got {text!r}")
        if names.count(name) > 1:
            raise UserError(f"--harness: {name} is given twice")
    return names
