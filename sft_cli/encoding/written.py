"""Parts of a row that the chat template does not write: refused if they are needed, otherwise reported."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Sequence
from typing import Any

from sft_cli.encoding.rendering import THOUGHT_KEYS, Renderer
from sft_cli.encoding.turns import unused
from sft_cli.run.errors import FieldError

CALLS = ("tool_calls", "function_call")
OURS = ("role", "content", *CALLS, *THOUGHT_KEYS)
NEVER_READ = frozenset(
    ("images", "image", "videos", "video", "audios", "audio", "documents", "functions", "chat_template_kwargs")
)
CHANGED = "with a target turn that the chat template shortens or changes"
MOST_SHAPES = 1000  # shapes of conversations to store
LONG = 16  # characters; a text of this length does not occur in the rendering by chance

Messages = Sequence[dict[str, Any]]


class NotWritten(FieldError):
    """The chat template does not write an essential field. `template` is a template that writes it."""

    def __init__(self, field: str, problem: str, template: str) -> None:
        cure = (
            f"use --chat-template {template}, which writes this"
            if template
            else "use a --chat-template that writes this"
        )
        super().__init__(field, problem, f"{cure}, or remove it from the rows", may_skip=False)


class WrittenCheck:
    """Compares renderings with and without each part of a row."""

    def __init__(self, renderer: Renderer) -> None:
        self.renderer = renderer
        self._silent: dict[Any, tuple[int, ...]] = {}

    def notes(
        self, row: dict[str, Any], messages: list[Any], tools: Any, rendered: str, learned: Collection[int] | None
    ) -> list[str]:
        """The notes about a row: parts that are not written, and that a template may leave out.

        `messages` and `tools` are the input of the template, `rendered` is its output; `learned` are the target turns,
        or None for a prompt. Raises NotWritten for tools, tool calls, thoughts of a learned turn, and for a turn
        without any written words.
        """
        learned, prompt = learned or (), learned is None
        given = (tools, prompt, rendered)
        notes = [f"with {key}, which the model does not see" for key in sorted(row.keys() & NEVER_READ) if row[key]]
        if tools and self._is_same(messages, None, prompt, rendered):
            raise NotWritten("tools", "the chat template does not write them", "hermes-tools")
        if any(len(message) > 2 for message in messages):
            messages = self.renderer.as_given(messages)
            for turn, message in enumerate(messages):
                if len(message) > 2:
                    self._check_calls(messages, turn, given)
                    self._check_thoughts(messages, turn, given, turn in learned)
            notes = [*self._other_keys(messages, given), *notes]
        if self._check_words(messages, given, learned):
            notes.append(CHANGED)
        return notes

    def _check_calls(self, messages: list[Any], turn: int, given: Any) -> None:
        for key in CALLS:
            if not messages[turn].get(key):
                continue
            field = f"messages[{turn}].{key}"
            if self._is_same(_without(messages, turn, (key,)), *given):
                raise NotWritten(field, "the chat template does not write them", "hermes-tools")
            calls = messages[turn][key]
            for place in range(len(calls) if isinstance(calls, list) and len(calls) > 1 else 0):
                fewer = {**messages[turn], key: calls[:place] + calls[place + 1 :]}
                if self._is_same([*messages[:turn], fewer, *messages[turn + 1 :]], *given):
                    raise NotWritten(f"{field}[{place}]", "the chat template does not write it", "hermes-tools")

    def _check_thoughts(self, messages: list[Any], turn: int, given: Any, is_learned: bool) -> None:
        keys = [key for key in THOUGHT_KEYS if messages[turn].get(key)]
        if not keys:
            return
        field = f"messages[{turn}].{keys[0]}"
        if any(messages[turn][key] != messages[turn][keys[0]] for key in keys):
            raise FieldError(
                field,
                f"the turn has another thought in {', '.join(keys[1:])}: keep only one",
            )
        if not self._is_same(_without(messages, turn, THOUGHT_KEYS), *given):
            return
        last, tools = messages[: turn + 1], given[0]
        is_known = not self._is_same(_without(last, turn, THOUGHT_KEYS), tools, False, self._text(last, tools, False))
        if is_known and is_learned:
            problem = (
                "the chat template writes it only in the last turns (sft prep --expand-turns makes a row of each turn)"
            )
            raise NotWritten(field, problem, "think")
        if not is_known:
            raise NotWritten(field, "the chat template does not write it", "think")

    def _check_words(self, messages: list[Any], given: Any, learned: Collection[int]) -> bool:
        """Raise NotWritten for a turn whose words are not written.

        Return whether the words of a learned turn change.
        """
        rendered, is_changed = given[-1], False
        silent = self._silent_turns(messages, *given[:-1])
        for turn, message in enumerate(messages):
            words = (message.get("content") or "").strip()
            is_whole = words in rendered or _escaped(words) in rendered
            is_changed = is_changed or (turn in learned and not is_whole)
            if not words or (is_whole and turn not in silent):
                continue
            mark = unused(rendered)
            changed = [*messages[:turn], {**message, "content": message["content"] + mark}, *messages[turn + 1 :]]
            if self._is_same(changed, *given):
                raise NotWritten(
                    f"messages[{turn}].content", f"the chat template does not write this {message['role']} turn", ""
                )
        return is_changed

    def _silent_turns(self, messages: list[Any], tools: Any, prompt: bool) -> tuple[int, ...]:
        """Turns that a template does not write in a conversation of this shape; found once for each shape."""
        shape = (
            prompt,
            bool(tools),
            *((m["role"], bool(m.get("content")), len(m) > 2 and str([*m])) for m in messages),
        )
        if shape not in self._silent:
            marks = [chr(0xE000 + i % 0x1900) for i in range(len(messages))]
            marked = [
                {**m, "content": marks[i] if m.get("content") else m.get("content")} for i, m in enumerate(messages)
            ]
            text = self._text(marked, tools, prompt)
            if len(self._silent) >= MOST_SHAPES:
                self._silent.clear()
            self._silent[shape] = tuple(i for i, mark in enumerate(marks) if text and mark not in text)
        return self._silent[shape]

    def _other_keys(self, messages: list[Any], given: Any) -> Iterator[str]:
        """Keys that the template ignores. This is not an error: few templates write the id of a call, or a name."""
        keys = dict.fromkeys(key for m in messages if len(m) > 2 for key in m if key not in OURS and m[key])
        for key in keys:
            values = [m[key] for m in messages if m.get(key)]
            if all(isinstance(value, str) and len(value) >= LONG and value in given[-1] for value in values):
                continue
            if self._is_same([{k: v for k, v in m.items() if k != key} for m in messages], *given):
                yield f"with {key} in messages, which the chat template does not write"
        if self._loses_arguments(messages, given):
            yield "with arguments of tool calls, which the chat template does not write"

    def _loses_arguments(self, messages: list[Any], given: Any) -> bool:
        for turn, message in enumerate(messages):
            for place, call in enumerate(message.get("tool_calls") or ()):
                inner = call["function"] if isinstance(call.get("function"), dict) else call
                if not inner.get("arguments") or inner["arguments"] == "{}":
                    continue
                emptied = {**inner, "arguments": {}}
                calls = list(message["tool_calls"])
                calls[place] = emptied if inner is call else {**call, "function": emptied}
                if self._is_same([*messages[:turn], {**message, "tool_calls": calls}, *messages[turn + 1 :]], *given):
                    return True
        return False

    def _is_same(self, messages: list[Any], tools: Any, prompt: bool, rendered: str | None) -> bool:
        return rendered is not None and self._text(messages, tools, prompt) == rendered

    def _text(self, messages: list[Any], tools: Any, prompt: bool) -> str | None:
        """The rendering; None if the template refuses it because a part is missing."""
        try:
            return self.renderer.render(messages, tools, prompt)
        except FieldError:
            return None


def _without(messages: list[Any], turn: int, keys: Sequence[str]) -> list[Any]:
    fewer = {key: value for key, value in messages[turn].items() if key not in keys}
    return [*messages[:turn], fewer, *messages[turn + 1 :]]


def _escaped(words: str) -> str:
    return json.dumps(words, ensure_ascii=False)[1:-1]
