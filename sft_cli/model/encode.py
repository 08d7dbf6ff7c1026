"""From a row to token ids and target weights: one rendering, one tokenisation, character offsets decide the targets."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np

from sft_cli.model.special_text import PlainText
from sft_cli.run.errors import FieldError, UserError

NOT_FOR_THE_TEMPLATE = ("weight",)  # keys of a message that are ours


@dataclass(frozen=True)
class Example:
    """One document: `ids` (T,) int32 and `weights` (T,) float32; weight 0 means that the token is not a target.

    The first token never is one: nothing stands before it to predict it from. `has_stop` tells whether each target
    turn ends with a stop token that is a target; `seam_merges` counts tokens that straddle a prompt and its answer;
    `is_text` marks raw text, which need not stop.
    """

    ids: np.ndarray
    weights: np.ndarray
    has_stop: bool = True
    seam_merges: int = 0
    is_text: bool = False

    @property
    def target_count(self) -> int:
        """Number of tokens that are targets."""
        return int(np.count_nonzero(self.weights))


class Encoder:
    """Renders and tokenises rows for one tokenizer; `train` and `generate` share it, so they see the same text."""

    def __init__(self, tokenizer: Any, stop_ids: tuple[int, ...] = ()) -> None:
        self.tokenizer = tokenizer
        stops = [*stop_ids, tokenizer.eos_token_id]
        self.stop_ids = tuple(dict.fromkeys(token for token in stops if token is not None))
        self.plain = PlainText(tokenizer)
        stop_texts = [tokenizer.convert_ids_to_tokens(token) for token in self.stop_ids]
        self.stop_pattern = re.compile("|".join(re.escape(text) for text in stop_texts if text) or r"(?!)")
        self.begin_ids = [t for t in tokenizer("").input_ids[:1] if t == tokenizer.bos_token_id]

    def prompt(self, row: dict[str, Any]) -> tuple[str, list[int]]:
        """The text and the token ids that a model continues: what it is trained on, up to the answer."""
        if "messages" not in row:
            guard, text = self.plain.guard(row["text"])
            return row["text"], self.begin_ids + self.plain.tokenize(text, guard)[0]
        guard, messages, tools = self._guarded(row)
        rendered = self._render(messages, tools, prompt=True)
        ids, _ = self.plain.tokenize(rendered, guard)
        return self.plain.restore(rendered, guard), ids

    def training_text(self, row: dict[str, Any]) -> str:
        """The whole conversation as the model is trained on it."""
        guard, messages, tools = self._guarded(row)
        return self.plain.restore(self._render(messages, tools, prompt=False), guard)

    def example(self, row: dict[str, Any], targets: str = "all") -> Example:
        """Token ids and target weights of a row; `targets` is `all` assistant turns or the `last`.

        A token is a target if it begins inside a target turn, which runs from the end of the prompt that `generate`
        would build to the end of its stop token. Raises FieldError for a row that the chat template refuses, or
        renders differently in training than for generation.
        """
        if "messages" not in row:
            return self._text_example(row)
        guard, messages, tools = self._guarded(row)
        rendered = self._render(messages, tools, prompt=False)
        ids, offsets = self.plain.tokenize(rendered, guard)
        starts, ends = whole_offsets(offsets)
        weights = np.zeros(len(ids), dtype=np.float32)
        turns = [i for i, message in enumerate(row["messages"]) if message["role"] == "assistant"]
        has_stop, seam_merges = bool(turns), 0
        for turn in turns[-1:] if targets == "last" else turns:
            weight = float(row["messages"][turn].get("weight", 1.0)) * float(row.get("weight", 1.0))
            guarded_start, guarded_end, stops = self._span(rendered, messages, tools, turn)
            start = len(self.plain.restore(rendered[:guarded_start], guard))
            end = len(self.plain.restore(rendered[:guarded_end], guard))
            if weight > 0:
                has_stop &= stops
            seam_merges += int(np.any((starts < start) & (ends > start)))
            weights[(starts >= start) & (starts < end)] = weight
        weights[:1] = 0.0
        return Example(np.array(ids, dtype=np.int32), weights, has_stop, seam_merges)

    def _text_example(self, row: dict[str, Any]) -> Example:
        guard, text = self.plain.guard(row["text"])
        ids, _ = self.plain.tokenize(text, guard)
        whole = [*self.begin_ids, *ids, *self.stop_ids[-1:]]
        weights = np.full(len(whole), float(row.get("weight", 1.0)), dtype=np.float32)
        weights[:1] = 0.0
        return Example(np.array(whole, dtype=np.int32), weights, bool(self.stop_ids), is_text=True)

    def _span(self, rendered: str, messages: list[Any], tools: Any, turn: int) -> tuple[int, int, bool]:
        """Characters (start, end) of an assistant turn, and whether it ends with a stop token.

        Message texts hold no special token here (PlainText guards them), so the first stop token after the start
        is the template's own.
        """
        prompt = self._render(messages[:turn], tools, prompt=True)
        if not rendered.startswith(prompt):
            raise FieldError(
                f"messages[{turn}]",
                "expected the training text to begin with the prompt that `generate` builds, but the chat template "
                "renders them differently",
            )
        stop = self.stop_pattern.search(rendered, len(prompt))
        written = rendered[len(prompt) : stop.start() if stop else None]
        if messages[turn].get("tool_calls") and not written.strip():
            raise FieldError(
                f"messages[{turn}].tool_calls",
                "the chat template writes nothing of them (--chat-template gives one that knows tools)",
            )
        if stop is not None:
            return len(prompt), stop.end(), True
        until = self._render(messages[: turn + 1], tools, prompt=False)
        return len(prompt), len(until) if rendered.startswith(until) else len(rendered), False

    def _guarded(self, row: dict[str, Any]) -> tuple[str, list[Any], Any]:
        messages = [
            {key: value for key, value in message.items() if key not in NOT_FOR_THE_TEMPLATE}
            | {"content": message.get("content") or ""}
            for message in row["messages"]
        ]
        guard, (messages, tools) = self.plain.guard([messages, row.get("tools")])
        return guard, messages, tools

    def _render(self, messages: list[Any], tools: Any, prompt: bool) -> str:
        if not self.tokenizer.chat_template:
            raise UserError(
                "the tokenizer has no chat template\n"
                "hint: --chat-template FILE.jinja gives it one; an instruct model brings its own"
            )
        from jinja2 import TemplateError

        try:
            return str(
                self.tokenizer.apply_chat_template(messages, tools=tools, tokenize=False, add_generation_prompt=prompt)
            )
        except (TemplateError, TypeError) as error:
            raise FieldError("messages", f"the chat template refuses this row: {error}") from error


def whole_offsets(offsets: list[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:
    """Starts and ends (T,) of tokens, white space included: many tokenizers leave a token's leading space out.

    A token that the tokenizer says begins after the end of the one before begins at that end. Without this a token
    such as " The" after a prompt that ends in a space would count as all of the answer's.
    """
    ends = np.array([end for _, end in offsets], dtype=np.int64)
    before = np.concatenate([[0], np.maximum.accumulate(ends)[:-1]]) if len(ends) else ends
    return np.minimum(np.array([start for start, _ in offsets], dtype=np.int64), before), ends


def count_tokens(tokenizer: Any, row: dict[str, Any]) -> int:
    """Number of tokens of a whole row as it would be trained on."""
    encoder = getattr(tokenizer, "_sft_encoder", None)
    if encoder is None:
        encoder = tokenizer._sft_encoder = Encoder(tokenizer)
    return len(encoder.example(row).ids)


def stop_ids_of(model: Any) -> tuple[int, ...]:
    """The token ids at which a model stops generating, by its generation config."""
    stops = getattr(getattr(model, "generation_config", None), "eos_token_id", None)
    return tuple(stops) if isinstance(stops, (list, tuple)) else () if stops is None else (stops,)
