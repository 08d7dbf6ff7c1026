"""The Fisher information against its closed form, and against the KL that it is there to predict."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from sft_cli.encoding.encoder import Example
from sft_cli.model.forward import make_batch, target_logits
from sft_cli.model.load import load_model
from sft_cli.training.continual.fisher import Fisher, estimate_fisher


def example(ids: list[int], first: int = 1) -> Example:
    weights = np.array([0.0] * first + [1.0] * (len(ids) - first), dtype=np.float32)
    return Example(np.array(ids), weights, True, 0, False)


@pytest.fixture(scope="module")
def softmax_model() -> Any:
    """No layers: logits are one matrix times a normed embedding, so that the closed form is known."""
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(1)
    config = LlamaConfig(vocab_size=7, hidden_size=4, intermediate_size=4, num_hidden_layers=0, num_attention_heads=1,
                         tie_word_embeddings=False, initializer_range=0.7)  # fmt: skip
    return LlamaForCausalLM(config).eval()


@pytest.mark.slow
@pytest.mark.parametrize("temperature", [1.0, 2.0])
def test_it_equals_the_closed_form_of_a_softmax_model(softmax_model: Any, temperature: float) -> None:
    model, ids = softmax_model, [3, 1, 4, 1, 5]
    head = model.get_output_embeddings().weight
    with torch.no_grad():
        states = model.model(torch.tensor([ids])).last_hidden_state[0, :-1].double()
        shares = (states @ head.double().T / temperature).softmax(-1)
        # F of W[k, j] at one target: E_ŷ[(p_k − [k = ŷ])²]·x_j²/T² = p_k(1 − p_k)·x_j²/T²
        exact = ((shares * (1 - shares)).T @ states.square()) / temperature**2 / len(states)
    draws = ((str(number), example(ids)) for number in range(6000))
    found = estimate_fisher(model, {"head": head}, draws, temperature)
    assert found.tokens == 6000 * 4
    diagonal = found.diagonal()["head"].double()
    assert float((diagonal - exact).norm() / exact.norm()) < 0.03
    assert float(diagonal.sum() / exact.sum()) == pytest.approx(1.0, abs=0.02)


@pytest.mark.slow
def test_half_of_its_square_predicts_the_kl_of_a_small_step(tiny: Path) -> None:
    model = load_model(str(tiny), "float32")
    generator = np.random.default_rng(0)
    rows = [(str(n), example(generator.integers(3, 300, 24).tolist(), 4)) for n in range(40)]
    weights = dict(model.named_parameters())
    sums: dict[str, Any] = dict.fromkeys(weights, 0.0)
    tokens = 0
    for seed in range(4):
        part = estimate_fisher(model, weights, rows, seed=seed)
        tokens += part.tokens
        sums = {name: sums[name] + part.sums[name] for name in sums}
    logits = [target_logits(model, make_batch([row])).detach() for _, row in rows]
    torch.manual_seed(5)
    steps = {name: 3e-3 * torch.randn_like(weight) for name, weight in weights.items()}
    predicted = sum(float((sums[name] / tokens * steps[name].square()).sum()) for name in steps) / 2
    with torch.no_grad():
        for name, weight in weights.items():
            weight.add_(steps[name])
        moved = [target_logits(model, make_batch([row])) for _, row in rows]
    pairs = zip(logits, moved, strict=True)
    kl = torch.cat([(a.softmax(-1) * (a.log_softmax(-1) - b.log_softmax(-1))).sum(-1) for a, b in pairs])
    assert predicted == pytest.approx(float(kl.mean()), rel=0.2)


def test_rows_may_come_in_any_order_and_only_targets_count(tiny: Path) -> None:
    model = load_model(str(tiny), "float32")
    weights = dict(model.named_parameters())
    rows = [(str(n), example([5, 6 + n, 7, 8, 9 + n], 3)) for n in range(5)]
    there, back = estimate_fisher(model, weights, rows), estimate_fisher(model, weights, rows[::-1])
    assert there.tokens == 10
    assert there.squares == pytest.approx(back.squares[::-1])
    for name, value in there.sums.items():
        assert torch.allclose(value, back.sums[name], rtol=1e-4, atol=1e-9)
    # The square of the sum of two rows' gradients would be another thing than the sum of their squares.
    alone = [estimate_fisher(model, weights, [row]) for row in rows]
    assert sum(float(part.sums["model.norm.weight"].sum()) for part in alone) == pytest.approx(
        float(there.sums["model.norm.weight"].sum()), rel=1e-5
    )


def test_the_model_is_left_as_it_was(tiny: Path) -> None:
    model = load_model(str(tiny), "float32").train()
    frozen = model.model.embed_tokens.weight.requires_grad_(False)
    estimate_fisher(model, {"norm": model.model.norm.weight}, [("a", example([5, 6, 7]))])
    assert model.training
    assert not frozen.requires_grad
    assert all(weight.grad is None for weight in model.parameters())


def test_effective_rows_tell_one_loud_row_from_many() -> None:
    assert Fisher({}, [1.0] * 8).effective_rows == pytest.approx(8)
    assert Fisher({}, [1e6] + [1.0] * 255).effective_rows == pytest.approx(1.0, abs=0.01)
    assert Fisher({}, [0.0]).effective_rows == 0.0
