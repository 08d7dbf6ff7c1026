"""The flags of `sft generate` that each engine reads; all engines read the flags that are in no list."""

from __future__ import annotations

from sft_cli.decoding.settings import GenerateSettings
from sft_cli.run.errors import UserError
from sft_cli.run.flags import fields_of
from sft_cli.run.output import is_stream
from sft_cli.run.ranks import Ranks

MODEL = {
    *("base", "dtype", "chat_template", "special_tokens_in_text", "generation_config", "prompt_overflow"),
    *("diagnose_repetition", "forced_prefix"),
}
SAMPLED = {"top_k", "min_p", "repetition_penalty", "bad_words", "regex"}
SENT = ("base_url", "concurrency", "requests_per_minute", "retries", "request_timeout")  # for requests over the network
FLAGS: dict[str, set[str]] = {
    "transformers": {
        *MODEL,
        *SAMPLED,
        *("device", "threads", "column", "batch_tokens"),
        *("completion_logprobs", "logprobs", "choices", "echo_logprobs", "window_stride"),
        *("num_beams", "length_penalty", "early_stopping", "no_repeat_ngram_size", "ngram_scope"),
    },
    "vllm": {*MODEL, *SAMPLED, "completion_logprobs", "tensor_parallel_size", "pipeline_parallel_size"},
    "openai": {
        *SENT,
        *("extra_body", "write_batch", "read_batch"),
    },
}


def check_engine_flags(settings: GenerateSettings) -> None:
    """Raise UserError for a flag that is set but that this engine does not read."""
    given = [field for field in fields_of(type(settings)) if getattr(settings, field.name) != field.default]
    for field in given:
        readers = [engine for engine, names in FLAGS.items() if field.name in names]
        if field.name in SENT and (settings.write_batch or settings.read_batch):
            raise UserError(f"{field.option}: has no effect: batch files send no requests")
        if readers and settings.engine not in readers:
            problem = f"{field.option}: expected --engine {' or '.join(readers)}, got --engine {settings.engine}"
            in_body = settings.engine == "openai" and field.name in SAMPLED
            hint = f"\nhint: --extra-body '{{\"{field.name}\": …}}', if the server knows it" if in_body else ""
            raise UserError(problem + hint)


def check_output(settings: GenerateSettings, ranks: Ranks) -> None:
    """Raise UserError if completions cannot be kept as the flags ask."""
    to_stream = settings.out == "-" or is_stream(settings.out)
    if ranks.size > 1 and to_stream:
        raise UserError("--out: several processes need a file\nhint: -o FILE, on a disk that all processes share")
    if settings.retry_errors:
        if ranks.size > 1:
            raise UserError("--retry-errors: expected one process, got several")
        if to_stream:
            raise UserError("--retry-errors: -o must name the file whose failed rows are generated again, got a stream")
        if settings.force:
            raise UserError("--retry-errors: keeps the rows that did not fail, but --force deletes them")
