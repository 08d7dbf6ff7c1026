"""Checkpoint directories as Hugging Face writes them."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from sft_cli.model.adapters import COLUMN_ADAPTERS
from sft_cli.model.adapters.add import save_adapter
from sft_cli.model.formats import in_format
from sft_cli.run.errors import UserError


def save_checkpoint(
    model: Any, tokenizer: Any, folder: Path, weights: dict[str, Any] | None = None, dtype: str = "float32"
) -> None:
    """Write weights (safetensors), config, generation config, tokenizer and chat template into `folder`.

    A PeftModel writes its adapter, in float32, and the name of its base. `weights` replace those of the model, which
    may be only shards. `dtype` is the number format to write. `disk_errors` reports errors of the disk.
    """
    tokenizer.save_pretrained(folder)
    if hasattr(model, "peft_config"):
        save_adapter(model, folder, weights)
        (folder / "README.md").unlink(missing_ok=True)  # the model card of peft; the command writes ours
        model.get_base_model().generation_config.save_pretrained(folder)
    else:
        model.save_pretrained(folder, state_dict=in_format(model.state_dict() if weights is None else weights, dtype))
        _name_format(folder / "config.json", dtype)
    for path in folder.glob("*.safetensors"):  # safetensors 0.8 ignores the umask: only the owner could read them
        path.chmod((folder / "generation_config.json").stat().st_mode & 0o777)


def _name_format(path: Path, dtype: str) -> None:
    # transformers writes the format of the model in memory.
    config = json.loads(path.read_text(encoding="utf-8"))
    if config["dtype"] != dtype:
        path.write_text(json.dumps({**config, "dtype": dtype}, indent=2, sort_keys=True) + "\n", encoding="utf-8")


@contextlib.contextmanager
def disk_errors(place: Path, cure: Callable[[], str]) -> Iterator[None]:
    """Turn errors of the disk (no space, no permission) into a UserError that names `place` and the cure."""
    from safetensors import SafetensorError

    try:
        yield
    except BrokenPipeError:
        raise
    except (OSError, SafetensorError) as error:
        # safetensors has no errno: "Error while serializing: I/O error: No space left on device (os error 28)"
        match = re.search(r"I/O error: (.*) \(os error \d+\)", str(error))
        reason = match[1] if match else getattr(error, "strerror", None) or str(error)
        raise UserError(f"{place}: cannot save: {reason}\nhint: {cure()}") from error


def model_card(title: str, settings: dict[str, Any], facts: dict[str, Any], base: str, adapter: str) -> str:
    """README.md of a checkpoint: its inputs, its settings and its results."""
    is_whole = adapter in ("none", *COLUMN_ADAPTERS)
    front = {"base_model": base, "library_name": "transformers" if is_whole else "peft", "tags": ["sft"]}
    header = "\n".join(f"{key}: {json.dumps(value)}" for key, value in front.items())
    load = (
        "from transformers import AutoModelForCausalLM\nmodel = AutoModelForCausalLM.from_pretrained(PATH)"
        if is_whole
        else "from peft import AutoPeftModelForCausalLM\nmodel = AutoPeftModelForCausalLM.from_pretrained(PATH)"
    )
    if adapter in COLUMN_ADAPTERS:
        load = f"import sft_cli.model.progressive  # registers these models with transformers\n{load}"
    fact_rows = "\n".join(f"| {name} | {value} |" for name, value in facts.items())
    given = "\n".join(f"| {name} | `{json.dumps(value, ensure_ascii=False)}` |" for name, value in settings.items())
    return (
        f"---\n{header}\n---\n\n# {title}\n\n| | |\n|---|---|\n{fact_rows}\n\n```python\n{load}\n```\n\n"
        f"Settings (`manifest.json` has the hashes of the inputs):\n\n| flag | value |\n|---|---|\n{given}\n"
    )
