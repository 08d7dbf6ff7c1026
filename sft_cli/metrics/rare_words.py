"""How many rare words a model uses, compared with a reference text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, NamedTuple

from sft_cli.metrics.answers import said
from sft_cli.metrics.arithmetic import ratio
from sft_cli.metrics.protocol import Metric, PartRead, Sums
from sft_cli.metrics.text_files import check_file_option, file_digest, texts_of_file
from sft_cli.metrics.tokenizers import TokenizerName, load_splitter
from sft_cli.run.errors import UserError


class CommonAndRare(NamedTuple):
    """The common tokens of a text, its rare ones, and the share of its tokens that are rare."""

    common: frozenset[str]
    rare: frozenset[str]
    rare_share: float


def common_and_rare(counts: Mapping[str, int], common: float) -> CommonAndRare:
    """The most frequent tokens that together are nearest to the share `common` of a text, and the others.

    Tokens of equal frequency are all common, or all rare; the most frequent ones are common.
    """
    total, covered = sum(counts.values()), 0
    choices = []  # distance to the share, the least frequency of a common token, and what the common tokens cover
    for count, tokens in sorted(Counter(counts.values()).items(), reverse=True):
        covered += count * tokens
        choices.append((abs(covered - common * total), -count, covered))
    _, least, covered = min(choices, default=(0, 0, 0))
    often = frozenset(token for token, count in counts.items() if count >= -least)
    return CommonAndRare(often, frozenset(counts) - often, ratio(total - covered, total))


@dataclass(frozen=True, kw_only=True)
class RareWords(Metric):
    """Share of the completions' tokens that are rare in a reference text: a fall means a poorer vocabulary.

    The common tokens are the most frequent ones that are nearest to the share `common` of the text; all others are
    rare, also `unseen` ones, which the text does not have. The summary has the share of the text itself.
    """

    name: ClassVar[str] = "rare-words"
    primary: ClassVar[str] = "rare_words"
    primary_sums: ClassVar[tuple[str, ...]] = ("rare", "tokens", "count")
    reads: ClassVar[PartRead] = "text"
    missing: ClassVar[str] = "no_completion"
    text: str = ""
    common: float = 0.95
    tokenizer: TokenizerName = "mixed"

    def __post_init__(self) -> None:
        check_file_option(self.name, "text", self.text)
        if self.common >= 1:
            raise UserError(f"rare-words: common: expected less than 1, got {self.common:g}")

    def files(self) -> list[str]:
        """The reference text."""
        return [self.text]

    @cached_property
    def _known(self) -> CommonAndRare:
        split = load_splitter(self.tokenizer)
        counts = Counter[str]()
        for text in texts_of_file(self.text, f"--metric {self.name}:text"):
            counts.update(split(text))
        return common_and_rare(counts, self.common)

    @cached_property
    def _digest(self) -> str:
        return file_digest(self.text)

    def sums(self, row: Mapping[str, Any]) -> Sums | None:
        """The tokens of the completion, and those that are rare and unseen."""
        text = said(row)
        if text is None:
            return None
        tokens = load_splitter(self.tokenizer)(text)
        uncommon = [token for token in tokens if token not in self._known.common]
        unseen = sum(token not in self._known.rare for token in uncommon)
        return {"rare": len(uncommon), "unseen": unseen, "tokens": len(tokens), "count": 1}

    def values(self, sums: Mapping[str, Any]) -> dict[str, Any]:
        """The shares of all tokens of all completions."""
        values = {"rare_words": ratio(sums["rare"], sums["tokens"])}
        return values | ({"rare_words.unseen": ratio(sums["unseen"], sums["tokens"])} if "unseen" in sums else {})

    def details(self, sums: Mapping[str, float]) -> dict[str, Any]:
        """The share of rare tokens in the reference text, and the size of its vocabulary."""
        known = self._known
        return {"reference": {"rare": known.rare_share, "common_tokens": len(known.common),
                              "rare_tokens": len(known.rare)}}  # fmt: skip

    def signature_parts(self) -> dict[str, str]:
        """The content of the reference text, the share of common tokens, and the tokenizer."""
        return {"text": self._digest, "common": f"{self.common:g}", "tok": self.tokenizer}
