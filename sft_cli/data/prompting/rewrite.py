"""Adds a template and examples to the prompts of rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sft_cli.data.identity import prompt_hash
from sft_cli.data.language import language_of
from sft_cli.data.prompting.examples import WorkedExample, read_examples
from sft_cli.data.prompting.template import PromptTemplate, TemplatedQuestion
from sft_cli.data.rows import Row, turn_text
from sft_cli.run.errors import FieldError, UserError

Turns = list[dict[str, Any]]


class PromptRewriter:
    """Rewrites the turns of rows by --prompt-template (several: one after another) and --examples.

    Raises UserError for a template or examples that cannot be used.
    """

    def __init__(self, templates: Sequence[str], examples: str | None, shots: int | None) -> None:
        if shots is not None and examples is None:
            raise UserError("--shots: has an effect only with --examples")
        self.templates = [PromptTemplate(template) for template in templates]
        self.examples = [] if examples is None else read_examples(examples, shots)
        self.shots = shots
        self.is_idle = not self.templates and examples is None
        self._asked: dict[tuple[str, str], TemplatedQuestion] = {}  # examples, by language and line

    def row(self, row: Row) -> Row:
        """A row without its last answer (data.rows.as_prompt), with the turns of its prompt.

        The text of the templates replaces the last user turn, and their system texts come before the system turn.
        Examples come before the first user turn. Raises FieldError if the row does not have the fields that they need.
        """
        if self.is_idle:
            return row
        messages, places = _copied_turns(row)
        prompt = turn_text(messages[places[-1]])
        language = language_of(prompt)
        question = self._question(row, prompt, language)
        if self.templates:
            messages[places[-1]] = {**messages[places[-1]], "content": question.user}
        messages[places[0] : places[0]] = self._examples_for(row, question, language)
        # Rows with another template, or without one, can then be compared with this row.
        return {**row, "messages": _with_system(messages, question.system), "prompt_hash": prompt_hash(row)}

    def _question(self, row: Row, prompt: str, language: str) -> TemplatedQuestion:
        """The question through all templates: each gets the text of the one before as its prompt."""
        question = TemplatedQuestion(prompt, "", [prompt.split()])
        for number, template in enumerate(self.templates):
            added = template.question(row, question.user, language)
            system = "\n\n".join(filter(None, (question.system, added.system)))
            question = TemplatedQuestion(added.user, system, [*(question.words if number else []), *added.words])
        return question

    def _examples_for(self, row: Row, question: TemplatedQuestion, language: str) -> Turns:
        """Turns of the first examples that are not the row itself: with another id and another question."""
        turns: Turns = []
        most = len(self.examples) if self.shots is None else self.shots
        for example in self.examples:
            if len(turns) == 2 * most:
                break
            solved = self._example_question(example, language)
            is_itself = example.row["id"] == row["id"] or solved.words == question.words
            if not is_itself and solved.user.split() != question.user.split():
                turns += [{"role": "user", "content": solved.user}, {"role": "assistant", "content": example.answer}]
        least = min(1, most) if self.shots is None else most
        if len(turns) < 2 * least:
            raise FieldError(
                "messages", f"expected at least {least} --examples other than this row itself, got {len(turns) // 2}"
            )
        return turns

    def _example_question(self, example: WorkedExample, language: str) -> TemplatedQuestion:
        key = language, example.where
        if key not in self._asked:
            try:
                self._asked[key] = self._question(example.row, example.prompt, language)
            except FieldError as error:
                raise UserError(f"{example.where}: {error}") from None
        return self._asked[key]


def _copied_turns(row: Row) -> tuple[Turns, list[int]]:
    """A copy of a row's turns, and the places of its user turns."""
    if "messages" not in row:
        raise FieldError("text", "expected messages for --prompt-template and --examples, got raw text")
    messages = [*row["messages"]]
    places = [place for place, turn in enumerate(messages) if turn["role"] == "user"]
    if not places:
        raise FieldError("messages", "expected a user turn for --prompt-template and --examples, got none")
    return messages, places


def _with_system(messages: Turns, system: str) -> Turns:
    if not system:
        return messages
    if messages[0]["role"] != "system":
        return [{"role": "system", "content": system}, *messages]
    first = messages[0]
    return [{**first, "content": f"{system}\n\n{turn_text(first)}".strip()}, *messages[1:]]
