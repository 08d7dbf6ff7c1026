"""The special token by which a chat template ends an assistant's turn."""

from __future__ import annotations

from typing import Any

from sft_cli.encoding.rendering import Renderer
from sft_cli.encoding.special_text import PlainText
from sft_cli.run.errors import UserError

ANSWER = "\ue001"  # of the private use area: a template neither strips nor changes it


def turn_end(renderer: Renderer, plain: PlainText) -> int | None:
    """The id of the special token that stands behind an answer, white space aside; None where there is none.

    Base models often stop at another token than the one by which their template ends turns.
    """
    asked = [{"role": "user", "content": "?"}, {"role": "assistant", "content": ANSWER}]
    try:
        _, answer, after = renderer.render(asked, None, prompt=False).partition(ANSWER)
    except UserError:  # there is no template, or it wants other turns
        return None
    found = plain.pattern.match(after.lstrip()) if answer else None
    return None if found is None else int(renderer.tokenizer.convert_tokens_to_ids(found.group()))


def turn_end_notes(encoder: Any) -> list[str]:
    """What a plan says of it, for a checkpoint that does not name it among its stop tokens."""
    if not encoder.adds_turn_end:
        return []
    name = encoder.tokenizer.convert_ids_to_tokens(encoder.turn_end)
    return [f"stop token: {name} too, by which the chat template ends turns; the checkpoint does not name it"]


def save_with_turn_end(model: Any, encoder: Any) -> None:
    """Let the generation config that is saved with a model name all stop tokens of its encoder."""
    if encoder.adds_turn_end:
        model.generation_config.eos_token_id = [*encoder.stop_ids]
