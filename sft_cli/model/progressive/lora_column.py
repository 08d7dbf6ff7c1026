"""A column that is a LoRA on the frozen base, and reads older columns through gates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

from sft_cli.model.column_shape import LoraShape


class LoraColumn(nn.Module):
    """The term that column k adds to each linear layer of the base: s·B_k·A_k·x + Σ_j tanh(g_kj)·s_j·B_j·A_j·x.

    A_k (rank, in), B_k (out, rank); j are the LoRA columns that it reads, g_kj a number for each layer. At the start
    g = 0 and B_k = 0, so the column adds exactly nothing to the base.
    Sources: Hu et al. 2021, eq. 3 (LoRA); Rusu et al. 2016 (laterals to frozen columns). Our additions: the columns run
    through the layers of the base, and a gate can be negative.
    """

    def __init__(self, shape: LoraShape, layers: Sequence[Any]) -> None:
        """layers: the linear layers of the base, always the same in the same order."""
        super().__init__()
        self.shape = shape
        sizes = [tuple(layer.weight.shape) for layer in layers]
        sizes = [size if isinstance(layer, Conv1D) else size[::-1] for size, layer in zip(sizes, layers, strict=True)]
        self.down = nn.ModuleList(nn.Linear(wide, shape.rank, bias=False) for wide, _ in sizes)  # A
        self.up = nn.ModuleList(nn.Linear(shape.rank, wide, bias=False) for _, wide in sizes)  # B
        self.lateral_gates = nn.ParameterList(torch.zeros(len(sizes)) for _ in shape.sources)  # g
        self.close()

    def close(self) -> None:
        """B = 0: nothing is added."""
        for up in self.up:
            nn.init.zeros_(cast(nn.Linear, up).weight)

    def low_rank(self, number: int, x: Tensor) -> Tensor:
        """s·B·A·x at a layer, by its number."""
        return cast(Tensor, self.shape.scale * self.up[number](self.down[number](x)))

    def added(self, number: int, x: Tensor, sources: Sequence[LoraColumn]) -> Tensor:
        """The term that is added to the output of a layer, by its number, for its input x (…, in)."""
        total = self.low_rank(number, x)
        for gates, source in zip(self.lateral_gates, sources, strict=True):
            total = total + torch.tanh(gates[number]) * source.low_rank(number, x)
        return total
