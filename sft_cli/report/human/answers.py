"""The answers of one or several systems to the same prompts, from files that `sft generate` wrote."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from sft_cli.data.identity import prompt_hash
from sft_cli.data.judging.records import has_failed
from sft_cli.data.rows import check_messages, check_text, turn_text
from sft_cli.report.score_files import PairKey
from sft_cli.run.errors import FieldError, UserError, shown
from sft_cli.run.jsonl import read_jsonl
from sft_cli.run.text import counted

ShownTurn = dict[str, str]


@dataclass
class AnsweredPrompt:
    """One prompt, and the answer of each system; None is an answer that `sft generate` could not finish."""

    id: str | int
    sample: int
    where: str
    prompt: list[ShownTurn]
    hash: str | None
    answers: list[str | None] = field(default_factory=list)
    has_other_system: bool = False  # another file has other system turns
    has_other_words: bool = False  # another file asked the same in other words: through a template, with examples


def read_answers(paths: list[str], limit: int | None) -> tuple[list[AnsweredPrompt], list[str]]:
    """The prompts that all files answer, in the order of the first, at most `limit`; and what to report of the rest.

    Rows are paired by id and sample. Raises UserError, naming `file:line`, for a row that is not a generation, occurs
    twice or asks another question than the row of the same id in the first file.
    """
    first: dict[PairKey, AnsweredPrompt] = {}
    numbers: list[int] = []
    for place, path in enumerate(paths):
        rows = _rows_of_file(path)
        numbers.append(len(rows))
        for key, (where, row) in rows.items():
            answer = None if has_failed(row) else row["completion"]
            if place == 0:
                first[key] = _answered_prompt(key, where, row)
            elif key not in first or len(first[key].answers) < place:
                continue
            elif first[key].hash != prompt_hash(row):
                raise UserError(
                    f"{where}: messages: this question differs from {first[key].where}, which has the same id\n"
                    "hint: let all systems answer the same file of prompts"
                )
            elif place:
                _compare_turns(first[key], _turns_of(row))
            first[key].answers.append(answer)
    paired = [prompt for prompt in first.values() if len(prompt.answers) == len(paths)]
    if not paired:
        raise UserError(f"no row is in all {len(paths)} files\nhint: let all systems answer the same file of prompts")
    lines = [
        f"warning: {path}: {counted(number - len(paired), 'row')} left out: not in every file"
        for path, number in zip(paths, numbers, strict=True)
        if number > len(paired)
    ]
    kept = paired[:limit]
    lines += _shown_prompts(kept, paths[0])
    for place, path in enumerate(paths):
        failed = sum(prompt.answers[place] is None for prompt in kept)
        lines += [f"warning: {path}: {counted(failed, 'failed row')}, shown as “no answer”"] if failed else []
    return kept, lines


def _rows_of_file(path: str) -> dict[PairKey, tuple[str, dict[str, Any]]]:
    rows: dict[PairKey, tuple[str, dict[str, Any]]] = {}
    for number, row in read_jsonl(path):
        where = f"{'<stdin>' if path == '-' else path}:{number}"
        try:
            if isinstance(row, FieldError):
                raise row
            key = _checked_key(row)
        except FieldError as error:
            raise UserError(f"{where}: {error}\nhint: --blind-page reads files that sft generate wrote") from None
        if key in rows:
            raise UserError(f"{where}: id: {shown(key[0])}, sample {key[1]} is already at {rows[key][0]}")
        rows[key] = where, row
    if not rows:
        raise UserError(f"{path}: no rows\nhint: check whether sft generate wrote rows")
    return rows


def _checked_key(row: dict[str, Any]) -> PairKey:
    """The id and the sample of a generation; raises FieldError if the row is something else."""
    name, sample, completion = row.get("id"), row.get("sample", 0), row.get("completion")
    if not isinstance(name, (str, int)) or isinstance(name, bool):
        raise FieldError("id", f"expected text, got {shown(name)}")
    if not isinstance(sample, int) or isinstance(sample, bool):
        raise FieldError("sample", f"expected a number, got {shown(sample)}")
    if "completion" not in row or not isinstance(completion, (str, type(None))):
        raise FieldError("completion", f"expected text, got {shown(completion)}")
    if "text" in row:
        check_text(row["text"])
    else:
        check_messages(row.get("messages"))
    return name, sample


def _compare_turns(prompt: AnsweredPrompt, turns: list[ShownTurn]) -> None:
    if turns != prompt.prompt:
        is_equal = _without_system(turns) == _without_system(prompt.prompt)
        prompt.has_other_system |= is_equal
        prompt.has_other_words |= not is_equal


def _without_system(turns: list[ShownTurn]) -> list[ShownTurn]:
    return [turn for turn in turns if turn["role"] != "system"]


def _shown_prompts(prompts: list[AnsweredPrompt], path: str) -> list[str]:
    """Take out system turns that not all systems had, and report what the page shows in their place."""
    lines = []
    if number := sum(prompt.has_other_system for prompt in prompts):
        lines.append(
            f"warning: {counted(number, 'row')} whose system turns differ between the files; the page shows no "
            "system turns"
        )
    if number := sum(prompt.has_other_words for prompt in prompts):
        lines.append(
            f"warning: {counted(number, 'row')} whose prompt differs between the files (a template or examples); the "
            f"page shows the prompt of {path}"
        )
    for prompt in prompts:
        if prompt.has_other_system or prompt.has_other_words:
            prompt.prompt = _without_system(prompt.prompt)
    return lines


def _turns_of(row: dict[str, Any]) -> list[ShownTurn]:
    if "text" in row:
        return [{"role": "text", "text": str(row["text"])}]
    return [{"role": turn["role"], "text": turn_text(turn)} for turn in row["messages"]]


def _answered_prompt(key: PairKey, where: str, row: dict[str, Any]) -> AnsweredPrompt:
    return AnsweredPrompt(key[0], key[1], where, _turns_of(row), prompt_hash(row))
