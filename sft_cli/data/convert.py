"""From a raw record to a row: columns renamed, format applied, id and source filled in, contract checked."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sft_cli.data.fields import ROW_KEYS, known_fields, proposed_map
from sft_cli.data.formats import FORMATS, detect, format_modules
from sft_cli.data.formats.prompt_completion import convert_question
from sft_cli.data.identity import Ids
from sft_cli.data.ids import SeenIds
from sft_cli.data.rows import Row, as_prompt, check_row, key_names
from sft_cli.run.errors import FieldError, UserError, shown

# Fields of several formats: they do not tell which one a record is of.
SHARED_FIELDS = frozenset({"system", "tools"})


@dataclass
class Converter:
    """Turns the records of one input into rows; `auto` asks each record for its format.

    `makes` is what the rows are for: "" to learn from, "eval" to score answers, "prompts" only to be answered.
    """

    format: str = "auto"
    columns: dict[str, list[str]] = field(default_factory=dict)  # column -> the fields that take its value
    task: str = ""
    system: str = ""
    makes: str = ""
    ids: Ids = field(default_factory=Ids)
    say: Callable[[str], None] = lambda text: None
    given: SeenIds = field(default_factory=SeenIds)  # ids that records brought along, of all inputs
    formats: list[str] = field(default_factory=list)  # those met so far
    left_out_text: bool = False

    def row(self, record: dict[str, Any], where: str) -> Row:
        """The row of a record; raises FieldError for its first bad field."""
        raw = record
        if self.columns:
            record = rename(record, self.columns)
        if self.makes == "prompts":
            converted = self._question(record, where)
        else:
            converted = self._convert(record, where)(record)
        row = {key: value for key, value in converted.items() if key != "id"}
        if self.task:
            row["task"] = self.task
        if isinstance(row.get("references"), str):
            row["references"] = [row["references"]]
        row.setdefault("source", where)
        if "messages" in row and "text" in row:
            self._leave_out_text(row, where)
        given = _id(record)
        check_row(row)
        self._check_answer(row, raw)
        if given and not self.given.add(given):
            self.given.tell_repeat(f"{where}: id {shown(given)}")
        # --system is how to ask, not what: rows keep their identity with and without it.
        name = given or self.ids.of(row)
        if self.system and "messages" in row and row["messages"][0]["role"] != "system":
            row["messages"] = [{"role": "system", "content": self.system}, *row["messages"]]
        return {"id": name, **row}

    def _leave_out_text(self, row: Row, where: str) -> None:
        """Keep the messages of a record that has both: tatsu-lab/alpaca repeats the conversation in `text`."""
        del row["text"]
        if not self.left_out_text:
            self.left_out_text = True
            self.say(f"column text is left out from {where} on: a row has messages or text")

    def _check_answer(self, row: Row, raw: Row) -> None:
        """Raise FieldError for a row that only asks where rows are to be learned from or scored."""
        messages = row.get("messages")
        if messages is None or self.makes == "prompts" or row.get("references"):
            return
        if self.makes == "eval":
            if messages[-1]["role"] == "assistant" or "answer" in row:
                return
            problem = "expected an assistant turn at the end or references, got neither"
        elif any(message["role"] == "assistant" for message in messages) or row.get("choices"):
            return
        else:
            problem = "expected an answer, got only a question"
        cure = "--prompts makes rows that only ask"
        if detect(raw) not in ("messages", "sharegpt"):  # which have no column for the answer
            problem += f"; the columns are {key_names(raw)}"
            cure = f"{proposed_map(raw) or '--map FIELD=COLUMN'} names the answer; {cure}"
        raise FieldError("messages", problem, cure)

    def finish(self, row: Row) -> Row:
        """The row as it is written: for evaluation and as a prompt, its last assistant turn becomes its reference."""
        if not self.makes:
            return row
        prompt = as_prompt(row)
        if "messages" in row and not prompt["messages"]:
            raise FieldError("messages", "expected a turn to answer, got only an assistant turn")
        return prompt

    def _question(self, record: Row, where: str) -> Row:
        """A row that asks: raw text is a user turn, and an answer may be missing or empty."""
        asked = {key: value for key, value in record.items() if value not in (None, "") or key not in known_fields()}
        if self.format == "auto" and detect(asked) is None and (row := convert_question(asked)) is not None:
            return row
        row = self._convert(asked, where)(asked)
        if "messages" in row or "text" not in row:
            return row
        return {"messages": [{"role": "user", "content": row.pop("text")}], **row}

    def _convert(self, record: Row, where: str) -> Callable[[Row], Row]:
        """The function that makes a row of this record. Says each format that is met for the first time.

        A record of no format that has fields of the first one met is left to that, which names what it lacks. So is one
        that has such fields beside those of another: it is rather a bad record of its file than one of another kind.
        """
        if self.format != "auto":
            return _load(self.format)
        name = detect(record)
        if name is not None and self.formats and self.formats[0] not in (name, "text"):
            modules = format_modules()
            own = set(modules[self.formats[0]].FIELDS) - set(modules[name].FIELDS) - SHARED_FIELDS
            name = self.formats[0] if any(record.get(key) is not None for key in own) else name
        elif name is None and not self.formats:
            proposed = proposed_map(record)
            example = "--map FIELD=COLUMN renames a column, as in --map instruction=question --map output=answer"
            raise UserError(
                f"{where}: no format has the keys {key_names(record)}\nknown formats: {', '.join(FORMATS)}\n"
                f"hint: {f'{proposed} says what the columns are' if proposed else example}"
            )
        elif name is None and not set(format_modules()[self.formats[0]].FIELDS) & record.keys():
            problem = f"no format has the keys {key_names(record)}; the first record is of the format {self.formats[0]}"
            raise FieldError("", problem)
        name = name or self.formats[0]
        if name not in self.formats:
            self.formats.append(name)
            origin, _, line = where.rpartition(":")
            how = (
                f"also, from {origin}:{line} on" if self.formats[1:] else f"detected from the first record of {origin}"
            )
            self.say(f"format: {name} ({how}){_untouched(record, _load(name))}")
        return _load(name)


def _load(name: str) -> Callable[[Row], Row]:
    convert: Callable[[Row], Row] = format_modules()[name].convert
    return convert


def _untouched(record: dict[str, Any], convert: Callable[[Row], Row]) -> str:
    """Which columns no format reads: words that a prompt may need must not go missing unseen."""
    try:
        rest = [key for key in convert(record) if key in record and key not in ROW_KEYS]
    except FieldError:
        return ""
    return f"; kept as they are: {key_names(rest)}" if rest else ""


def _id(record: dict[str, Any]) -> str:
    """The id that a record brings along; empty if it has none."""
    value = record.get("id")
    if value is None or value == "":
        return ""
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise FieldError("id", f"expected a string or a number, got {shown(value)}")
    return str(value)


def rename(record: dict[str, Any], columns: dict[str, list[str]]) -> dict[str, Any]:
    """The record with its columns under their new names, in their old places."""
    for column, names in columns.items():
        if column not in record:
            near = difflib.get_close_matches(column, list(record), n=1)
            problem = f"expected a column for {', '.join(names)}, got the columns {key_names(record)}"
            raise FieldError(column, problem, " ".join(f"--map {name}={near[0]}" for name in names) if near else "")
    renamed: dict[str, Any] = {}
    for key, value in record.items():
        for name in columns.get(key, [key]):
            if name in renamed:
                raise FieldError(name, "expected one column, got two: one by --map and one of that name")
            renamed[name] = value
    return renamed
