"""What is read: rows and a model to start from; and which tokens are learned."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

from sft_cli.run.flags import Flag

OVERFLOWS = ("error", "drop", "truncate", "split")


@dataclass(frozen=True, kw_only=True)
class DataSettings:
    """Rows, held-out rows, targets, lengths."""

    data: Annotated[
        list[str], Flag("rows as `sft prep` writes them; - is stdin", positional=True, reads=True, metavar="DATA")
    ] = field(default_factory=lambda: ["-"])
    model: Annotated[
        str,
        Flag(
            "what to start from: a directory, a hub id, a .gguf file, or smollm2-135m-instruct",
            reads=True,
            is_model=True,
        ),
    ]
    eval_data: Annotated[
        list[str], Flag("rows for the held-out loss; may be given several times", reads=True, metavar="FILE")
    ] = field(default_factory=list)
    targets: Annotated[str, Flag("which assistant turns are learned", choices=("all", "last"))] = "all"
    max_length: Annotated[int | None, Flag("longest row in tokens; the model's context if not given", minimum=2)] = None
    overflow: Annotated[
        str,
        Flag(
            "a row that is too long: an error, dropped, cut after the last answer that fits, or (raw text) split",
            choices=OVERFLOWS,
        ),
    ] = "error"
    token_cache: Annotated[bool, Flag("keep encoded rows of large files for the next run", neutral=True)] = True
