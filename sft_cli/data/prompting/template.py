"""The last user turn of a row, rewritten by a Jinja template."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from sft_cli.data.jinja import RenderError, TextTemplate
from sft_cli.data.language import LANGUAGES
from sft_cli.data.prompting import TEMPLATES
from sft_cli.data.rows import Row
from sft_cli.run.errors import FieldError, UserError
from sft_cli.run.passages import context_of, passages_of
from sft_cli.run.registry import near_name

FOLDER, SUFFIX = Path(__file__).parent, ".j2"
# Fields with the right answer, or its passages: no template receives them, so that no prompt contains the answer.
HIDDEN_FIELDS = ("references", "answer", "answer_index", "gold")


class TemplatedQuestion(NamedTuple):
    """The user turn from a template, the system turn (empty if there is none), and the words that they show.

    `words` are those of the prompt and of each field that the template uses, except the id.
    """

    user: str
    system: str
    words: list[list[str]]


class PromptTemplate:
    """A built-in template (English and Chinese) or a file's; raises UserError for an unknown name or a bad file."""

    def __init__(self, choice: str) -> None:
        self.is_own = choice.endswith(SUFFIX)
        if self.is_own:
            own = open_template(Path(choice))
            self.by_language = dict.fromkeys(LANGUAGES, own)
        elif choice in TEMPLATES:
            paths = {language: FOLDER / f"{choice}.{language}{SUFFIX}" for language in LANGUAGES}
            self.by_language = {language: open_template(path) for language, path in paths.items()}
        else:
            known = f"{near_name(choice, list(TEMPLATES))} Known: {', '.join(TEMPLATES)}"
            raise UserError(
                f"--prompt-template: unknown template {choice!r}.{known}\nhint: names of template files end in {SUFFIX}"
            )

    def question(self, row: Row, prompt: str, language: str) -> TemplatedQuestion:
        """The turns for `prompt` in a language; raises FieldError if the row has no field that the template shows."""
        template = self.by_language[language]
        values = values_of(row, prompt, template)
        try:
            rendered = template.render(values)
        except RenderError as error:
            place = f"{template.path if self.is_own else template.path.name}:{error.line}"
            if error.missing:
                missing = "context" if error.missing == "passages" else error.missing
                raise FieldError(missing, f"expected this field, because {place} uses it, got nothing") from None
            raise FieldError("prompt", f"the template fails at {error}") from None
        # Two rows of one question have different ids: a template that shows ids must not make two questions of them.
        names = sorted({"prompt", *template.used} - {"id"})
        words = [str(values.get(name)).split() for name in names]
        return TemplatedQuestion(rendered.text, str(rendered.variables.get("system", "")).strip(), words)


def open_template(path: Path) -> TextTemplate:
    """The template of a file; raises UserError if it cannot be read, or shows the right answer or no field of a row."""
    template = TextTemplate(path, "--prompt-template")
    for name in HIDDEN_FIELDS:
        if name in template.used:
            raise UserError(f"{path}:{template.used[name]}: {name}: a prompt template must not show the right answer")
    if not template.used:
        raise UserError(f"{path}:1: expected {{{{ prompt }}}} or another field of a row in a prompt template, got none")
    return template


def values_of(row: Row, prompt: str, template: TextTemplate) -> dict[str, Any]:
    """The values for a template: a row's fields without the right answer, its prompt, and its context.

    `context` is one text; `passages` are its passages one by one, each with number, id, source, title and text.
    """
    values = {name: value for name, value in row.items() if name not in HIDDEN_FIELDS} | {"prompt": prompt}
    if "context" in template.used and "context" in values:
        values["context"] = context_of(row, "context")
    if "passages" in template.used and row.get("context") is not None:
        values["passages"] = passages_of(row, "context")
    return {name: value for name, value in values.items() if value is not None}
