"""How much of a completion is copied from the training rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from sft_cli.metrics.answers import said
from sft_cli.metrics.arithmetic import ratio
from sft_cli.metrics.ngram_hashes import ngram_numbers, places_in
from sft_cli.metrics.protocol import Metric, PartRead, Sums
from sft_cli.metrics.row_texts import prompt_texts
from sft_cli.metrics.text_files import check_file_option, file_digest, texts_of_file
from sft_cli.metrics.tokenizers import TokenizerName, load_splitter

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True, kw_only=True)
class Memorised(Metric):
    """Share of the completions' tokens that are in a run of at least n tokens of a training row; lower is better.

    `train` is a file of training rows. Runs that the prompt of the row also has do not count: to quote it is not to
    remember. `rows`: completions with such a run. `longest_run`: the longest sequence of tokens of which each n
    neighbours are together in a training row, as a share of the completion, mean over completions. Completions of fewer
    than n tokens are left out and counted as `too_short`. Each different n-gram of the training rows takes 8 bytes of
    memory, 24 while they are read.
    """

    name: ClassVar[str] = "memorised"
    primary: ClassVar[str] = "memorised"
    primary_sums: ClassVar[tuple[str, ...]] = ("copied", "tokens", "count")
    higher_is_better: ClassVar[bool] = False
    reads: ClassVar[PartRead] = "text"
    missing: ClassVar[str] = "no_completion"
    counted: ClassVar[tuple[str, ...]] = ("too_short",)
    train: str = ""
    n: int = field(default=13, metadata={"minimum": 2})
    tokenizer: TokenizerName = "mixed"

    def __post_init__(self) -> None:
        check_file_option(self.name, "train", self.train)

    def files(self) -> list[str]:
        """The training rows."""
        return [self.train]

    @cached_property
    def _known(self) -> np.ndarray:
        """The different n-grams of the training rows, in order, uint64."""
        import numpy as np

        split = load_splitter(self.tokenizer)
        parts = [
            ngram_numbers(split(text), self.n) for text in texts_of_file(self.train, f"--metric {self.name}:train")
        ]
        return np.unique(np.concatenate(parts))

    @cached_property
    def _digest(self) -> str:
        return file_digest(self.train)

    def sums(self, row: Mapping[str, Any]) -> Sums | None:
        """The tokens of the completion, those that are copied, and the longest run."""
        text = said(row)
        if text is None:
            return None
        split = load_splitter(self.tokenizer)
        tokens = split(text)
        if len(tokens) < self.n:
            return {"count": 0, "too_short": 1}
        numbers = ngram_numbers(tokens, self.n)
        is_copied = places_in(self._known, numbers)[1]
        if is_copied.any():
            import numpy as np

            asked = [ngram_numbers(split(prompt), self.n) for prompt in prompt_texts(row)]
            is_copied &= ~np.isin(numbers, np.concatenate([numbers[:0], *asked]))
        copied, longest = copied_tokens(is_copied.tolist(), self.n)
        return {
            "copied": copied,
            "tokens": len(tokens),
            "rows": int(copied > 0),
            "longest_run": longest / len(tokens),
            "longest_tokens": longest,
            "count": 1,
        }

    def values(self, sums: Mapping[str, Any]) -> dict[str, Any]:
        """The share of tokens, of completions, and the mean longest run."""
        values = {"memorised": ratio(sums["copied"], sums["tokens"])}
        for part in ("rows", "longest_run"):
            if part in sums:
                values[f"memorised.{part}"] = ratio(sums[part], sums["count"])
        return values

    def signature_parts(self) -> dict[str, str]:
        """The content of the training rows, the length of a run, and the tokenizer."""
        return {"train": self._digest, "order": str(self.n), "tok": self.tokenizer}


def copied_tokens(is_copied: list[bool], n: int) -> tuple[int, int]:
    """From whether each n-gram is copied: the number of tokens in copied n-grams, and the longest run of tokens."""
    copied = longest = run = 0
    covered_to = 0
    for start, is_there in enumerate(is_copied):
        run = run + 1 if is_there else 0
        if is_there:
            copied += start + n - max(start, covered_to)
            covered_to = start + n
            longest = max(longest, run + n - 1)
    return copied, longest
