"""From a raw record to a row: rename fields, apply the format, fill in id and source, check the contract."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sft_cli.data.companions import (
    MEDIA_NAMES,
    THOUGHTS,
    TURN_FIELDS,
    refuse_media_fields,
    take_thought,
    unread_keys,
    without_token_ids,
)
from sft_cli.data.field_paths import SEPARATOR, rename, top_of_path
from sft_cli.data.fields import ROW_KEYS, known_fields, proposed_map
from sft_cli.data.formats import FORMATS, detect, format_modules
from sft_cli.data.formats.generations import matches, without_completion
from sft_cli.data.formats.openai import is_batch
from sft_cli.data.formats.prompt_completion import convert_question
from sft_cli.data.identity import Ids
from sft_cli.data.ids import SeenIds
from sft_cli.data.rows import Row, as_prompt, check_row, key_names
from sft_cli.run.errors import FieldError, UserError, shown

# Fields of several formats: they do not show the format of a record.
SHARED_FIELDS = frozenset({"system", "tools"})


@dataclass
class Converter:
    """Turns the records of one input into rows; `auto` detects the format of each record.

    `makes` is the purpose of the rows: "" to learn from, "eval" to score answers, "prompts" to be answered only.
    """

    format: str = "auto"
    mapping: dict[str, list[str]] = field(default_factory=dict)  # old name -> the fields that get its value
    task: str = ""
    system: str = ""
    makes: str = ""
    ids: Ids = field(default_factory=Ids)
    say: Callable[[str], None] = lambda text: None
    given: SeenIds = field(default_factory=SeenIds)  # ids of the records themselves, of all inputs
    formats: list[str] = field(default_factory=list)  # formats found so far
    said: set[str] = field(default_factory=set)  # what was said once

    def row(self, record: dict[str, Any], where: str) -> Row:
        """The row of a record; raises FieldError for its first bad field."""
        if self.makes and matches(record):
            record = without_completion(record)  # the question is asked once more
        raw = record
        if self.mapping:
            record = rename(record, self.mapping)
            self._say_what_paths_leave(raw, where)
        if not MEDIA_NAMES.isdisjoint(record):
            refuse_media_fields(record)
        if "input_ids" in record:
            record, left_out = without_token_ids(record)
            if left_out:
                self._say_once(where, f"left out, because sft tokenises the text itself: {key_names(left_out)}")
        if self.makes == "prompts":
            converted = self._question(record, where)
        else:
            converted = self._convert(record, where)(record)
        row = {key: value for key, value in converted.items() if key != "id"} if "id" in converted else converted
        if self.task:
            row["task"] = self.task
        if isinstance(row.get("references"), str):
            row["references"] = [row["references"]]
        row.setdefault("source", where)
        if "messages" in row and "text" in row:
            del row["text"]  # tatsu-lab/alpaca repeats the conversation in `text`
            self._say_once(where, "the field `text` is ignored: a row can have messages or text, not both")
        if not self.makes and not THOUGHTS.isdisjoint(row):  # the reference of an evaluation has no thought
            self._say_once(where, take_thought(row))
        given = given_id(record)
        check_row(row)
        self._check_answer(row, raw)
        for text, place in () if TURN_FIELDS.isdisjoint(record) else unread_keys(row, record.get("messages")):
            self._say_once(f"{where}: {place}", text)
        if given and not self.given.add(given):
            self.given.tell_repeat(f"{where}: id {shown(given)}")
        # --system changes how a question is asked, not the question: the identity of a row is the same with and without
        # it.
        name = given or self.ids.of(row)
        if sample := row.get("generated", {}).get("sample"):
            name = f"{name}-s{sample}"
        if self.system and "messages" in row and row["messages"][0]["role"] != "system":
            row["messages"] = [{"role": "system", "content": self.system}, *row["messages"]]
        return {"id": name, **row}

    def _say_once(self, where: str, text: str) -> None:
        """Say something of a record, only for the first record of an input; nothing if there is no text."""
        if text and text not in self.said:
            self.said.add(text)
            self.say(f"{text} (first in {where})")

    def _say_what_paths_leave(self, raw: Row, where: str) -> None:
        """Say once of each field that --map replaces by one of its values."""
        for old in self.mapping:
            if SEPARATOR in old and old not in raw:
                self._say_once(
                    where, f"--map {old}: the other values of the field {top_of_path(raw, old)} are left out"
                )

    def _check_answer(self, row: Row, raw: Row) -> None:
        """Raise FieldError for a row without an answer if the rows are for training or scoring."""
        messages = row.get("messages")
        if messages is None or self.makes == "prompts" or row.get("references"):
            return
        if self.makes == "eval":
            if messages[-1]["role"] == "assistant" or "answer" in row:
                return
            problem = "expected references, or an assistant turn at the end, got neither"
        elif any(message["role"] == "assistant" for message in messages) or row.get("choices"):
            return
        else:
            if "chosen" in raw and "rejected" in raw:
                problem = "expected one answer, got a pair of preferences"
                raise FieldError("chosen", problem, f"{proposed_map(raw)} reads the better answer")
            problem = "expected an answer, got only a question"
        cure = "--prompts accepts rows without an answer"
        if detect(raw) not in ("messages", "sharegpt"):  # these formats have no field for the answer
            problem += f"; the fields are {key_names(raw)}"
            cure = f"{proposed_map(raw) or '--map completion=OLD'} names the field of the answer; {cure}"
        raise FieldError("messages", problem, cure)

    def finish(self, row: Row) -> Row:
        """The row to write: for evaluation and as a prompt, its last assistant turn becomes its reference."""
        if not self.makes:
            return row
        prompt = as_prompt(row)
        if "messages" in row and not prompt["messages"]:
            raise FieldError("messages", "expected a user turn before the assistant turn, got only an assistant turn")
        return prompt

    def _question(self, record: Row, where: str) -> Row:
        """A row with a prompt: raw text is a user turn, and an answer may be missing or empty."""
        asked = {key: value for key, value in record.items() if value not in (None, "") or key not in known_fields()}
        if self.format == "auto" and detect(asked) is None and (row := convert_question(asked)) is not None:
            return row
        row = self._convert(asked, where)(asked)
        if "messages" in row or "text" not in row:
            return row
        return {"messages": [{"role": "user", "content": row.pop("text")}], **row}

    def _convert(self, record: Row, where: str) -> Callable[[Row], Row]:
        """The function that makes a row of this record. Reports each format when it is first found.

        A record without a format that has fields of the first format found goes to that format, which names its missing
        fields. So does a record that has such fields and fields of another format: it is probably a bad record of its
        file.
        """
        if self.format != "auto":
            return _load(self.format)
        if not record:
            raise FieldError("", "expected fields, got an empty object")
        name = detect(record)
        if name is not None and self.formats and self.formats[0] not in (name, "text"):
            modules = format_modules()
            own = set(modules[self.formats[0]].FIELDS) - set(modules[name].FIELDS) - SHARED_FIELDS
            name = self.formats[0] if any(record.get(key) is not None for key in own) else name
        elif name is None and not self.formats:
            proposed = proposed_map(record)
            example = "--map NEW=OLD renames a field, for example --map instruction=question --map output=answer"
            raise UserError(
                f"{where}: no format has the keys {key_names(record)}\nknown formats: {', '.join(FORMATS)}\n"
                f"hint: {f'{proposed} names the fields' if proposed else example}"
            )
        elif name is None and not set(format_modules()[self.formats[0]].FIELDS) & record.keys():
            problem = f"no format has the keys {key_names(record)}; the first record has the format {self.formats[0]}"
            raise FieldError("", problem)
        name = name or self.formats[0]
        if name not in self.formats:
            self.formats.append(name)
            origin, _, line = where.rpartition(":")
            how = (
                f"also, from {origin}:{line} on" if self.formats[1:] else f"detected from the first record of {origin}"
            )
            self.say(f"format: {name} ({how}){self._untouched(record, _load(name))}")
        return _load(name)

    def _untouched(self, record: dict[str, Any], convert: Callable[[Row], Row]) -> str:
        """The fields that no format reads; reported because a prompt may need them."""
        try:
            row = convert(record)
        except FieldError:
            return ""
        known = {*ROW_KEYS, *(THOUGHTS if "messages" in row and not self.makes else ())}
        rest = [key for key in row if key in record and key not in known]
        return f"; kept without change: {key_names(rest)}" if rest else ""


def _load(name: str) -> Callable[[Row], Row]:
    convert: Callable[[Row], Row] = format_modules()[name].convert
    return convert


def given_id(record: dict[str, Any]) -> str:
    """The id in a record, of a line of a batch its `custom_id`; empty if it has none."""
    value = record.get("custom_id" if "custom_id" in record and is_batch(record) else "id")
    if value is None or value == "":
        return ""
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise FieldError("id", f"expected a string or a number, got {shown(value)}")
    return str(value)
