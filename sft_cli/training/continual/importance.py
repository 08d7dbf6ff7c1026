"""The importance of each weight for earlier tasks, with mean 1, and its file in a checkpoint."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sft_cli.model.adapters.low_rank import low_rank_layers
from sft_cli.run.errors import UserError

# In a separate folder: vLLM reads every *.safetensors beside config.json as weights, and the names are the same.
FILE = "continual/importance.safetensors"


@dataclass
class Importance:
    """`values` by the name of a weight, float32; those of each task are divided by their mean, then added over tasks.

    kind: ewc or si. tasks: facts about the importance of each old task, the newest last, with `raw_mean`, the mean
    before the division. With mean 1, a strength has the same meaning for every kind and task (Schwarz et al. 2018,
    Progress & Compress, section 3.2, also normalise the Fisher information of each task).
    """

    kind: str
    values: dict[str, Tensor]
    tasks: list[dict[str, Any]] = field(default_factory=list)

    @classmethod
    def normalised(cls, kind: str, values: Mapping[str, Tensor], facts: Mapping[str, Any]) -> Importance:
        """The importance from raw values, divided in place by their mean; raises UserError if the mean is 0."""
        count = sum(value.numel() for value in values.values())
        mean = sum(float(value.sum(dtype=torch.float64)) for value in values.values()) / max(count, 1)
        if not mean > 0:
            raise UserError(
                f"importance ({kind}): expected a mean above 0, got {mean:g}: for these rows no weight is important\n"
                "hint: use other rows, or more"
            )
        for value in values.values():
            value.div_(mean)
        return cls(kind, dict(values), [{**facts, "raw_mean": mean}])

    @property
    def raw_mean(self) -> float | None:
        """The factor from the values to the measured values; None for a sum over tasks, which has no single scale."""
        return float(self.tasks[0]["raw_mean"]) if len(self.tasks) == 1 else None

    def after(self, old: Importance | None, decay: float) -> Importance:
        """decay·old + this: the importance for all tasks so far, around the newest weights (Huszár 2018, eq. 9.

        Γ of P&C).
        """
        if old is None:
            return self
        values = dict(self.values)
        for name, value in old.values.items():
            values[name] = values[name].add(value, alpha=decay) if name in values else value * decay
        return Importance(self.kind, values, [*old.tasks, {**self.tasks[-1], "decay": decay}])

    def save(self, folder: Path) -> None:
        """Write it into a checkpoint's folder."""
        from safetensors.torch import save_file

        (folder / FILE).parent.mkdir(exist_ok=True)
        facts = {"schema": 1, "kind": self.kind, "tasks": self.tasks}
        # One entry: safetensors writes several entries in an order that differs between processes.
        save_file(self.values, folder / FILE, {"importance": json.dumps(facts)})


def read_importance(folder: str) -> Importance | None:
    """The importance in a checkpoint, or None. Raises UserError if the file has another content."""
    from safetensors import SafetensorError, safe_open

    path = Path(folder) / FILE
    if not path.is_file():
        return None
    try:
        with safe_open(path, "pt") as tensors:
            facts = json.loads((tensors.metadata() or {})["importance"])
            values = {name: tensors.get_tensor(name) for name in tensors.keys()}  # noqa: SIM118 (not a dict)
            return Importance(facts["kind"], values, facts["tasks"])
    except (SafetensorError, KeyError, ValueError, TypeError) as error:
        raise UserError(f"{path}: expected a file of --record-importance, got another file ({error})") from error


def check_fits(importance: Importance, shapes: Mapping[str, tuple[int, ...]], where: str) -> float:
    """The share of weights in `shapes` that the importance covers.

    Raises UserError if shapes differ or it covers none.
    """
    covered = 0
    for name, shape in shapes.items():
        if name in importance.values:
            importance_shape = tuple(importance.values[name].shape)
            if importance_shape != shape:
                raise UserError(f"{where}: {name}: expected the shape {shape}, got {importance_shape} of another model")
            covered += importance.values[name].numel()
    total = sum(torch.Size(shape).numel() for shape in shapes.values())
    if not covered:
        raise UserError(f"{where}: has no importance for any trained weight: it is for another model")
    return covered / total


def importance_weights(model: Any) -> dict[str, Tensor]:
    """The weights whose importance counts, by name: the trained weights, or those that a LoRA changes."""
    layers = low_rank_layers(model)
    if layers:
        return {layer.name: layer.weight for layer in layers}
    return {name: weight for name, weight in model.named_parameters() if weight.requires_grad}
