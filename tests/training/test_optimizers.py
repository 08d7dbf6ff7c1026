"""Optimizers: one step of each equals its formula, all of them learn, and a saved state goes on bit by bit."""

from __future__ import annotations

import copy
import io
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from small_training import OBJECTIVE, corpus, train_loop
from tiny_models import make_model

from sft_cli.model.adapters import AdapterPlan
from sft_cli.model.adapters.add import add_adapter
from sft_cli.model.load import load_model
from sft_cli.training.optimizers import state_bytes
from sft_cli.training.settings import TrainSettings
from sft_cli.training.tables import OPTIMIZERS

RATES = {"sgd": 0.05}
STEPS = 3


def settings(name: str, **changes: Any) -> TrainSettings:
    return TrainSettings(**{"model": "tiny", "quiet": True, "optimizer": name, **changes})


def make(name: str, model: Any, **changes: Any) -> Any:
    if name == "adamw-8bit":
        pytest.importorskip("bitsandbytes")
    return OPTIMIZERS.load(name)(model, settings(name, **changes))


def give_gradients(model: Any, seed: int) -> None:
    draw = torch.Generator().manual_seed(seed)
    for weight in model.parameters():
        if weight.requires_grad:
            weight.grad = torch.randn(weight.shape, generator=draw) * 0.1


def after_two_steps(name: str, **changes: Any) -> tuple[Any, Any, list[dict[str, torch.Tensor]]]:
    """(model before, model after, the gradients of two steps by name) at a rate of 0.01."""
    model = make_model(50)
    before = copy.deepcopy(model)
    optimizer = make(name, model, learning_rate=0.01, **changes)
    gradients = []
    for seed in range(2):
        give_gradients(model, seed)
        gradients.append({key: weight.grad.double().clone() for key, weight in model.named_parameters()})
        optimizer.step()
    return before, model, gradients


def assert_equal(name: str, got: torch.Tensor, expected: torch.Tensor) -> None:
    torch.testing.assert_close(got.double(), expected, rtol=1e-5, atol=1e-6, msg=lambda text: f"{name}: {text}")


def adamw_formula(weight: Any, gradients: Any, decay: float, beta1: float, beta2: float, epsilon: float) -> Any:
    """Loshchilov and Hutter 2019, algorithm 2, in float64."""
    first, second, found = torch.zeros_like(weight), torch.zeros_like(weight), weight.clone()
    for step, gradient in enumerate(gradients, 1):
        first = beta1 * first + (1 - beta1) * gradient
        second = beta2 * second + (1 - beta2) * gradient**2
        direction = (first / (1 - beta1**step)) / ((second / (1 - beta2**step)).sqrt() + epsilon)
        found = found - 0.01 * (direction + decay * found)
    return found


@pytest.mark.parametrize("betas", [(None, None, None), (0.8, 0.95, 1e-3)])
def test_adamw_equals_its_formula(betas: Any) -> None:
    given = dict(zip(("beta1", "beta2", "epsilon"), betas, strict=True))
    before, after, gradients = after_two_steps("adamw", weight_decay=0.1, **given)
    beta1, beta2, epsilon = (
        value if value is not None else usual for value, usual in zip(betas, (0.9, 0.999, 1e-8), strict=True)
    )
    for (name, start), end in zip(before.named_parameters(), after.parameters(), strict=True):
        steps = [gradient[name] for gradient in gradients]
        decay = 0.1 if start.ndim == 2 else 0.0
        assert_equal(name, end.detach(), adamw_formula(start.detach().double(), steps, decay, beta1, beta2, epsilon))


@pytest.mark.parametrize("momentum", [None, 0.9])
def test_sgd_equals_its_formula(momentum: float | None) -> None:
    before, after, gradients = after_two_steps("sgd", momentum=momentum)
    for (name, start), end in zip(before.named_parameters(), after.parameters(), strict=True):
        one, two = (gradient[name] for gradient in gradients)
        assert_equal(name, end.detach(), start.detach().double() - 0.01 * (one + two + (momentum or 0.0) * one))


