"""The flags of `generate`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

from sft_cli.run.errors import UserError
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
    num_beams: Annotated[int, Flag("beam search with so many beams; 1 is greedy", minimum=1)] = 1
    length_penalty: Annotated[
        float, Flag("a beam's log-probability is divided by its length to this power: above 0 favours long ones")
    ] = 1.0
    early_stopping: Annotated[
        str,
        Flag(
            "when beam search ends: as many done as beams (yes), a better one is unlikely (no), or impossible (never)",
            choices=("yes", "no", "never"),
        ),
    ] = "no"
    temperature: Annotated[float, Flag("0 takes the likeliest token (greedy); above 0 samples", minimum=0)] = 0.0
    top_k: Annotated[int, Flag("sample from the k likeliest tokens; 0 is off", minimum=0)] = 0
    top_p: Annotated[float, Flag("sample from the likeliest tokens that hold this probability", above=0, maximum=1)] = (
        1.0
    )
    min_p: Annotated[
        float,
        Flag(
            "sample from tokens with at least this share of the likeliest's probability; 0 is off", minimum=0, maximum=1
        ),
    ] = 0.0
    repetition_penalty: Annotated[
        float, Flag("divide the scores of tokens already seen, the prompt's too; 1 is off", above=0)
    ] = 1.0
    presence_penalty: Annotated[float, Flag("subtract this from the scores of tokens already written")] = 0.0
    frequency_penalty: Annotated[
        float, Flag("subtract this from the scores of tokens already written, for each time")
    ] = 0.0
    no_repeat_ngram_size: Annotated[int, Flag("never write an n-gram twice in a completion; 0 is off", minimum=0)] = 0
    ngram_scope: Annotated[
        str, Flag("where an n-gram counts: in the completion, or in the prompt, too", choices=("completion", "all"))
    ] = "completion"
    bad_words: Annotated[list[str], Flag("never write this; repeatable", metavar="TEXT")] = field(default_factory=list)
    stop: Annotated[list[str], Flag("end a completion before this text; repeatable", metavar="TEXT")] = field(
        default_factory=list
    )
    forced_prefix: Annotated[str, Flag("every completion begins with this", metavar="TEXT")] = ""
    json_schema: Annotated[
        str | None, Flag("write only JSON that follows the schema in this file", reads=True, metavar="FILE")
    ] = None
    regex: Annotated[str | None, Flag("write only what this regular expression matches", metavar="PATTERN")] = None
    diagnose_repetition: Annotated[
        bool, Flag("also write how much each completion repeats itself, and where a loop began")
    ] = False
    prompt_overflow: Annotated[
        str,
        Flag(
            "a prompt too long for the model: an error row, or cut at its beginning, or left out; all are counted",
            choices=("error", "truncate-left", "skip"),
        ),
    ] = "error"
    samples: Annotated[int, Flag("completions per row", minimum=1)] = 1
    logprobs: Annotated[bool, Flag("also write the log-probability of each reference")] = False
    choices: Annotated[bool, Flag("also write the log-probability of each of a row's choices")] = False
    batch_tokens: Annotated[int, Flag("tokens in memory at a time, prompts and completions", minimum=1)] = 16384
    seed: Annotated[int, Flag("seed of sampling", minimum=0)] = 0


def check_controls(settings: GenerateSettings) -> None:
    """Raise UserError for flags that say nothing beside the others, or contradict them."""
    if settings.num_beams > 1:
        if settings.temperature > 0:
            raise UserError("--num-beams: beam search takes the likeliest texts, got --temperature above 0")
        for flag, value in (("--json-schema", settings.json_schema), ("--regex", settings.regex)):
            if value is not None:
                raise UserError(f"{flag}: beams change places, so that no grammar can follow them\nhint: --num-beams 1")
    elif settings.length_penalty != 1 or settings.early_stopping != "no":
        flag = "--length-penalty" if settings.length_penalty != 1 else "--early-stopping"
        raise UserError(f"{flag}: only beam search reads it\nhint: --num-beams 4")
    if settings.temperature == 0:
        for flag, given in (("--top-k", settings.top_k), ("--top-p", settings.top_p < 1), ("--min-p", settings.min_p)):
            if given:
                raise UserError(f"{flag}: says nothing at --temperature 0, which takes the likeliest token")
        if settings.samples > 1:
            raise UserError("--samples: at --temperature 0 all samples are the same")
    if settings.ngram_scope != "completion" and not settings.no_repeat_ngram_size:
        raise UserError("--ngram-scope: only --no-repeat-ngram-size reads it")
    if settings.json_schema is not None and settings.regex is not None:
        raise UserError("--json-schema: a completion follows one grammar, got --regex, too")
    if settings.forced_prefix and (settings.json_schema is not None or settings.regex is not None):
        raise UserError("--forced-prefix: a grammar decides how completions begin")
