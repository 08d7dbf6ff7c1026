"""Where completions end: at a stop token, before a stop string, or as long as allowed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sft_cli.decoding.items import Completion
from sft_cli.decoding.values import Decoding
from sft_cli.encoding.encoder import Encoder

MARGIN = 4  # tokens beyond the length of a stop string that are looked at: one may end inside the next token


class Stops:
    """The stop tokens of a model and the texts of --stop.

    Special tokens are no part of a completion's text. So a stop string that is one is a stop token here, and one that
    holds one is looked for in the text that still has them (`with_specials`).
    """

    def __init__(self, encoder: Encoder, values: Decoding) -> None:
        self.tokenizer: Any = encoder.tokenizer
        self.longest = values.max_new_tokens
        specials = encoder.plain.specials
        given = [self.tokenizer.convert_tokens_to_ids(text) for text in values.stop if text in specials]
        self.ids = tuple(dict.fromkeys([*encoder.stop_ids, *given]))
        self.texts = [text for text in values.stop if text not in specials]
        self.with_specials = [text for text in self.texts if encoder.plain.pattern.search(text)]

    def finished(self, ids: Sequence[int]) -> Completion | None:
        """The completion if these ids end it, None if it goes on.

        What stands before the stop is kept. A stop string that has only begun at the end does not end it.
        """
        if ids[-1] in self.ids:
            return Completion(self._text(ids[:-1]), "stop", len(ids), ids=list(ids))
        if (kept := self._before_text(ids)) is not None:
            return Completion(kept, "stop", len(ids), ids=list(ids))
        if len(ids) >= self.longest:
            return self.cut(ids)
        return None

    def cut(self, ids: Sequence[int]) -> Completion:
        """The completion that ends with these ids because it may not be longer."""
        return Completion(self._text(ids), "length", len(ids), ids=list(ids))

    def _text(self, ids: Sequence[int], skip: bool = True) -> str:
        return str(self.tokenizer.decode(ids, skip_special_tokens=skip))

    def _before_text(self, ids: Sequence[int]) -> str | None:
        """What stands before the first stop string; None if there is none."""
        if not self.texts:
            return None
        tail = ids[-max(len(text.encode()) for text in self.texts) - MARGIN :]
        if _first(self._text(tail), self.texts) is not None:
            whole = self._text(ids)
            return whole[: _first(whole, self.texts)]
        if not self.with_specials or _first(self._text(tail, skip=False), self.with_specials) is None:
            return None
        whole = self._text(ids, skip=False)
        place = _first(whole, self.with_specials) or 0
        before = next(n for n in reversed(range(len(ids))) if len(self._text(ids[:n], skip=False)) <= place)
        return self._text(ids[:before]) + whole[len(self._text(ids[:before], skip=False)) : place]


def _first(text: str, stops: Sequence[str]) -> int | None:
    """Where the first of the stop strings begins."""
    return min([place for stop in stops if (place := text.find(stop)) >= 0], default=None)
