"""Small models with one peculiarity each, made from a seed when a test first asks for one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from conftest import make_model, make_tokenizer


def plain() -> tuple[Any, Any]:
    """The tiny Llama, its output layer tied to its embedding."""
    tokenizer = make_tokenizer()
    return make_model(len(tokenizer)), tokenizer


def untied() -> tuple[Any, Any]:
    """The same with an output layer of its own."""
    tokenizer = make_tokenizer()
    return make_model(len(tokenizer), seed=3, tied=False), tokenizer


# What a case may write as `{NAME}` in its command.
MODELS: dict[str, Callable[[], tuple[Any, Any]]] = {
    "tiny": plain,
    "untied": untied,
}


def save(name: str, folder: Path) -> Path:
    """The checkpoint directory of a model of the table, below `folder`; made if it is not there."""
    target = folder / name
    if not target.is_dir():
        model, tokenizer = MODELS[name]()
        model.save_pretrained(target)
        tokenizer.save_pretrained(target)
    return target
