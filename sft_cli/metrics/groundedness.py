"""How much of a completion its context supports: tokens, numbers, names and quotes; by their form, without a model."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar

from sft_cli.metrics.answers import said
from sft_cli.metrics.arithmetic import share
from sft_cli.metrics.extract import numbers
from sft_cli.metrics.json_text import leaves, parted_json
from sft_cli.metrics.plain_text import collapse_space, fold_width
from sft_cli.metrics.protocol import Metric, PartRead, Sums
from sft_cli.metrics.tokenizers import TokenizerName
from sft_cli.metrics.words import words_of
from sft_cli.run.passages import context_of
from sft_cli.run.writing_systems import HAN_RANGES, HANGUL, KANA

GROUNDED_PARTS = ("tokens", "numbers", "names", "quotes")
QUOTED = re.compile(r'"([^"\n]+)"|“([^”\n]+)”|「([^」\n]+)」|『([^』\n]+)』|«([^»\n]+)»')
TITLE = re.compile(r"《([^》\n]+)》")
# The number of a passage, as [1], [2, 3] or [^1], is no number of the answer. A list of numbers in JSON is not one.
CITATION_MARK = re.compile(r"(?<=[^\s:,\[{(])[ \t]?[\[【]\^?\d{1,4}(?:\s?[-–,，、]\s?\^?\d{1,4})*[\]】]")
QUOTE_KEY = re.compile("quot|evidence|excerpt|citation|passage|引用|引文|原文|证据", re.IGNORECASE)
QUOTE_MARKS = ' \t\n"“”「」『』«»'
SENTENCE_BEFORE = re.compile(r"[.!?:;。！？：；\n]\W*\Z")
IN_WORD = rf"[^\W{HAN_RANGES}{KANA}{HANGUL}]"
CAPITALISED = re.compile(r"(?<!\w)[^\W\d_][\w'’-]*(?:[ \t]+[^\W\d_][\w'’-]*)*")


def quotes_in(text: str) -> list[str]:
    """The text in double quotation marks of any script; single marks may be apostrophes and are not read."""
    return [next(filter(None, groups)).strip() for groups in QUOTED.findall(text)]


def claims_in(text: str) -> tuple[str, list[str]]:
    """The claims of a completion, and its quotes.

    JSON is read by its string values and numbers, one on each line: its keys are not claims, and the quotation marks
    around a value are not a quote. The whole value of a key such as `quote` or `evidence` is a quote.
    """
    prose, values = parted_json(text)
    lines, quotes = ([prose] if prose.strip() else []), quotes_in(prose)
    for value in values:
        for key, leaf in leaves(value):
            lines.append(leaf)
            quotes += [leaf.strip(QUOTE_MARKS)] if QUOTE_KEY.search(key) else quotes_in(leaf)
    return "\n".join(lines), [quote for quote in quotes if quote]


def names_in(text: str) -> list[str]:
    """Names by their form: runs of capitalised words, and text in 《》.

    The first word of a sentence is not part of a run, because it always has a capital; nor is `I`. Scripts without
    capitals have no names except titles in 《》.
    """
    names = [title.strip() for title in TITLE.findall(text)]
    for run in CAPITALISED.finditer(text):
        begins_sentence = not text[: run.start()].strip() or bool(SENTENCE_BEFORE.search(text[: run.start()]))
        name: list[str] = []
        for place, word in enumerate([*run.group().split(), ""]):
            is_part = word[:1].isupper() and word not in ("I", "I'm", "I’m") and not (begins_sentence and place == 0)
            if is_part:
                name.append(word)
            elif name:
                names.append(" ".join(name))
                name = []
    return [re.sub(r"['’]s$", "", name) for name in names]


@lru_cache(maxsize=64)
def _folded(text: str) -> str:
    return f" {collapse_space(text).casefold()} "


def mentions(context: str, name: str) -> bool:
    """Whether the context has the name as whole words, without regard to case, width and white space.

    A Chinese character beside a Latin name does not make the name longer: 在Kelley商学院 has Kelley.
    """
    wanted = _folded(name).strip()
    first = f"(?<!{IN_WORD})" if wanted[:1].isascii() else ""
    last = f"(?!{IN_WORD})" if wanted[-1:].isascii() else ""
    return re.search(first + re.escape(wanted) + last, _folded(context)) is not None


def supported(completion: str, context: str, tokenizer: str) -> dict[str, tuple[int, int]]:
    """For tokens, numbers, names and quotes of the completion: the number that the context has, and the total.

    The context has a token or a number if it has an equal one (numbers by value: 1,000 is 1000.0). It has a name if its
    words are together in the context. It has a quote if the same words are in the context, without regard to white
    space, width and case. The claims of JSON are its values.
    """
    text, quotes = claims_in(CITATION_MARK.sub(" ", completion))
    theirs = set(words_of(context, tokenizer))
    their_numbers = set(numbers(context))
    tokens, found_numbers, names = words_of(text, tokenizer), numbers(text), names_in(fold_width(text))
    return {
        "tokens": (sum(token in theirs for token in tokens), len(tokens)),
        "numbers": (sum(number in their_numbers for number in found_numbers), len(found_numbers)),
        "names": (sum(mentions(context, name) for name in names), len(names)),
        "quotes": (sum(_folded(quote).strip() in _folded(context) for quote in quotes), len(quotes)),
    }


@dataclass(frozen=True, kw_only=True)
class Groundedness(Metric):
    """Shares of all tokens, numbers, names and quotes of the completions that their contexts support.

    The context is the row's field `context` (a text, a list of texts, or of objects with `text` or `content`), or with
    `context=messages` all turns of the prompt. Shares are over the whole file: a row with more claims has more weight.
    A failed row has no claims: it does not count, and is shown as `no_completion`.
    """

    name: ClassVar[str] = "groundedness"
    primary: ClassVar[str] = "groundedness.tokens"
    primary_sums: ClassVar[tuple[str, ...]] = ("supported_tokens", "all_tokens", "count")
    reads: ClassVar[PartRead] = "text"
    missing: ClassVar[str] = "no_context"
    counted: ClassVar[tuple[str, ...]] = ("no_completion",)
    context: str = "context"
    tokenizer: TokenizerName = "mixed"

    def sums(self, row: Mapping[str, Any]) -> Sums | None:
        """Counts of the claims of the completion, and of those that the context supports."""
        context = context_of(row, self.context)
        if context is None:
            return None
        text = said(row)
        if text is None:
            return {"count": 0, "no_completion": 1}
        sums: Sums = {"count": 1}
        for part, (there, total) in supported(text, context, self.tokenizer).items():
            sums |= {f"supported_{part}": there, f"all_{part}": total}
        return sums

    def values(self, sums: Mapping[str, Any]) -> dict[str, Any]:
        """The four shares; NaN if there is nothing of a kind."""
        known = [part for part in GROUNDED_PARTS if f"all_{part}" in sums]
        return {f"groundedness.{part}": share(sums[f"supported_{part}"], sums[f"all_{part}"]) for part in known}

    def row_values(self, sums: Mapping[str, Any]) -> dict[str, float]:
        """The shares of the kinds of claims that the completion has."""
        values = self.values(sums)
        return {
            f"groundedness.{part}": values[f"groundedness.{part}"] for part in GROUNDED_PARTS if sums.get(f"all_{part}")
        }

    def details(self, sums: Mapping[str, float]) -> dict[str, Any]:
        """The numbers of tokens, numbers, names and quotes behind the shares."""
        return {"of": {part: int(sums.get(f"all_{part}", 0)) for part in GROUNDED_PARTS}}

    def signature_parts(self) -> dict[str, str]:
        """The field of the context, and the tokenizer."""
        return {"context": self.context, "tok": self.tokenizer}
