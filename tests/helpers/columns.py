"""What holds for every progressive column, whatever its kind."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional
from transformers import (
    AutoModelForCausalLM,
    GPT2Config,
    Qwen2Config,
    Qwen3Config,
)

from sft_cli.encoding.encoder import Example
from sft_cli.model.forward import make_batch, weighted_loss

IDS = torch.tensor([[1, 30, 40, 50, 60, 70, 80], [1, 31, 41, 51, 61, 71, 81]])
SIZES = {"vocab_size": 300, "num_hidden_layers": 3, "num_attention_heads": 4, "bos_token_id": 1, "eos_token_id": 2}
SMALL = {**SIZES, "hidden_size": 32, "intermediate_size": 48, "num_key_value_heads": 2, "initializer_range": 0.2}
KINDS: dict[str, Any] = {
    "gpt2": GPT2Config(**SIZES, hidden_size=32, n_positions=64),
    "qwen2": Qwen2Config(**SMALL, tie_word_embeddings=False),
    "qwen3": Qwen3Config(**SMALL, head_dim=16),
}


def learn(model: Any, steps: int = 8) -> Any:
    """Some steps of the newest column on a task of its own."""
    number = len(model.column_names)
    optimizer = torch.optim.AdamW([w for w in model.parameters() if w.requires_grad], lr=1e-2)
    model.train()
    for step in range(steps):
        ids = torch.randint(3, 300, (2, 12), generator=torch.Generator().manual_seed(100 * number + step % 4))
        model(input_ids=ids, labels=ids, use_cache=False).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    return model.eval()


def logits(model: Any, **inputs: Any) -> torch.Tensor:
    with torch.no_grad():
        return model.eval()(input_ids=IDS, **inputs).logits


def of_column(model: Any, name: str) -> torch.Tensor:
    model.use_column(name)
    found = logits(model)
    model.use_column(model.column_names[-1])
    return found


def assert_generation_is_the_same(model: Any) -> None:
    """Three texts are written alike alone and beside one another, with a cache, a static one, and without."""
    options: dict[str, Any] = {"max_new_tokens": 12, "do_sample": False, "eos_token_id": None, "pad_token_id": 0}
    texts = [[1, 30, 40, 50, 60, 70], [5, 6, 7], [9]]
    alone = [model.generate(torch.tensor([ids]), use_cache=False, **options)[0, len(ids) :] for ids in texts]
    assert len({tuple(found.tolist()) for found in alone}) == 3
    padded = torch.tensor([[0] * (6 - len(ids)) + ids for ids in texts])
    mask = torch.tensor([[0] * (6 - len(ids)) + [1] * len(ids) for ids in texts])
    for more in ({}, {"cache_implementation": "static"}, {"use_cache": False}, {"num_beams": 1}):
        found = model.generate(padded, attention_mask=mask, **options, **more)[:, 6:]
        assert torch.equal(found, torch.stack(alone)), more


def examples(*lengths: int) -> list[Example]:
    draw = np.random.default_rng(0)
    return [
        Example(draw.integers(3, 300, n).astype(np.int32), np.r_[0.0, np.ones(n - 1)].astype(np.float32))
        for n in lengths
    ]


def summed_loss(model: Any, rows: list[Example]) -> float:
    """Σ of cross-entropies, after its backward pass."""
    batch = make_batch(rows)

    def loss(found: torch.Tensor, at: slice) -> torch.Tensor:
        return functional.cross_entropy(found, batch.labels[at], reduction="none")

    total, _ = weighted_loss(model, batch, loss)
    total.backward()
    return float(total.detach())


def assert_packed_equal_alone(model: Any, rows: list[Example]) -> None:
    """The loss of rows in one pack, and the newest column's gradient, are those of the rows one by one."""

    def loss(parts: list[list[Example]]) -> tuple[float, list[torch.Tensor]]:
        model.zero_grad()
        model.train()
        total = sum(summed_loss(model, part) for part in parts)
        return total, [w.grad.clone() for w in model.body.columns[-1].parameters()]

    together, alone = loss([rows]), loss([[row] for row in rows])
    assert together[0] == pytest.approx(alone[0], rel=1e-5)
    for one, other in zip(together[1], alone[1], strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-5)


def assert_architecture_takes_columns(kind: str, grow: Callable[[Any, str], Any], folder: Path) -> None:
    """The second column learns, the base stays, and what is saved loads and writes the same without a cache."""
    torch.manual_seed(0)
    base = AutoModelForCausalLM.from_config(KINDS[kind]).eval()
    before = logits(base)
    model = learn(grow(grow(base, "first"), "second"))
    assert (logits(model) - before).abs().max() > 0.01
    assert torch.equal(of_column(model, "base"), before)
    model.save_pretrained(folder)
    loaded = AutoModelForCausalLM.from_pretrained(folder)
    assert torch.equal(logits(loaded), logits(model))
    assert loaded.hashes() == model.hashes()
    options: dict[str, Any] = {"max_new_tokens": 4, "do_sample": False, "eos_token_id": None}
    assert torch.equal(model.generate(IDS, **options), model.generate(IDS, **options, use_cache=False))
