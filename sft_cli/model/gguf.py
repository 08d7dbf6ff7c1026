"""A `.gguf` file as a plain safetensors checkpoint, converted once into the cache."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from sft_cli.model.libraries import quiet_libraries
from sft_cli.run.errors import UserError
from sft_cli.run.lock import waiting_turn
from sft_cli.run.manifest import file_hash
from sft_cli.run.output import put_in_place

CONVERSION = 1  # increase it when the conversion changes, so that old cached checkpoints are made again


def cache_folder() -> Path:
    """`$SFT_CACHE`, or otherwise `sft` in the XDG cache folder."""
    if os.environ.get("SFT_CACHE"):
        return Path(os.environ["SFT_CACHE"])
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "sft"


def converted(source: Path) -> Path:
    """The cached safetensors checkpoint of a `.gguf` file, made at the first call; raises UserError on failure."""
    if not source.is_file():
        raise UserError(f"{source}: no such file")
    target = cache_folder() / f"{source.stem}-{file_hash(source)[:12]}-{CONVERSION}"
    if not (target / "config.json").is_file():
        _make(source, target)
    return target


def _make(source: Path, target: Path) -> None:
    try:
        import gguf  # noqa: F401
    except ImportError as error:
        raise UserError(f"{source.name}: GGUF needs the package gguf\nhint: pip install gguf") from error
    sys.stderr.write(f"converting {source.name} to {target} (once)\n")
    partial = target.with_name(f".{target.name}.tmp")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with waiting_turn(target):
            if (target / "config.json").is_file():
                return  # another process has made it in the meantime
            shutil.rmtree(partial, ignore_errors=True)  # of a run that was killed
            partial.mkdir()
            try:
                with reading_once():
                    _convert(source, partial)
                put_in_place(partial, target)
            finally:
                shutil.rmtree(partial, ignore_errors=True)
    except OSError as error:
        raise UserError(f"{source.name}: cannot convert into {target}: {error}") from error


@contextmanager
def reading_once() -> Iterator[None]:
    """Let gguf read a file once, and make a table of tensor names once.

    transformers reads the file for the config, the weights and the tokenizer, and makes the table for each module of
    the model: two thirds of the time of a conversion.
    """
    import gguf

    originals = {name: getattr(gguf, name) for name in ("GGUFReader", "get_tensor_name_map")}
    for name, original in originals.items():
        setattr(gguf, name, cache(original))
    try:
        yield
    finally:
        for name, original in originals.items():
            setattr(gguf, name, original)


def _convert(source: Path, target: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers import modeling_gguf_pytorch_utils as reader

    quiet_libraries()
    reader.tqdm = lambda tensors, **_: tensors  # its progress bar ignores the switch of transformers
    folder, file = str(source.parent), source.name
    loaded = AutoModelForCausalLM.from_pretrained(folder, gguf_file=file, dtype=torch.float32)
    config = loaded.config
    if hasattr(config, "quantization_config"):
        del config.quantization_config
    # A model loaded from GGUF cannot be saved in transformers 5; a model built from its config can.
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    model.load_state_dict(loaded.state_dict())
    model.generation_config = loaded.generation_config
    model.save_pretrained(target)
    tokenizer = AutoTokenizer.from_pretrained(folder, gguf_file=file)
    restore_pre_tokenizer(tokenizer, _pre_tokenizer_name(source))
    tokenizer.save_pretrained(target)


def _pre_tokenizer_name(source: Path) -> str:
    from gguf import GGUFReader

    field = GGUFReader(str(source)).fields.get("tokenizer.ggml.pre")
    return str(field.contents()) if field is not None else ""


def restore_pre_tokenizer(tokenizer: Any, name: str) -> None:
    """Restore what the GGUF loader of transformers drops: `smollm` splits numbers into single digits.

    Source: llama.cpp's table of pre-tokenizers (`smollm`), tokenizer.json of SmolLM2.
    """
    if name == "smollm":
        from tokenizers.pre_tokenizers import ByteLevel, Digits, Sequence

        tokenizer.backend_tokenizer.pre_tokenizer = Sequence(
            [Digits(individual_digits=True), ByteLevel(add_prefix_space=False, trim_offsets=True, use_regex=True)]
        )
