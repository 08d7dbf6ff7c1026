"""An adapter merged into its base, and the proof that the result computes the same."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sft_cli.model.forward import inner_model
from sft_cli.model.tied import bare, is_tied, untie_head
from sft_cli.run.errors import UserError

MERGE_PROBES = (4, 32)  # sequences for the comparison of logits, and tokens in each
BOUND = 1e-3  # largest difference of logits, as a share of the largest logit (at least 1): float32 sums stay far below


def merge_adapter(model: Any) -> Any:
    """The PeftModel's base with the adapter in its weights.

    Head and embedding may share their weights; an adapter on one of them changes only that one. Therefore they are
    separated first, and joined again if both results are the same.
    """
    base = inner_model(model)
    was_tied = is_tied(base)
    are_alike = any(getattr(config, "ensure_weight_tying", False) for config in model.peft_config.values())
    if was_tied and _is_changed(base):
        untie_head(base)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # peft warns about steps that are done here
        merged = model.merge_and_unload()
    head, embedding = merged.get_output_embeddings(), merged.get_input_embeddings()
    if was_tied and (are_alike or torch.equal(head.weight, embedding.weight)):
        head.weight = embedding.weight
    merged.config.tie_word_embeddings = is_tied(merged)
    return merged


def _is_changed(base: Any) -> bool:
    """Whether an adapter, or weights saved beside it, replace the head or the embedding."""
    layers = (base.get_output_embeddings(), base.get_input_embeddings())
    return any(layer is not bare(layer) for layer in layers)


def probes(model: Any) -> Tensor:
    """Sequences of random tokens (sequences, T), the same for every run, to compare models with one vocabulary.

    They include the tokens of which an adapter has trained only the embedding.
    """
    base = inner_model(model)
    rows = bare(base.get_input_embeddings()).weight.shape[0]
    length = min(MERGE_PROBES[1], getattr(base.config, "max_position_embeddings", None) or MERGE_PROBES[1])
    ids = torch.randint(rows, (MERGE_PROBES[0], length), generator=torch.Generator().manual_seed(0))
    trained = _trained_tokens(model)[: ids.numel()]
    ids.view(-1)[: len(trained)] = torch.tensor(trained, dtype=torch.long)
    return ids


@torch.inference_mode()
def logits_of(model: Any, ids: Tensor) -> Tensor:
    """A model's float32 logits (sequences, T, V)."""
    logits: Tensor = model(input_ids=ids.to(model.device)).logits
    return logits.float()


def _trained_tokens(model: Any) -> list[int]:
    ids: set[int] = set()
    for config in getattr(model, "peft_config", {}).values():
        tokens = getattr(config, "trainable_token_indices", None) or getattr(config, "token_indices", None) or []
        for some in tokens.values() if isinstance(tokens, dict) else [tokens]:
            ids.update(some)
    return sorted(ids)


def check_same_model(wanted: Tensor, got: Tensor, name: str, what: str) -> float:
    """The largest difference of logits between two models that must be equal; `what` names the second model.

    Raises UserError above the bound, and for logits that are not numbers.
    """
    if not torch.isfinite(wanted).all():
        raise UserError(f"{name}: expected a working model, got logits that are not numbers")
    difference, bound = float((got - wanted).abs().max()), BOUND * max(1.0, float(wanted.abs().max()))
    if not difference <= bound:  # this also refuses NaN
        raise UserError(
            f"{name}: {what} computes other logits: they differ by up to {difference:.3g}, expected at most "
            f"{bound:.3g}\nhint: nothing was written; sft generate runs {name} without a merge"
        )
    return difference


def merge_checked(model: Any, name: str) -> tuple[Any, float]:
    """The result of `merge_adapter` for the adapter at `name`, and the largest change of a logit.

    The model has the generation config of the adapter: training may have added a stop token. Raises UserError if the
    result computes other logits.
    """
    from transformers import GenerationConfig

    ids = probes(model)
    tuned = logits_of(model, ids)
    merged = merge_adapter(model)
    if (Path(name) / "generation_config.json").is_file():
        merged.generation_config = GenerationConfig.from_pretrained(name)
    return merged, check_same_model(tuned, logits_of(merged, ids), name, "the merged model")
