"""How much of a completion its context supports: tokens, numbers, names and quotes. By form alone, without a model."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar

from sft_cli.metrics.answers import said
from sft_cli.metrics.arithmetic import ratio
from sft_cli.metrics.extract import numbers
from sft_cli.metrics.json_text import leaves, parted_json
from sft_cli.metrics.plain_text import collapse_space, fold_width
from sft_cli.metrics.protocol import Metric, PartRead, Sums
from sft_cli.metrics.tokenizers import TokenizerName
from sft_cli.metrics.words import words_of
from sft_cli.run.passages import context_of

GROUNDED_PARTS = ("tokens", "numbers", "names", "quotes")
QUOTED = re.compile(r'"([^"\n]+)"|“([^”\n]+)”|「([^」\n]+)」|『([^』\n]+)』|«([^»\n]+)»')
TITLE = re.compile(r"《([^》\n]+)》")
QUOTE_KEY = re.compile("quot|evidence|excerpt|citation|passage|引用|引文|原文|证据", re.IGNORECASE)
QUOTE_MARKS = ' \t\n"“”「」『』«»'
SENTENCE_BEFORE = re.compile(r"[.!?:;。！？：；\n]\W*\Z")
CAPITALISED = re.compile(r"(?<!\w)[^\W\d_][\w'’-]*(?:[ \t]+[^\W\d_][\w'’-]*)*")


def quotes_in(text: str) -> list[str]:
    """What stands in double quotation marks of any script; 'single' ones may be apostrophes and are not read."""
    return [next(filter(None, found)).strip() for found in QUOTED.findall(text)]


def claims_in(text: str) -> tuple[str, list[str]]:
    """What a completion says, and what it quotes.

    JSON is read by its string values and numbers, a line each: its keys claim nothing, and the quotation marks around
    a value quote nothing. What stands under a key such as `quote` or `evidence` is a quotation as a whole.
    """
    prose, values = parted_json(text)
    lines, quotes = ([prose] if prose.strip() else []), quotes_in(prose)
    for value in values:
        for key, leaf in leaves(value):
            lines.append(leaf)
            quotes += [leaf.strip(QUOTE_MARKS)] if QUOTE_KEY.search(key) else quotes_in(leaf)
    return "\n".join(lines), [quote for quote in quotes if quote]


def names_in(text: str) -> list[str]:
    """Names by their form: runs of capitalised words, and what stands in 《》.

    A sentence's first word is left out of its run, since it would be capitalised anyway; so is a run's `I`. Scripts
    without capitals have no names but the titles in 《》.
    """
    found = [title.strip() for title in TITLE.findall(text)]
    for run in CAPITALISED.finditer(text):
        begins_sentence = not text[: run.start()].strip() or bool(SENTENCE_BEFORE.search(text[: run.start()]))
        name: list[str] = []
        for place, word in enumerate([*run.group().split(), ""]):
            is_part = word[:1].isupper() and word not in ("I", "I'm", "I’m") and not (begins_sentence and place == 0)
            if is_part:
                name.append(word)
            elif name:
                found.append(" ".join(name))
                name = []
    return [re.sub(r"['’]s$", "", name) for name in found]


@lru_cache(maxsize=64)
def _folded(text: str) -> str:
    return f" {collapse_space(text).casefold()} "


def mentions(context: str, name: str) -> bool:
    """Whether the context has the name as whole words, but for case, width and white space."""
    wanted = _folded(name).strip()
    first, last = (r"(?<!\w)" if wanted[:1].isascii() else "", r"(?!\w)" if wanted[-1:].isascii() else "")
    return re.search(first + re.escape(wanted) + last, _folded(context)) is not None


def supported(completion: str, context: str, tokenizer: str) -> dict[str, tuple[int, int]]:
    """For tokens, numbers, names and quotes of the completion: how many the context has, and how many there are.

    A token or a number is there if the context has an equal one (numbers by value: 1,000 is 1000.0); a name if its
    words stand there together; a quote if it stands there word for word, but for white space, width and case. JSON
    claims what its values say.
    """
    text, quotes = claims_in(completion)
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
    `context=messages` all turns of the prompt. Shares are over the whole file, so that a row weighs by what it claims.
    A failed row supports nothing and claims nothing: it does not count, and is shown as `no_completion`.
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
        """Counts of what the completion has and of what is supported."""
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
        """The four shares; 0 where there is nothing to support."""
        known = [part for part in GROUNDED_PARTS if f"all_{part}" in sums]
        return {f"groundedness.{part}": ratio(sums[f"supported_{part}"], sums[f"all_{part}"]) for part in known}

    def row_values(self, sums: Mapping[str, Any]) -> dict[str, float]:
        """The shares of what the completion has; none of what it has not."""
        values = self.values(sums)
        return {
            f"groundedness.{part}": values[f"groundedness.{part}"] for part in GROUNDED_PARTS if sums.get(f"all_{part}")
        }

    def details(self, sums: Mapping[str, float]) -> dict[str, Any]:
        """How many tokens, numbers, names and quotes the shares are of."""
        return {"of": {part: int(sums.get(f"all_{part}", 0)) for part in GROUNDED_PARTS}}

    def signature_parts(self) -> dict[str, str]:
        """Where the context stands, and the tokenizer."""
        return {"context": self.context, "tok": self.tokenizer}
