"""The names of fields: which a row has, which the formats read, and which column is plainly an answer."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable
from functools import cache
from typing import Any

from sft_cli.data.formats import format_modules
from sft_cli.data.formats.prompt_completion import PAIRS
from sft_cli.run.errors import UserError
from sft_cli.run.registry import near_name

# The keys that a row may have and that some command reads; docs/files.md says what each one means.
ROW_KEYS = (
    *("id", "messages", "text", "task", "difficulty", "weight", "references", "choices", "answer", "answer_index"),
    *("delimiter", "context", "role", "tools", "instruction_id_list", "kwargs", "source", "replay", "synthetic"),
)
# A column whose name holds one of these is plainly an answer, or plainly a question; the first words are the surest.
ANSWERS = (
    *("answer", "response", "reply", "completion", "output", "target", "solution", "assistant", "chosen", "label"),
    *("答案", "回答", "答复", "回复", "输出", "解答", "标签", "回應", "답변"),
    *("antwort", "réponse", "reponse", "respuesta", "resposta", "risposta", "ответ"),
)
QUESTIONS = (
    *("question", "prompt", "query", "instruction", "input", "user"),
    *("问题", "提问", "指令", "输入", "题目", "問題", "質問", "질문"),
    *("frage", "pregunta", "pergunta", "domanda", "вопрос"),
)
# What a shell reads as more than a letter.
SHELL = re.compile(r"""[\s'"$`\\;&|<>()*?!#~\[\]{}]""")


@cache
def known_fields() -> tuple[str, ...]:
    """Every field that a row or a format has: what may stand on the left side of --map."""
    read = [name for module in format_modules().values() for name in module.FIELDS]
    return tuple(dict.fromkeys([*read, *ROW_KEYS]))


def read_mapping(pairs: list[str]) -> dict[str, list[str]]:
    """Columns and the fields that take their values, from `FIELD=COLUMN` words; the fields are known ones."""
    columns: dict[str, list[str]] = {}
    fields: set[str] = set()
    for pair in pairs:
        name, equals, column = pair.partition("=")
        if not (name and equals and column):
            raise UserError(f"--map: expected FIELD=COLUMN, got {pair!r}\nhint: --map instruction=question")
        known = known_fields()
        if name not in known:
            raise UserError(
                f"--map: {name}: no format has this field.{near_name(name, list(known))} Known: {', '.join(known)}\n"
                "hint: FIELD=COLUMN, the field first; other columns pass through under their own names"
            )
        if name in fields:
            raise UserError(f"--map: {name}: expected one column, got several")
        fields.add(name)
        columns.setdefault(column, []).append(name)
    return columns


def proposed_map(record: dict[str, Any]) -> str:
    """The --map words that make a question and an answer of a record's columns, as far as their names tell, or ""."""
    asked = next((prompt for prompt, _ in PAIRS if prompt in record), None)
    answer = _named([name for name in record if name not in (asked, "rejected")], ANSWERS)
    question = asked or _named([name for name in record if name != answer], QUESTIONS)
    if question is None and answer is None:
        return ""
    # A format's own pair of names: `prompt` goes with `completion`, `question` with `answer`.
    field = {**dict(reversed(PAIRS)), "instruction": "output"}[asked or "question"]
    pairs = [] if asked else [f"question={question or 'COLUMN'}"]
    pairs.append(f"{field}={answer or 'COLUMN'}")
    return " ".join("--map " + (shlex.quote(pair) if SHELL.search(pair) else pair) for pair in pairs)


def _named(names: Iterable[str], words: tuple[str, ...]) -> str | None:
    """The first name that holds one of the words; an earlier word counts more than an earlier name."""
    lower = {name: name.lower() for name in names}
    return next((name for word in words for name in lower if word in lower[name]), None)
