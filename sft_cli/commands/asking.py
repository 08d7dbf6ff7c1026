"""What `generate` is to answer: rows of a file or of stdin, as they are asked."""

from __future__ import annotations

from typing import Any

from sft_cli.decoding.settings import GenerateSettings
from sft_cli.run.context import Run
from sft_cli.run.errors import FieldError, UserError


def read_prompts(settings: GenerateSettings, run: Run) -> list[dict[str, Any]]:
    """The rows to be answered, as they are asked, each with its last assistant turn moved to `references`.

    Ids must differ. Rows that are generations already are asked again, without what was generated.
    """
    from sft_cli.data.prompting.rewrite import PromptRewriter
    from sft_cli.data.rows import as_prompt, read_rows
    from sft_cli.decoding.keys import WRITTEN, is_generation, to_ask
    from sft_cli.run.text import counted

    if settings.prompts == settings.examples == "-":
        raise UserError("--examples: expected a file beside the prompts, got stdin twice")
    rewriter = PromptRewriter(settings.prompt_template, settings.examples, settings.shots)
    rows: list[dict[str, Any]] = []
    seen: dict[str, str] = {}
    again = 0
    with run.ledger() as ledger:
        for where, row in read_rows([settings.prompts], ledger, settings.limit, need="prompt"):
            if row["id"] in seen:
                problem = f"expected a new id, got {row['id']!r} again ({seen[row['id']]})"
                ledger.reject(where, FieldError("id", problem), row)
                continue
            seen[row["id"]] = where
            try:
                if settings.echo_logprobs and "text" not in row:
                    raise FieldError("text", "expected raw text for --echo-logprobs, got messages")
                rows.append(rewriter.row(as_prompt(to_ask(row))))
                again += is_generation(row)
            except FieldError as error:
                if error.field in WRITTEN:
                    ledger.hint = ledger.hint or f"rename the key {error.field} in the rows"
                ledger.reject(where, error, row)
    if not rows:
        reason = "every row is bad" if ledger.rejected else "the input is empty"
        raise UserError("\n".join([*ledger.error_lines(), f"{settings.prompts}: no prompts; {reason}"]))
    if ledger.rejected:
        run.say(f"{counted(ledger.rejected, 'bad row')} left out")
    if again:
        run.say(f"{counted(again, 'prompt')} taken from generations: asked again, what was generated is not kept")
    for flag, needs_them in (("--choices", settings.choices), ("--extract", settings.extract == "choices")):
        if needs_them and not any(row.get("choices") for row in rows):
            raise UserError(f"{flag}: no row has choices\nhint: sft prep --benchmark writes rows that have them")
    return rows
