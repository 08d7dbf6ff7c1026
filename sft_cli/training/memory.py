"""How much memory a run will need, before it starts."""

from __future__ import annotations

from typing import Any

from sft_cli.model.forward import inner_model
from sft_cli.model.head import CHUNK
from sft_cli.training.corpus import Corpus
from sft_cli.training.optimizers import state_bytes
from sft_cli.training.settings import TrainSettings

PROCESS = 0.5e9  # Python, torch and their libraries


def estimate_memory(model: Any, corpus: Corpus, settings: TrainSettings, dtype: str, shards: int = 1) -> float:
    """Bytes at the peak of a step: weights, gradients, the optimizer's state, activations, one chunk of logits.

    `shards`: how many processes the first three are split over.
    An estimate: activations are counted as what a Llama-like block keeps for its backward pass.
    """
    config = inner_model(model).config
    weights = sum(p.numel() * p.element_size() for p in model.parameters())
    trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
    hidden = config.hidden_size
    tokens = min(corpus.tokens, max(settings.microbatch_tokens, int(corpus.lengths.max())))
    narrow = 2 if dtype == "bfloat16" else 4
    if settings.adapter == "progressive":
        per_token = _kept_beside(config, narrow)
    else:
        layers = config.num_hidden_layers
        per_layer = _kept(hidden, getattr(config, "intermediate_size", None) or 4 * hidden, narrow)
        per_token = per_layer + layers * 4 * hidden if settings.checkpoint_activations else layers * per_layer
    head = 3 * CHUNK * config.vocab_size * 4 + config.vocab_size * hidden * (4 + narrow)
    held = (weights + trained * (4 + state_bytes(settings))) / shards
    return PROCESS + held + tokens * per_token + head


def _kept(hidden: int, inner: int, narrow: int) -> int:
    """Bytes that a layer keeps of a token: under autocast residuals and norms stay float32, all else is narrow."""
    return 16 * hidden + narrow * (6 * hidden + 4 * inner)


def _kept_beside(config: Any, narrow: int) -> int:
    """Bytes of a token: the frozen base's states, what the newest column's blocks read of them, and those blocks."""
    shape, layers = config.shapes[-1], config.base.num_hidden_layers
    states = 4 * config.hidden_size * (layers + 1)
    return states + len(shape.taps) * (narrow * config.hidden_size + _kept(shape.width, shape.inner, narrow))
