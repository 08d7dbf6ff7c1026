"""Broken markup, and marks of a chat format inside a text."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar

from sft_cli.curation.filters.protocol import RowFilter, RowPart, part_of_row
from sft_cli.data.rows import Row

FENCE_MARK = re.compile(r"^[ \t]{0,3}(?:```|~~~)", re.MULTILINE)
THOUGHT = re.compile(r"<(/?)(?:think|thinking|reasoning)>")
CHAT_MARKS = re.compile(
    r"<\|[\w ]+\|>|\[/?INST\]|<</?SYS>>|^### (?:Instruction|Response|Human|Assistant):", re.MULTILINE
)
ENTITY = re.compile(r"&(?:amp|lt|gt|quot|nbsp|#39|#x27);")
TAG = re.compile(r"</?(?:div|span|p|br|table|tr|td|ul|ol|li|a|img|b|i|strong|em)\b[^<>]*>", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class MarkupFilter(RowFilter):
    """Drops rows whose answer (of=question, of=all) has broken markup.

    An odd number of code fences, a thought without its end, marks of a chat format such as `<|im_end|>`, HTML entities
    or HTML tags outside code, and the character U+FFFD of a text that was decoded wrongly.
    """

    name: ClassVar[str] = "markup"
    of: RowPart = "answer"

    def problem(self, row: Row) -> str:
        """What is broken."""
        text = part_of_row(row, self.of)
        if "\ufffd" in text:
            return f"{self.of} has characters that were decoded wrongly (U+FFFD)"
        if len(FENCE_MARK.findall(text)) % 2:
            return f"{self.of} has a code fence without its end"
        ends = [match[1] for match in THOUGHT.finditer(text)]
        if ends.count("") > ends.count("/"):
            return f"{self.of} has a thought without its end"
        if CHAT_MARKS.search(text):
            return f"{self.of} has marks of a chat format"
        if "`" not in text and (ENTITY.search(text) or TAG.search(text)):
            return f"{self.of} has HTML"
        return ""
