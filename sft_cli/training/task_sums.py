"""Means over the targets of a step, for all tasks and for each: plain sums, divided only once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sft_cli.encoding.encoder import Example
from sft_cli.model.forward import Batch


class TaskSums:
    """Σ w·value by name and by task, over the micro-batches of one step; w is the weight of a target.

    weight_sums (n,): Σ w of each row; tasks (n): the task of each row. `weights` are the weights of tasks in the joint
    loss L = Σ_k weight_k·L_k / Σ_k weight_k over the tasks k of the step, with L_k = Σ w·loss / Σ w over the targets of
    k; other tasks have weight 1. Without `weights`, L is Σ w·loss / Σ w over all targets.
    """

    def __init__(
        self,
        weight_sums: Sequence[float] | np.ndarray,
        tasks: Sequence[str],
        weights: Mapping[str, float] | None = None,
    ) -> None:
        self.names = sorted(set(tasks))
        numbers = {name: number for number, name in enumerate(self.names)}
        self.numbers = np.array([numbers[task] for task in tasks], dtype=np.int64)
        self.weight_sums = np.bincount(self.numbers, np.array(weight_sums, dtype=np.float64), len(self.names))
        if weights:
            factors = np.array([weights.get(name, 1.0) for name in self.names])
            self.divisors = self.weight_sums / (factors / factors.sum())
        else:
            self.divisors = np.full(len(self.names), self.weight_sums.sum())
        self.sums: dict[str, Tensor] = {}

    def scales(self, members: Sequence[int]) -> list[float]:
        """The factors of the weights of these rows, so that Σ w·loss over the step is L."""
        return [1.0 / float(divisor) for divisor in self.divisors[self.numbers[members]]]

    def add(self, members: Sequence[int], examples: Sequence[Example], batch: Batch, parts: dict[str, Tensor]) -> None:
        """Add the values (M,) of a batch of these examples, the rows `members` of the step."""
        device = batch.targets.device
        weights = torch.from_numpy(np.concatenate([example.weights for example in examples])).to(device)
        weights = weights[batch.targets + 1].double()
        tasks = torch.from_numpy(self.numbers[members]).to(device)[batch.documents]
        for name, values in parts.items():
            sums = torch.zeros(len(self.names), dtype=torch.float64, device=device)
            sums.index_add_(0, tasks, values.detach().double() * weights)
            self.sums[name] = self.sums[name] + sums if name in self.sums else sums

    def totals(self) -> dict[str, float]:
        """The sums as one flat dict, to add over processes."""
        values = {name: sums.tolist() for name, sums in self.sums.items()}
        return {f"{name}:{number}": value for name, each in values.items() for number, value in enumerate(each)}

    def means(self, totals: Mapping[str, float]) -> dict[str, Any]:
        """Means by name, with the weights of L, and {"task_loss": {task: Σ w·loss / Σ w}}, from summed `totals`."""
        means: dict[str, Any] = {}
        for key, value in totals.items():
            name, _, number = key.rpartition(":")
            means[name] = means.get(name, 0.0) + value / float(self.divisors[int(number)])
        means["task_loss"] = {
            task: totals[f"loss:{number}"] / float(self.weight_sums[number]) for number, task in enumerate(self.names)
        }
        return means
