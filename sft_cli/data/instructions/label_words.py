"""Label words: the words that the values of an answer field get."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from sft_cli.run.errors import FieldError, UserError, shown

# A comma ends a word only if another VALUE= follows: `1=yes, it is,0=no`.
NEXT_LABEL = re.compile(r",(?=[^,=]+=)")


@dataclass
class LabelWords:
    """The words of --labels by the value that they are for; and how many records had each value."""

    words: dict[str, str]
    seen: set[str] = field(default_factory=set)

    @property
    def choices(self) -> list[str]:
        """The different words, in their order."""
        return list(dict.fromkeys(self.words.values()))

    def word(self, name: str, value: Any) -> str:
        """The word for the value of the field `name`; raises FieldError for a value without one."""
        key = value_key(value)
        if key not in self.words:
            known = ", ".join(self.words)
            problem = f"expected one of {known}, as in --labels, got {shown(value)}"
            raise FieldError(name, problem, f"--labels {key}=WORD gives this value a word")
        self.seen.add(key)
        return self.words[key]

    def unused(self) -> list[str]:
        """The labels whose value no record had, as they are written in the flag."""
        return [f"{key}={word}" for key, word in self.words.items() if key not in self.seen]


def value_key(value: Any) -> str:
    """A value as --labels names it: `1` for 1, 1.0 and "1", `true` for true."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip()


def read_label_words(texts: Iterable[str]) -> LabelWords | None:
    """The label words of `0=negative,1=positive` texts; None without a text. Raises UserError for another form."""
    words: dict[str, str] = {}
    for text in texts:
        for pair in NEXT_LABEL.split(text):
            key, equals, word = (part.strip() for part in pair.partition("="))
            if not (key and equals and word):
                raise UserError(f"--labels: expected VALUE=WORD, got {pair!r}\nhint: --labels 0=negative,1=positive")
            if key in words:
                raise UserError(f"--labels: {key}: given twice; expected one word for each value")
            words[key] = word
    return LabelWords(words) if words else None
