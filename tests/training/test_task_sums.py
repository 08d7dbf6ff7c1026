"""The loss of each task, and the joint loss of weighted tasks: exact, and the same however a step is cut."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from small_training import OBJECTIVE, corpus, settings

from sft_cli.model.load import load_model
from sft_cli.training.compute import Compute
from sft_cli.training.loop import start, train_loop
from sft_cli.training.processes.world import World
from sft_cli.training.rows.corpus import Corpus
from sft_cli.training.settings import TrainSettings
from sft_cli.training.task_sums import TaskSums
from sft_cli.training.watching.watchers import metrics_writer

TASKS = ["a", "b", "a", "c", "b", "a", "a", "c"]
WEIGHTS = {"a": 2.0, "c": 0.5}  # b has weight 1


def compute(model: Any, chosen: TrainSettings) -> Compute:
    return Compute(model, microbatch_tokens=chosen.microbatch_tokens)


def mixed() -> Corpus:
    rows = corpus()
    return Corpus(rows.examples, rows.ids, TASKS)


def reference(model: Any, tasks: list[str]) -> dict[str, torch.Tensor]:
    """Each task's Σ w·loss / Σ w, with its graph, one row at a time and in float64."""
    sums: dict[str, Any] = {}
    weights: dict[str, float] = {}
    for example, task in zip(corpus().examples, tasks, strict=True):
        ids = torch.from_numpy(example.ids.astype(np.int64))[None]
        losses = torch.nn.functional.cross_entropy(model(ids).logits[0, :-1].double(), ids[0, 1:], reduction="none")
        sums[task] = sums.get(task, 0.0) + (losses * torch.from_numpy(example.weights)[1:]).sum()
        weights[task] = weights.get(task, 0.0) + float(example.weights.sum())
    return {task: sums[task] / weights[task] for task in sorted(sums)}


def gradient_of(model: Any) -> torch.Tensor:
    return torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None]).clone()


def step(model: Any, microbatch_tokens: int, tasks: list[str], weights: Any = None) -> tuple[dict[str, Any], Any]:
    model.zero_grad()
    means = Compute(model, microbatch_tokens=microbatch_tokens).backward(corpus().examples, OBJECTIVE, tasks, weights)
    return means, gradient_of(model)


def test_the_joint_loss_is_the_weighted_mean_of_the_tasks_own(tiny: Path) -> None:
    model = load_model(str(tiny))
    own = reference(model, TASKS)
    joint = (2.0 * own["a"] + 1.0 * own["b"] + 0.5 * own["c"]) / 3.5
    joint.backward()
    expected = gradient_of(model)
    for microbatch_tokens in (10_000, 75, 40, 1):  # 1 micro-batch, about 2 and 4, and one for each row
        means, found = step(model, microbatch_tokens, TASKS, WEIGHTS)
        assert means["loss"] == pytest.approx(float(joint.detach()), rel=1e-5)
        assert means["task_loss"] == pytest.approx({task: float(loss.detach()) for task, loss in own.items()}, rel=1e-5)
        assert float((found - expected).abs().max()) <= 1e-5 * float(expected.abs().max())


def test_with_one_task_a_weight_changes_nothing(tiny: Path) -> None:
    model = load_model(str(tiny))
    plain, plain_gradient = step(model, 60, [])
    weighted, weighted_gradient = step(model, 60, ["a"] * 8, {"a": 3.7})
    assert torch.equal(plain_gradient, weighted_gradient)
    assert weighted["loss"] == plain["loss"] == weighted["task_loss"]["a"]


def test_without_weights_tasks_change_nothing_but_the_log(tiny: Path) -> None:
    model = load_model(str(tiny))
    plain, plain_gradient = step(model, 60, [])
    told, told_gradient = step(model, 60, TASKS)
    assert torch.equal(plain_gradient, told_gradient)
    assert told["loss"] == pytest.approx(plain["loss"], rel=1e-12)
    assert told["task_loss"] == pytest.approx(
        {task: float(loss.detach()) for task, loss in reference(model, TASKS).items()}, rel=1e-5
    )


