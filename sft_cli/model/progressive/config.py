"""The config of a checkpoint with progressive columns."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from transformers import AutoConfig, LlamaConfig, PreTrainedConfig

from sft_cli.model.column_shape import ColumnShape, Shape, read_shape

# The values of the config that code for running a model reads.
BASE_KEYS = (
    *("vocab_size", "hidden_size", "intermediate_size", "num_attention_heads", "num_key_value_heads", "head_dim"),
    *("max_position_embeddings", "initializer_range", "tie_word_embeddings", "rms_norm_eps", "use_cache"),
    *("bos_token_id", "eos_token_id", "pad_token_id"),
)


class ProgressiveConfig(PreTrainedConfig):
    """The base's config, and the shapes of the columns, oldest first.

    sha256: a hash of the base's weights ("base") and of each column's, as they were saved.
    num_hidden_layers counts the layers of the base and all blocks of columns: `generate` makes a cache of this many
    layers.
    """

    model_type = "sft-progressive"
    keys_to_ignore_at_inference = ("past_key_values",)

    def __init__(
        self,
        base_config: dict[str, Any] | None = None,
        columns: Sequence[dict[str, Any]] = (),
        sha256: dict[str, str] | None = None,
        **kwargs: Any,
    ) -> None:
        self.base_config = base_config or LlamaConfig().to_dict()
        self.columns = [dict(column) for column in columns]
        self.sha256 = dict(sha256 or {})
        super().__init__(**{name: value for name, value in kwargs.items() if name not in BASE_KEYS})
        base = self.base
        for name in BASE_KEYS:
            if hasattr(base, name):
                setattr(self, name, getattr(base, name))
        self.num_hidden_layers = base.num_hidden_layers + sum(shape.depth for shape in self.shapes)

    @property
    def base(self) -> Any:
        """The config of the base."""
        options = {name: value for name, value in self.base_config.items() if name != "model_type"}
        return AutoConfig.for_model(self.base_config["model_type"], **options)

    @property
    def shapes(self) -> list[Shape]:
        """The columns' shapes."""
        return [read_shape(column) for column in self.columns]

    def add(self, shape: Shape) -> None:
        """One more column."""
        self.columns = [*self.columns, dataclasses.asdict(shape)]
        self.num_hidden_layers += shape.depth

    def rename_last(self, name: str) -> None:
        """Rename the newest column."""
        self.columns = [*self.columns[:-1], {**self.columns[-1], "name": name}]

    def block_config(self, shape: ColumnShape) -> LlamaConfig:
        """The config of a column's blocks, which are Llama blocks."""
        base = self.base
        rotary = getattr(base, "rope_parameters", None) or {}
        config = LlamaConfig(
            vocab_size=1,
            hidden_size=shape.width,
            intermediate_size=shape.inner,
            num_hidden_layers=len(shape.taps),
            num_attention_heads=shape.heads,
            num_key_value_heads=shape.key_value_heads,
            head_dim=shape.head_size,
            max_position_embeddings=base.max_position_embeddings,
            rope_parameters={"rope_type": "default", "rope_theta": rotary.get("rope_theta", 10_000.0)},
            rms_norm_eps=getattr(base, "rms_norm_eps", None) or 1e-6,
            bos_token_id=None,
            eos_token_id=None,
        )
        config._attn_implementation = self._attn_implementation
        return config
