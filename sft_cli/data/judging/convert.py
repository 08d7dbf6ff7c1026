"""From generations to prompts for a judge; pairs are shown in both orders."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from sft_cli.data.rows import Row, check_row, turn_text
from sft_cli.run.errors import FieldError, UserError, shown
from sft_cli.run.jsonl import read_jsonl
from sft_cli.run.text import counted

KINDS = ("pairwise", "rating")
LOWEST, HIGHEST = 1, 10
Located = tuple[str, dict[str, Any] | FieldError]


def judge_records(kind: str, paths: list[str], say: Callable[[str], None]) -> Iterator[Located]:
    """One record for each generation, or two, one for each order, for each pair of generations of two files.

    Generations are paired by id and sample; those of one file alone are told. Raises UserError for another number of
    files.
    """
    if kind == "rating":
        if len(paths) != 1:
            raise UserError(f"--judge rating: expected one file of generations, got {len(paths)}")
        yield from _generations(paths[0])
        return
    if len(paths) != 2:
        raise UserError(f"--judge pairwise: expected two files, the base and the other one, got {len(paths)}")
    base = {_key(row): row for _, row in _generations(paths[0]) if isinstance(row, dict)}
    paired = 0
    alone = 0
    for where, other in _generations(paths[1]):
        if isinstance(other, FieldError):
            yield where, other
            continue
        ours = base.pop(_key(other), None)
        if ours is None:
            alone += 1
            continue
        paired += 1
        for order in (1, 2):
            answers = (ours["completion"], other["completion"])
            yield where, {**ours, "answers": answers[:: 1 if order == 1 else -1], "order": order}
    if alone or base:
        say(f"{counted(paired, 'pair')}; {len(base):,} only in {paths[0]}, {alone:,} only in {paths[1]}, not judged")


def _key(row: dict[str, Any]) -> tuple[Any, int]:
    return row["id"], row["sample"]


def _generations(path: str) -> Iterator[Located]:
    for number, row in read_jsonl(path):
        where = f"{'<stdin>' if path == '-' else path}:{number}"
        if isinstance(row, FieldError):
            yield where, row
        elif "completion" not in row or not isinstance(row["completion"], (str, type(None))):
            problem = f"expected text, got {shown(row.get('completion'))}; --judge reads what sft generate wrote"
            yield where, FieldError("completion", problem)
        elif "id" not in row:
            yield where, FieldError("id", "expected text, got null")
        else:
            # A failed row is judged as an empty answer: left out, it would look better than it is.
            yield where, {**row, "sample": row.get("sample", 0), "completion": row["completion"] or ""}


@dataclass
class JudgeConverter:
    """Turns judge records into prompt rows, by a built-in template or one's own."""

    kind: str
    template_path: str = ""
    task: str = ""

    @cached_property
    def own_template(self) -> Any:
        """The template of --judge-template; raises UserError naming its file and line if it cannot be read."""
        try:
            return self._compiled(Path(self.template_path).read_text(encoding="utf-8"), self.template_path)
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "not UTF-8"
            raise UserError(f"--judge-template: {self.template_path}: cannot read: {reason}") from None

    def _compiled(self, text: str, name: str) -> Any:
        from jinja2 import StrictUndefined, TemplateError
        from jinja2.sandbox import SandboxedEnvironment

        try:
            return SandboxedEnvironment(undefined=StrictUndefined).from_string(text)
        except TemplateError as error:
            line = getattr(error, "lineno", None) or 1
            raise UserError(f"{name}:{line}: {error}") from None

    def _template(self, question: str) -> Any:
        if self.template_path:
            return self.own_template
        return self._built_in("zh" if is_chinese(question) else "en")

    def _built_in(self, language: str) -> Any:
        file = Path(__file__).parent / f"{self.kind}.{language}.j2"
        return self._compiled(file.read_text(encoding="utf-8"), file.name)

    def row(self, record: dict[str, Any], where: str, default_id: str) -> Row:
        """The prompt row of a record, with what is needed to read the verdict back in `judge`."""
        from jinja2 import TemplateError

        name = f"{record['id']}" if not record["sample"] else f"{record['id']}/{record['sample']}"
        question = question_of(record)
        values: dict[str, Any] = {"question": question, "references": record.get("references") or []}
        judge: dict[str, Any] = {"kind": self.kind}
        if self.kind == "pairwise":
            first, second = record["answers"]
            values |= {"first": first, "second": second}
            shown_first = "base" if record["order"] == 1 else "other"
            judge |= {"pair": name, "first": shown_first}
            name = f"{name}#{record['order']}"
        else:
            values |= {"answer": record["completion"], "lowest": LOWEST, "highest": HIGHEST}
            judge |= {"lowest": LOWEST, "highest": HIGHEST}
        try:
            text = self._template(question).render(values)
        except TemplateError as error:
            raise UserError(f"--judge-template: {self.template_path}: {error}") from None
        row: Row = {"id": name, "messages": [{"role": "user", "content": text.strip()}], "judge": judge}
        task = self.task or record.get("task")
        row |= {"task": task} if task else {}
        row["source"] = where
        check_row(row)
        return row

    def finish(self, row: Row) -> Row:
        """The row itself: it is a prompt already."""
        return row


def question_of(record: dict[str, Any]) -> str:
    """The request that was answered: the user's turn, or all turns with their roles if there are several."""
    if "text" in record:
        return str(record["text"])
    messages = record.get("messages")
    if not isinstance(messages, list) or not messages or not all(isinstance(turn, dict) for turn in messages):
        raise FieldError("messages", f"expected the turns that were answered, got {shown(messages)}")
    if len(messages) == 1:
        return turn_text(messages[0])
    return "\n".join(f"{turn.get('role')}: {turn_text(turn)}" for turn in messages)


def is_chinese(text: str) -> bool:
    """Whether a text has more Chinese characters than words of other scripts."""
    characters = sum("\u4e00" <= character <= "\u9fff" for character in text)
    return characters > len(text.encode("ascii", "ignore").split())
