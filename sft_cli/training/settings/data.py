"""The inputs: rows and a model to start from; and which tokens are learned."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, ClassVar

from sft_cli.run.flags import Flag

OVERFLOWS = ("error", "drop", "truncate", "split")


@dataclass(frozen=True, kw_only=True)
class DataSettings:
    """Rows, held-out rows, targets, lengths."""

    group: ClassVar[str] = "Data"

    data: Annotated[
        list[str],
        Flag("rows as `sft prep` writes them; - is stdin", positional=True, reads=True, metavar="DATA", is_usual=True),
    ] = field(default_factory=lambda: ["-"])
    model: Annotated[
        str,
        Flag(
            "model to start from: a directory, a hub id, a .gguf file, or smollm2-135m-instruct",
            reads=True,
            is_model=True,
            group="Model and adapter",
            is_usual=True,
        ),
    ]
    eval_data: Annotated[
        list[str],
        Flag(
            "held-out rows, on which the held-out loss is measured; repeatable",
            reads=True,
            metavar="FILE",
            group="Evaluation",
            is_usual=True,
        ),
    ] = field(default_factory=list)
    targets: Annotated[str, Flag("learn all assistant turns of a row, or only the last", choices=("all", "last"))] = (
        "all"
    )
    max_length: Annotated[
        int | None, Flag("longest row in tokens [default: the model's context]", minimum=2, is_usual=True)
    ] = None
    overflow: Annotated[
        str,
        Flag(
            "for rows that are too long: stop, drop them, cut them after the last answer that fits, or split raw text",
            choices=OVERFLOWS,
        ),
    ] = "error"
    token_cache: Annotated[bool, Flag("keep the encoded rows of large files for the next run", neutral=True)] = True
