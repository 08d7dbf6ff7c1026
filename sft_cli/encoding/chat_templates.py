"""Chat templates that come with sft, for `--chat-template NAME`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sft_cli.run.errors import UserError
from sft_cli.run.registry import near_name

CHATML = Path(__file__).parent / "templates" / "chatml.jinja"
# By name, what stands before the template's text.
CHAT_TEMPLATES = {"hermes-tools": "", "think": "{%- set thinks = true -%}\n"}
NEEDED = ("<|im_start|>", "<|im_end|>")


def replace_template(tokenizer: Any, name: str) -> None:
    """Give a tokenizer the chat template that a file or a name of CHAT_TEMPLATES stands for.

    Raises UserError if there is none, or if the tokenizer lacks its special tokens.
    """
    path = Path(name)
    is_built_in = name in CHAT_TEMPLATES and not path.exists()
    try:
        text = (CHATML if is_built_in else path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        known = f"{near_name(name, list(CHAT_TEMPLATES))}\nhint: a Jinja file, or {' or '.join(CHAT_TEMPLATES)}"
        raise UserError(f"--chat-template: cannot read {name}: {why}.{known}") from error
    if is_built_in:
        missing = [token for token in NEEDED if token not in tokenizer.get_vocab()]
        if missing:
            raise UserError(
                f"--chat-template: {name} writes {' and '.join(missing)}, which the tokenizer does not know\n"
                "hint: a Jinja file that writes the model's own special tokens"
            )
        text = CHAT_TEMPLATES[name] + text
    tokenizer.chat_template = text
