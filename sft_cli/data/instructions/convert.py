"""From the records of a table to instructions: a template writes the question, a field has the answer."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from sft_cli.data.convert import Converter, rename
from sft_cli.data.fields import ANSWERS
from sft_cli.data.formats import triples
from sft_cli.data.instructions.label_words import LabelWords
from sft_cli.data.instructions.phrasings import ANSWER, SYSTEM, Phrasing, Phrasings
from sft_cli.data.jinja import Rendered, RenderError
from sft_cli.data.rows import Row, key_names
from sft_cli.run.errors import FieldError, UserError, shown

# Names of the answer field, the surest first.
ANSWER_FIELDS = (
    *ANSWERS,
    "summary",
    "title",
    "category",
    "class",
    "sentiment",
    "object",
    "摘要",
    "标题",
    "类别",
    "分类",
)
# Fields that a row keeps although its question shows them: commands read them.
KEPT_FIELDS = frozenset({"id", "task", "source", "context", "choices"})
# Fields that metrics read as the right answer.
RIGHT_ANSWERS = ("answer", "answer_index", "references")
# Fields of the rows that are written: a table cannot have its own.
TAKEN_FIELDS = ("messages", "template")


@dataclass
class Answers:
    """The fields of the answer; and the words for its values, if there are any."""

    fields: list[str] = field(default_factory=list)
    labels: LabelWords | None = None


@dataclass
class InstructionConverter:
    """Turns records into rows with a question by one of the phrasings; other fields are kept.

    rows: what makes and checks the row of a conversation. mapping: old names of fields, and their new ones. answers:
    without fields, the field is found in the first record. count: how many questions the prompt asks for; 0 for
    instructions.
    """

    rows: Converter
    phrasings: Phrasings
    mapping: dict[str, list[str]] = field(default_factory=dict)
    answers: Answers = field(default_factory=Answers)
    seed: int = 0
    count: int = 0
    say: Callable[[str], None] = lambda text: None
    is_settled: bool = False

    def __post_init__(self) -> None:
        if self.phrasings.sets_answer and (self.answer or self.labels):
            flag = "--answer" if self.answer else "--labels"
            raise UserError(f"{flag}: has no effect: the template sets the answer")
        for name in self.answer:
            self._check_hidden(name)
        self.is_settled = bool(self.answer or self.count or self.phrasings.sets_answer)

    @property
    def answer(self) -> list[str]:
        """The fields of the answer."""
        return self.answers.fields

    @property
    def labels(self) -> LabelWords | None:
        """The words for the values of the answer field."""
        return self.answers.labels

    def row(self, record: dict[str, Any], where: str) -> Row:
        """The row of a record; raises FieldError for its first bad field."""
        record = rename(record, self.mapping) if self.mapping else record
        for name in TAKEN_FIELDS:
            if name in record:
                raise FieldError(
                    name, "expected a table without this field, because the row has it", f"--drop-field {name}"
                )
        if not self.is_settled:
            self._find_answer(record, where)
        phrasing = self.phrasings.draw(record, self.answer, self.seed)
        rendered = self._rendered(phrasing, record)
        answer = self._answer(record, rendered)
        messages = [{"role": "user", "content": rendered.text}]
        if system := str(rendered.variables.get(SYSTEM, "")).strip():
            messages.insert(0, {"role": "system", "content": system})
        if answer:
            messages.append({"role": "assistant", "content": answer})
        row = {"messages": messages, **self._rest(record), "template": phrasing.name}
        row |= {"choices": self.labels.choices} if self.labels else {}
        choices = row.get("choices")
        if answer and isinstance(choices, list) and answer in choices:
            row |= {"answer": answer, "answer_index": choices.index(answer)}
        return self.rows.row(row, where)

    def finish(self, row: Row) -> Row:
        """The row to write."""
        return self.rows.finish(row)

    def _check_hidden(self, name: str) -> None:
        """Raise UserError if a question shows the field of the answer."""
        if name in self.phrasings.asked_fields:
            place = self.phrasings.asked_fields[name]
            raise UserError(f"{place}: {name}: expected a question without the answer field, got {{{{ {name} }}}}")

    def _find_answer(self, record: dict[str, Any], where: str) -> None:
        """Choose the field of the answer by the names of the first record's fields."""
        self.is_settled = True
        names = {name.casefold(): name for name in record if name not in self.phrasings.asked_fields}
        found = next((names[name] for name in ANSWER_FIELDS if name in names), None)
        if found is not None:
            self.answers.fields = [found]
            self.say(f"the answer is the field {found} (--answer FIELD names another)")
        elif self.rows.makes != "prompts":
            raise UserError(
                f"{where}: expected a field with the answer, got the fields {key_names(record)}\n"
                "hint: --answer FIELD, or --prompts for rows without an answer"
            )

    def _rendered(self, phrasing: Phrasing, record: dict[str, Any]) -> Rendered:
        values = {name: value for name, value in record.items() if value is not None and value != ""}
        values |= {"answer_fields": self.answer} if self.answer else {}
        values |= {"choices": self.labels.choices} if self.labels else {}
        values |= {"count": self.count} if self.count else {}
        template = phrasing.template
        if "is_open" in template.used:
            values |= triples.question_parts(record)
        try:
            return template.render(values)
        except RenderError as error:
            if error.missing:
                problem = f"expected this field, because {phrasing.place(error.line)} uses it"
                problem += f", got {_nothing(record, error.missing)}"
                hint = f"--map {error.missing}=NAME names the field"
                if error.missing in record:
                    hint = f"in a template file, {{% if {error.missing} is defined %}} … {{% endif %}} allows it"
                raise FieldError(error.missing, problem, hint) from None
            raise FieldError("template", f"the template fails at {error}") from None

    def _answer(self, record: dict[str, Any], rendered: Rendered) -> str:
        """The answer; empty for a prompt without one. Raises FieldError for a field without a value."""
        if self.phrasings.sets_answer:
            text = str(rendered.variables.get(ANSWER, "")).strip()
            if not text and self.rows.makes != "prompts":
                raise FieldError("template", "expected the text of the answer from the template, got nothing")
            return text
        if len(self.answer) > 1:
            for name in self.answer:
                if name not in record:
                    raise FieldError(name, f"expected a field of --answer, got the fields {key_names(record)}")
            values = {name: None if record[name] == "" else record[name] for name in self.answer}
            return json.dumps(values, ensure_ascii=False, default=str)
        for name in self.answer:
            value = record.get(name)
            if value is None or (isinstance(value, str) and not value.strip()):
                if self.rows.makes == "prompts":
                    return ""
                raise FieldError(name, f"expected the answer, got {_nothing(record, name)}")
            if self.labels:
                return self.labels.word(name, value)
            return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
        return ""

    def _rest(self, record: dict[str, Any]) -> dict[str, Any]:
        """The fields that neither the question nor the answer has; of a document, its text as `context`."""
        used: Iterable[str] = {*self.phrasings.all_fields, *self.answer} - KEPT_FIELDS
        rest = {name: value for name, value in record.items() if name not in used}
        if second := next((name for name in RIGHT_ANSWERS if rest.get(name) is not None), None):
            problem = "expected one answer, got also this field, which metrics read as the right answer"
            raise FieldError(second, problem, f"--drop-field {second}")
        return {**rest, "context": record["text"]} if self.count else rest


def _nothing(record: dict[str, Any], name: str) -> str:
    return shown(record[name]) if name in record else f"the fields {key_names(record)}"
