"""Whether a model has an embedding for what its tokenizer gives."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sft_cli.run.errors import FieldError


def check_embedded(ids: Sequence[int], embeddings: int, tokenizer: Any) -> None:
    """Raise FieldError, naming the token, if a token id has none of a model's embeddings."""
    highest = max(ids, default=0)
    if highest >= embeddings:
        name = tokenizer.convert_ids_to_tokens(highest)
        raise FieldError(
            "",
            f"the tokenizer gives token {highest} ({name!r}), but the model has only {embeddings} embeddings; "
            "the tokenizer belongs to another model",
        )
