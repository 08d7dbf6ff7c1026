"""Batched decoding in this process, by transformers' `generate`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from sft_cli.decoding.plan import Item
from sft_cli.decoding.processors import NoRepeatNgram
from sft_cli.decoding.settings import GenerateSettings
from sft_cli.model.encode import Encoder
from sft_cli.run.seed import stable_hash


@dataclass
class Completion:
    """What was written for one item."""

    text: str
    finish_reason: str  # stop, length or error
    tokens: int
    error: str | None = None


class TransformersEngine:
    """Completes batches of items with a loaded model. Starts from a clean generation config: only flags count."""

    def __init__(self, model: Any, encoder: Encoder, settings: GenerateSettings) -> None:
        self.model, self.encoder, self.settings = model, encoder, settings
        tokenizer = encoder.tokenizer
        self.pad_id = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else 0
        # transformers merges the model's own defaults into whatever it is given; only what the flags say may count.
        self.model.generation_config = self._config()

    def _config(self) -> Any:
        from transformers import GenerationConfig

        settings = self.settings
        sampling = {"temperature": settings.temperature, "top_k": settings.top_k, "top_p": settings.top_p}
        return GenerationConfig(
            do_sample=settings.temperature > 0,
            max_new_tokens=max(settings.max_new_tokens, 1),
            repetition_penalty=settings.repetition_penalty,
            eos_token_id=list(self.encoder.stop_ids) or None,
            pad_token_id=self.pad_id,
            **(sampling if settings.temperature > 0 else {}),
        )

    def complete(self, batch: list[Item]) -> list[Completion]:
        """One Completion per item. Sampling depends on the seed and on the items of the batch alone."""
        longest = max(len(item.prompt_ids) for item in batch)
        ids = torch.full((len(batch), longest), self.pad_id, dtype=torch.long)
        mask = torch.zeros_like(ids)
        for row, item in enumerate(batch):
            ids[row, longest - len(item.prompt_ids) :] = torch.tensor(item.prompt_ids)
            mask[row, longest - len(item.prompt_ids) :] = 1
        processors = []
        if self.settings.no_repeat_ngram_size:
            processors.append(NoRepeatNgram(self.settings.no_repeat_ngram_size, longest))
        torch.manual_seed(stable_hash(self.settings.seed, [(item.row["id"], item.sample) for item in batch]) % 2**63)
        with torch.inference_mode():
            output = self.model.generate(
                input_ids=ids.to(self.model.device),
                attention_mask=mask.to(self.model.device),
                logits_processor=processors,
            )
        return [self._completion(row) for row in output[:, longest:].tolist()]

    def _completion(self, ids: list[int]) -> Completion:
        stop = next((i for i, token in enumerate(ids) if token in self.encoder.stop_ids), None)
        text = self.encoder.tokenizer.decode(ids if stop is None else ids[:stop], skip_special_tokens=True)
        if stop is None:
            return Completion(text, "length", len(ids))
        return Completion(text, "stop", stop + 1)
