"""The size of a progressive column and its cost: only arithmetic, for the model and for the docs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

BASE = "base"  # the name of the model without a column
COLUMN_RATIO = 8  # LST (Sung et al. 2022, section 4.3): r = 8
COLUMN_STRIDE = 2
LATERALS = ("all", "base", "last")


@dataclass(frozen=True)
class ColumnShape:
    """A column's size and what it reads.

    width: d, of its states; inner: of its feed-forward layers. taps: the layers of the base that its blocks read, one
    for each block, counted from 1. sources: the columns that it reads, by their numbers, all smaller than its own.
    """

    name: str
    width: int
    heads: int
    key_value_heads: int
    inner: int
    taps: tuple[int, ...]
    sources: tuple[int, ...] = ()

    @property
    def head_size(self) -> int:
        """Numbers of one attention head; even, as rotary positions need it."""
        return self.width // self.heads

    @property
    def depth(self) -> int:
        """Number of cache layers that the column needs."""
        return len(self.taps)

    @property
    def cache_numbers(self) -> int:
        """Keys and values of one token, in all blocks together."""
        return self.depth * 2 * self.key_value_heads * self.head_size


@dataclass(frozen=True)
class LoraShape:
    """A column that is a gated LoRA: its rank, the factor of its products, the LoRA columns that it reads."""

    name: str
    rank: int
    scale: float
    sources: tuple[int, ...] = ()

    @property
    def depth(self) -> int:
        """Number of cache layers that the column needs: none, it runs in the layers of the base."""
        return 0


Shape = ColumnShape | LoraShape


def read_shape(described: dict[str, Any]) -> Shape:
    """The shape from the result of `dataclasses.asdict`, also after JSON."""
    tuples = {name: tuple(value) for name, value in described.items() if isinstance(value, list | tuple)}
    return (LoraShape if "rank" in described else ColumnShape)(**{**described, **tuples})


def column_shape(
    base: Any, name: str, ratio: int = COLUMN_RATIO, stride: int = COLUMN_STRIDE, sources: Sequence[int] = ()
) -> ColumnShape:
    """The shape of a column 1/ratio as wide as `base`, a Hugging Face config, with a block for every stride-th layer.

    The last layer always has a block. The heads keep their number and become smaller, down to a size of 2; then their
    number becomes smaller.
    """
    hidden, layers, heads = base.hidden_size, base.num_hidden_layers, base.num_attention_heads
    shared = heads // (getattr(base, "num_key_value_heads", None) or heads)  # query heads for each key head
    size = max(2, (getattr(base, "head_dim", None) or hidden // heads) // ratio // 2 * 2)
    count = max(1, hidden // ratio // size)
    groups = max(1, count // shared)
    count = groups * shared if count >= shared else count
    inner = getattr(base, "intermediate_size", None) or 4 * hidden
    taps = tuple(reversed(range(layers, 0, -stride)))
    return ColumnShape(name, count * size, count, groups, max(1, inner // ratio), taps, tuple(sources))


def lateral_sources(laterals: str, older: Sequence[int]) -> tuple[int, ...]:
    """The numbers of the `older` columns of its kind that a new column reads, by `--laterals`."""
    return {"all": tuple(older), "base": (), "last": tuple(older)[-1:]}[laterals]


def count_weights(shape: ColumnShape, hidden: int, widths: Sequence[int]) -> int:
    """Number of weights of a column beside a base of width `hidden`; `widths`: of all columns, oldest first."""
    width, depth = shape.width, len(shape.taps)
    keys = shape.key_value_heads * shape.head_size
    block = 2 * width * width + 2 * width * keys + 3 * width * shape.inner + 2 * width
    tap = hidden * width + hidden + 1  # projection, norm, gate
    lateral = sum(width * widths[source] + 1 for source in shape.sources)
    return depth * (block + tap + lateral) + 2 * hidden * width + width
