"""Small models with one peculiarity each, made from a seed when a test first asks for one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from conftest import make_model, make_tokenizer


def plain() -> tuple[Any, Any]:
    """The tiny Llama, its output layer tied to its embedding."""
    tokenizer = make_tokenizer()
    return make_model(len(tokenizer)), tokenizer


def untied() -> tuple[Any, Any]:
    """The same with an output layer of its own."""
    tokenizer = make_tokenizer()
    return make_model(len(tokenizer), seed=3, tied=False), tokenizer


def gemma2() -> tuple[Any, Any]:
    """A tiny Gemma 2: its scores are capped, every other layer sees a window, and transformers has no SDPA for it."""
    import torch
    from transformers import Gemma2Config, Gemma2ForCausalLM

    tokenizer = make_tokenizer()
    torch.manual_seed(0)
    config = Gemma2Config(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=8,
        query_pre_attn_scalar=8,
        sliding_window=8,
        max_position_embeddings=256,
        initializer_range=0.2,
        final_logit_softcapping=5.0,
        attn_logit_softcapping=5.0,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=0,
    )
    return Gemma2ForCausalLM(config), tokenizer


# What a case may write as `{NAME}` in its command.
MODELS: dict[str, Callable[[], tuple[Any, Any]]] = {
    "tiny": plain,
    "untied": untied,
    "gemma2": gemma2,
}


def save(name: str, folder: Path) -> Path:
    """The checkpoint directory of a model of the table, below `folder`; made if it is not there."""
    target = folder / name
    if not target.is_dir():
        model, tokenizer = MODELS[name]()
        model.save_pretrained(target)
        tokenizer.save_pretrained(target)
    return target