def test_adafactor_moves_by_the_rate_whatever_the_size_of_a_weight() -> None:
    """Shazeer and Stern 2018, algorithm 4 without its relative steps, in float64: at step 1 the decay is 0."""
    model = make_model(50)
    with torch.no_grad():
        model.model.layers[0].mlp.up_proj.weight.zero_()  # as a LoRA's B
    before = copy.deepcopy(model)
    optimizer = make("adafactor", model, learning_rate=0.01)
    give_gradients(model, 0)
    optimizer.step()
    for (name, start), end in zip(before.named_parameters(), model.named_parameters(), strict=True):
        gradient = end[1].grad.double()
        square = gradient**2
        if gradient.ndim == 2:
            square = square.mean(1, keepdim=True) @ square.mean(0, keepdim=True) / square.mean()
        update = gradient / square.sqrt()
        update /= max(1.0, float(update.square().mean().sqrt()))
        moved = end[1].detach().double() - start.detach().double()
        torch.testing.assert_close(moved, -0.01 * update, rtol=1e-3, atol=1e-6, msg=lambda text, n=name: f"{n}: {text}")


def test_muon_moves_hidden_matrices_as_torch_does_and_the_rest_as_adamw() -> None:
    before, after, gradients = after_two_steps("muon", weight_decay=0.1)
    hidden = {}
    for (name, start), end in zip(before.named_parameters(), after.named_parameters(), strict=True):
        if start.ndim == 2 and "embed" not in name:
            hidden[name] = torch.nn.Parameter(start.detach().clone())
            continue
        decay = 0.1 if start.ndim == 2 else 0.0
        steps = [gradient[name] for gradient in gradients]
        expected = adamw_formula(start.detach().double(), steps, decay, 0.9, 0.999, 1e-8)
        assert_equal(name, end[1].detach(), expected)
    assert len(hidden) == 14
    alone = torch.optim.Muon(list(hidden.values()), lr=0.01, weight_decay=0.1, adjust_lr_fn="match_rms_adamw")
    for gradient in gradients:
        for name, weight in hidden.items():
            weight.grad = gradient[name].float()
        alone.step()
    ends = dict(after.named_parameters())
    assert all(torch.equal(ends[name], weight) for name, weight in hidden.items())


def test_muon_orthogonalises_and_scales_its_update_to_that_of_adamw() -> None:
    model = make_model(50)
    weight = model.model.layers[0].mlp.up_proj.weight  # (48, 32)
    before = weight.detach().clone()
    optimizer = make("muon", model, learning_rate=0.01)
    give_gradients(model, 0)
    u, _, v = torch.linalg.svd(weight.grad, full_matrices=False)
    optimizer.step()
    moved = (before - weight.detach()) / 0.01
    # Five Newton–Schulz steps bring singular values to between 0.7 and 1.2, not to 1 (Jordan et al. 2024).
    values = torch.linalg.svdvals(moved) / (0.2 * 48**0.5)
    assert 0.6 < float(values.min()) < float(values.max()) < 1.3
    assert float((moved * (u @ v)).sum() / moved.norm() / (u @ v).norm()) > 0.97
    assert float(moved.square().mean().sqrt()) == pytest.approx(0.2, rel=0.3)  # AdamW's is 0.2 to 0.4


@pytest.mark.slow
@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("adapter", ["none", "lora"])
def test_an_optimizer_learns_at_the_rate_that_is_its_default(tiny: Path, name: str, adapter: str) -> None:
    """The tiny model needs 50 times the default rates of real ones, the same factor for every optimizer."""
    if name == "adamw-8bit":
        pytest.importorskip("bitsandbytes")
    usual = settings(name, adapter=adapter).peak_learning_rate
    model = load_model(str(tiny))
    if adapter == "lora":
        model = add_adapter(model, str(tiny), AdapterPlan("lora", 4, 8))
    log = io.StringIO()
    chosen = settings(name, adapter=adapter, learning_rate=50 * usual, epochs=20, batch_size=8, clip=1.0)
    train_loop(model, corpus(), OBJECTIVE, chosen, log)
    losses = [json.loads(line)["loss"] for line in log.getvalue().splitlines()]
    assert losses[-1] < 0.97 * losses[0], (losses[0], losses[-1])


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_saved_state_goes_on_bit_by_bit(name: str) -> None:
    whole = make_model(50)
    optimizer = make(name, whole, learning_rate=0.01, weight_decay=0.1)
    for seed in range(STEPS):
        give_gradients(whole, seed)
        optimizer.step()
    again = copy.deepcopy(whole)
    saved = io.BytesIO()
    torch.save(optimizer.state_dict(), saved)
    saved.seek(0)
    resumed = make(name, again, learning_rate=0.01, weight_decay=0.1)
    resumed.load_state_dict(torch.load(saved, weights_only=True))
    for group in (*optimizer.param_groups, *resumed.param_groups):
        group["lr"] = 0.005  # as the schedule does
    for seed in range(STEPS, 2 * STEPS):
        for model, each in ((whole, optimizer), (again, resumed)):
            give_gradients(model, seed)
            each.step()
    for weight, other in zip(whole.parameters(), again.parameters(), strict=True):
        assert torch.equal(weight, other)


