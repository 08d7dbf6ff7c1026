"""A conversation as the text for a model: one chat template, rendered in the same way for training and generation."""

from __future__ import annotations

import json
from functools import cached_property
from typing import Any, NamedTuple

from sft_cli.run.errors import FieldError, UserError

RENDERED_KEYS = {"role", "content"}


THOUGHT_KEYS = ("reasoning_content", "thinking", "reasoning")  # the same field under the names of three servers


class Form(NamedTuple):
    """The two inputs in which templates differ: the content of calls without content, and the arguments of a call."""

    no_content: dict[str, str | None]
    arguments_are_text: bool


# In the order in which they are tried. Most templates were written for servers that pass the content None. Some need it
# left out, as in transformers 5, and some accept only text.
CONTENTS: tuple[dict[str, str | None], ...] = ({"content": None}, {}, {"content": ""})
FORMS = tuple(Form(content, is_text) for content in CONTENTS for is_text in (False, True))


class Renderer:
    """Renders messages with a tokenizer's chat template."""

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer
        self.forms = FORMS  # the forms that are still possible after the rows so far: decided per template, not per row

    def render(self, messages: list[dict[str, Any]], tools: Any, prompt: bool) -> str:
        """The text of a conversation; with `prompt` it ends with the opening of an answer.

        Raises FieldError if the template refuses the messages, UserError if there is no template.
        """
        if not self.tokenizer.chat_template:
            raise UserError(
                "the tokenizer has no chat template\n"
                "hint: --chat-template FILE.jinja sets one, or use an instruct model"
            )
        if any(message.get("tool_calls") for message in messages):
            return self._render_calls(messages, tools, prompt)
        return self._render(messages, tools, prompt)

    def as_given(self, messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Messages in the form for the template."""
        return _in_form(messages, self.forms[0])

    def _render(self, messages: list[dict[str, Any]], tools: Any, prompt: bool) -> str:
        from jinja2 import TemplateError

        try:
            if tools is None and self._template is not None and all(m.keys() <= RENDERED_KEYS for m in messages):
                return self._render_plain(messages, prompt)
            return self._render_any(messages, tools, prompt)
        except (TemplateError, TypeError, ValueError, LookupError, AttributeError, RecursionError) as error:
            raise FieldError("messages", f"the chat template refuses this row: {error}") from error

    def _render_any(self, messages: list[dict[str, Any]], tools: Any, prompt: bool) -> str:
        """Like `apply_chat_template`, but with a content of None, which that leaves out."""
        from transformers.utils.chat_template_utils import _compile_jinja_template

        template = _compile_jinja_template(self.tokenizer.get_chat_template(None, tools))
        seen = [_with_thoughts(message) for message in messages]
        names = self.tokenizer.special_tokens_map
        return str(template.render(messages=seen, tools=tools, documents=None, add_generation_prompt=prompt, **names))

    def _render_calls(self, messages: list[dict[str, Any]], tools: Any, prompt: bool) -> str:
        """The text in the first form that the template accepts, and that it writes as JSON and not as Python."""
        refusal: FieldError | None = None
        for form in self.forms:
            try:
                text = self._render(_in_form(messages, form), tools, prompt)
            except FieldError as error:
                refusal = refusal or error
                continue
            if len(self.forms) > 1:
                if self._is_misprinted(text, messages, tools, prompt, form):
                    continue
                self._decide(messages, form)
            return text
        raise refusal or FieldError(
            "messages", "the chat template writes the tool calls of this row in Python's form, not as JSON"
        )

    def _is_misprinted(self, text: str, messages: list[dict[str, Any]], tools: Any, prompt: bool, form: Form) -> bool:
        """Whether the text has `None` for a missing content, or arguments in Python's form."""
        if not form.arguments_are_text:
            objects = [arguments for arguments in _arguments(_in_form(messages, form)) if isinstance(arguments, dict)]
            printed = {str(each) for each in objects if str(each) != json.dumps(each, ensure_ascii=False)}
            said = "\n".join(message.get("content") or "" for message in messages)
            if any(text.count(each) > said.count(each) for each in printed):
                return True
        if form.no_content != {"content": None} or "None" not in text:
            return False
        try:
            empty = self._render(_in_form(messages, FORMS[-1]._replace(arguments_are_text=form[1])), tools, prompt)
        except FieldError:
            return False
        return text.count("None") > empty.count("None")

    def _decide(self, messages: list[dict[str, Any]], form: Form) -> None:
        """Keep only the forms that are equal to this form for these messages."""
        if any(message.get("tool_calls") and message.get("content") is None for message in messages):
            self.forms = tuple(other for other in self.forms if other.no_content == form.no_content)
        if any(arguments not in ({}, "{}", "", None) for arguments in _arguments(messages)):
            self.forms = tuple(other for other in self.forms if other.arguments_are_text == form.arguments_are_text)

    @cached_property
    def _template(self) -> Any:
        """The compiled template; None if there are several, from which the tokenizer chooses by the tools."""
        from transformers.utils.chat_template_utils import _compile_jinja_template

        one = self.tokenizer.chat_template
        return _compile_jinja_template(one) if isinstance(one, str) else None

    def _render_plain(self, messages: list[dict[str, Any]], prompt: bool) -> str:
        """Like `Template.render`, in one context that is cleared each time: a new context takes half of the time."""
        context = self._context
        context.vars.clear()
        context.exported_vars.clear()
        context.parent["messages"], context.parent["add_generation_prompt"] = messages, prompt
        return "".join(self._template.root_render_func(context))

    @cached_property
    def _context(self) -> Any:
        """The variables of a template, except the messages."""
        return self._template.new_context({"tools": None, "documents": None, **self.tokenizer.special_tokens_map})


def _with_thoughts(message: dict[str, Any]) -> dict[str, Any]:
    """A message whose thought has all the names that templates use, as transformers passes it."""
    thought = next((message[name] for name in THOUGHT_KEYS if message.get(name) is not None), None)
    return message if thought is None else {"thinking": thought, **message, "reasoning_content": thought}


def _in_form(messages: list[dict[str, Any]], form: Form) -> list[dict[str, Any]]:
    return [
        {
            **{key: value for key, value in message.items() if key != "content" or value is not None},
            **(form.no_content if message.get("content") is None else {}),
            "tool_calls": [_call_in_form(call, form.arguments_are_text) for call in message["tool_calls"]],
        }
        if message.get("tool_calls")
        else message
        for message in messages
    ]


def _call_in_form(call: dict[str, Any], as_text: bool) -> dict[str, Any]:
    inner = call["function"] if isinstance(call.get("function"), dict) else call
    if "arguments" not in inner:
        return call
    arguments = inner["arguments"]
    if as_text:
        arguments = arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)
    elif isinstance(arguments, str):
        arguments = _object(arguments)
    given = {**inner, "arguments": arguments}
    return given if inner is call else {**call, "function": given}


def _object(text: str) -> Any:
    """The object in a JSON text; the text itself if it is not a JSON object."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return value if isinstance(value, dict) else text


def _arguments(messages: list[dict[str, Any]]) -> list[Any]:
    """The arguments of all tool calls."""
    calls = [call for message in messages for call in message.get("tool_calls") or ()]
    inner = [call["function"] if isinstance(call.get("function"), dict) else call for call in calls]
    return [each["arguments"] for each in inner if "arguments" in each]
