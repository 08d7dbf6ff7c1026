"""OpenAI's files: batches of chat requests and their outputs, and fine-tuning files by OpenAI's own rules."""

from __future__ import annotations

from typing import Any

from sft_cli.data.formats.turns import conversation_row, read_turn, read_turns
from sft_cli.run.errors import FieldError, shown

FIELDS = ("custom_id", "body", "response", "preferred_output")
CHAT_URL = "/chat/completions"
# The checks of OpenAI's cookbook (chat_finetuning_data_prep), with the keys that its API has added since.
OPENAI_ROLES = ("system", "developer", "user", "assistant", "tool", "function")
OPENAI_KEYS = (
    *("role", "content", "name", "function_call", "weight"),
    *("tool_calls", "tool_call_id", "refusal", "audio", "annotations"),
)


def matches(record: dict[str, Any]) -> bool:
    """Whether a record is a request or an output of a batch, or a pair of preferences, which `convert` refuses."""
    return ("custom_id" in record and is_batch(record)) or "preferred_output" in record


def is_batch(record: dict[str, Any]) -> bool:
    """Whether a record is a request or an output of a batch."""
    if "custom_id" not in record:
        return False
    has_parts = any(isinstance(record.get(name), dict) for name in ("body", "response"))
    return has_parts or ("response" in record and isinstance(record.get("error"), dict))


def convert(record: dict[str, Any]) -> dict[str, Any]:
    """A row from a line of a batch, or of a fine-tuning file; raises FieldError for the first bad field.

    The answer of a batch is in its output; --requests joins it with its request. The settings of the request, and what
    the server says beside the answer, stay in `body` and `response`.
    """
    refuse_preferences(record)
    if not is_batch(record):
        return _fine_tuning_row(record)
    answer = _output_turn(record) if record.get("response") is not None or record.get("error") is not None else []
    body = record.get("body")
    if not isinstance(body, dict):
        problem = "expected the request beside its answer, got only the answer"
        raise FieldError("body", problem, "--requests FILE names the file of the requests")
    url = record.get("url")
    if isinstance(url, str) and not url.endswith(CHAT_URL):
        raise FieldError("url", f"expected /v1{CHAT_URL}, got {shown(url)}")
    _check_turns(body, "body.messages")
    messages = [*read_turns(body["messages"], "body.messages"), *answer]
    rest = {key: value for key, value in body.items() if key not in ("messages", "tools")}
    row = {**record, "tools": body.get("tools"), "body": rest}
    if answer:
        response = record["response"]
        row["response"] = {**response, "body": {k: v for k, v in response["body"].items() if k != "choices"}}
    return conversation_row(row, messages, ("id", "error"))


def refuse_preferences(record: dict[str, Any]) -> None:
    """Raise FieldError for a record with a better and a worse answer: sft learns from one answer."""
    if "preferred_output" in record:
        cure = "--map prompt=input.messages --map completion=preferred_output reads the better answer"
        raise FieldError("preferred_output", "expected one answer, got a pair of preferences", cure)


def _output_turn(record: dict[str, Any]) -> list[dict[str, Any]]:
    """The assistant turn of an output; raises FieldError for a request that failed and for an answer that is cut."""
    if record.get("error") is not None:
        raise FieldError("error", f"expected an answer, got {shown(record['error'])}")
    response = record["response"]
    if not isinstance(response, dict):
        raise FieldError("response", f"expected an object, got {shown(response)}")
    if response.get("status_code", 200) != 200:
        raise FieldError("response.status_code", f"expected 200, got {shown(response['status_code'])}")
    body = response.get("body")
    choices = body.get("choices") if isinstance(body, dict) else None
    if not isinstance(choices, list) or len(choices) != 1 or not isinstance(choices[0], dict):
        got = f"{len(choices)} answers" if isinstance(choices, list) else shown(choices)
        raise FieldError("response.body.choices", f"expected a list of one answer, got {got}")
    place = "response.body.choices[0]"
    if choices[0].get("finish_reason") in ("length", "content_filter"):
        reason = shown(choices[0]["finish_reason"])
        raise FieldError(f"{place}.finish_reason", f"expected a whole answer, got one that was cut: {reason}")
    message = choices[0].get("message")
    if not isinstance(message, dict):
        raise FieldError(f"{place}.message", f"expected an object with role and content, got {shown(message)}")
    if message.get("refusal"):
        raise FieldError(f"{place}.message.refusal", f"expected an answer, got a refusal: {shown(message['refusal'])}")
    return [read_turn({"role": "assistant", **message}, f"{place}.message")]


def _fine_tuning_row(record: dict[str, Any]) -> dict[str, Any]:
    """The row of a record by the rules of OpenAI's fine-tuning."""
    _check_turns(record, "messages")
    messages = read_turns(record["messages"], "messages")
    if not any(message["role"] == "assistant" for message in messages):
        raise FieldError("messages", "expected an assistant turn, got none")
    return conversation_row(record, messages, ("messages",))


def _check_turns(holder: dict[str, Any], field: str) -> None:
    """Raise FieldError for the first turn that OpenAI's checker does not accept."""
    turns = holder.get("messages")
    if not isinstance(turns, list) or not turns:
        raise FieldError(field, f"expected a list of turns, got {shown(turns) if 'messages' in holder else 'nothing'}")
    for index, turn in enumerate(turns):
        where = f"{field}[{index}]"
        if not isinstance(turn, dict):
            raise FieldError(where, f"expected an object with role and content, got {shown(turn)}")
        for name in turn:
            if name not in OPENAI_KEYS:
                raise FieldError(f"{where}.{name}", f"expected one of {', '.join(OPENAI_KEYS)}, got {shown(name)}")
        role = turn.get("role")
        if role not in OPENAI_ROLES:
            got = shown(role) if "role" in turn else "nothing"
            raise FieldError(f"{where}.role", f"expected one of {', '.join(OPENAI_ROLES)}, got {got}")
        if not turn.get("content") and not turn.get("tool_calls") and not turn.get("function_call"):
            got = shown(turn["content"]) if "content" in turn else "nothing"
            raise FieldError(f"{where}.content", f"expected text, got {got}")
        weight = turn.get("weight")
        if weight is not None and (weight not in (0, 1) or role != "assistant"):
            wanted = "0 or 1" if role == "assistant" else "a weight only in an assistant turn"
            raise FieldError(f"{where}.weight", f"expected {wanted}, got {shown(weight)}")
