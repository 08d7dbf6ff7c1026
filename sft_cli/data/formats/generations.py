"""What `sft generate` wrote: a conversation that ends with a question, and the completion beside it."""

from __future__ import annotations

from typing import Any

from sft_cli.data.formats.turns import conversation_row, read_text, read_turns
from sft_cli.run.errors import FieldError

FIELDS = ("messages", "completion")
# What `sft generate` adds to a row. A trained row keeps where its answer came from, in `generated`.
GENERATED = (
    *("sample", "finish_reason", "error", "prompt_tokens", "completion_tokens", "prompt_hash", "prediction"),
    *("consistency", "samples", "predictions", "repetition", "prompt_tokens_dropped", "completion_logprob"),
    *("reference_logprobs", "choice_logprobs"),
)
PROVENANCE = ("sample", "finish_reason")


def matches(record: dict[str, Any]) -> bool:
    """Whether a record has a conversation without an answer, and a completion."""
    turns = record.get("messages")
    if "completion" not in record or not isinstance(turns, list) or not turns or not isinstance(turns[-1], dict):
        return False
    return turns[-1].get("role") not in ("assistant", None)


def convert(record: dict[str, Any]) -> dict[str, Any]:
    """A row whose answer is the completion; raises FieldError for a generation that failed or was cut.

    The samples of a prompt get different ids: the first keeps its own, the others get `-s1`, `-s2`, ….
    """
    if record.get("finish_reason") == "error":
        raise FieldError("completion", "expected an answer, got a generation that failed")
    if record.get("finish_reason") == "length":
        raise FieldError("completion", "expected a whole answer, got one that was cut at the token limit")
    answer = {"role": "assistant", "content": read_text(record, "completion")}
    messages = [*read_turns(record["messages"], "messages"), answer]
    row = conversation_row(record, messages, (*FIELDS, *GENERATED))
    made = {name: record[name] for name in PROVENANCE if name in record}
    return {**row, **({"generated": made} if made else {})}


def without_completion(record: dict[str, Any]) -> dict[str, Any]:
    """The question of a generation: the record without what was generated."""
    return {name: value for name, value in record.items() if name not in ("completion", *GENERATED)}
