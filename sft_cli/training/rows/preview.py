"""A row as in training: its text in spans of equal weight."""

from __future__ import annotations

from typing import Any

import numpy as np

from sft_cli.encoding.encoder import Example
from sft_cli.run.marked_text import Span

LONGEST_CHARACTER = 4  # bytes of a UTF-8 character, and therefore the most tokens of one character


def spans(example: Example, tokenizer: Any) -> list[Span]:
    """The text of an example in runs of tokens with the same weight that are all special, or all not special.

    The joined texts are the decoded text of the whole row. A character whose bytes are in tokens of different weights
    belongs to the run in which it begins.
    """
    special = set(tokenizer.all_special_ids)
    special |= {index for index, token in tokenizer.added_tokens_decoder.items() if token.special}
    ids = example.ids.tolist()
    kinds = [(float(weight), token in special) for weight, token in zip(example.weights, ids, strict=True)]
    edges = [i for i in range(1, len(ids)) if kinds[i] != kinds[i - 1]]
    runs, done, start = [], "", 0
    for end in [*edges, len(ids)]:
        text = _decode_whole(tokenizer, ids, end)
        if text != done:
            runs.append(Span(text[len(done) :], *kinds[start]))
        done, start = text, end
    return runs


def _decode_whole(tokenizer: Any, ids: list[int], end: int) -> str:
    """The decoded text of `ids[:end]`, with the rest of a character that is cut: later tokens do not change it."""
    for more in range(LONGEST_CHARACTER):
        text = _decode(tokenizer, ids[: end + more])
        if _decode(tokenizer, ids[: end + more + LONGEST_CHARACTER]).startswith(text):
            return text
    return text


def _decode(tokenizer: Any, ids: list[int]) -> str:
    return str(tokenizer.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False))


def heading(example: Example, row_id: str, task: str = "") -> str:
    """`── ID  task=…  24 tokens, 9 of them targets`, and the sum of their weights if it differs from their number."""
    count = example.target_count
    weight = float(np.sum(example.weights, dtype=np.float64))
    return f"── {row_id}{f'  task={task}' if task else ''}  {len(example.ids):,} tokens, {count:,} of them targets" + (
        f", weight {weight:.6g}" if weight != count else ""
    )
