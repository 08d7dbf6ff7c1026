"""The flags of `generate`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, ClassVar

from sft_cli.data.prompting import TEMPLATES
from sft_cli.decoding.engines.settings import EngineSettings
from sft_cli.decoding.presets import PRESETS
from sft_cli.run.flags import Common, Flag, ReadsRows, RunsModel


@dataclass(frozen=True, kw_only=True)
class PromptSettings:
    """The model, and what it is asked."""

    group: ClassVar[str] = "Data"

    model: Annotated[
        str,
        Flag(
            "model to run: a checkpoint or adapter directory, a hub id, a .gguf file, or smollm2-135m-instruct",
            positional=True,
            reads=True,
            is_model=True,
            metavar="MODEL",
            group="Model and adapter",
            is_usual=True,
        ),
    ]
    prompts: Annotated[
        str,
        Flag(
            "rows, or plain text (stdin or a .txt file) with one prompt per line; - is stdin",
            positional=True,
            reads=True,
            metavar="PROMPTS",
            is_usual=True,
        ),
    ] = "-"
    prompt: Annotated[
        list[str], Flag("use this prompt instead of PROMPTS; repeatable", metavar="TEXT", is_usual=True)
    ] = field(default_factory=list)
    raw_text: Annotated[bool, Flag("continue plain text as it is, without the chat template")] = False
    system: Annotated[str | None, Flag("add this system turn to conversations without one", metavar="TEXT")] = None


@dataclass(frozen=True, kw_only=True)
class DecodingSettings:
    """How the next token is chosen, and how long a completion is."""

    group: ClassVar[str] = "Decoding"

    preset: Annotated[
        str | None,
        Flag(
            "a named set of decoding settings, in place of those of the checkpoint; a flag such as --top-p wins",
            choices=tuple(PRESETS),
            is_usual=True,
        ),
    ] = None
    # Without a flag, the value comes from the preset, from the checkpoint's generation_config, or from `Decoding`
    # (decoding/values.py).
    max_new_tokens: Annotated[
        int | None,
        Flag(
            "longest completion in tokens; 0 only computes log-probabilities [default: 256]", minimum=0, is_usual=True
        ),
    ] = None
    num_beams: Annotated[int | None, Flag("number of beams in beam search; 1 is greedy", minimum=1)] = None
    length_penalty: Annotated[
        float | None,
        Flag("divide the log-probability of a beam by length^X; above 0 favours long completions"),
    ] = None
    early_stopping: Annotated[
        str | None,
        Flag(
            "beam search ends: yes = when enough beams are finished; no = when a better beam is unlikely; "
            "never = when a better beam is impossible",
            choices=("yes", "no", "never"),
        ),
    ] = None
    temperature: Annotated[
        float | None, Flag("0 takes the most likely token (greedy); above 0 samples", minimum=0, is_usual=True)
    ] = None
    top_k: Annotated[int | None, Flag("sample from the k most likely tokens; 0 is off", minimum=0)] = None
    top_p: Annotated[
        float | None,
        Flag(
            "sample from the most likely tokens that together have this probability", above=0, maximum=1, is_usual=True
        ),
    ] = None
    min_p: Annotated[
        float | None,
        Flag("sample from tokens with at least this share of the highest probability; 0 is off", minimum=0, maximum=1),
    ] = None


@dataclass(frozen=True, kw_only=True)
class ControlSettings:
    """What a completion must or must not contain."""

    group: ClassVar[str] = "Penalties and constraints"

    repetition_penalty: Annotated[
        float | None,
        Flag(
            "divide the scores of tokens that the prompt or the completion already has; 1 is off",
            above=0,
            is_usual=True,
        ),
    ] = None
    presence_penalty: Annotated[
        float, Flag("subtract this from the score of each token that the completion already has")
    ] = 0.0
    frequency_penalty: Annotated[
        float, Flag("subtract this from the score of a token for each time that the completion has it")
    ] = 0.0
    no_repeat_ngram_size: Annotated[
        int | None, Flag("never write an n-gram of this length twice in a completion; 0 is off", minimum=0)
    ] = None
    ngram_scope: Annotated[
        str,
        Flag(
            "where --no-repeat-ngram-size looks for n-grams: in the completion, or also in the prompt",
            choices=("completion", "all"),
        ),
    ] = "completion"
    bad_words: Annotated[list[str], Flag("never write this text; repeatable", metavar="TEXT")] = field(
        default_factory=list
    )
    stop: Annotated[list[str], Flag("end a completion before this text; repeatable", metavar="TEXT", is_usual=True)] = (
        field(default_factory=list)
    )
    forced_prefix: Annotated[str, Flag("begin every completion with this text", metavar="TEXT")] = ""
    json_schema: Annotated[
        str | None,
        Flag("write only JSON that conforms to the schema in this file", reads=True, metavar="FILE", is_usual=True),
    ] = None
    regex: Annotated[str | None, Flag("write only text that matches this regular expression", metavar="PATTERN")] = None


@dataclass(frozen=True, kw_only=True)
class TemplateSettings:
    """How the prompt is built from a row."""

    group: ClassVar[str] = "Data"

    diagnose_repetition: Annotated[
        bool, Flag("also write how much each completion repeats itself, and where a loop begins", group="Answers")
    ] = False
    prompt_overflow: Annotated[
        str,
        Flag(
            "for a prompt that is too long: write an error row, cut the beginning, or skip it; all are counted",
            choices=("error", "truncate-left", "skip"),
        ),
    ] = "error"
    prompt_template: Annotated[
        list[str],
        Flag(
            f"build each prompt with a template: {', '.join(TEMPLATES)}, or a Jinja FILE.j2; repeatable",
            reads=True,
            suffix=".j2",
            metavar="NAME",
            starts="sft_cli.data.prompting:TEMPLATES",
            is_usual=True,
        ),
    ] = field(default_factory=list)
    examples: Annotated[
        str | None, Flag("rows with answers to show before each prompt", reads=True, metavar="FILE")
    ] = None
    shots: Annotated[int | None, Flag("number of --examples to show [default: all]", minimum=0)] = None


@dataclass(frozen=True, kw_only=True)
class AnswerSettings:
    """Several completions of a prompt, and what is read out of them."""

    group: ClassVar[str] = "Answers"

    samples: Annotated[int, Flag("number of completions per row", minimum=1, is_usual=True)] = 1
    extract: Annotated[
        str | None,
        Flag(
            "also write the answer that this rule finds in each completion: number, line (the last), "
            "boxed, marked (after `Answer:`), none (all of it), json:FIELD, regex:PATTERN, labels:A/B, choices",
            metavar="RULE",
            starts="sft_cli.decoding.self_consistency:RULE_NAMES",
            is_usual=True,
        ),
    ] = None
    consistency: Annotated[
        str | None,
        Flag(
            "sample to write: majority = the most frequent answer; agreement = the most similar to the others; "
            "filter = majority, but only if enough agree",
            choices=("majority", "agreement", "filter"),
        ),
    ] = None
    min_agreement: Annotated[
        float | None,
        Flag(
            "with --consistency filter: minimum share of samples with the same answer [default: 1]; without "
            "--extract: minimum mean F1 of all pairs",
            minimum=0,
            maximum=1,
        ),
    ] = None
    retry_errors: Annotated[
        bool,
        Flag(
            "generate again only the rows that failed in an existing or interrupted output",
            neutral=True,
            group="Engine",
        ),
    ] = False


@dataclass(frozen=True, kw_only=True)
class LogprobSettings:
    """Log-probabilities of completions, and of texts that are given."""

    group: ClassVar[str] = "Log-probabilities"

    completion_logprobs: Annotated[
        bool, Flag("also write the log-probability of each completion, before temperature, penalties and constraints")
    ] = False
    logprobs: Annotated[bool, Flag("also write the log-probability of each reference")] = False
    choices: Annotated[bool, Flag("also write the log-probability of each choice of a row", is_usual=True)] = False
    echo_logprobs: Annotated[
        bool, Flag("write the log-probability of each row's raw text, in sliding windows, and no completions")
    ] = False
    window_stride: Annotated[
        int | None,
        Flag(
            "number of tokens from one window's start to the next window's start [default: half of the context]",
            minimum=1,
        ),
    ] = None


# Bases are listed last to first: a dataclass takes the fields of its last base first.
@dataclass(frozen=True, kw_only=True)
class GenerateSettings(
    LogprobSettings,
    AnswerSettings,
    TemplateSettings,
    ControlSettings,
    DecodingSettings,
    EngineSettings,
    PromptSettings,
    Common,
    ReadsRows,
    RunsModel,
):
    """Flags of `sft generate`."""

    group: ClassVar[str] = "Decoding"

    show: Annotated[
        int,
        Flag(
            "print the first N prompts to stderr, as the model reads them",
            minimum=0,
            neutral=True,
            group="Data",
            is_usual=True,
        ),
    ] = 0
    batch_tokens: Annotated[
        int,
        Flag(
            "largest number of tokens in memory at once, prompts and completions together",
            minimum=1,
            group="Devices",
            is_usual=True,
        ),
    ] = 32768
    seed: Annotated[int, Flag("seed of sampling", minimum=0, is_usual=True)] = 0
    generation_config: Annotated[
        str,
        Flag(
            "source of the decoding settings that no flag sets: the checkpoint's generation_config, or sft's "
            "defaults (none)",
            choices=("checkpoint", "none"),
        ),
    ] = "checkpoint"
