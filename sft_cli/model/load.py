"""Models, tokenizers and configurations, loaded by name."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

from sft_cli.encoding.chat_templates import replace_template
from sft_cli.model.libraries import quiet_libraries
from sft_cli.model.names import MODEL_HINT, adapter_base, resolve_model, source_of
from sft_cli.run.errors import UserError


def load_tokenizer(name: str, chat_template: str | None = None, base: str | None = None) -> Any:
    """The tokenizer of a model; `base` names an adapter's base.

    `chat_template` names a file, or a built-in template, that replaces its own.

    Raises UserError if there is no tokenizer, or if it has no character offsets.
    """
    quiet_libraries()
    from transformers import AutoTokenizer

    path = resolve_model(name)
    with loading(name):
        if adapter_base(path) and not (Path(path) / "tokenizer_config.json").exists():
            path = source_of(name, base)
        tokenizer = AutoTokenizer.from_pretrained(path)
    if not getattr(tokenizer, "is_fast", False):
        raise UserError(f"{name}: expected a fast tokenizer (tokenizer.json), got {type(tokenizer).__name__}")
    if chat_template is not None:
        replace_template(tokenizer, chat_template)
    return tokenizer


def generation_config_at(name: str, base: str | None = None) -> dict[str, Any]:
    """The generation_config of a model, read without its weights; for an adapter that of its base."""
    quiet_libraries()
    from transformers import GenerationConfig

    source = source_of(name, base)
    config: dict[str, Any]
    try:
        config = GenerationConfig.from_pretrained(source).to_dict()
    except OSError:  # no generation_config.json: transformers makes one from the model's config
        config = {"eos_token_id": getattr(config_at(name, base), "eos_token_id", None)}
    return config


def config_at(name: str, base: str | None = None) -> Any:
    """A model's config, read without its weights; for an adapter that of its base."""
    quiet_libraries()
    from transformers import AutoConfig

    import sft_cli.model.progressive  # noqa: F401 (registers these models with transformers)

    source = source_of(name, base)
    with loading(name):
        return AutoConfig.from_pretrained(source)


def stop_ids_at(name: str, base: str | None = None) -> tuple[int, ...]:
    """The token ids at which a model stops generating, read from its files without its weights."""
    stops = generation_config_at(name, base).get("eos_token_id")
    return tuple(stops) if isinstance(stops, (list, tuple)) else () if stops is None else (stops,)


def load_model(
    name: str, dtype: str = "float32", device: str = "cpu", quantization: Any = None, base: str | None = None
) -> Any:
    """A causal language model in eval mode, with our packed attention if the architecture supports it.

    Of progressive columns the newest answers. For an adapter directory the result is its base with the adapter (a
    PeftModel). `dtype` is float32 or bfloat16. `quantization` is the configuration of transformers for a model that is
    quantised at loading. `base` is loaded instead of the base that an adapter names.
    """
    quiet_libraries()
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    import sft_cli.model.progressive  # noqa: F401 (registers these models with transformers)
    from sft_cli.model.attention import attention_for

    path, source = resolve_model(name), source_of(name, base)
    with loading(name):
        config = AutoConfig.from_pretrained(source)
        options: dict[str, Any] = {"dtype": getattr(torch, dtype), "attn_implementation": attention_for(config)}
        if quantization is not None:
            options |= {"quantization_config": quantization, "device_map": {"": device}}
        model: Any = AutoModelForCausalLM.from_pretrained(source, use_safetensors=True, **options)
        if adapter_base(path):
            from peft import PeftModel

            try:
                model = PeftModel.from_pretrained(model, path)
            except RuntimeError as error:
                first = " ".join(str(error).split("\n")[:2])
                raise UserError(
                    f"{name}: is not an adapter of {source}: {first}\nhint: --base MODEL names another base"
                ) from error
    return (model if quantization is not None else model.to(device)).eval()


@contextlib.contextmanager
def loading(name: str) -> Any:
    """Turn errors of loading in transformers into a UserError that names the model."""
    try:
        yield
    except (OSError, ValueError, KeyError) as error:
        first = str(error).strip().split("\n")[0]
        raise UserError(f"{name}: cannot load: {first}\n{MODEL_HINT}") from error
