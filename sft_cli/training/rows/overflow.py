"""The handling of rows longer than --max-length, by --overflow; every cut is counted."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from sft_cli.encoding.encoder import Example
from sft_cli.encoding.sentences import SentenceEnds
from sft_cli.run.errors import FieldError
from sft_cli.run.ledger import Ledger


@dataclass(frozen=True)
class Fit:
    """Makes examples fit into `max_length` tokens."""

    overflow: str
    max_length: int
    stop_ids: tuple[int, ...]
    what: str  # the rows are "training" or "held-out"
    sentences: SentenceEnds | None = None  # the best places to split raw text; without it, at the length

    def __call__(self, example: Example, ledger: Ledger) -> list[Example]:
        """The examples made from one: itself if it fits, none if it is dropped, several if it is split.

        Raises FieldError for a row without a target, and for a row that is too long with --overflow error.
        """
        if not example.target_count:
            raise FieldError("messages", "expected at least one target token, got none (perhaps all weights are 0)")
        if len(example.ids) <= self.max_length:
            ledger.count(f"{self.what} rows")
            return [example]
        if self.overflow == "drop":
            ledger.count(f"{self.what} rows dropped: longer than {self.max_length} tokens")
            return []
        if self.overflow == "truncate":
            return self._truncated(example, ledger)
        if self.overflow == "split" and example.is_text:
            return self._split(example, ledger)
        allowed = "drop, truncate or split" if example.is_text else "drop or truncate"
        cause = "; split is only for raw text" if self.overflow == "split" else ""
        problem = f"expected at most {self.max_length} tokens, got {len(example.ids)}"
        raise FieldError("", f"{problem} (--overflow {allowed} allows longer rows{cause})")

    def _truncated(self, example: Example, ledger: Ledger) -> list[Example]:
        """Raw text cut at the length; a conversation cut after the last target turn whose stop token still fits.

        A conversation without a target turn that fits is dropped: an answer without its end would teach the model not
        to stop.
        """
        if example.is_text:
            ids, weights = example.ids[: self.max_length], example.weights[: self.max_length]
            if not np.any(weights):
                ledger.count(f"{self.what} rows dropped: no target left after the cut at {self.max_length} tokens")
                return []
            ledger.count(f"{self.what} rows")
            ledger.count(f"{self.what} rows cut at {self.max_length} tokens (their ends are lost)")
            return [replace(example, ids=ids, weights=weights, has_stop=False)]
        window = slice(0, self.max_length)
        stops = np.flatnonzero(np.isin(example.ids[window], self.stop_ids) & (example.weights[window] > 0))
        if not len(stops):
            ledger.count(f"{self.what} rows dropped: no target turn ends within {self.max_length} tokens")
            return []
        end = int(stops[-1]) + 1
        ledger.count(f"{self.what} rows")
        ledger.count(f"{self.what} rows cut at the end of a turn to fit {self.max_length} tokens")
        return [replace(example, ids=example.ids[:end], weights=example.weights[:end])]

    def _split(self, example: Example, ledger: Ledger) -> list[Example]:
        """Consecutive documents, cut at the end of a paragraph or a sentence if possible.

        Each begins with the last token of the document before, which predicts its next token: every token except the
        first of the text is a target exactly once.
        """
        pieces = []
        start = inside = 0
        while start < len(example.ids) - 1:
            end = min(start + self.max_length, len(example.ids))
            is_last = end == len(example.ids)
            if not is_last and self.sentences is not None:
                sentence_end = self.sentences.last(example.ids, start, end)
                inside += sentence_end is None
                end = sentence_end or end
            weights = example.weights[start:end].copy()
            weights[0] = 0.0
            if np.any(weights):
                pieces.append(Example(example.ids[start:end], weights, example.has_stop and is_last, is_text=True))
            start = end - 1
        ledger.count(f"{self.what} rows")
        ledger.count(f"{self.what} rows split into documents of at most {self.max_length} tokens")
        ledger.count(f"{self.what} documents added by the split", len(pieces) - 1)
        if inside:
            ledger.count(f"{self.what} documents that end inside a sentence, because the sentence is too long", inside)
        return pieces
