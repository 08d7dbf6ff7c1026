"""The step: how it is cut never changes it, and what it minimises is Σ weight·loss over Σ weight."""

from __future__ import annotations

import copy
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from small_training import OBJECTIVE, add_lora, corpus, settings, train_loop

from sft_cli.model.load import load_model
from sft_cli.run.errors import UserError
from sft_cli.training.compute import Compute
from sft_cli.training.objective import distillation
from sft_cli.training.plan.schedule import warmup_note
from sft_cli.training.plan.steps import StepPlan
from sft_cli.training.settings.checks import check_plan_settings


def gradient(model: Any, microbatch_tokens: int, objective: Any = OBJECTIVE) -> torch.Tensor:
    model.zero_grad()
    Compute(model, microbatch_tokens=microbatch_tokens).backward(corpus().examples, objective)
    return torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None]).clone()


@pytest.mark.parametrize("kind", ["full", "lora", "distill"])
def test_how_a_step_is_cut_does_not_change_its_gradient(tiny: Path, tiny_teacher: Path, kind: str) -> None:
    model = load_model(str(tiny))
    objective = OBJECTIVE
    if kind == "lora":
        model = add_lora(model, str(tiny), 4, 8, 0.0, seed=0)
    if kind == "distill":
        objective = distillation(load_model(str(tiny_teacher)).requires_grad_(False), 0.3, 2.0)
    whole = gradient(model, 10_000, objective)
    for microbatch_tokens in (1, 40, 75):  # 8×1, about 4×2 and 2×4 rows
        part = gradient(model, microbatch_tokens, objective)
        assert float((part - whole).abs().max()) <= 1e-5 * float(whole.abs().max())


