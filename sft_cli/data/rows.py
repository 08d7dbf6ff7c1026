"""The row, which `sft prep` writes and every other command reads."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import PurePath
from typing import Any

from sft_cli.run.calls import CallText
from sft_cli.run.errors import FieldError, UserError, shown
from sft_cli.run.jsonl import read_jsonl
from sft_cli.run.ledger import Ledger
from sft_cli.run.text import one_line

Row = dict[str, Any]

# The thoughts of a model before its answer, under the names that three servers use.
THOUGHT_FIELDS = ("reasoning_content", "reasoning", "thinking")
ROLES = ("system", "user", "assistant", "tool")
PLAIN_KEYS = {"role", "content"}  # of most turns
SUFFIXES = (
    *(".gz", ".zst", ".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".parquet", ".txt"),
    *(".md", ".markdown", ".html", ".htm", ".arrow", ".feather", ".xlsx", ".tar", ".tgz"),
)


def check_row(row: Row) -> None:
    """Raise FieldError for the first field that breaks the contract; unknown keys are allowed."""
    if "messages" in row:
        if "text" in row:
            raise FieldError("text", "expected messages or text, got both")
        check_messages(row["messages"])
    elif "text" in row:
        check_text(row["text"])
    else:
        got = f"the keys {key_names(row)}" if row else "an empty object"
        raise FieldError("", f"expected messages or text, got {got}")
    for name in ("id", "task"):
        if name in row and not isinstance(row[name], str):
            raise FieldError(name, f"expected a string, got {shown(row[name])}")
    if "weight" in row:
        _check_weight(row["weight"], "weight")
    for name in ("references", "choices"):
        if name in row:
            _check_strings(row[name], name)
    if "answer" in row and not isinstance(row["answer"], (str, int, float)):
        raise FieldError("answer", f"expected a string or a number, got {shown(row['answer'])}")
    if "delimiter" in row and not isinstance(row["delimiter"], str):
        raise FieldError("delimiter", f"expected a string, got {shown(row['delimiter'])}")
    if "tools" in row and not isinstance(row["tools"], list):
        raise FieldError("tools", f"expected a list, got {shown(row['tools'])}")
    for index, tool in enumerate(row.get("tools") or ()):
        if not isinstance(tool, dict):
            raise FieldError(f"tools[{index}]", f"expected an object, got {shown(tool)}")


def check_text(text: Any) -> None:
    """Raise FieldError if raw text is not a string, or is empty."""
    if not isinstance(text, str) or not text:
        raise FieldError("text", f"expected a string that is not empty, got {shown(text)}")


def check_messages(messages: Any) -> None:
    """Raise FieldError for the first turn that breaks the contract, or if there are no turns."""
    if not isinstance(messages, list) or not messages:
        raise FieldError("messages", f"expected a list with at least one message, got {shown(messages)}")
    for index, message in enumerate(messages):
        if not isinstance(message, dict):
            raise FieldError(f"messages[{index}]", f"expected an object with role and content, got {shown(message)}")
        if message.get("role") not in ROLES:
            raise FieldError(
                f"messages[{index}].role",
                f"expected system, user, assistant or tool, got {_shown_key(message, 'role')}",
            )
        if len(message) > 2 or "content" not in message:
            _check_extras(message, f"messages[{index}]")
        if not isinstance(message.get("content"), str) and not (
            message.get("content") is None and message.get("tool_calls")
        ):
            raise FieldError(f"messages[{index}].content", f"expected a string, got {_shown_key(message, 'content')}")


def _check_extras(message: dict[str, Any], where: str) -> None:
    if "weight" in message:
        _check_weight(message["weight"], f"{where}.weight")
    calls = message.get("tool_calls")
    if calls is not None and not (isinstance(calls, list) and all(isinstance(call, dict) for call in calls)):
        raise FieldError(f"{where}.tool_calls", f"expected a list of objects, got {shown(calls)}")


def _check_weight(weight: Any, field: str) -> None:
    is_number = isinstance(weight, (int, float)) and not isinstance(weight, bool)
    if not is_number or not 0 <= weight <= sys.float_info.max:
        raise FieldError(field, f"expected a number of at least 0, got {shown(weight)}")


def _check_strings(value: Any, field: str) -> None:
    if not isinstance(value, list):
        raise FieldError(field, f"expected a list of strings, got {shown(value)}")
    for index, item in enumerate(value):
        if not isinstance(item, str):
            raise FieldError(f"{field}[{index}]", f"expected a string, got {shown(item)}")


def _shown_key(record: dict[str, Any], key: str) -> str:
    return shown(record[key]) if key in record else "nothing"


def check_need(row: Row, need: str) -> None:
    """Raise FieldError if a checked row does not have what a command needs: `target` to learn, `prompt` to answer."""
    messages = row.get("messages")
    if messages is None:
        return
    if need == "target" and not any(message["role"] == "assistant" for message in messages):
        cure = "sft prep --map NEW=OLD names the field of the answer, for example --map answer=reply"
        raise FieldError("messages", "expected an assistant turn, got none", cure)
    for index, message in enumerate(messages if need == "target" else []):
        # Only the stop token would be learned: the model would learn to answer nothing.
        if message["role"] == "assistant" and message.get("weight") != 0 and not says_something(message):
            problem = f"expected text or tool calls to learn, got {_shown_key(message, 'content')}"
            raise FieldError(f"messages[{index}].content", problem)
    if need == "prompt" and len(messages) == 1 and messages[0]["role"] == "assistant":
        raise FieldError("messages", "expected a user turn before the assistant turn, got only an assistant turn")


def read_rows(paths: list[str], ledger: Ledger, limit: int | None = None, need: str = "") -> Iterator[tuple[str, Row]]:
    """Yield (`file:line`, row) from JSONL files of rows; bad rows go to the ledger.

    `need` is `target` (an assistant turn, or text), `prompt` (something to answer) or empty. A row without an id gets
    an id from its prompt (data.identity). `limit` counts good and bad rows together.
    """
    from sft_cli.data.identity import Ids

    done, ids = 0, Ids()
    ledger.kept = ledger.kept or 0
    for path in paths:
        refuse_terminal(path)
        is_first = True
        if limit is not None and done >= limit:
            return
        for line, row in read_jsonl(path):
            where = f"{'<stdin>' if path == '-' else path}:{line}"
            done += 1
            try:
                if isinstance(row, FieldError):
                    raise row
                check_row(row)
                if need:
                    check_need(row, need)
            except FieldError as error:
                ledger.reject(where, error, row if isinstance(row, dict) else None)
                if is_first and (cure := _conversion_hint(path, row)):
                    ledger.hint = ledger.hint or cure
                    if ledger.on_error == "stop":  # not a file of rows: its other lines would have the same error
                        return
            else:
                ledger.kept = (ledger.kept or 0) + 1
                yield where, row if "id" in row else {"id": ids.of(row), **row}
            is_first = False
            if limit is not None and done >= limit:
                return


def _conversion_hint(path: str, row: Row | FieldError) -> str:
    """The command that turns this file into rows, if its first line shows another format."""
    from sft_cli.data.formats import detect

    source, this = ("", "input") if path == "-" else (f" {path}", "file")
    if isinstance(row, FieldError):
        kind = PurePath(path.removesuffix(".gz").removesuffix(".zst")).suffix
        is_other = row.problem.endswith(("got list", ": [")) or kind in SUFFIXES[4:]
        return f"sft prep{source} converts this {this}" if is_other else ""
    name = detect(row)
    if name is None or "text" in row or (name == "messages" and "messages" in row):
        return ""
    return f"sft prep --format {name}{source} converts this {this}"


def refuse_terminal(path: str) -> None:
    """Raise UserError if `path` is stdin and stdin is a terminal."""
    if path == "-" and sys.stdin.isatty():
        raise UserError("stdin: expected data, got a terminal\nhint: name a file, or use a pipe: sft … | sft …")


def stems(paths: list[str]) -> list[str]:
    """A short name for each input, for the task of its rows; inputs with one name get different numbers."""
    names: list[str] = []
    for path in paths:
        name = "row" if path == "-" else PurePath(path).name
        while (suffix := PurePath(name).suffix) in SUFFIXES:
            name = name.removesuffix(suffix)
        name = name.replace(":", "-")
        names.append(name if name not in names else f"{name}.{len(names) + 1}")
    return names


def as_prompt(row: Row) -> Row:
    """The row as a question: a last assistant turn moves to `references`, unless the row has references."""
    messages = row.get("messages")
    if not messages or messages[-1]["role"] != "assistant":
        return row
    prompt = {**row, "messages": messages[:-1]}
    if "references" not in row:
        said = turn_text(messages[-1])
        prompt["references"] = [CallText.of(said, messages[-1]) if messages[-1].get("tool_calls") else said]
    return prompt


def says_something(message: dict[str, Any]) -> bool:
    """Whether there is something to learn in an assistant turn: words, tool calls or thoughts."""
    texts = [message.get("content"), *(message.get(name) for name in THOUGHT_FIELDS)]
    return bool(message.get("tool_calls")) or any(isinstance(text, str) and text.strip() for text in texts)


def turn_text(message: dict[str, Any]) -> str:
    """The words of a turn: its content, and its tool calls as JSON."""
    content = message.get("content") or ""
    if not message.get("tool_calls"):
        return content
    calls = json.dumps([call.get("function", call) for call in message["tool_calls"]], ensure_ascii=False)
    return f"{content}\n{calls}" if content else calls


def content_key(row: Row) -> list[Any]:
    """The content by which two rows are the same: their words, without ids, weights and sources."""
    if "text" in row:
        return [row["text"]]
    turns = [[message.get("content") or "", _told_of(message)] for message in row["messages"]]
    return [turns, row.get("tools"), row.get("references")]


def _told_of(message: dict[str, Any]) -> dict[str, Any]:
    """All of a turn that is its content, apart from the text."""
    if message.keys() == PLAIN_KEYS:
        return {"role": message["role"]}
    return {key: value for key, value in message.items() if key not in ("weight", "content")}


def reference_texts(row: Row) -> list[str]:
    """The right answers of a row: its references, or its answer if it has no references."""
    if row.get("references"):
        return list(row["references"])
    answer = row.get("answer")
    if answer is None:
        return []
    return [answer if isinstance(answer, str) else json.dumps(answer)]


def key_names(records: Iterable[str]) -> str:
    """Key names for a message, at most twelve of them."""
    names = list(records)
    return ", ".join(one_line(name) for name in names[:12]) + (", …" if len(names) > 12 else "")
