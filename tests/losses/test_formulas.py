"""Each loss against its formula, row by row in plain Python; its limits; what the head makes of it."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from sft_cli.encoding.encoder import Example
from sft_cli.losses import LOSSES
from sft_cli.losses.dft import dft
from sft_cli.losses.eaft import eaft
from sft_cli.losses.focal import focal
from sft_cli.losses.label_smoothing import label_smoothing
from sft_cli.model.forward import has_plain_head, make_batch
from sft_cli.model.head import chunked_loss
from sft_cli.model.load import load_model
from sft_cli.training.objective import supervised

LABELS = torch.tensor([0, 29, 3, 3, 1, 7])


def logits(seed: int, classes: int = 30, scale: float = 2.0, dtype: torch.dtype = torch.float64) -> Tensor:
    return scale * torch.randn(6, classes, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def probabilities(row: list[float]) -> list[float]:
    top = max(row)
    parts = [math.exp(x - top) for x in row]
    total = math.fsum(parts)
    return [part / total for part in parts]


def focal_by_hand(row: list[float], label: int, gamma: float = 2.0) -> float:
    p = probabilities(row)[label]
    return -((1 - p) ** gamma) * math.log(p)


def smoothed_by_hand(row: list[float], label: int, alpha: float = 0.1) -> float:
    target = [(1 - alpha) * (token == label) + alpha / len(row) for token in range(len(row))]
    assert math.fsum(target) == pytest.approx(1, abs=1e-15)
    assert target[label] == pytest.approx(1 - alpha + alpha / len(row), abs=1e-15)
    return -math.fsum(q * math.log(p) for q, p in zip(target, probabilities(row), strict=True))


def dft_by_hand(row: list[float], label: int) -> float:
    p = probabilities(row)[label]
    return -p * math.log(p)


def eaft_by_hand(row: list[float], label: int) -> float:
    among = probabilities(sorted(row, reverse=True)[:20])
    entropy = -math.fsum(p * math.log(p) for p in among)
    return -entropy / 3.0 * math.log(probabilities(row)[label])


CASES: dict[str, tuple[Callable[..., Tensor], Callable[..., float]]] = {
    "focal": (focal, focal_by_hand),
    "focal 5": (partial(focal, gamma=5.0), partial(focal_by_hand, gamma=5.0)),
    "focal 0.5": (partial(focal, gamma=0.5), partial(focal_by_hand, gamma=0.5)),
    "label-smoothing": (label_smoothing, smoothed_by_hand),
    "label-smoothing 0.4": (partial(label_smoothing, alpha=0.4), partial(smoothed_by_hand, alpha=0.4)),
    "label-smoothing 1": (partial(label_smoothing, alpha=1.0), partial(smoothed_by_hand, alpha=1.0)),
    "dft": (dft, dft_by_hand),
    "eaft": (eaft, eaft_by_hand),
}


def test_every_loss_of_the_table_is_here() -> None:
    assert {name.split()[0] for name in CASES} == set(LOSSES) - {"cross-entropy"}
    assert all(LOSSES.load(name) is CASES[name][0] for name in CASES if name in LOSSES)


def test_the_manual_has_a_section_for_each_loss_and_gives_the_right_numbers() -> None:
    page = (Path(__file__).parent.parent.parent / "docs" / "losses.md").read_text(encoding="utf-8")
    assert [name for name in LOSSES if f"\n## {name}\n" not in page] == []
    classes, alpha = 49_152, 0.1
    label, other = 1 - alpha + alpha / classes, alpha / classes
    least = -label * math.log(label) - (classes - 1) * other * math.log(other)
    assert f"{least:.2f} nats for α = 0.1 and V = 49 152" in page


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("classes", [30, 12_000])
def test_a_loss_equals_its_formula(name: str, classes: int) -> None:
    loss, by_hand = CASES[name]
    x = logits(0, classes)
    wanted = [by_hand(row, label) for row, label in zip(x.tolist(), LABELS.tolist(), strict=True)]
    assert loss(x, LABELS).tolist() == pytest.approx(wanted, rel=1e-12)
    assert loss(x.float(), LABELS).tolist() == pytest.approx(wanted, rel=1e-5)


@pytest.mark.parametrize("name", CASES)
def test_a_constant_added_to_all_logits_changes_nothing(name: str) -> None:
    loss, _ = CASES[name]
    torch.testing.assert_close(loss(logits(1) + 50.0, LABELS), loss(logits(1), LABELS), rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("alpha", [0.0, 0.1, 0.37, 1.0])
def test_label_smoothing_equals_torch_in_value_and_gradient(alpha: float) -> None:
    ours, theirs = logits(2).requires_grad_(), logits(2).requires_grad_()
    value = label_smoothing(ours, LABELS, alpha)
    wanted = functional.cross_entropy(theirs, LABELS, reduction="none", label_smoothing=alpha)
    torch.testing.assert_close(value, wanted, rtol=1e-12, atol=1e-12)
    value.sum().backward()
    wanted.sum().backward()
    torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("loss", [partial(focal, gamma=0.0), partial(label_smoothing, alpha=0.0)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_gamma_0_and_alpha_0_are_cross_entropy(loss: Any, dtype: torch.dtype) -> None:
    plain = LOSSES.load("cross-entropy")
    ours, theirs = logits(3, dtype=dtype).requires_grad_(), logits(3, dtype=dtype).requires_grad_()
    assert torch.equal(loss(ours, LABELS), plain(theirs, LABELS))
    loss(ours, LABELS).sum().backward()
    plain(theirs, LABELS).sum().backward()
    torch.testing.assert_close(ours.grad, theirs.grad, rtol=0, atol=0)


@pytest.mark.parametrize("name", [*CASES, "focal 0.1", "focal 0", "focal 1"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("gap", [1e-3, 5.0, 16.0, 30.0, 200.0, 1e4])
def test_values_and_gradients_are_numbers_from_p_0_to_p_1(name: str, dtype: torch.dtype, gap: float) -> None:
    loss = CASES[name][0] if name in CASES else partial(focal, gamma=float(name.split()[1]))
    x = torch.zeros(2, 30, dtype=dtype)
    x[:, 4] = gap
    x.requires_grad_()
    values = loss(x, torch.tensor([4, 5]))  # the label is all but certain, all but impossible
    gradient = torch.autograd.grad(values.sum(), x)[0]
    assert torch.isfinite(values).all()
    assert torch.isfinite(gradient).all()
    assert (values >= 0).all()
    assert gradient.abs().max() <= 1.5  # no loss here pulls harder on a logit than 1 + γ·max((1−p)^(γ−1)·p·|log p|)


@pytest.mark.parametrize("name", ["dft", "eaft"])
def test_a_fixed_factor_is_what_the_formula_says(name: str) -> None:
    x = logits(4).requires_grad_()
    plain = functional.cross_entropy(x, LABELS, reduction="none")
    gradients = [torch.autograd.grad(v.sum(), x, retain_graph=True)[0] for v in (LOSSES.load(name)(x, LABELS), plain)]
    factor = (-plain).exp() if name == "dft" else LOSSES.load(name)(x, LABELS) / plain
    torch.testing.assert_close(gradients[0], factor.detach()[:, None] * gradients[1], rtol=1e-12, atol=1e-15)


def test_eaft_counts_fully_where_the_model_does_not_know_and_not_at_all_where_it_is_sure() -> None:
    flat, sure = torch.zeros(1, 50, dtype=torch.float64), torch.zeros(1, 50, dtype=torch.float64)
    sure[0, 7] = 100.0
    label = torch.tensor([3])
    assert float(eaft(flat, label)) == pytest.approx(math.log(20) / 3.0 * math.log(50), rel=1e-12)
    assert float(eaft(sure, label)) == pytest.approx(0.0, abs=1e-30)  # cross-entropy: 100
    assert float(eaft(flat[:, :4], label)) == pytest.approx(math.log(4) ** 2 / 3.0, rel=1e-12)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(-20, 20), min_size=2, max_size=40), st.floats(0, 8), st.floats(0, 8), st.data())
def test_focal_falls_with_gamma_and_dft_is_at_most_1_over_e(
    row: list[float], first: float, second: float, data: st.DataObject
) -> None:
    x = torch.tensor([row], dtype=torch.float64)
    label = torch.tensor([data.draw(st.integers(0, len(row) - 1))])
    low, high = sorted((first, second))
    assert float(focal(x, label, high)) <= float(focal(x, label, low)) * (1 + 1e-12)
    assert 0 <= float(dft(x, label)) <= 1 / math.e + 1e-12


M, D, V = 77, 8, 50


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("chunk", [1, 13, 77, 512])
def test_the_chunked_head_gives_the_plain_weighted_loss_and_its_gradients(name: str, chunk: int) -> None:
    loss, draw = CASES[name][0], torch.Generator().manual_seed(0)
    hidden = torch.randn(M, D, generator=draw, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(V, D, generator=draw, dtype=torch.float64, requires_grad=True)
    labels, weights = torch.randint(V, (M,), generator=draw), torch.rand(M, generator=draw, dtype=torch.float64)
    total, losses = chunked_loss(hidden, weight, weights, lambda x, rows: loss(x, labels[rows]), chunk)
    plain = loss(hidden @ weight.t(), labels)
    torch.testing.assert_close(total, (plain * weights).sum(), rtol=1e-12, atol=0)
    torch.testing.assert_close(losses, plain.detach(), rtol=1e-12, atol=1e-14)
    ours = torch.autograd.grad(total, (hidden, weight))
    theirs = torch.autograd.grad((plain * weights).sum(), (hidden, weight))
    for our, their in zip(ours, theirs, strict=True):
        torch.testing.assert_close(our, their, rtol=1e-9, atol=1e-12)


def documents() -> list[Example]:
    draw = np.random.default_rng(5)
    found = []
    for length in (9, 4, 17):
        weights = (draw.random(length) < 0.6) * draw.choice([0.5, 1.0, 2.0], length)
        weights[0], weights[-1] = 0, 1
        found.append(Example(draw.integers(3, 200, length).astype(np.int32), weights.astype(np.float32)))
    return found


def plain_total(model: Any, loss: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    """Σ w·loss over full logits in float64, one document at a time."""
    total = torch.zeros((), dtype=torch.float64)
    for example in documents():
        ids = torch.from_numpy(example.ids.astype(np.int64))[None]
        values = loss(model(input_ids=ids, use_cache=False).logits[0, :-1].double(), ids[0, 1:])
        total = total + (values * torch.from_numpy(example.weights)[1:]).sum()
    return total


@pytest.mark.parametrize("name", ["cross-entropy", *CASES])
def test_the_gradient_of_a_tied_embedding_is_that_of_the_plain_loss(tiny: Path, name: str) -> None:
    loss = CASES[name][0] if name in CASES else LOSSES.load(name)
    model = load_model(str(tiny))
    tied = model.get_input_embeddings().weight
    assert tied is model.get_output_embeddings().weight
    total, _ = supervised(loss)(model, make_batch(documents()))
    ours = torch.autograd.grad(total, tied)[0]
    plain = plain_total(model, loss)
    theirs = torch.autograd.grad(plain, tied)[0]
    assert total.item() == pytest.approx(plain.item(), rel=1e-5)
    assert float((ours - theirs).abs().max()) <= 2e-5 * float(theirs.abs().max())


@pytest.mark.parametrize("name", ["cross-entropy", *CASES])
def test_a_head_that_carries_a_lora_gives_the_plain_loss_and_its_gradient(tiny_teacher: Path, name: str) -> None:
    from peft import LoraConfig, get_peft_model

    loss = CASES[name][0] if name in CASES else LOSSES.load(name)
    torch.manual_seed(0)
    config = LoraConfig(r=4, target_modules=["q_proj", "lm_head"], init_lora_weights=False)
    model = get_peft_model(load_model(str(tiny_teacher)), config).eval()
    assert not has_plain_head(model)
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    total, _ = supervised(loss)(model, make_batch(documents()))
    ours = torch.autograd.grad(total, trained)
    plain = plain_total(model, loss)
    theirs = torch.autograd.grad(plain, trained)
    assert total.item() == pytest.approx(plain.item(), rel=1e-5)
    assert len(ours) == 2 * (2 + 1)  # A and B of two layers' queries and of the head
    for our, their in zip(ours, theirs, strict=True):
        assert float((our - their).abs().max()) <= 1e-4 * float(their.abs().max())
        assert float(our.abs().max()) > 0
