"""Where completions end: at a stop token, before a stop string, or as long as allowed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sft_cli.decoding.items import Completion
from sft_cli.decoding.values import Decoding
from sft_cli.encoding.encoder import Encoder

MARGIN = 4  # additional tokens to search for a stop string: it may end inside the next token


class Stops:
    """The stop tokens of a model and the texts of --stop.

    Special tokens are not part of a completion's text. Therefore a stop string that is a special token becomes a stop
    token, and a stop string that contains one is searched in the text with special tokens (`with_specials`).
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
        """The completion if these ids end it, None if it continues.

        The text before the stop is kept. A stop string that has only begun at the end does not end the completion.
        """
        if ids[-1] in self.ids:
            return Completion(self._text(ids[:-1]), "stop", len(ids), ids=list(ids))
        if (kept := self._before_text(ids)) is not None:
            return Completion(kept, "stop", len(ids), ids=list(ids))
        if len(ids) >= self.longest:
            return self.cut(ids)
        return None

    def cut(self, ids: Sequence[int]) -> Completion:
        """The completion that ends with these ids because of the length limit."""
        return Completion(self._text(ids), "length", len(ids), ids=list(ids))

    def _text(self, ids: Sequence[int], skip: bool = True) -> str:
        return str(self.tokenizer.decode(ids, skip_special_tokens=skip))

    def _before_text(self, ids: Sequence[int]) -> str | None:
        """The text before the first stop string; None if there is no stop string."""
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
    """The place where the first stop string begins."""
    return min([place for stop in stops if (place := text.find(stop)) >= 0], default=None)
