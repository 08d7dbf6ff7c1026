"""The engine in this process: a loaded model, and the handling of failed batches."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch

from sft_cli.decoding.bad_words import BadWords
from sft_cli.decoding.choices import choice_logprobs
from sft_cli.decoding.constraints import open_constraint
from sft_cli.decoding.continuous_batches import ContinuousBatches, shared_prefix
from sft_cli.decoding.controls import Controls
from sft_cli.decoding.engines.protocol import Done, LogProbs
from sft_cli.decoding.items import Item, failed
from sft_cli.decoding.logprobs import LONGEST_LOGPROB_PASS, Windows, reference_logprobs, text_logprobs
from sft_cli.decoding.padded_batches import StaticBatches
from sft_cli.decoding.prompts import Prompts
from sft_cli.decoding.settings import GenerateSettings
from sft_cli.decoding.values import Decoding, check_controls
from sft_cli.encoding.encoder import Encoder, stop_ids_of
from sft_cli.encoding.turn_end import turn_end_notes
from sft_cli.model.attention import NAME, describe_attention
from sft_cli.model.bf16_linears import pack_linears
from sft_cli.model.device import device_of, pick_dtype, use_threads
from sft_cli.model.forward import inner_model
from sft_cli.model.load import generation_config_at, load_model, load_tokenizer
from sft_cli.model.progressive.add import answering, choose_column
from sft_cli.run.errors import UserError
from sft_cli.run.ranks import Ranks

MOST_ROWS = 64  # texts at a time; --batch-tokens may allow fewer


class TransformersEngine:
    """A model in this process: all controls, log-probabilities, any device, adapters.

    An item that fails has its own error; other items continue.
    """

    def __init__(self, model: Any, encoder: Encoder, values: Decoding) -> None:
        self.model, self.encoder, self.values = model, encoder, values
        self.context = int(getattr(model.config, "max_position_embeddings", None) or 1 << 30)
        self.described: dict[str, Any] = {}
        self.notes = [*turn_end_notes(encoder), *describe_attention(inner_model(model).config)]
        self.prompts = Prompts(encoder, values.forced_prefix, model.get_input_embeddings().weight.shape[0])
        takes_slots = inner_model(model).config._attn_implementation == NAME
        kind = ContinuousBatches if takes_slots and values.num_beams == 1 else StaticBatches
        vocabulary = inner_model(model).get_output_embeddings().weight.shape[0]
        constraint = open_constraint(values, encoder, vocabulary)
        controls = Controls(values, BadWords(encoder, values.bad_words, values.forced_prefix), constraint)
        self.batches = kind(model, encoder, values, controls)

    @classmethod
    def open(cls, settings: GenerateSettings, ranks: Ranks = Ranks()) -> TransformersEngine:  # noqa: B008 (a tuple)
        """Load the model; raises UserError for a missing model, and for flags that contradict each other."""
        tokenizer = load_tokenizer(settings.model, settings.chat_template, settings.base)
        config = (
            generation_config_at(settings.model, settings.base) if settings.generation_config == "checkpoint" else {}
        )
        values = Decoding.of(settings, config)
        check_controls(settings, values)
        use_threads(settings.threads)
        device = device_of(ranks, settings.device)
        dtype = pick_dtype(settings.dtype, device)
        model = load_model(settings.model, dtype, device, base=settings.base)
        if settings.column is not None:
            choose_column(model, settings.column)
        pack_linears(model)
        engine = cls(model, Encoder(tokenizer, stop_ids_of(model), settings.special_tokens_in_text), values)
        engine.described = {"device": device, "dtype": dtype} | answering(model)
        if (settings.window_stride or 0) >= engine.context:
            problem = f"expected less than the model's context of {engine.context}, got {settings.window_stride}"
            raise UserError(f"--window-stride: {problem}")
        return engine

    def complete(self, items: Sequence[Item], of: Sequence[Item]) -> Iterator[Done]:
        """Completions of the items, in the order in which they finish; the items are the unfinished ones `of` a file.

        When a pass fails, each of its unfinished texts is written alone, and fails alone. If memory runs out, they are
        tried again, half as many at a time.
        """
        prefix, rows = shared_prefix(of), MOST_ROWS
        # Texts of similar length together: attention uses the room of the longest. Equal prompts are read once.
        left = sorted(items, key=lambda item: (-len(item.prompt_ids), item.prompt_ids, item.index, item.sample))
        while left:
            done: set[int] = set()
            try:
                for batch in self.batches.complete(left, rows, prefix):
                    done |= {id(item) for item, _ in batch}
                    yield batch
                return
            except Exception as error:  # an error of one row must not end the run; the row has the error
                # The error itself is not kept: its traceback would keep the memory of the failed pass.
                has_no_memory = is_out_of_memory(error)
            left = [item for item in left if id(item) not in done]
            taken = min(rows, len(left))  # the texts in progress are among the first of the rest
            if has_no_memory and taken > 1:
                rows = taken // 2
                continue
            for item in left[:taken]:
                yield from self._alone(item, prefix)
            left = left[taken:]

    def _alone(self, item: Item, prefix: list[int]) -> Iterator[Done]:
        try:
            yield from self.batches.complete([item], 1, prefix)
        except Exception as error:
            yield [(item, failed(error))]

    def logprobs(self, rows: Mapping[int, dict[str, Any]], settings: GenerateSettings) -> dict[int, LogProbs]:
        """The fields of --logprobs, --choices and --echo-logprobs."""
        fields: dict[int, LogProbs] = {index: {} for index in rows}
        if settings.logprobs:
            for index, row in rows.items():
                references = row.get("references") or []
                entries = reference_logprobs(self.model, self.encoder, row, references, self.context)
                fields[index]["reference_logprobs"] = entries
        if settings.choices:
            most = min(settings.batch_tokens, LONGEST_LOGPROB_PASS)
            scores = choice_logprobs(self.model, self.encoder, list(rows.values()), self.context, most)
            for index, entries in zip(rows, scores, strict=True):
                fields[index]["choice_logprobs"] = entries
        if settings.echo_logprobs:
            stride = settings.window_stride or max(self.context // 2, 1)
            texts, most = list(rows.values()), min(settings.batch_tokens, LONGEST_LOGPROB_PASS)
            of_texts = text_logprobs(self.model, self.encoder, texts, Windows(self.context, stride, most))
            for index, entry in zip(rows, of_texts, strict=True):
                fields[index]["text_logprobs"] = entry
        return fields


def is_out_of_memory(error: Exception) -> bool:
    """Whether the device or the machine has run out of memory."""
    return isinstance(error, (torch.OutOfMemoryError, MemoryError)) or "can't allocate memory" in str(error)