def test_lora_plus_gives_b_its_own_rate(tiny: Path) -> None:
    adapted = add_adapter(load_model(str(tiny)), str(tiny), AdapterPlan("lora-plus", 4, 8))
    chosen = settings("adamw", adapter="lora-plus", learning_rate=1e-3, lora_plus_ratio=4.0)
    groups = OPTIMIZERS.load("adamw")(adapted, chosen).param_groups
    names = {id(weight): name for name, weight in adapted.named_parameters()}
    rates = {names[id(w)].split(".")[-3]: group["lr"] for group in groups for w in group["params"]}
    assert rates == pytest.approx({"lora_A": 1e-3, "lora_B": 4e-3})
    log = io.StringIO()
    before = {name: weight.detach().clone() for name, weight in adapted.named_parameters()}
    train_loop(adapted, corpus(), OBJECTIVE, chosen, log)  # one step, at the peak: AdamW moves each weight by its rate
    moved = {name: float((weight.detach() - before[name]).abs().max()) for name, weight in adapted.named_parameters()}
    assert max(value for name, value in moved.items() if "lora_B" in name) == pytest.approx(4e-3, rel=0.05)


def test_ia3_factors_do_not_decay(tiny: Path) -> None:
    adapted = add_adapter(load_model(str(tiny)), str(tiny), AdapterPlan("ia3", None))
    groups = OPTIMIZERS.load("adamw")(adapted, settings("adamw", adapter="ia3", weight_decay=0.1)).param_groups
    assert [group["weight_decay"] for group in groups] == [0.0]


def test_the_default_rate_suits_adapter_and_optimizer() -> None:
    def rate(**changes: Any) -> float:
        return TrainSettings(model="m", **changes).peak_learning_rate

    assert rate() == 2e-5
    assert rate(adapter="lora") == 2e-4
    assert rate(optimizer="sgd") == pytest.approx(0.1)
    assert rate(optimizer="muon", adapter="pissa") == 2e-5
    assert rate(learning_rate=1e-3, adapter="ia3", optimizer="sgd") == 1e-3


def test_the_estimated_memory_counts_the_optimizer_that_is_there(tiny: Path) -> None:
    """What `state_bytes` says is what is held after a step, of matrices large enough for the rest not to count."""
    model = make_model(2000)
    count = sum(weight.numel() for weight in model.parameters())
    for name, changes in [("adamw", {}), ("adafactor", {}), ("sgd", {}), ("sgd", {"momentum": 0.9})]:
        optimizer = make(name, model, **changes)
        give_gradients(model, 0)
        optimizer.step()
        tensors = [x for state in optimizer.state.values() for x in state.values() if isinstance(x, torch.Tensor)]
        held = sum(tensor.numel() * tensor.element_size() for tensor in tensors) / count
        assert held == pytest.approx(state_bytes(settings(name, **changes)), abs=0.25), name


def test_adamw_of_8_bits_keeps_8_bits_and_goes_on_from_them() -> None:
    pytest.importorskip("bitsandbytes")
    torch.manual_seed(0)
    layer = torch.nn.Linear(128, 128)
    again = copy.deepcopy(layer)
    optimizer, resumed = (make("adamw-8bit", model, learning_rate=0.01) for model in (layer, again))
    for seed in range(STEPS):
        give_gradients(layer, seed)
        optimizer.step()
    assert optimizer.state[layer.weight]["state1"].dtype == torch.uint8
    with torch.no_grad():
        for weight, other in zip(layer.parameters(), again.parameters(), strict=True):
            other.copy_(weight)
    resumed.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    for model, each in ((layer, optimizer), (again, resumed)):
        give_gradients(model, STEPS)
        each.step()
    assert torch.equal(layer.weight, again.weight)
