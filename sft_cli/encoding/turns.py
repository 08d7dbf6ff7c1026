"""The beginning and the end of a target turn in the text of a conversation."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sft_cli.encoding.rendering import Renderer
from sft_cli.run.errors import FieldError

FIRST_MARK = 0xE000  # from the private use area: a template does not remove or change it


@dataclass(frozen=True)
class Turn:
    """A target turn: its characters from `start` to `end`, its weight, and whether it ends with a stop token."""

    start: int
    end: int
    weight: float
    has_stop: bool


class TurnFinder:
    """Finds turns in rendered conversations; never includes a character of a later turn.

    `stops` are the texts of the stop tokens, `specials` matches the strings of special tokens.
    """

    def __init__(self, renderer: Renderer, stops: Sequence[str], specials: re.Pattern[str]) -> None:
        self.renderer, self.specials = renderer, specials
        self.stop_pattern = re.compile("|".join(re.escape(text) for text in stops if text) or r"(?!)")

    def span(self, rendered: str, messages: list[Any], tools: Any, turn: int) -> tuple[int, int, bool]:
        """Characters (start, end) of an assistant turn, and whether it ends with a stop token.

        Special tokens in the words of a message are guarded (PlainText), so a special stop token comes from the
        template. Raises FieldError if the text does not begin with the prompt of the turn, or if its end cannot be
        found.
        """
        prompt = self.renderer.render(messages[:turn], tools, prompt=True)
        if not rendered.startswith(prompt):
            raise FieldError(
                f"messages[{turn}]",
                "the chat template writes the prompt differently in training and in `sft generate`; "
                "use another --chat-template",
            )
        start = len(prompt)
        stop = self.stop_pattern.search(rendered, start)
        words = (messages[turn].get("content") or "").strip()
        if stop and rendered[start : stop.start()].strip() == words and not messages[turn].get("tool_calls"):
            return start, stop.end(), True
        alone = rendered if turn == len(messages) - 1 else self.renderer.render(messages[: turn + 1], tools, False)
        if rendered.startswith(alone):
            inside = self._after_words(alone, messages, tools, turn, start)
            stop = self.stop_pattern.search(alone, inside) or self.stop_pattern.match(rendered, len(alone))
            return start, stop.end() if stop else len(alone), stop is not None
        return self._end_of_changed((rendered, alone), messages, tools, turn, start)

    def _after_words(self, alone: str, messages: list[Any], tools: Any, turn: int, start: int) -> int:
        """Where to search for the stop token of a turn: after its words, if a stop token can be a part of them."""
        words = messages[turn].get("content") or ""
        if not self.stop_pattern.search(words):
            return start
        end = self._mark(alone, messages[: turn + 1], tools, turn, lambda mark: words + mark)
        return start if end is None else end

    def _end_of_changed(
        self, texts: tuple[str, str], messages: list[Any], tools: Any, turn: int, start: int
    ) -> tuple[int, int, bool]:
        """The span of a turn that the template writes differently when it is the last one.

        `texts` are the whole conversation, and the conversation up to the turn.
        """
        rendered, alone = texts
        following = messages[turn + 1].get("content") or ""
        limit = self._mark(rendered, messages, tools, turn + 1, lambda mark: mark + following)
        words = (messages[turn].get("content") or "").strip()
        same = _common(rendered, alone)
        if limit is not None and same <= limit:
            own = rendered.find(words, start, same) if words and not messages[turn].get("tool_calls") else -1
            if own >= 0:  # the end of the words is not a part of them
                same = own + len(words)
            is_said = own >= 0 and not rendered[start:own].strip()
            if is_said or (same > start and not self.specials.sub("", alone[same:]).strip()):
                same = self._outside_special(rendered, same)
                stop = self.stop_pattern.search(rendered, same, limit)
                is_next = stop is not None and not rendered[same : stop.start()].strip()
                return start, stop.end() if stop and is_next else same, is_next
            stop = self.stop_pattern.search(rendered, start, limit)
            if stop:
                return start, stop.end(), True
        raise FieldError(
            f"messages[{turn}]",
            "sft cannot find the end of this turn: the chat template writes no stop token after the turn, and changes "
            "the turn if more turns follow; use another --chat-template, or --targets last",
        )

    def _mark(self, rendered: str, messages: list[Any], tools: Any, turn: int, change: Any) -> int | None:
        """The place of a mark that `change` puts into the words of a turn; None if the template changes more."""
        mark = unused(rendered)
        marked = [*messages[:turn], {**messages[turn], "content": change(mark)}, *messages[turn + 1 :]]
        try:
            text = self.renderer.render(marked, tools, prompt=False)
        except FieldError:
            return None
        place = text.find(mark)
        return place if place >= 0 and text[:place] == rendered[:place] else None

    def _outside_special(self, text: str, end: int) -> int:
        """`end`, or the beginning of the special token that it would cut."""
        for match in self.specials.finditer(text, max(0, end - 100)):
            if match.start() < end < match.end():
                return match.start()
        return end


def unused(text: str) -> str:
    """A character that a text does not have."""
    return next(mark for mark in map(chr, range(FIRST_MARK, FIRST_MARK + 0x1900)) if mark not in text)


def _common(first: str, second: str) -> int:
    """The length of the common beginning of two texts."""
    return next(
        (i for i, (a, b) in enumerate(zip(first, second, strict=False)) if a != b), min(len(first), len(second))
    )
