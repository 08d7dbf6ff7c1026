"""A conversation as the text that a model reads: one chat template, rendered in one way for training and generation."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from sft_cli.run.errors import FieldError, UserError

PLAIN_KEYS = {"role", "content"}


class Renderer:
    """Renders messages with a tokenizer's chat template."""

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer

    def render(self, messages: list[dict[str, Any]], tools: Any, prompt: bool) -> str:
        """The text of a conversation; `prompt` ends it with what opens an answer.

        Raises FieldError if the template refuses the messages, UserError if there is no template.
        """
        if not self.tokenizer.chat_template:
            raise UserError(
                "the tokenizer has no chat template\n"
                "hint: --chat-template FILE.jinja gives it one; an instruct model brings its own"
            )
        from jinja2 import TemplateError

        try:
            if tools is None and self._template is not None and all(m.keys() <= PLAIN_KEYS for m in messages):
                return self._render_plain(messages, prompt)
            return str(
                self.tokenizer.apply_chat_template(messages, tools=tools, tokenize=False, add_generation_prompt=prompt)
            )
        except (TemplateError, TypeError, ValueError) as error:
            raise FieldError("messages", f"the chat template refuses this row: {error}") from error

    @cached_property
    def _template(self) -> Any:
        """The compiled template; None if only `apply_chat_template` knows how to choose or compile it.

        `apply_chat_template` copies and renames fields of every message before it renders this very template. Messages
        of a role and a text need none of that, and it takes twice as long as the rendering itself.
        """
        if not isinstance(self.tokenizer.chat_template, str):
            return None
        try:
            from transformers.utils.chat_template_utils import _compile_jinja_template
        except ImportError:
            return None
        return _compile_jinja_template(self.tokenizer.chat_template)

    def _render_plain(self, messages: list[dict[str, Any]], prompt: bool) -> str:
        """What `Template.render` does, in one context that is wiped each time: making one takes half of the time."""
        context = self._context
        context.vars.clear()
        context.exported_vars.clear()
        context.parent["messages"], context.parent["add_generation_prompt"] = messages, prompt
        return "".join(self._template.root_render_func(context))

    @cached_property
    def _context(self) -> Any:
        """What a template sees beside the messages."""
        return self._template.new_context({"tools": None, "documents": None, **self.tokenizer.special_tokens_map})
