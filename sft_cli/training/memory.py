"""The expected memory of a run, before it starts."""

from __future__ import annotations

from typing import Any

from sft_cli.model.adapters.low_rank import low_rank_layers
from sft_cli.model.forward import inner_model
from sft_cli.model.head import TARGET_CHUNK
from sft_cli.training.continual.old_model import is_base_at_hand
from sft_cli.training.optimizers import state_bytes
from sft_cli.training.rows.corpus import Corpus
from sft_cli.training.settings import TrainSettings
from sft_cli.training.settings.continual import strengths
from sft_cli.training.tables import IMPORTANCES, PULLS

PROCESS = 0.5e9  # Python, torch and their libraries


def estimate_memory(model: Any, corpus: Corpus, settings: TrainSettings, dtype: str, shards: int = 1) -> float:
    """Bytes at the peak of a step: weights, gradients, the optimizer's state, activations, one chunk of logits.

    Also the methods against forgetting. `shards`: the number of processes over which weights, and tensors of their
    size, are split. An estimate: activations are counted as those of a Llama-like block.
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
        per_layer = _kept_per_layer(hidden, getattr(config, "intermediate_size", None) or 4 * hidden, narrow)
        per_token = per_layer + layers * 4 * hidden if settings.checkpoint_activations else layers * per_layer
    head = 3 * TARGET_CHUNK * config.vocab_size * 4 + config.vocab_size * hidden * (4 + narrow)
    held = (weights + trained * (4 + state_bytes(settings))) / shards
    kept = kept_for_old_tasks(model, settings, narrow, shards)
    return PROCESS + held + kept + tokens * per_token + head


def kept_for_old_tasks(model: Any, settings: TrainSettings, narrow: int, shards: int = 1) -> float:
    """Bytes of regularizers and recorders: first weights, importances, an old model.

    A LoRA, whose base does not change, needs no first weights, and importances are for the weights that it changes. A
    copy of the old model is whole in every process.
    """
    chosen = strengths(settings)
    weighed = sum(name in chosen for name in IMPORTANCES)
    is_copied = "kl" in chosen and not is_base_at_hand(settings)
    old = narrow * sum(weight.numel() for weight in model.parameters()) if is_copied else 0
    layers = low_rank_layers(model)
    if layers:
        return 4.0 * weighed * sum(layer.weight.numel() for layer in layers) + old
    trained = sum(weight.numel() for weight in model.parameters() if weight.requires_grad)
    copies = weighed + sum(name in chosen for name in PULLS)  # one importance and one set of first weights for each
    if settings.record_importance == "si":
        copies += 4
    return 4.0 * copies * trained / shards + old


def _kept_per_layer(hidden: int, inner: int, narrow: int) -> int:
    """Bytes that a layer keeps per token: under autocast residuals and norms stay float32, all others are narrow."""
    return 16 * hidden + narrow * (6 * hidden + 4 * inner)


def _kept_beside(config: Any, narrow: int) -> int:
    """Bytes per token: the states of the frozen base, those that the newest column's blocks read, and these blocks."""
    shape, layers = config.shapes[-1], config.base.num_hidden_layers
    states = 4 * config.hidden_size * (layers + 1)
    return states + len(shape.taps) * (narrow * config.hidden_size + _kept_per_layer(shape.width, shape.inner, narrow))
