"""The reference of a turn that calls tools is what a perfect model would write."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from small_rows import chat
from tiny_models import CHATML, make_tokenizer

from sft_cli.data.rows import as_prompt, turn_text
from sft_cli.decoding.prompts import Prompts
from sft_cli.encoding.chat_templates import replace_template
from sft_cli.encoding.encoder import Encoder

CALL = {"type": "function", "function": {"name": "weather", "arguments": '{"city": "Paris"}'}}
WRITTEN = '<tool_call>\n{"name": "weather", "arguments": {"city": "Paris"}}\n</tool_call>'
AS_JSON = '[{"name": "weather", "arguments": "{\\"city\\": \\"Paris\\"}"}]'


def calling(content: str | None = None) -> dict[str, Any]:
    row = chat("Weather in Paris?", "")
    row["messages"][1] = {"role": "assistant", "content": content, "tool_calls": [CALL], "weight": 0}
    return row


def references(tokenizer: Any, row: dict[str, Any]) -> list[str]:
    found: list[str] = Prompts(Encoder(tokenizer), "").with_references(as_prompt(row))["references"]
    return found


def hermes() -> Any:
    tokenizer = make_tokenizer()
    replace_template(tokenizer, "hermes-tools")
    return tokenizer


def test_calls_are_written_by_the_models_own_template() -> None:
    assert references(hermes(), calling()) == [WRITTEN]
    assert references(hermes(), calling("Let me see.")) == [f"Let me see.\n{WRITTEN}"]
    # A completion has no special tokens: those of the template are left out here, too.
    marked = "(message.content or '<|endoftext|>' + message.tool_calls[0].function.name) +"
    assert references(make_tokenizer(CHATML.replace("message['content'] +", marked)), calling()) == ["weather"]


def test_other_references_stay_as_they_are() -> None:
    assert references(hermes(), chat("a", "b")) == ["b"]
    assert references(hermes(), {**calling(), "references": ["sunny"]}) == ["sunny"]
    assert references(make_tokenizer(), calling()) == [AS_JSON]  # a template that refuses the row
    assert turn_text(calling("Let me see.")["messages"][1]) == f"Let me see.\n{AS_JSON}"


def test_generate_and_exact_match_use_it(sft: Any, tiny: Path, here: Path) -> None:
    (here / "rows.jsonl").write_text(json.dumps(calling()) + "\n")
    words = (
        "generate",
        tiny,
        "rows.jsonl",
        "--chat-template",
        "hermes-tools",
        "--max-new-tokens",
        "1",
        "-o",
        "g.jsonl",
    )
    result = sft(*words)
    assert result.code == 0, result.err
    row = json.loads((here / "g.jsonl").read_text())
    assert row["references"] == [WRITTEN]
    (here / "g.jsonl").write_text(json.dumps({**row, "completion": WRITTEN}) + "\n")
    assert sft("score", "g.jsonl", "--metric", "exact-match", "-o", "s.jsonl").code == 0
    assert json.loads((here / "s.jsonl").read_text())["metrics"]["exact_match"] == 1
