"""A frozen model with columns beside it, as a causal language model of transformers."""

from __future__ import annotations

import hashlib
from functools import partial
from typing import Any, cast

import torch
from torch import Tensor, nn
from transformers import AutoModelForCausalLM, DynamicCache, GenerationMixin, PreTrainedModel, initialization
from transformers.masking_utils import create_causal_mask
from transformers.modeling_outputs import BaseModelOutputWithPast, CausalLMOutputWithPast

from sft_cli.model.adapters.targets import linear_layers
from sft_cli.model.column_shape import BASE, ColumnShape, LoraShape, Shape
from sft_cli.model.progressive.column import Column
from sft_cli.model.progressive.config import ProgressiveConfig
from sft_cli.model.progressive.lora_column import LoraColumn


class ProgressiveBody(nn.Module):
    """The base and its columns up to the output head; `active`: the number of the column that answers, or None."""

    def __init__(self, config: ProgressiveConfig, base: Any) -> None:
        super().__init__()
        self.config, self.base = config, base
        self.columns = nn.ModuleList()
        self.active: int | None = None
        # transformers reads the tied weights of a model's direct children; the base is a grandchild.
        tied = getattr(base, "all_tied_weights_keys", None) or {}
        self.all_tied_weights_keys = {f"base.{name}": f"base.{other}" for name, other in tied.items()}

    def add(self, shape: Shape) -> nn.Module:
        """A new column at the end, weights drawn from torch's generator."""
        column = self._lora(shape) if isinstance(shape, LoraShape) else self._beside(shape)
        self.columns.append(column)
        return column

    def _lora(self, shape: LoraShape) -> LoraColumn:
        layers = list(linear_layers(self.base, ()).values())
        if not any(isinstance(column, LoraColumn) for column in self.columns):
            # Hooks, not a wrapper around each layer: names and weights of the base do not change.
            for number, layer in enumerate(layers):
                layer.register_forward_hook(partial(self._add_low_rank, number))
        return LoraColumn(shape, layers)

    def _add_low_rank(self, number: int, layer: Any, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor | None:
        column = None if self.active is None else self.columns[self.active]
        if not isinstance(column, LoraColumn):
            return None  # the output does not change in any bit
        sources = [cast(LoraColumn, self.columns[source]) for source in column.shape.sources]
        return output + column.added(number, inputs[0], sources)

    def _beside(self, shape: ColumnShape) -> Column:
        config = self.config.block_config(shape)
        widths = [self.column(source).shape.width for source in shape.sources]
        first = self.base.config.num_hidden_layers + sum(cast(Any, column).shape.depth for column in self.columns)
        return Column(shape, config, self.config.hidden_size, widths, first)

    def column(self, number: int) -> Column:
        """A column that is a network beside the base, by its number; the oldest is 0."""
        return cast(Column, self.columns[number])

    @property
    def beside(self) -> int | None:
        """The number of the network beside the base that answers; None: the base answers, perhaps with a LoRA."""
        return self.active if self.active is not None and isinstance(self.columns[self.active], Column) else None

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        position_ids: Tensor | None = None,
        past_key_values: Any = None,
        inputs_embeds: Tensor | None = None,
        use_cache: bool | None = None,
        **kwargs: Any,
    ) -> BaseModelOutputWithPast:
        """The last states (B, T, D), the input of the base's head."""
        given: dict[str, Any] = {"input_ids": input_ids, "inputs_embeds": inputs_embeds, **kwargs}
        active = self.beside
        if active is None:
            given |= {"attention_mask": attention_mask, "position_ids": position_ids}
            base_output: BaseModelOutputWithPast = self.base.base_model(
                **given, past_key_values=past_key_values, use_cache=use_cache
            )
            return base_output
        use_cache = self.config.use_cache if use_cache is None else use_cache
        if use_cache and past_key_values is None:
            past_key_values = DynamicCache(config=self.config)  # the base would make a cache only for its own layers
        tokens = input_ids if input_ids is not None else inputs_embeds
        assert tokens is not None
        if position_ids is None:
            seen = past_key_values.get_seq_length() if past_key_values is not None else 0
            position_ids = torch.arange(tokens.shape[1], device=tokens.device)[None] + seen
        shared: dict[str, Any] = {"past_key_values": past_key_values, "use_cache": use_cache}
        # Before the base runs: it fills the first layer of the cache, which decides the size of a mask.
        mask = None  # for packed documents: our attention separates them
        if kwargs.get("cu_seq_lens_q") is None:
            like = self.base.get_input_embeddings().weight.new_empty(*tokens.shape[:2], 1)  # shape, format and device
            config = self.column(active).config
            mask = create_causal_mask(config, like, attention_mask, past_key_values, position_ids)
        with torch.no_grad():
            outputs = self.base.base_model(
                **given,
                **shared,
                attention_mask=attention_mask,
                position_ids=position_ids,
                output_hidden_states=True,
            )
        arguments = {**kwargs, **shared, "attention_mask": mask, "position_ids": position_ids}
        state = self._run(active, outputs.hidden_states, arguments)
        hidden = outputs.last_hidden_state + self.column(active).output(state)
        return BaseModelOutputWithPast(last_hidden_state=hidden, past_key_values=outputs.past_key_values)

    def _run(self, active: int, layers: tuple[Tensor, ...], arguments: dict[str, Any]) -> Tensor:
        """The last state of the active column, after all columns that it reads, directly or indirectly."""
        needed = {active}
        for number in range(active, -1, -1):
            if number in needed:
                needed |= set(self.column(number).shape.sources)
        states: dict[int, list[Tensor]] = {}
        for number in sorted(needed):
            column = self.column(number)
            sources = [states[source] for source in column.shape.sources]
            with torch.set_grad_enabled(torch.is_grad_enabled() and number == active):
                states[number] = column(layers, sources, **arguments)
        return states[active][-1]