def test_a_step_of_one_two_and_eight_micro_batches_gives_the_same_weights(tiny: Path) -> None:
    results = []
    for microbatch_tokens in (1, 60, 10_000):
        model = load_model(str(tiny))
        chosen = settings(microbatch_tokens=microbatch_tokens, epochs=2, batch_size=8)
        train_loop(model, corpus(), OBJECTIVE, chosen)
        results.append(torch.cat([p.detach().flatten() for p in model.parameters()]))
    torch.testing.assert_close(results[1], results[0], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(results[2], results[0], rtol=1e-4, atol=1e-5)


def test_the_logged_loss_is_the_weighted_mean_over_all_targets(tiny: Path) -> None:
    model, log = load_model(str(tiny)), io.StringIO()
    before = copy.deepcopy(model)
    train_loop(model, corpus(), OBJECTIVE, settings(microbatch_tokens=1), log)
    line = json.loads(log.getvalue())
    total = weight = 0.0
    for example in corpus().examples:
        ids = torch.from_numpy(example.ids.astype(np.int64))[None]
        losses = torch.nn.functional.cross_entropy(before(ids).logits[0, :-1], ids[0, 1:], reduction="none")
        total += float((losses * torch.from_numpy(example.weights)[1:]).sum())
        weight += float(example.weights.sum())
    assert line["loss"] == pytest.approx(total / weight, rel=1e-5)
    assert line["tokens"] == corpus().tokens
    assert line["target_tokens"] == corpus().targets
    assert {"step", "epoch", "learning_rate", "grad_norm", "seconds", "tokens_per_second", "peak_memory_gb"} <= set(
        line
    )
    assert Compute(before, microbatch_tokens=50).mean_loss(corpus(), OBJECTIVE)["loss"] == pytest.approx(
        total / weight, rel=1e-5
    )


def test_training_again_gives_the_same_bytes(tiny: Path) -> None:
    runs = []
    for _ in range(2):
        model = load_model(str(tiny))
        torch.manual_seed(0)
        model = add_lora(model, str(tiny), 4, 8, 0.1, seed=3)
        train_loop(model, corpus(), OBJECTIVE, settings(epochs=3, batch_size=3))
        runs.append(torch.cat([p.detach().flatten() for p in model.parameters()]))
    assert torch.equal(*runs)


def test_max_steps_stops_and_the_held_out_loss_is_logged_where_asked(tiny: Path) -> None:
    log = io.StringIO()
    chosen = settings(epochs=5, batch_size=4, max_steps=5, eval_every=2)
    train_loop(load_model(str(tiny)), corpus(), OBJECTIVE, chosen, log, lambda: {"eval_loss": 1.0})
    lines = [json.loads(line) for line in log.getvalue().splitlines()]
    assert [line["step"] for line in lines] == [1, 2, 3, 4, 5]
    assert [line["epoch"] for line in lines] == [0, 0, 1, 1, 2]
    assert ["eval_loss" in line for line in lines] == [False, True, False, True, True]


@pytest.mark.parametrize(
    ("epochs", "max_steps", "steps", "told"),
    [
        (None, None, 2, "2 of up to 4 rows, 1 epoch"),
        (3, None, 6, "6 of up to 4 rows, 3 epochs"),
        (None, 7, 7, "7 of up to 4 rows, 3.5 epochs"),
        (None, 1, 1, "1 of up to 4 rows, 0.5 epochs"),
        (2, 9, 4, "4 of up to 4 rows, 2 epochs (--epochs 2, which is fewer than --max-steps)"),
        (5, 3, 3, "3 of up to 4 rows, 1.5 epochs (--max-steps; --epochs 5 would be 10)"),
    ],
)
def test_max_steps_alone_decides_and_of_two_limits_the_smaller(
    epochs: int | None, max_steps: int | None, steps: int, told: str
) -> None:
    plan = StepPlan(corpus(), settings(epochs=epochs, max_steps=max_steps, batch_size=4))
    drawn = [step.rows for step in plan.after(0)]
    assert (len(plan), len(drawn), plan.length) == (steps, steps, told)
    for epoch in range(steps // 2):  # every pass has each row once
        assert sorted(row for rows in drawn[2 * epoch : 2 * epoch + 2] for row in rows) == list(range(len(corpus())))


def test_a_warm_up_that_never_ends_is_told() -> None:
    assert warmup_note(200, settings(warmup=100.0)) is None
    assert warmup_note(1, settings()) is None
    told = str(warmup_note(2, settings(warmup=100.0)))
    assert (
        "--warmup: a warm-up of 100 steps never ends in a run of 2 steps: the learning rate only reaches 2.0% of"
        in told
    )
    with pytest.raises(UserError, match=r"--warmup: expected a share below 1 or a whole number of steps, got 1\.5"):
        check_plan_settings(settings(warmup=1.5))


def test_a_loss_that_is_no_number_stops_and_names_the_rows(tiny: Path) -> None:
    model = load_model(str(tiny))
    with torch.no_grad():
        model.model.norm.weight.fill_(float("nan"))
    named = (
        r"step 1: loss is nan, expected a number; rows of this step: r\d(.|\n)*"
        r"hint: at the first step .*: model.norm.weight"
    )
    with pytest.raises(UserError, match=named):
        train_loop(model, corpus(), OBJECTIVE, settings())


def test_decay_is_on_matrices_alone(tiny: Path) -> None:
    from sft_cli.training.optimizers import adamw

    groups = adamw(load_model(str(tiny)), settings(weight_decay=0.1)).param_groups
    assert [(group["weight_decay"], {p.ndim for p in group["params"]}) for group in groups] == [(0.1, {2}), (0.0, {1})]


def test_distilling_from_itself_with_alpha_0_changes_nothing(tiny: Path) -> None:
    model = load_model(str(tiny))
    objective = distillation(load_model(str(tiny)).requires_grad_(False), 0.0, 2.0)
    assert float(gradient(model, 100, objective).abs().max()) < 1e-6


def test_distillation_equals_its_formula(tiny: Path, tiny_teacher: Path) -> None:
    student, teacher = load_model(str(tiny)), load_model(str(tiny_teacher)).requires_grad_(False)
    alpha, temperature = 0.3, 2.0
    total = weight = 0.0
    for example in corpus().examples:
        ids = torch.from_numpy(example.ids.astype(np.int64))[None]
        with torch.no_grad():
            ours, theirs = (m(ids).logits[0, :-1].double() for m in (student, teacher))
        weights = torch.from_numpy(example.weights)[1:].double()
        hard = torch.nn.functional.cross_entropy(ours, ids[0, 1:], reduction="none")
        p, q = (x / temperature for x in (theirs, ours))
        soft = torch.nn.functional.kl_div(q.log_softmax(-1), p.log_softmax(-1), log_target=True, reduction="none").sum(
            -1
        )
        total += float((weights * (alpha * hard + (1 - alpha) * temperature**2 * soft)).sum())
        weight += float(weights.sum())
    objective = distillation(teacher, alpha, temperature)
    means = Compute(student, microbatch_tokens=60).backward(corpus().examples, objective)
    assert means["loss"] == pytest.approx(total / weight, rel=1e-5)
    mixed = alpha * means["cross_entropy"] + (1 - alpha) * temperature**2 * means["kl"]
    assert mixed == pytest.approx(total / weight, rel=1e-5)
