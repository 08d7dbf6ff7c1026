"""The prompts of `generate`: rows, lines of plain text, or the texts of --prompt."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterator
from pathlib import PurePath
from typing import Any, cast

from sft_cli.data.rows import Row
from sft_cli.decoding.settings import GenerateSettings
from sft_cli.run.context import Run
from sft_cli.run.errors import FieldError, UserError
from sft_cli.run.ledger import Ledger


def read_prompts(settings: GenerateSettings, run: Run) -> list[Row]:
    """The rows to answer, as prompts; the last assistant turn of each moves to `references`.

    Ids must be different. Rows that are generations are asked again, without the generated fields. Plain text (from
    --prompt or from lines) becomes a user turn, or is continued with --raw-text.
    """
    from sft_cli.data.prompting.rewrite import PromptRewriter
    from sft_cli.data.rows import as_prompt
    from sft_cli.decoding.keys import WRITTEN, is_generation, to_ask
    from sft_cli.run.text import counted

    check_sources(settings)
    rewriter = PromptRewriter(settings.prompt_template, settings.examples, settings.shots)
    rows: list[Row] = []
    seen: dict[str, str] = {}
    again = systems = 0
    with run.ledger() as ledger:
        for where, row in located_prompts(settings, run, ledger):
            if row["id"] in seen:
                problem = f"expected a unique id, got {row['id']!r}, which is already the id of {seen[row['id']]}"
                ledger.reject(where, FieldError("id", problem), row)
                continue
            seen[row["id"]] = where
            try:
                if settings.echo_logprobs and "text" not in row:
                    raise FieldError("text", "expected raw text for --echo-logprobs, got messages")
                prompt = as_prompt(to_ask(row))
                asked = with_system(prompt, settings.system)
                systems += asked is not prompt
                rows.append(rewriter.row(asked))
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
        run.say(
            f"{counted(again, 'prompt')} with a completion already: its generated fields are removed, and it "
            "is answered again"
        )
    if settings.system is not None and systems < len(rows):
        run.say(f"--system: added to {systems} of {counted(len(rows), 'prompt')}; the others have one or are raw text")
    for flag, needs_them in (("--choices", settings.choices), ("--extract", settings.extract == "choices")):
        if needs_them and not any(row.get("choices") for row in rows):
            raise UserError(f"{flag}: no row has choices\nhint: sft prep --benchmark writes rows that have them")
    return rows


def check_sources(settings: GenerateSettings) -> None:
    """Raise UserError if prompts come from two places, or from no place."""
    from sft_cli.data.rows import refuse_terminal

    if settings.prompt:
        if settings.prompts != "-":
            raise UserError(f"--prompt: expected no PROMPTS together with it, got {settings.prompts}")
        if "" in settings.prompt:
            raise UserError("--prompt: expected a text, got an empty one")
        return
    if settings.prompts == settings.examples == "-":
        raise UserError("--examples: expected a file other than the prompts, got stdin twice")
    refuse_terminal(settings.prompts)


def located_prompts(settings: GenerateSettings, run: Run, ledger: Ledger) -> Iterator[tuple[str, Row]]:
    """Yield (`file:line`, row); reports if the rows are made from plain text."""
    from sft_cli.data.identity import Ids
    from sft_cli.data.rows import read_rows
    from sft_cli.run.text import counted

    if not settings.prompt and not is_plain_text(settings.prompts):
        if settings.raw_text:
            raise UserError(
                "--raw-text: expected plain text, got rows\n"
                "hint: leave --raw-text out: if a row has the field text, the model always continues that text"
            )
        yield from read_rows([settings.prompts], ledger, settings.limit, need="prompt")
        return
    texts = [("--prompt", text) for text in settings.prompt] or list(text_lines(settings.prompts))
    texts = texts[: settings.limit]
    what = (
        "continued"
        if settings.raw_text
        else "each sent as a user turn in the chat template; --raw-text continues the text instead"
    )
    if texts:
        run.say(f"{counted(len(texts), 'prompt')} of plain text, {what}")
    ids = Ids()
    for where, text in texts:
        row: Row = {"text": text} if settings.raw_text else {"messages": [{"role": "user", "content": text}]}
        yield where, {"id": ids.of(row), **row}


def is_plain_text(path: str) -> bool:
    """Whether stdin or a `.txt` file is not JSON, judged by its first line."""
    from sft_cli.data.readers import opened
    from sft_cli.run.jsonl import GZIP_MAGIC, ZSTD_MAGIC

    if path == "-":
        head = cast(Any, sys.stdin.buffer).peek(1 << 16)
        if head.startswith((GZIP_MAGIC, ZSTD_MAGIC)):  # to look inside would remove data from the stream
            return False
    elif PurePath(path.lower().removesuffix(".gz").removesuffix(".zst")).suffix == ".txt":
        with opened(path) as source:
            head = source.read(1 << 16)
    else:
        return False
    first = head.removeprefix(b"\xef\xbb\xbf").lstrip().partition(b"\n")[0].strip()
    if not first or first.startswith(b"{"):
        return False
    try:  # a JSON array is reported as an error; a line that only begins with a bracket is a question
        return not (first == b"[" or isinstance(json.loads(first), list))
    except ValueError:
        return not first.startswith(b"[{")


def text_lines(path: str) -> Iterator[tuple[str, str]]:
    """(`file:line`, line) of a text, without empty lines; raises UserError for a line beyond --max-line-bytes."""
    from sft_cli.data.readers import opened
    from sft_cli.run.jsonl import bounded

    name = "<stdin>" if path == "-" else path
    with opened(path) as source:
        lines = io.TextIOWrapper(cast(Any, bounded(source, name)), encoding="utf-8-sig")
        for number, line in enumerate(lines, start=1):
            if line.strip():
                yield f"{name}:{number}", line.rstrip("\n")


def with_system(row: Row, system: str | None) -> Row:
    """The row with a system turn in front, if it is a chat without a system turn."""
    messages = row.get("messages")
    if system is None or messages is None or any(message["role"] == "system" for message in messages):
        return row
    return {**row, "messages": [{"role": "system", "content": system}, *messages]}
