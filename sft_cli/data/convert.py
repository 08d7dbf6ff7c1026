"""From a raw record to a row: columns renamed, format applied, id and source filled in, contract checked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sft_cli.data.formats import FORMATS, detect
from sft_cli.data.rows import Row, as_prompt, check_row, key_names
from sft_cli.run.errors import FieldError, UserError, shown

ROW_FIELDS = frozenset({"id", "task", "weight", "references", "choices", "answer", "source", "text", "messages"})


@dataclass
class Converter:
    """Turns the records of one input into rows, all by one format; `auto` settles it at the first record."""

    format: str = "auto"
    columns: dict[str, list[str]] = field(default_factory=dict)  # column -> the fields that take its value
    task: str = ""
    system: str = ""
    for_evaluation: bool = False
    say: Callable[[str], None] = lambda text: None
    convert: Callable[[Row], Row] | None = None
    left_out_text: bool = False

    def row(self, record: dict[str, Any], where: str, default_id: str) -> Row:
        """The row of a record; raises FieldError for its first bad field."""
        if self.columns:
            record = rename(record, self.columns)
        if self.convert is None:
            self.convert = self._settle(record, where)
        converted = self.convert(record)
        row = {"id": _id(record, default_id), **{key: value for key, value in converted.items() if key != "id"}}
        if self.task:
            row["task"] = self.task
        if self.system and "messages" in row and row["messages"][0]["role"] != "system":
            row["messages"] = [{"role": "system", "content": self.system}, *row["messages"]]
        if isinstance(row.get("references"), str):
            row["references"] = [row["references"]]
        row.setdefault("source", where)
        if "messages" in row and "text" in row:
            self._leave_out_text(row, where)
        check_row(row)
        return row

    def _leave_out_text(self, row: Row, where: str) -> None:
        """Keep the messages of a record that has both: tatsu-lab/alpaca repeats the conversation in `text`."""
        del row["text"]
        if not self.left_out_text:
            self.left_out_text = True
            self.say(f"column text is left out from {where} on: a row has messages or text")

    def finish(self, row: Row) -> Row:
        """The row as it is written: with `for_evaluation`, its last assistant turn becomes its reference."""
        if not self.for_evaluation:
            return row
        prompt = as_prompt(row)
        if "messages" in row and not prompt["messages"]:
            raise FieldError("messages", "expected a turn to answer, got only an assistant turn")
        if "messages" in row and not prompt.get("references") and "answer" not in row:
            raise FieldError("messages", "expected an assistant turn at the end or references, got neither")
        return prompt

    def _settle(self, record: dict[str, Any], where: str) -> Callable[[Row], Row]:
        name = self.format
        if name == "auto":
            found = detect(record)
            if found is None:
                raise UserError(
                    f"{where}: no format has the keys {key_names(record)}\n"
                    f"known formats: {', '.join(FORMATS)}\n"
                    "hint: --map FIELD=COLUMN renames a column, as in --map instruction=question --map output=answer"
                )
            name = found
            convert: Callable[[Row], Row] = FORMATS.load(name)
            origin = where.rpartition(":")[0]
            self.say(f"format: {name} (detected from the first record of {origin}){_untouched(record, convert)}")
            return convert
        loaded: Callable[[Row], Row] = FORMATS.load(name)
        return loaded


def _untouched(record: dict[str, Any], convert: Callable[[Row], Row]) -> str:
    """Which columns no format reads: words that a prompt may need must not go missing unseen."""
    try:
        rest = [key for key in convert(record) if key in record and key not in ROW_FIELDS and key != "tools"]
    except FieldError:
        return ""
    return f"; kept as they are: {key_names(rest)}" if rest else ""


def _id(record: dict[str, Any], default_id: str) -> str:
    value = record.get("id")
    if value is None or value == "":
        return default_id
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise FieldError("id", f"expected a string or a number, got {shown(value)}")
    return str(value)


def read_mapping(pairs: list[str]) -> dict[str, list[str]]:
    """Columns and the fields that take their values, from `FIELD=COLUMN` words."""
    columns: dict[str, list[str]] = {}
    fields: set[str] = set()
    for pair in pairs:
        name, equals, column = pair.partition("=")
        if not (name and equals and column):
            raise UserError(f"--map: expected FIELD=COLUMN, got {pair!r}\nhint: --map instruction=question")
        if name in fields:
            raise UserError(f"--map: {name}: expected one column, got several")
        fields.add(name)
        columns.setdefault(column, []).append(name)
    return columns


def rename(record: dict[str, Any], columns: dict[str, list[str]]) -> dict[str, Any]:
    """The record with its columns under their new names, in their old places."""
    for column, names in columns.items():
        if column not in record:
            raise FieldError(column, f"expected a column for {', '.join(names)}, got the columns {key_names(record)}")
    renamed: dict[str, Any] = {}
    for key, value in record.items():
        for name in columns.get(key, [key]):
            if name in renamed:
                raise FieldError(name, "expected one column, got two: one by --map and one of that name")
            renamed[name] = value
    return renamed
