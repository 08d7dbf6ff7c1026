"""The names of fields: of rows, of formats, and of fields that are plainly a question or an answer."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable
from functools import cache
from typing import Any

from sft_cli.data.formats import format_modules
from sft_cli.data.formats.messages import MESSAGES_FIELDS as TURN_LISTS
from sft_cli.data.formats.prompt_completion import PAIRS
from sft_cli.data.formats.turns import first_column
from sft_cli.data.rows import THOUGHT_FIELDS
from sft_cli.run.errors import UserError
from sft_cli.run.registry import near_name

# The keys that a row may have and that some command reads; docs/files.md says what each one means.
ROW_KEYS = (
    *("id", "messages", "text", "task", "difficulty", "weight", "references", "choices", "answer", "answer_index"),
    *("delimiter", "context", "gold", "role", "tools", "instruction_id_list", "kwargs", "source", "replay"),
    *("harmless", "entities", "synthetic", "generated", "template"),
)
# A field with one of these words in its name is plainly an answer, or plainly a question; the first words are the
# surest.
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
# Characters with a meaning in a shell.
SHELL = re.compile(r"""[\s'"$`\\;&|<>()*?!#~\[\]{}]""")


@cache
def known_fields() -> tuple[str, ...]:
    """Every field of a row or a format: the names that --map accepts on its left side."""
    read = [name for module in format_modules().values() for name in module.FIELDS]
    return tuple(dict.fromkeys([*read, *THOUGHT_FIELDS, *ROW_KEYS]))


def read_mapping(pairs: list[str], known: tuple[str, ...] = ()) -> dict[str, list[str]]:
    """Old names and the fields that get their values, from `NEW=OLD` words.

    The new names must be in `known` [default: every field of a row or a format].
    """
    known = known or known_fields()
    mapping: dict[str, list[str]] = {}
    fields: set[str] = set()
    for pair in pairs:
        name, equals, old = pair.partition("=")
        if not (name and equals and old):
            raise UserError(f"--map: expected NEW=OLD, got {pair!r}\nhint: --map instruction=question")
        if name not in known:
            raise UserError(
                f"--map: {name}: no format has this field.{near_name(name, list(known))} Known: {', '.join(known)}\n"
                "hint: --map NEW=OLD, the new name first; other fields keep their names"
            )
        if name in fields:
            raise UserError(f"--map: {name}: this new name is given twice; expected one old field for it")
        fields.add(name)
        mapping.setdefault(old, []).append(name)
    return mapping


def proposed_map(record: dict[str, Any]) -> str:
    """The --map words that make a question and an answer from a record's fields, judged by their names; or ""."""
    turns = first_column(record, TURN_LISTS)
    if "chosen" in record and (turns or isinstance(record["chosen"], list)) and "prompt" not in record:
        # The turns before the answer, and the answer; or the whole conversation with the better answer.
        return f"--map prompt={turns} --map completion=chosen" if turns else "--map messages=chosen"
    asked = next((prompt for prompt, _ in PAIRS if prompt in record), None)
    answer = _named([name for name in record if name not in (asked, "rejected")], ANSWERS)
    question = asked or _named([name for name in record if name != answer], QUESTIONS)
    if question is None and answer is None:
        return ""
    # The pair of names of one format: `prompt` and `completion`, `question` and `answer`.
    field = {**dict(reversed(PAIRS)), "instruction": "output"}[asked or "question"]
    pairs = [] if asked else [f"question={question or 'NAME'}"]
    pairs.append(f"{field}={answer or 'NAME'}")
    return " ".join("--map " + (shlex.quote(pair) if SHELL.search(pair) else pair) for pair in pairs)


def _named(names: Iterable[str], words: tuple[str, ...]) -> str | None:
    """The first name with one of the words; an earlier word counts more than an earlier name."""
    lower = {name: name.lower() for name in names}
    return next((name for word in words for name in lower if word in lower[name]), None)
