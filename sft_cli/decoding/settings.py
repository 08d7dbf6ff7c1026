"""The flags of `generate`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

from sft_cli.decoding.engines import ENGINES
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
            is_model=True,
            metavar="MODEL",
        ),
    ]
    prompts: Annotated[
        str,
        Flag(
            "rows, or plain text (stdin, or a .txt file), a question a line; - is stdin",
            positional=True,
            reads=True,
            metavar="PROMPTS",
        ),
    ] = "-"
    prompt: Annotated[list[str], Flag("ask this, instead of PROMPTS; repeatable", metavar="TEXT")] = field(
        default_factory=list
    )
    raw_text: Annotated[bool, Flag("continue plain text as it stands, without the chat template")] = False
    system: Annotated[str | None, Flag("a system turn for conversations that have none", metavar="TEXT")] = None
    base: Annotated[
        str | None,
        Flag("the model that an adapter goes on, instead of the one that it names", reads=True, is_model=True),
    ] = None
    engine: Annotated[str, Flag("what writes the completions", choices=ENGINES)] = "transformers"
    column: Annotated[
        str | None,
        Flag("which progressive column answers; base is the model without any; the newest if not given"),
    ] = None
    tensor_parallel_size: Annotated[int, Flag("GPUs that share each layer, by vLLM", minimum=1, neutral=True)] = 1
    pipeline_parallel_size: Annotated[int, Flag("GPUs that share the layers out, by vLLM", minimum=1, neutral=True)] = 1
    base_url: Annotated[
        str | None, Flag("where the server of --engine openai is, such as http://localhost:8000/v1", metavar="URL")
    ] = None
    concurrency: Annotated[int, Flag("requests at a time", minimum=1, neutral=True)] = 16
    requests_per_minute: Annotated[
        float | None, Flag("begin at most so many requests per minute", above=0, neutral=True)
    ] = None
    retries: Annotated[
        int, Flag("how often a request that failed is sent again, after growing pauses", minimum=0, neutral=True)
    ] = 5
    request_timeout: Annotated[float, Flag("seconds that a request may take", above=0, neutral=True)] = 600.0
    extra_body: Annotated[str | None, Flag("more fields of every request; null takes one out", metavar="JSON")] = None
    write_batch: Annotated[bool, Flag("write the requests as a batch file of OpenAI's format; send nothing")] = False
    read_batch: Annotated[
        str | None, Flag("take the completions from the results of such a file", reads=True, metavar="FILE")
    ] = None
    # What is not given is taken from the checkpoint's generation_config, else from `Decoding` (decoding/values.py).
    max_new_tokens: Annotated[
        int | None,
        Flag("longest completion in tokens, else 256; 0 writes log-probabilities alone", minimum=0),
    ] = None
    num_beams: Annotated[int | None, Flag("beam search with so many beams; 1 is greedy", minimum=1)] = None
    length_penalty: Annotated[
        float | None,
        Flag("a beam's log-probability is divided by its length to this power: above 0 favours long ones"),
    ] = None
    early_stopping: Annotated[
        str | None,
        Flag(
            "when beam search ends: as many done as beams (yes), a better one is unlikely (no), or impossible (never)",
            choices=("yes", "no", "never"),
        ),
    ] = None
    temperature: Annotated[float | None, Flag("0 takes the likeliest token (greedy); above 0 samples", minimum=0)] = (
        None
    )
    top_k: Annotated[int | None, Flag("sample from the k likeliest tokens; 0 is off", minimum=0)] = None
    top_p: Annotated[
        float | None, Flag("sample from the likeliest tokens that hold this probability", above=0, maximum=1)
    ] = None
    min_p: Annotated[
        float | None,
        Flag(
            "sample from tokens with at least this share of the likeliest's probability; 0 is off", minimum=0, maximum=1
        ),
    ] = None
    repetition_penalty: Annotated[
        float | None, Flag("divide the scores of tokens already seen, the prompt's too; 1 is off", above=0)
    ] = None
    presence_penalty: Annotated[float, Flag("subtract this from the scores of tokens already written")] = 0.0
    frequency_penalty: Annotated[
        float, Flag("subtract this from the scores of tokens already written, for each time")
    ] = 0.0
    no_repeat_ngram_size: Annotated[
        int | None, Flag("never write an n-gram twice in a completion; 0 is off", minimum=0)
    ] = None
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
    prompt_template: Annotated[
        str | None,
        Flag(
            "ask each row by a template: context-only, evidence, role, chain-of-thought, direct, or a Jinja FILE.j2",
            reads=True,
            suffix=".j2",
            metavar="NAME",
        ),
    ] = None
    examples: Annotated[
        str | None, Flag("rows with answers, shown before each question", reads=True, metavar="FILE")
    ] = None
    shots: Annotated[int | None, Flag("how many of the --examples; all if not given", minimum=0)] = None
    samples: Annotated[int, Flag("completions per row", minimum=1)] = 1
    extract: Annotated[
        str | None,
        Flag(
            "also write the answer in each completion: number, line, boxed, marked, none (the whole), json:FIELD, "
            "regex:PATTERN, labels:A/B, choices",
            metavar="RULE",
        ),
    ] = None
    consistency: Annotated[
        str | None,
        Flag(
            "of a prompt's samples write one: with the most frequent answer (majority), nearest to the others by token "
            "F1 (agreement), or none if they contradict each other (filter)",
            choices=("majority", "agreement", "filter"),
        ),
    ] = None
    min_agreement: Annotated[
        float | None,
        Flag(
            "what filter asks for: the share of the majority, else 1; without --extract the mean F1 of pairs",
            minimum=0,
            maximum=1,
        ),
    ] = None
    retry_errors: Annotated[
        bool, Flag("of an output that is there already, or was begun, make only the rows that failed", neutral=True)
    ] = False
    logprobs: Annotated[bool, Flag("also write the log-probability of each reference")] = False
    choices: Annotated[bool, Flag("also write the log-probability of each of a row's choices")] = False
    echo_logprobs: Annotated[
        bool, Flag("write no completions, but the log-probability of each row's raw text, in sliding windows")
    ] = False
    window_stride: Annotated[
        int | None, Flag("tokens between windows; half of the model's context if not given", minimum=1)
    ] = None
    show: Annotated[
        int, Flag("print the first N prompts, as the model reads them, to stderr", minimum=0, neutral=True)
    ] = 0
    batch_tokens: Annotated[int, Flag("tokens in memory at a time, prompts and completions", minimum=1)] = 32768
    seed: Annotated[int, Flag("seed of sampling", minimum=0)] = 0
    generation_config: Annotated[
        str,
        Flag(
            "where decoding flags that are not given come from: the checkpoint's generation_config, or nowhere (none)",
            choices=("checkpoint", "none"),
        ),
    ] = "checkpoint"