def test_a_task_that_is_not_in_a_step_adds_nothing(tiny: Path) -> None:
    model = load_model(str(tiny))
    present, gradient = step(model, 60, TASKS, WEIGHTS)
    more, same = step(model, 60, TASKS, {**WEIGHTS, "absent": 100.0})
    assert present == more
    assert torch.equal(gradient, same)


def test_sums_of_processes_add_up_to_those_of_one(tiny: Path) -> None:
    class Half(World):
        def sum(self, values: dict[str, float]) -> dict[str, float]:
            collected.append(values)
            return values

    model, collected = load_model(str(tiny)), []
    whole, _ = step(model, 40, TASKS, WEIGHTS)
    for rank in (0, 1):
        world = Half(rank, 2)
        Compute(model, world=world, microbatch_tokens=40).backward(corpus().examples, OBJECTIVE, TASKS, WEIGHTS)
    assert list(collected[0]) == list(collected[1])  # also of tasks that one of them has not seen
    sums = TaskSums([float(e.weights.sum(dtype="float64")) for e in corpus().examples], TASKS, WEIGHTS)
    means = sums.means({key: collected[0][key] + collected[1][key] for key in collected[0]})
    assert means["loss"] == pytest.approx(whole["loss"], rel=1e-12)
    assert means["task_loss"] == pytest.approx(whole["task_loss"], rel=1e-12)


def test_metrics_have_the_loss_of_each_task_of_the_step(tiny: Path) -> None:
    log, rows = io.StringIO(), mixed()
    chosen = settings(batch_size=3, order="given")
    model = load_model(str(tiny))
    train_loop(start(compute(model, chosen), rows, chosen), OBJECTIVE, [metrics_writer(log)])
    lines = [json.loads(line) for line in log.getvalue().splitlines()]
    assert [list(line["task_loss"]) for line in lines] == [["a", "b"], ["a", "b", "c"], ["a", "c"]]
    weight = {task: [] for task in "abc"}
    for example, task in zip(rows.examples[:3], TASKS, strict=False):
        weight[task].append(float(example.weights.sum()))
    first = lines[0]["task_loss"]
    mean = sum(first[task] * sum(weight[task]) for task in first) / sum(sum(weight[task]) for task in first)
    assert lines[0]["loss"] == pytest.approx(mean, rel=1e-6)
    log = io.StringIO()
    alone = corpus()
    train_loop(start(compute(model, chosen), alone, chosen), OBJECTIVE, [metrics_writer(log)])
    assert "task_loss" not in json.loads(log.getvalue().splitlines()[0])


def test_weights_of_the_settings_reach_the_step(tiny: Path) -> None:
    log, rows, chosen = io.StringIO(), mixed(), settings(task_weight=["a=2", "c=0.5"], order="given")
    model = load_model(str(tiny))
    own = {task: float(loss.detach()) for task, loss in reference(model, TASKS).items()}
    train_loop(start(compute(model, chosen), rows, chosen), OBJECTIVE, [metrics_writer(log)])
    line = json.loads(log.getvalue())
    assert line["loss"] == pytest.approx((2 * own["a"] + own["b"] + 0.5 * own["c"]) / 3.5, rel=1e-5)


def test_the_held_out_loss_is_given_by_task_too(tiny: Path) -> None:
    model = load_model(str(tiny))
    compute = Compute(model, microbatch_tokens=50)
    means = compute.mean_loss(mixed(), OBJECTIVE)
    own = {task: float(loss.detach()) for task, loss in reference(model, TASKS).items()}
    assert means["task_loss"] == pytest.approx(own, rel=1e-5)
    assert means["loss"] == pytest.approx(compute.mean_loss(corpus(), OBJECTIVE)["loss"])
    assert "task_loss" not in compute.mean_loss(corpus(), OBJECTIVE)
