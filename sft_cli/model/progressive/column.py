"""One column: a narrow network that reads a frozen base's layers, and older columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn
from transformers import LlamaConfig
from transformers.models.llama.modeling_llama import LlamaDecoderLayer, LlamaRMSNorm, LlamaRotaryEmbedding

from sft_cli.model.column_shape import ColumnShape


class Column(nn.Module):
    """States z_1 … z_m (B, T, d) of a column, one for each block.

    z_0 = W_in·e,  z̃_i = σ(a_i)·z_{i−1} + (1 − σ(a_i))·D_i·norm(h_{t_i}) + Σ_j tanh(b_ij)·U_ij·z⁽ʲ⁾_{min(i, m_j)},
    z_i = Block_i(z̃_i), with e the base's embeddings, h_t its layer t, z⁽ʲ⁾ an older column. At the start a = 0, b = 0
    and W_up = 0, so the column adds exactly nothing to the base.
    Sources: Rusu et al. 2016, eq. 2 (columns, laterals); Sung et al. 2022, section 3.2 (the side network and its gate).
    Differences: laterals read the older column's block at the same height, not the one below, and have tanh gates.
    """

    def __init__(self, shape: ColumnShape, config: LlamaConfig, hidden: int, widths: Sequence[int], first: int) -> None:
        """config: of the blocks. hidden: the base's width; widths: of the source columns. first: layer of block 1."""
        super().__init__()
        depth, width = len(shape.taps), shape.width
        self.shape, self.config = shape, config

        def linear(wide: int, narrow: int = width) -> nn.Linear:
            return nn.Linear(wide, narrow, bias=False)

        self.entry = linear(hidden)  # W_in
        self.norms = nn.ModuleList(LlamaRMSNorm(hidden, config.rms_norm_eps) for _ in range(depth))
        self.down = nn.ModuleList(linear(hidden) for _ in range(depth))  # D
        self.gates = nn.Parameter(torch.zeros(depth))  # a
        self.laterals = nn.ModuleList(nn.ModuleList(linear(wide) for _ in range(depth)) for wide in widths)  # U
        self.lateral_gates = nn.ParameterList(torch.zeros(depth) for _ in widths)  # b
        self.blocks = nn.ModuleList(LlamaDecoderLayer(config, first + number) for number in range(depth))
        self.rotary = LlamaRotaryEmbedding(config)
        self.norm = LlamaRMSNorm(width, config.rms_norm_eps)
        self.up = linear(width, hidden)  # W_up
        nn.init.zeros_(self.up.weight)

    def forward(
        self, layers: Sequence[Tensor], sources: Sequence[Sequence[Tensor]], position_ids: Tensor, **arguments: Any
    ) -> list[Tensor]:
        """z_1 … z_m. `layers` are the base's states, embeddings first; `sources` the states of columns that it reads.

        `arguments` go to the blocks: attention_mask, past_key_values, and those of our attention.
        """
        # In the number format of the base: under autocast a sum over blocks would lose digits in a narrow format.
        state = self.entry(layers[0]).to(layers[0].dtype)
        rotations = self.rotary(state, position_ids)
        states: list[Tensor] = []
        for number, (tap, block) in enumerate(zip(self.shape.taps, self.blocks, strict=True)):
            gate = torch.sigmoid(self.gates[number])
            mixed = gate * state + (1 - gate) * self.down[number](self.norms[number](layers[tap]))
            for projections, gates, source in zip(self.laterals, self.lateral_gates, sources, strict=True):
                below = source[min(number, len(source) - 1)]
                projection = cast(nn.ModuleList, projections)[number]
                mixed = mixed + torch.tanh(gates[number]) * projection(below)
            state = block(mixed, position_ids=position_ids, position_embeddings=rotations, **arguments)
            states.append(state)
        return states

    def output(self, state: Tensor) -> Tensor:
        """The term that is added to the base's last states after their norm: W_up·norm(z_m), (B, T, D)."""
        addition: Tensor = self.up(self.norm(state))
        return addition
