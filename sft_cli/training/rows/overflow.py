"""What becomes of a row that is longer than --max-length, by --overflow; nothing is cut without being counted."""

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
    sentences: SentenceEnds | None = None  # where raw text is best split; without it, at the length

    def __call__(self, example: Example, ledger: Ledger) -> list[Example]:
        """The examples that one becomes: itself if it fits, none if it is dropped, several if it is split.

        Raises FieldError for a row without a target, or if a row that is too long is an error.
        """
        if not example.target_count:
            raise FieldError("messages", "expected at least one target token, got none (are all weights 0?)")
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
        cause = "; split is for raw text" if self.overflow == "split" else ""
        found = f"expected at most {self.max_length} tokens, got {len(example.ids)}"
        raise FieldError("", f"{found} (--overflow {allowed} allows it{cause})")

    def _truncated(self, example: Example, ledger: Ledger) -> list[Example]:
        """Raw text cut at the length; a conversation cut after the last target turn whose stop token still fits.

        A conversation of which no target turn fits is dropped: an answer without its end teaches not to end.
        """
        if example.is_text:
            ids, weights = example.ids[: self.max_length], example.weights[: self.max_length]
            if not np.any(weights):
                ledger.count(f"{self.what} rows dropped: no target left after cutting at {self.max_length} tokens")
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
        """Consecutive documents, cut where a paragraph or a sentence ends if one does. Each begins with the last token
        of the one before, so that its own first token has something to be predicted from: every token but the text's
        very first is a target exactly once.
        """
        pieces = []
        start = inside = 0
        while start < len(example.ids) - 1:
            end = min(start + self.max_length, len(example.ids))
            is_last = end == len(example.ids)
            if not is_last and self.sentences is not None:
                found = self.sentences.last(example.ids, start, end)
                inside += found is None
                end = found or end
            weights = example.weights[start:end].copy()
            weights[0] = 0.0
            if np.any(weights):
                pieces.append(Example(example.ids[start:end], weights, example.has_stop and is_last, is_text=True))
            start = end - 1
        ledger.count(f"{self.what} rows")
        ledger.count(f"{self.what} rows split into documents of at most {self.max_length} tokens")
        ledger.count(f"{self.what} documents added by that", len(pieces) - 1)
        if inside:
            ledger.count(f"{self.what} documents that end inside a sentence of more tokens than that", inside)
        return pieces
