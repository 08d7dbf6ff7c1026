"""Log-probabilities of given answers, with the encoding and the head of training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from sft_cli.encoding.encoder import Encoder, Example
from sft_cli.model.forward import Batch, make_batch, weighted_loss
from sft_cli.model.vocabulary import check_embedded

LONGEST_LOGPROB_PASS = 16384  # most tokens in one pass for log-probabilities, even if there is more room


def reference_logprobs(
    model: Any, encoder: Encoder, row: dict[str, Any], references: list[str], longest: int
) -> list[dict[str, Any] | None]:
    """For each reference: {"sum": log-probability in nats, "tokens", "characters", "bytes"}; None if it is too long.

    Tokens count the stop token that ends the answer; characters and bytes are those of the reference.
    """
    if "messages" not in row or not references:
        return []
    examples, embeddings = [], model.get_input_embeddings().weight.shape[0]
    for reference in references:
        messages = [*row["messages"], {"role": "assistant", "content": reference}]
        plain = {key: value for key, value in row.items() if key != "weight"}
        examples.append(encoder.example({**plain, "messages": messages}, targets="last"))
        check_embedded(examples[-1].ids.tolist(), embeddings, encoder.tokenizer)
    fitting = [i for i, example in enumerate(examples) if len(example.ids) <= longest]
    sums = dict(zip(fitting, log_likelihoods(model, [examples[i] for i in fitting]), strict=True))
    return [
        {
            "sum": sums[i],
            "tokens": examples[i].target_count,
            "characters": len(reference),
            "bytes": len(reference.encode("utf-8")),
        }
        if i in sums
        else None
        for i, reference in enumerate(references)
    ]


def completion_log_probs(model: Any, texts: Sequence[tuple[list[int], list[int]]], most: int) -> list[float]:
    """Σ log p(token) of each completion, in nats, from the ids of its prompt and its own; `most` tokens in a pass."""
    examples = [
        Example(np.array([*prompt, *ids], np.int32), np.repeat(np.array([0, 1], np.float32), [len(prompt), len(ids)]))
        for prompt, ids in texts
    ]
    longest = max((len(example.ids) for example in examples), default=1)
    size = max(1, min(most, LONGEST_LOGPROB_PASS) // longest)
    parts = [examples[start : start + size] for start in range(0, len(examples), size)]
    return [value for part in parts for value in log_likelihoods(model, part)]


class Windows(NamedTuple):
    """How a long text is read: `context` tokens at a time, a window every `stride`; `most` tokens in memory at once."""

    context: int
    stride: int
    most: int


def text_logprobs(model: Any, encoder: Encoder, rows: Sequence[dict[str, Any]], reads: Windows) -> list[dict[str, Any]]:
    """For each row of raw text: {"sum": log-probability in nats, "tokens", "characters", "bytes"}.

    A text longer than the context is read in windows; a token counts once, in the first window that has it. The first
    token of all has nothing before it and is not counted, unless the tokenizer begins texts with a token of its own.
    """
    examples: list[tuple[int, Example]] = []
    entries = []
    for number, row in enumerate(rows):
        ids = np.asarray(encoder.prompt(row)[1], np.int32)
        text = row["text"]
        if not encoder.begin_ids and len(ids):
            guard, guarded = encoder.guard_text(text)
            text = text[encoder.plain.tokenize(guarded, guard)[1][0][1] :]
        counts = {"characters": len(text), "bytes": len(text.encode("utf-8", "surrogatepass"))}
        entries.append({"sum": 0.0, "tokens": max(len(ids) - 1, 0), **counts})
        for start, end, first in windows(len(ids), reads.context, reads.stride):
            weights = np.zeros(end - start, np.float32)
            weights[first - start :] = 1
            examples.append((number, Example(ids[start:end], weights)))
    examples.sort(key=lambda pair: -len(pair[1].ids))
    while examples:
        count = max(1, reads.most // max(len(examples[0][1].ids), 1))
        batch, examples = examples[:count], examples[count:]
        for (number, _), value in zip(batch, log_likelihoods(model, [each for _, each in batch]), strict=True):
            entries[number]["sum"] += value
    return entries


def windows(count: int, context: int, stride: int) -> list[tuple[int, int, int]]:
    """(start, end, first token that counts) of windows of at most `context` over `count` tokens; each counts once.

    Source: the strided perplexity of transformers' documentation ("Perplexity of fixed-length models").
    """
    spans = [(0, min(context, count), 1)] if count > 1 else []
    while spans and spans[-1][1] < count:
        done = spans[-1][1]
        end = min(done + stride, count)
        spans.append((end - context, end, done))
    return spans


def log_likelihoods(model: Any, examples: list[Example]) -> list[float]:
    """Σ log p(target) of each example, in nats: the negative of the summed cross-entropy in training."""
    if not examples:
        return []
    return sum_log_probs(model, make_batch(examples, str(model.device)), len(examples))


def sum_log_probs(model: Any, batch: Batch, count: int) -> list[float]:
    """Σ log p(target), in nats, over the targets of each of the `count` numbers in `batch.documents`."""
    sums = torch.zeros(count, dtype=torch.float64, device=batch.ids.device)

    def negative_log_probs(logits: Tensor, rows: slice) -> Tensor:
        return functional.cross_entropy(logits, batch.labels[rows], reduction="none")

    with torch.no_grad():
        _, losses = weighted_loss(model, batch, negative_log_probs)
    sums.index_add_(0, batch.documents, -losses.double())
    return [float(value) for value in sums]
