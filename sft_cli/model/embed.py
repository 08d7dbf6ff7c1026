"""Measures of whole rows by a model: their embeddings in its last hidden layer, and the loss of their answers."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from sft_cli.encoding.encoder import Encoder, Example, stop_ids_of
from sft_cli.model.device import dtype_note, pick_device, pick_dtype, use_threads
from sft_cli.model.forward import Batch, make_batch, target_states, weighted_loss
from sft_cli.model.load import load_model, load_tokenizer
from sft_cli.run.errors import FieldError
from sft_cli.run.flags import RunsModel
from sft_cli.run.progress import Progress

MOST_TOKENS = 4096  # of a micro-batch; a longer row is alone in its micro-batch


class RowReader:
    """A loaded model that reads rows, each cut at the model's context; it counts the cut rows."""

    def __init__(self, model: Any, encoder: Encoder, device: str = "cpu", quiet: bool = False) -> None:
        self.model, self.encoder, self.device, self.quiet = model, encoder, device, quiet
        self.note = ""  # about the number format, if it is not the requested one
        self.context = int(getattr(model.config, "max_position_embeddings", None) or 1 << 30)
        self.cut = 0

    @classmethod
    def open(cls, name: str, settings: RunsModel, quiet: bool = False) -> RowReader:
        """Load the model; raises UserError if it does not exist."""
        tokenizer = load_tokenizer(name, settings.chat_template)
        use_threads(settings.threads)
        device = pick_device(settings.device)
        dtype = pick_dtype(settings.dtype, device)
        model = load_model(name, dtype, device)
        encoder = Encoder(tokenizer, stop_ids_of(model), settings.special_tokens_in_text)
        reader = cls(model, encoder, device, quiet)
        reader.note = dtype_note(settings.dtype, dtype)
        return reader

    def check(self, row: dict[str, Any], needs_target: bool = False) -> int:
        """The number of tokens of a row.

        Raises FieldError for a row that the chat template refuses, that has no token, or (with `needs_target`) that has
        no target within the model's context.
        """
        example = self.encoder.example(row)
        self.cut += len(example.ids) > self.context
        if not len(example.ids):
            raise FieldError("", "expected at least one token, got none")
        if needs_target and not np.any(example.weights[: self.context]):
            raise FieldError("", f"expected a target among its first {self.context:,} tokens, got none")
        return len(example.ids)

    def embeddings(self, rows: Sequence[dict[str, Any]]) -> np.ndarray:
        """The mean of the last hidden states (after the final norm) over all tokens of each row, divided by its length.

        (N, d) float32.
        """

        def embed(batch: Batch) -> Tensor:
            everywhere = torch.arange(batch.ids.shape[1], device=self.device)
            states = target_states(self.model, dataclasses.replace(batch, targets=everywhere)).float()
            means = torch.stack([part.mean(dim=0) for part in states.split(batch.lengths)])
            return functional.normalize(means, dim=1)

        return self._each(rows, embed, "embed").astype(np.float32)

    def losses(self, rows: Sequence[dict[str, Any]]) -> np.ndarray:
        """The mean cross-entropy Σ w·loss / Σ w over the targets of each row, (N,) in nats."""

        def lose(batch: Batch) -> Tensor:
            def cross_entropy(logits: Tensor, targets: slice) -> Tensor:
                return functional.cross_entropy(logits, batch.labels[targets], reduction="none")

            _, losses = weighted_loss(self.model, batch, cross_entropy)
            documents, weights = batch.documents.cpu(), batch.weights.cpu().double()
            sums = torch.bincount(documents, weights * losses.cpu().double(), len(batch.lengths))
            return sums / torch.bincount(documents, weights, len(batch.lengths))

        return self._each(rows, lose, "read")

    def _each(self, rows: Sequence[dict[str, Any]], compute: Callable[[Batch], Tensor], what: str) -> np.ndarray:
        """The result of `compute` for each row, (N, …), in the order of the rows; the longest rows are read first."""
        values: list[np.ndarray] = [np.empty(0)] * len(rows)
        done = tokens = 0
        examples = [self._cut(example) for example in self.encoder.examples(rows)]
        with Progress(what, len(rows), "row", self.quiet) as progress, torch.no_grad():
            for members in batches_of([len(example.ids) for example in examples], MOST_TOKENS):
                batch = make_batch([examples[i] for i in members], self.device)
                for i, value in zip(members, compute(batch).cpu().numpy(), strict=True):
                    values[i] = value
                done, tokens = done + len(members), tokens + sum(batch.lengths)
                progress.update(done, {"tokens": tokens})
        return np.array(values)

    def _cut(self, example: Example | FieldError) -> Example:
        if isinstance(example, FieldError):  # `check` did not refuse it
            raise example
        ids, weights = example.ids[: self.context], example.weights[: self.context]
        return dataclasses.replace(example, ids=ids, weights=weights)


def batches_of(lengths: Sequence[int], most_tokens: int) -> list[list[int]]:
    """Indices in batches of at most `most_tokens` (or of one row), longest first; equal lengths in their order."""
    batches: list[list[int]] = []
    room = 0
    for i in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        if lengths[i] > room or not batches:
            batches.append([])
            room = most_tokens
        batches[-1].append(i)
        room -= lengths[i]
    return batches
