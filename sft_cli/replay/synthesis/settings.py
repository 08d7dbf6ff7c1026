"""The flags of `replay-build --synthesize`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from sft_cli.run.flags import Flag

SHOTS = 2  # as in SSR


@dataclass(frozen=True, kw_only=True)
class SynthesisSettings:
    """How a model writes rows of old tasks."""

    synthesize: Annotated[
        str | None,
        Flag(
            "let the --model write the rows: like examples out of OLD (in-context), or from the bare beginning of a "
            "user's turn (scratch)",
            choices=("in-context", "scratch"),
        ),
    ] = None
    shots: Annotated[int | None, Flag(f"examples that each row is written after; else {SHOTS}", minimum=1)] = None
    task: Annotated[str | None, Flag("task of the rows that are written from scratch", metavar="NAME")] = None
    oversample: Annotated[
        float, Flag("rows that are written for each one kept, before the filters and the choice", minimum=1)
    ] = 2.0
    relabel_with: Annotated[
        str | None,
        Flag("the model that answers the written questions anew, greedily", reads=True, is_model=True, metavar="MODEL"),
    ] = None
    max_new_tokens: Annotated[int, Flag("longest text that is written at a time, in tokens", minimum=1)] = 512
    temperature: Annotated[float, Flag("temperature of what is written", above=0)] = 0.9
    top_p: Annotated[float, Flag("write with the likeliest tokens that hold this probability", above=0, maximum=1)] = (
        0.6
    )
    repetition_penalty: Annotated[
        float, Flag("divide the scores of tokens already seen, the examples' too; 1 is off", above=0)
    ] = 1.0
