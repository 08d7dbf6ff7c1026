"""Batched decoding by transformers' `generate`: beam search, and models whose attention does not support `Slots`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from sft_cli.decoding.controls import Controls
from sft_cli.decoding.engines.protocol import Done
from sft_cli.decoding.items import Completion, Item, Writing, plan_batches
from sft_cli.decoding.logprobs import completion_log_probs
from sft_cli.decoding.stops import Stops
from sft_cli.decoding.values import Decoding
from sft_cli.encoding.encoder import Encoder


class StaticBatches:
    """Writes completions in padded batches that begin and end together."""

    def __init__(self, model: Any, encoder: Encoder, values: Decoding, controls: Controls) -> None:
        self.model, self.values, self.controls = model, values, controls
        self.stops = Stops(encoder, values)
        tokenizer = encoder.tokenizer
        self.pad_id = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else 0

    def complete(self, items: Sequence[Item], rows: int, prefix_ids: Sequence[int] = ()) -> Iterator[Done]:
        """Completions of the items, a batch of at most `rows` at a time."""
        # transformers merges the model's defaults into the given config; only our values may count.
        self.model.generation_config = self._config()
        values = self.values
        for batch in plan_batches(list(items), values.batch_tokens, values.max_new_tokens):
            for start in range(0, len(batch), rows):
                part = batch[start : start + rows]
                yield list(zip(part, self._batch(part), strict=True))

    def _config(self) -> Any:
        from transformers import GenerationConfig

        beams: dict[str, Any] = {"num_beams": self.values.num_beams}
        if self.values.num_beams > 1:
            early = {"yes": True, "no": False, "never": "never"}[self.values.early_stopping]
            beams |= {"length_penalty": self.values.length_penalty, "early_stopping": early}
        return GenerationConfig(
            do_sample=False,
            max_new_tokens=max(self.values.max_new_tokens, 1),
            eos_token_id=list(self.stops.ids) or None,
            pad_token_id=self.pad_id,
            **beams,
        )

    def _batch(self, batch: list[Item]) -> list[Completion]:
        longest = max(len(item.prompt_ids) for item in batch)
        ids = torch.full((len(batch), longest), self.pad_id, dtype=torch.long)
        mask = torch.zeros_like(ids)
        for row, item in enumerate(batch):
            ids[row, longest - len(item.prompt_ids) :] = torch.tensor(item.prompt_ids)
            mask[row, longest - len(item.prompt_ids) :] = 1
        writings = [self.controls.begin(item) for item in batch]
        chooser = Chooser(self.controls, writings, longest, self.stops.ids)
        with torch.inference_mode():
            output = self.model.generate(
                input_ids=ids.to(self.model.device),
                attention_mask=mask.to(self.model.device),
                logits_processor=[chooser],
            )
        done = [self._completion(row) for row in output[:, longest:].tolist()]
        for writing, completion in zip(writings, done, strict=True):
            completion.log_prob = writing.log_prob(completion.tokens)
        if self.values.completion_logprobs and self.values.num_beams > 1:  # beams have no writings of their own
            pairs = [(item.prompt_ids, completion.ids) for item, completion in zip(batch, done, strict=True)]
            log_probs = completion_log_probs(self.model, pairs, self.values.batch_tokens)
            for completion, log_prob in zip(done, log_probs, strict=True):
                completion.log_prob = log_prob
        return done

    def _completion(self, ids: list[int]) -> Completion:
        ends = (self.stops.finished(ids[:count]) for count in range(1, len(ids) + 1))
        return next((completion for completion in ends if completion is not None), self.stops.cut(ids))


class Chooser:
    """Our controls as a logits processor of transformers; without beams it leaves only the chosen token.

    It writes the chosen tokens into `writings`. Finished texts are not changed: transformers fills them up with
    further tokens.
    """

    def __init__(
        self, controls: Controls, writings: list[Writing], prompt_length: int, stop_ids: Sequence[int]
    ) -> None:
        self.controls, self.writings, self.prompt_length, self.stop_ids = controls, writings, prompt_length, stop_ids

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """input_ids (B·beams, T) prompts and what was written; scores (B·beams, V). Returns scores of that shape."""
        beams = len(input_ids) // len(self.writings)
        if beams > 1:  # beams change places: each step starts from the beginning
            written = input_ids[:, self.prompt_length :].tolist()
            texts = [Writing(self.writings[row // beams].item, 0, ids) for row, ids in enumerate(written)]
            return self.controls.scores(scores, texts)
        going = [row for row, writing in enumerate(self.writings) if not self._is_done(writing)]
        texts = [self.writings[row] for row in going]
        chosen = torch.tensor(self.controls.write(scores[going], texts), device=scores.device)
        new_scores = torch.full_like(scores[going], -torch.inf).scatter(1, chosen[:, None], 0.0)
        return scores.index_copy(0, torch.tensor(going, device=scores.device), new_scores)

    def _is_done(self, writing: Writing) -> bool:
        return bool(writing.ids) and writing.ids[-1] in self.stop_ids
