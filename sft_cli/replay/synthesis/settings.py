"""The flags of `replay-build --synthesize`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from sft_cli.run.flags import Flag

SHOTS = 2  # as in SSR


@dataclass(frozen=True, kw_only=True)
class SynthesisSettings:
    """How a model writes rows of old tasks."""

    group: ClassVar[str] = "Synthesis"

    synthesize: Annotated[
        str | None,
        Flag(
            "let --model write the rows: from examples of OLD (in-context), or from an empty user turn (scratch)",
            choices=("in-context", "scratch"),
        ),
    ] = None
    shots: Annotated[int | None, Flag(f"number of examples before each written row [default: {SHOTS}]", minimum=1)] = (
        None
    )
    task: Annotated[str | None, Flag("with --synthesize scratch: task of the written rows", metavar="NAME")] = None
    oversample: Annotated[
        float, Flag("write this many rows for each row to keep; filters and --select then choose", minimum=1)
    ] = 2.0
    relabel_with: Annotated[
        str | None,
        Flag("model that answers the written questions again, greedily", reads=True, is_model=True, metavar="MODEL"),
    ] = None
    max_new_tokens: Annotated[int, Flag("largest number of tokens of each text that the model writes", minimum=1)] = 512
    temperature: Annotated[float, Flag("temperature of sampling", above=0)] = 0.9
    top_p: Annotated[
        float, Flag("sample from the most likely tokens that together have this probability", above=0, maximum=1)
    ] = 0.6
    repetition_penalty: Annotated[
        float, Flag("divide the scores of tokens that the examples or the text already have; 1 is off", above=0)
    ] = 1.0
