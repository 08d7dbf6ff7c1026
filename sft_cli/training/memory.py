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
    inner = getattr(config, "intermediate_size", None) or 4 * hidden
    layers = config.num_hidden_layers
    tokens = min(corpus.tokens, max(settings.microbatch_tokens, int(corpus.lengths.max())))
    narrow = 2 if dtype == "bfloat16" else 4
    # Residuals and norms stay float32 under autocast; projections and the MLP are kept in the narrow format.
    per_layer = 16 * hidden + narrow * (6 * hidden + 4 * inner)
    per_token = per_layer + layers * 4 * hidden if settings.checkpoint_activations else layers * per_layer
    head = 3 * CHUNK * config.vocab_size * 4 + config.vocab_size * hidden * (4 + narrow)
    held = (weights + trained * (4 + state_bytes(settings))) / shards
    return PROCESS + held + tokens * per_token + head
