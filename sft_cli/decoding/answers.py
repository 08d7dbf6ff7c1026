"""Greedy answers of a model during training; the model is not changed."""

from __future__ import annotations

from typing import Any

import torch

from sft_cli.decoding.engines.transformers import TransformersEngine
from sft_cli.decoding.generation import Generation
from sft_cli.decoding.keys import without_written
from sft_cli.decoding.prompts import Prompts
from sft_cli.decoding.settings import GenerateSettings
from sft_cli.decoding.values import Decoding
from sft_cli.encoding.encoder import Encoder
from sft_cli.model.forward import inner_model
from sft_cli.run.errors import UserError

ROOM = 16  # tokens that an answer may have beyond the longest reference


def answer_rows(model: Any, encoder: Encoder, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The completions of `sft generate` for rows of prompts: greedy, at most as long as their longest reference allows.

    The model keeps its mode and its generation config, and torch its random state: an evaluation changes nothing.
    Raises UserError if no row can be answered.
    """
    rows = [Prompts(encoder, "").with_references(row) for row in rows]
    references = [text for row in rows for text in row.get("references") or []]
    longest = max((len(encoder.tokenizer(text).input_ids) for text in references), default=0)
    settings = GenerateSettings(model="", max_new_tokens=(longest or 240) + ROOM, quiet=True)
    holders = [model, inner_model(model)]  # peft passes its config to the model inside
    configs, was_training = [holder.generation_config for holder in holders], model.training
    devices = [model.device] if model.device.type == "cuda" else []
    model.eval()
    try:
        with torch.random.fork_rng(devices):
            engine = TransformersEngine(model, encoder, Decoding.of(settings))
            answers = list(Generation(engine, [without_written(row) for row in rows], settings).complete())
    finally:
        for holder, config in zip(holders, configs, strict=True):
            holder.generation_config = config
        model.train(was_training)
    if answers and all(row["finish_reason"] == "error" for row in answers):
        raise UserError(f"--eval-metric: no held-out row could be answered; first error: {answers[0]['error']}")
    return answers
