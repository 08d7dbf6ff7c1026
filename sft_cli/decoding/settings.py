"""The flags of `generate`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from sft_cli.run.flags import Common, Flag, ReadsRows, RunsModel


@dataclass(frozen=True, kw_only=True)
class GenerateSettings(Common, ReadsRows, RunsModel):
    """Flags of `sft generate`."""

    model: Annotated[
        str,
        Flag(
            "a checkpoint or adapter directory, a hub id, a .gguf file, or smollm2-135m-instruct",
            positional=True,
            reads=True,
            metavar="MODEL",
        ),
    ]
    prompts: Annotated[str, Flag("rows; - is stdin", positional=True, reads=True, metavar="PROMPTS")] = "-"
    max_new_tokens: Annotated[
        int, Flag("longest completion in tokens; 0 writes log-probabilities alone", minimum=0)
    ] = 256
    temperature: Annotated[float, Flag("0 takes the likeliest token (greedy); above 0 samples", minimum=0)] = 0.0
    top_k: Annotated[int, Flag("sample from the k likeliest tokens; 0 is off", minimum=0)] = 0
    top_p: Annotated[float, Flag("sample from the likeliest tokens that hold this probability", above=0, maximum=1)] = (
        1.0
    )
    repetition_penalty: Annotated[
        float, Flag("divide the scores of tokens already seen, the prompt's too; 1 is off", above=0)
    ] = 1.0
    no_repeat_ngram_size: Annotated[int, Flag("never write an n-gram twice in a completion; 0 is off", minimum=0)] = 0
    samples: Annotated[int, Flag("completions per row", minimum=1)] = 1
    logprobs: Annotated[bool, Flag("also write the log-probability of each reference")] = False
    choices: Annotated[bool, Flag("also write the log-probability of each of a row's choices")] = False
    batch_tokens: Annotated[int, Flag("tokens in memory at a time, prompts and completions", minimum=1)] = 16384
    seed: Annotated[int, Flag("seed of sampling", minimum=0)] = 0