class ProgressiveForCausalLM(PreTrainedModel, GenerationMixin):
    """A base whose weights do not change, and a column for each task; the newest answers unless another is set.

    Only the columns before a column decide its result: a later column changes no bit of it.
    """

    config_class = ProgressiveConfig
    base_model_prefix = "body"
    _supports_sdpa = True
    _supports_attention_backend = True

    def __init__(self, config: ProgressiveConfig) -> None:
        super().__init__(config)
        # `from_pretrained` sets the requested format as torch's default; the config of the base names its saved format.
        options = {"attn_implementation": config._attn_implementation, "dtype": torch.get_default_dtype()}
        base = AutoModelForCausalLM.from_config(config.base, **options)
        self.body = ProgressiveBody(config, base)
        for shape in config.shapes:
            self.body.add(shape)
        self.body.active = len(self.body.columns) - 1 if len(self.body.columns) else None
        self.frozen: dict[str, str] = {}  # hashes of the weights that training must not change
        self.post_init()

    @property
    def column_names(self) -> list[str]:
        """The base's name, and those of the columns, oldest first."""
        return [BASE, *(shape.name for shape in self.config.shapes)]

    def use_column(self, name: str) -> None:
        """Let this column answer from now on. Raises ValueError for an unknown name."""
        number = self.column_names.index(name) - 1
        self.body.active = number if number >= 0 else None

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        position_ids: Tensor | None = None,
        past_key_values: Any = None,
        inputs_embeds: Tensor | None = None,
        labels: Tensor | None = None,
        use_cache: bool | None = None,
        logits_to_keep: int | Tensor = 0,
        **kwargs: Any,
    ) -> CausalLMOutputWithPast:
        """Logits (B, T, V); for the column `base`, and for LoRA columns, the base itself answers."""
        given: dict[str, Any] = {
            "input_ids": input_ids,
            "attention_mask": attention_mask,
            "position_ids": position_ids,
            "past_key_values": past_key_values,
            "inputs_embeds": inputs_embeds,
            "use_cache": use_cache,
            **kwargs,
        }
        if self.body.beside is None:
            return self.body.base(**given, labels=labels, logits_to_keep=logits_to_keep)
        kwargs.pop("return_dict", None)
        outputs = self.body(**given)
        kept = slice(-logits_to_keep, None) if isinstance(logits_to_keep, int) else logits_to_keep
        logits = self.get_output_embeddings()(outputs.last_hidden_state[:, kept])
        loss = None
        if labels is not None:
            loss = self.loss_function(logits=logits, labels=labels, vocab_size=self.config.vocab_size, **kwargs)
        return CausalLMOutputWithPast(loss=loss, logits=logits, past_key_values=outputs.past_key_values)

    def train(self, mode: bool = True) -> ProgressiveForCausalLM:
        """Training mode only for the newest column: frozen parts have no dropout."""
        super().train(False)
        self.training = mode
        if len(self.body.columns):
            self.body.columns[-1].train(mode)
        return self

    def get_input_embeddings(self) -> Any:
        """Return that of the base."""
        return self.body.base.get_input_embeddings()

    def get_output_embeddings(self) -> Any:
        """Return that of the base."""
        return self.body.base.get_output_embeddings()

    def hashes(self) -> dict[str, str]:
        """{name: SHA-256 of the weights} of the base and of each column."""
        return dict(zip(self.column_names, map(weights_hash, (self.body.base, *self.body.columns)), strict=True))

    def save_pretrained(self, save_directory: Any, *args: Any, **kwargs: Any) -> None:
        """As Hugging Face does, with hashes in the config; raises RuntimeError if frozen weights have changed."""
        hashes = self.hashes()
        changed = [name for name, known in self.frozen.items() if hashes[name] != known]
        if changed:
            raise RuntimeError(f"{', '.join(changed)}: frozen, but the weights have changed")
        self.config.sha256 = hashes
        super().save_pretrained(save_directory, *args, **kwargs)

    def _init_weights(self, module: Any) -> None:
        super()._init_weights(module)  # also the rotary tables of columns, which no checkpoint has
        if isinstance(module, Column):
            initialization.zeros_(module.up.weight)
        if isinstance(module, LoraColumn):
            module.close()


def weights_hash(module: Any) -> str:
    """SHA-256 of a module's weights: names, shapes, and values as float32, so that bfloat16 and float32 agree."""
    digest = hashlib.sha256()
    for name, tensor in sorted(module.state_dict().items()):
        values = tensor.detach().to("cpu", torch.float32).contiguous()
        digest.update(f"{name} {tuple(values.shape)}\n".encode())
        digest.update(values.numpy().data)
    return digest.hexdigest()
