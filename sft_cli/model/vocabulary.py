"""A check whether a model has embeddings for all tokens of its tokenizer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sft_cli.run.errors import FieldError


def check_embedded(ids: Sequence[int], embeddings: int, tokenizer: Any) -> None:
    """Raise FieldError, naming the token, if a token id has no embedding in the model."""
    highest = max(ids, default=0)
    if highest >= embeddings:
        name = tokenizer.convert_ids_to_tokens(highest)
        raise FieldError(
            "",
            f"the tokenizer has token {highest} ({name!r}), but the model has only {embeddings} embeddings; "
            "the tokenizer belongs to another model",
        )
