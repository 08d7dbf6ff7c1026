"""The token ids of a prompt and of texts that may follow it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sft_cli.model.encode import Encoder, template_messages
from sft_cli.run.errors import FieldError, shown


def encode_continuations(
    encoder: Encoder, row: dict[str, Any], texts: Sequence[str]
) -> tuple[list[int], list[list[int]]]:
    """The ids of a row's prompt, and those of each text that directly follows it.

    White space at the end of the prompt goes over to the texts. Prompt and text are tokenised as one; what comes after
    as many ids as the prompt alone has is the text's. Source: lm-evaluation-harness 0.4.13, `_encode_pair` in
    api/model.py; unlike there, the prompt of a chat begins as its template says, and special tokens in messages and
    texts are plain text. Raises FieldError if the prompt or a text has no id of its own.
    """
    plain = encoder.plain
    if "messages" in row:
        guard, (messages, tools, *endings) = plain.guard([template_messages(row), row.get("tools"), *texts])
        field, begin, prompt = "messages", [], encoder.renderer.render(messages, tools, prompt=True)
    else:
        guard, (prompt, *endings) = encoder.guard_text([row["text"], *texts])
        field, begin = "text", encoder.begin_ids
    pieces = [prompt.rstrip(), *(prompt + ending for ending in endings)]
    alone, *whole = [begin + ids for ids, _ in plain.tokenize_all([(piece, guard) for piece in pieces])]
    if not alone:
        raise FieldError(field, "expected words before the choices, got white space alone")
    found = [ids[len(alone) :] for ids in whole]
    for place, (text, ids) in enumerate(zip(texts, found, strict=True)):
        if not ids:
            raise FieldError(f"choices[{place}]", f"expected a text that adds a token to the prompt, got {shown(text)}")
    return alone, found
