"""The special token at the end of an assistant turn in a chat template."""

from __future__ import annotations

from typing import Any

from sft_cli.encoding.rendering import Renderer
from sft_cli.encoding.special_text import PlainText
from sft_cli.run.errors import UserError

ANSWER = "\ue001"  # from the private use area: a template does not remove or change it


def turn_end(renderer: Renderer, plain: PlainText) -> int | None:
    """The id of the special token after an answer, without regard to white space; None if there is none.

    Base models often stop at a different token than the token at the end of turns in their template.
    """
    asked = [{"role": "user", "content": "?"}, {"role": "assistant", "content": ANSWER}]
    try:
        _, answer, after = renderer.render(asked, None, prompt=False).partition(ANSWER)
    except UserError:  # there is no template, or it needs other turns
        return None
    match = plain.pattern.match(after.lstrip()) if answer else None
    return None if match is None else int(renderer.tokenizer.convert_tokens_to_ids(match.group()))


def turn_end_notes(encoder: Any) -> list[str]:
    """The line of the plan about it, for a checkpoint that does not name it among its stop tokens."""
    if not encoder.adds_turn_end:
        return []
    name = encoder.tokenizer.convert_ids_to_tokens(encoder.turn_end)
    return [f"{name} is also a stop token: it ends turns in the chat template, but the checkpoint does not list it"]


def save_with_turn_end(model: Any, encoder: Any) -> None:
    """Write all stop tokens of the encoder into the generation config of a model."""
    if encoder.adds_turn_end:
        model.generation_config.eos_token_id = [*encoder.stop_ids]
