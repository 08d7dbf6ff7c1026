"""Chat templates that come with sft, for `--chat-template NAME`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sft_cli.run.errors import UserError
from sft_cli.run.registry import near_name

CHATML = Path(__file__).parent / "templates" / "chatml.jinja"
# By name, the text in front of the template.
CHAT_TEMPLATES = {"hermes-tools": "", "think": "{%- set thinks = true -%}\n"}
NEEDED = ("<|im_start|>", "<|im_end|>")


def replace_template(tokenizer: Any, name: str) -> None:
    """Set the chat template of a tokenizer from a file or a name of CHAT_TEMPLATES.

    Raises UserError if it does not exist, or if the tokenizer does not have its special tokens.
    """
    path = Path(name)
    is_built_in = name in CHAT_TEMPLATES and not path.exists()
    try:
        text = (CHATML if is_built_in else path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        known = f"{near_name(name, list(CHAT_TEMPLATES))}\nhint: use a Jinja file, or {' or '.join(CHAT_TEMPLATES)}"
        raise UserError(f"--chat-template: cannot read {name}: {why}.{known}") from error
    if is_built_in:
        missing = [token for token in NEEDED if token not in tokenizer.get_vocab()]
        if missing:
            raise UserError(
                f"--chat-template: {name} writes {' and '.join(missing)}, which the tokenizer does not know\n"
                "hint: use a Jinja file that writes the special tokens of the model"
            )
        text = CHAT_TEMPLATES[name] + text
    tokenizer.chat_template = text
