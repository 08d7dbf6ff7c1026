"""From a row to token ids and target weights: one rendering, one tokenisation; character offsets find the targets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from sft_cli.encoding.chunks import ChunkTokenizer, Tokens, whole_offsets
from sft_cli.encoding.rendering import Renderer
from sft_cli.encoding.special_text import PlainText, notes_of_chat, notes_of_text
from sft_cli.encoding.turn_end import turn_end
from sft_cli.encoding.turns import Turn, TurnFinder, unused
from sft_cli.encoding.written import WrittenCheck
from sft_cli.run.errors import FieldError

NOT_FOR_THE_TEMPLATE = ("weight",)  # keys of a message that only sft uses
CHECKED_ROWS = 16  # rows of a run that are also encoded one by one


@dataclass(frozen=True)
class Example:
    """One document: `ids` (T,) int32 and `weights` (T,) float32; weight 0 means that the token is not a target.

    The first token is never a target, because no token before it can predict it. `has_stop`: whether each target turn
    ends with a stop token that is a target. `seam_merges` counts tokens that cross from a prompt into its answer.
    `is_text` marks raw text, which needs no stop token. `notes` are facts about the row that the user may not expect.
    """

    ids: np.ndarray
    weights: np.ndarray
    has_stop: bool = True
    seam_merges: int = 0
    is_text: bool = False
    notes: tuple[str, ...] = ()

    @property
    def target_count(self) -> int:
        """Number of tokens that are targets."""
        return int(np.count_nonzero(self.weights))


@dataclass(frozen=True)
class RenderedRow:
    """A row as text, its special strings guarded; the turns count characters of the restored text."""

    text: str
    guard: str
    turns: list[Turn]
    is_text: bool
    weight: float = 1.0
    notes: tuple[str, ...] = ()


class Encoder:
    """Renders and tokenises rows for one tokenizer; `train` and `generate` share it, so both use the same text."""

    def __init__(self, tokenizer: Any, stop_ids: tuple[int, ...] = (), special_tokens_in_text: bool = False) -> None:
        self.tokenizer, self.special_tokens_in_text = tokenizer, special_tokens_in_text
        self.plain = PlainText(tokenizer)
        self.renderer = Renderer(tokenizer)
        stops = dict.fromkeys(token for token in (*stop_ids, tokenizer.eos_token_id) if token is not None)
        self.text_end = [*stops][-1:]  # the token that ends raw text
        self.turn_end = turn_end(self.renderer, self.plain)
        self.adds_turn_end = self.turn_end is not None and self.turn_end not in stops  # the checkpoint does not name it
        self.stop_ids = (*stops, *([self.turn_end] if self.turn_end is not None and self.adds_turn_end else []))
        added = tokenizer.added_tokens_decoder
        self.stop_texts = [str(added[t].content) if t in added else tokenizer.decode([t]) for t in self.stop_ids]
        self.turns = TurnFinder(self.renderer, self.stop_texts, self.plain.pattern)
        self.written = WrittenCheck(self.renderer)
        self.checked = 0  # number of rows that were encoded both ways
        self.begin_ids = [t for t in tokenizer("").input_ids[:1] if t == tokenizer.bos_token_id]

    @cached_property
    def chunks(self) -> ChunkTokenizer | None:
        """The faster way to tokenise; None if this tokenizer does not support it."""
        return ChunkTokenizer.of(self.tokenizer)

    def prompt(self, row: dict[str, Any]) -> tuple[str, list[int]]:
        """The text and the token ids that a model continues: the training text up to the answer."""
        if "messages" not in row:
            guard, text = self.guard_text(row["text"])
            ids = self.plain.tokenize(text, guard)[0]
            return row["text"], self._begin(ids) + ids
        guard, messages, tools = self._guarded(row)
        rendered = self.renderer.render(messages, tools, prompt=True)
        self.written.notes(row, messages, tools, rendered, None)
        ids, _ = self.plain.tokenize(rendered, guard)
        return self.plain.restore(rendered, guard), ids

    def user_opening(self, row: dict[str, Any]) -> tuple[str, list[int]]:
        """The text and the token ids of a chat up to the words of its last turn, a user turn.

        Raises FieldError if the chat template changes these words.
        """
        *before, last = template_messages(row)
        guard, (before, tools) = self.plain.guard([before, row.get("tools")])
        mark = unused(str(before))
        rendered = self.renderer.render([*before, {**last, "content": mark}], tools, prompt=False)
        opening, words, _ = rendered.partition(mark)
        if not words:
            raise FieldError("messages", "the chat template does not write the content of the last user turn")
        return self.plain.restore(opening, guard), self.plain.tokenize(opening, guard)[0]

    def training_text(self, row: dict[str, Any]) -> str:
        """The whole conversation as in training."""
        guard, messages, tools = self._guarded(row)
        return self.plain.restore(self.renderer.render(messages, tools, prompt=False), guard)

    def answer(self, row: dict[str, Any]) -> str:
        """The text that `generate` would write for a conversation's last turn, in the form of its chat template."""
        turns = [{key: value for key, value in turn.items() if key != "weight"} for turn in row["messages"]]
        example = self.example({**row, "messages": turns, "weight": 1.0}, "last")
        ids = example.ids[example.weights > 0].tolist()
        ids = ids[:-1] if ids and ids[-1] in self.stop_ids else ids
        return str(self.tokenizer.decode(ids, skip_special_tokens=True))

    def example(self, row: dict[str, Any], targets: str = "all") -> Example:
        """Token ids and target weights of a row; `targets` is `all` assistant turns or the `last`.

        A token is a target if it begins inside a target turn: from the end of the prompt that `generate` would build to
        the end of its stop token. Raises FieldError for a row that the chat template refuses, or renders differently
        for training and for generation.
        """
        draft = self._draft(row, targets)
        ids, offsets = self.plain.tokenize(draft.text, draft.guard)
        return self._marked(draft, ids, offsets)

    def examples(self, rows: Sequence[dict[str, Any]], targets: str = "all") -> list[Example | FieldError]:
        """The result of `example` for each row, or its FieldError; several times as fast."""
        drafts: list[RenderedRow | FieldError] = []
        for row in rows:
            try:
                drafts.append(self._draft(row, targets))
            except FieldError as error:
                drafts.append(error)
        encoded: list[Example | FieldError | None] = [d if isinstance(d, FieldError) else None for d in drafts]
        open_drafts = [(i, d) for i, d in enumerate(drafts) if not isinstance(d, FieldError)]
        if self.chunks is not None:
            chosen = [(i, draft) for i, draft in open_drafts if not draft.guard]
            asked = [[c for turn in draft.turns for c in (turn.start, turn.end)] for _, draft in chosen]
            cut = self.chunks.tokenize([draft.text for _, draft in chosen], asked)
            for (i, draft), tokens in zip(chosen, cut, strict=True):
                encoded[i] = self._counted(draft, tokens)
        left = [(i, draft) for i, draft in open_drafts if encoded[i] is None]
        whole = self.plain.tokenize_all([(draft.text, draft.guard) for _, draft in left])
        for (i, draft), (ids, offsets) in zip(left, whole, strict=True):
            encoded[i] = self._marked(draft, ids, offsets)
        examples = [each for each in encoded if each is not None]
        self._check_some(rows, examples, targets)
        return examples

    def _check_some(
        self, rows: Sequence[dict[str, Any]], examples: Sequence[Example | FieldError], targets: str
    ) -> None:
        """Also encode the first rows of this encoder one by one. Raises AssertionError if a result differs."""
        for row, example in zip(rows[: CHECKED_ROWS - self.checked], examples, strict=False):
            self.checked += 1
            if isinstance(example, FieldError):
                continue
            alone = self.example(row, targets)
            same = np.array_equal(alone.ids, example.ids) and np.array_equal(alone.weights, example.weights)
            assert same, (
                f"row {row.get('id')!r} gets different tokens when several rows are encoded at once; this is a bug"
            )

    def _draft(self, row: dict[str, Any], targets: str) -> RenderedRow:
        if "messages" not in row:
            guard, text = self.guard_text(row["text"])
            return RenderedRow(text, guard, [], True, float(row.get("weight", 1.0)), notes_of_text(row, bool(guard)))
        guard, messages, tools = self._guarded(row)
        rendered = self.renderer.render(messages, tools, prompt=False)
        turns = [i for i, message in enumerate(row["messages"]) if message["role"] == "assistant"]
        weights = {
            turn: float(row["messages"][turn].get("weight", 1.0)) * float(row.get("weight", 1.0))
            for turn in (turns[-1:] if targets == "last" else turns)
        }
        learned = [turn for turn, weight in weights.items() if weight > 0]
        notes = self.written.notes(row, messages, tools, rendered, learned)
        if guard:
            notes += notes_of_chat(row["messages"], learned, self.stop_texts)
        target_turns = []
        for turn, weight in weights.items():
            start, end, stops = self.turns.span(rendered, messages, tools, turn)
            if guard:
                start, end = (len(self.plain.restore(rendered[:place], guard)) for place in (start, end))
            target_turns.append(Turn(start, end, weight, stops))
        return RenderedRow(rendered, guard, target_turns, False, notes=tuple(notes))

    def _marked(self, draft: RenderedRow, ids: list[int], offsets: list[tuple[int, int]]) -> Example:
        """The example of a draft from the offsets of all its tokens."""
        if draft.is_text:
            return self._text_example(draft, np.array(ids, dtype=np.int32))
        starts, ends = whole_offsets(offsets)
        places = [np.searchsorted(starts, (turn.start, turn.end)).tolist() for turn in draft.turns]
        merges = sum(int(np.any((starts < turn.start) & (ends > turn.start))) for turn in draft.turns)
        return self._with_turns(draft, np.array(ids, dtype=np.int32), places, merges)

    def _with_turns(self, draft: RenderedRow, ids: np.ndarray, places: list[list[int]], seam_merges: int) -> Example:
        """The example of a draft whose turns are given by these places of tokens."""
        weights = np.zeros(len(ids), dtype=np.float32)
        has_stop = bool(draft.turns)
        for turn, (start, end) in zip(draft.turns, places, strict=True):
            weights[start:end] = turn.weight
            if turn.weight > 0:
                has_stop = has_stop and turn.has_stop and int(ids[end - 1]) in self.stop_ids
        weights[:1] = 0.0
        return Example(ids, weights, has_stop, seam_merges, notes=draft.notes)

    def _counted(self, draft: RenderedRow, tokens: Tokens) -> Example | None:
        """The example of a draft from the token places at the ends of each turn; None if a place is not known."""
        if draft.is_text:
            return self._text_example(draft, tokens.ids)
        marks = [mark for mark in tokens.marks if mark is not None]
        if len(marks) < len(tokens.marks):
            return None
        places = [[start[0], end[0]] for start, end in zip(marks[::2], marks[1::2], strict=True)]
        return self._with_turns(draft, tokens.ids, places, sum(start[1] for start in marks[::2]))

    def _text_example(self, draft: RenderedRow, ids: np.ndarray) -> Example:
        is_ended = self.special_tokens_in_text and draft.text.rstrip().endswith(tuple(self.stop_texts))
        end = [] if is_ended else self.text_end
        whole = np.concatenate([self._begin(ids[:1].tolist()), ids, end]).astype(np.int32)
        weights = np.full(len(whole), draft.weight, dtype=np.float32)
        weights[:1] = 0.0
        return Example(whole, weights, bool(self.stop_ids), is_text=True, notes=draft.notes)

    def guard_text(self, value: Any) -> tuple[str, Any]:
        """The result of `PlainText.guard` for raw text; no guards if names of special tokens mean the tokens."""
        return ("", value) if self.special_tokens_in_text else self.plain.guard(value)

    def _begin(self, ids: list[int]) -> list[int]:
        """The begin token, unless the text already begins with it."""
        return [] if ids[:1] == self.begin_ids else self.begin_ids

    def _guarded(self, row: dict[str, Any]) -> tuple[str, list[Any], Any]:
        messages, tools = template_messages(row), row.get("tools")
        is_plain = tools is None and all(len(message) == 2 for message in messages)
        if is_plain and not any(self.plain.pattern.search(message["content"]) for message in messages):
            return "", messages, None
        guard, (messages, tools) = self.plain.guard([messages, tools])
        return guard, messages, tools


def template_messages(row: dict[str, Any]) -> list[dict[str, Any]]:
    """The messages of a row for a chat template: without our keys, each with a content or None."""
    return [
        {key: value for key, value in message.items() if key not in NOT_FOR_THE_TEMPLATE and value is not None}
        | {"content": message.get("content")}
        for message in row["messages"]
    ]


def count_tokens(tokenizer: Any, row: dict[str, Any], special_tokens_in_text: bool = False) -> int:
    """Number of tokens of a whole row as in training."""
    encoder = getattr(tokenizer, "_sft_encoder", None)
    if encoder is None:
        encoder = tokenizer._sft_encoder = Encoder(tokenizer, (), special_tokens_in_text)
    return len(encoder.example(row).ids)


def stop_ids_of(model: Any) -> tuple[int, ...]:
    """The token ids at which a model stops generating, by its generation config."""
    stops = getattr(getattr(model, "generation_config", None), "eos_token_id", None)
    return tuple(stops) if isinstance(stops, (list, tuple)) else () if stops is None else (stops,)
