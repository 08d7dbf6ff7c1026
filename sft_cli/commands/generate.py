"""`sft generate`: prompts to completions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sft_cli.decoding.settings import GenerateSettings
from sft_cli.run.context import Run
from sft_cli.run.errors import FieldError, UserError


def generate(settings: GenerateSettings, run: Run) -> None:
    """Let a model answer the prompts of a file, in input order.

    \b
    Example:
      sft generate runs/a test.jsonl --max-new-tokens 64 -o a.gen.jsonl

    A row whose last turn is the assistant's is asked without it; that answer becomes a reference. Each output line
    is the row with completion, sample, finish_reason (stop, length or error), error, prompt_tokens and
    completion_tokens. A row that fails is kept with its error. With -o a killed run goes on where it stopped when
    the same command is given again.
    """
    from sft_cli.decoding.generation import Generation, make_items
    from sft_cli.decoding.partial import PartialFile
    from sft_cli.decoding.transformers_engine import TransformersEngine
    from sft_cli.model.encode import Encoder, stop_ids_of
    from sft_cli.model.load import load_model, load_tokenizer, pick_device, pick_dtype, use_threads
    from sft_cli.run.jsonl import write_row
    from sft_cli.run.output import refuse_existing
    from sft_cli.run.seed import stable_hash
    from sft_cli.run.text import counted

    refuse_existing(settings.out, run.replaces)
    use_threads(settings.threads)
    device = pick_device(settings.device)
    dtype = pick_dtype(settings.dtype, device)
    rows = read_prompts(settings, run)
    tokenizer = load_tokenizer(settings.model, settings.chat_template)
    model = load_model(settings.model, dtype, device)
    encoder = Encoder(tokenizer, stop_ids_of(model))
    context = int(getattr(model.config, "max_position_embeddings", None) or 1 << 30)
    items = make_items(rows, encoder, settings, context)
    how = f"sampling at temperature {settings.temperature:g}" if settings.temperature > 0 else "greedy"
    run.say(
        f"{counted(len(rows), 'prompt')}, {sum(len(i.prompt_ids) for i in items):,} prompt tokens, "
        f"{counted(settings.samples, 'sample')} each, {how}, up to {settings.max_new_tokens} new tokens; "
        f"{settings.model} in {dtype} on {device}"
    )
    if settings.dry_run:
        return
    path = None if settings.out == "-" or settings.out.startswith("/dev/") else Path(settings.out + ".partial")
    # What stands on stdin, and what `auto` came to, are not in the manifest's fingerprint.
    asked = stable_hash(run.described["fingerprint"], dtype, [[item.row["id"], item.prompt_ids] for item in items])
    partial = PartialFile(path, f"{asked:016x}", settings.force)
    if partial.resumed:
        run.say(f"resuming: {partial.resumed} of {len(items)} completions are there already")
    generation = Generation(TransformersEngine(model, encoder, settings), items, partial, settings, context)
    run.record |= {"device": device, "dtype": dtype, "rows": len(rows)}
    try:
        with run.output() as sink:
            for row in generation.run():
                write_row(sink, row)
    except KeyboardInterrupt as stop:
        partial.close(remove=False)
        cure = "; the same command goes on from there" if path else ""
        raise type(stop)(f"interrupted after {len(partial.done)} of {len(items)} completions{cure}") from None
    partial.close(remove=True)
    reasons = generation.reasons
    errors = counted(reasons["error"], "error")
    run.say(f"finished: {reasons['stop']} stopped, {reasons['length']} at the length limit, {errors}")
    if reasons["error"] == len(items):
        raise UserError(f"every row failed; the first: {partial.done[0, 0]['error']}")


def read_prompts(settings: GenerateSettings, run: Run) -> list[dict[str, Any]]:
    """The rows to be answered, each with its last assistant turn moved to `references`. Ids must differ."""
    from sft_cli.data.rows import as_prompt, read_rows

    rows: list[dict[str, Any]] = []
    seen: dict[str, str] = {}
    with run.ledger() as ledger:
        for where, row in read_rows([settings.prompts], ledger, settings.limit, need="prompt"):
            if row["id"] in seen:
                ledger.reject(
                    where, FieldError("id", f"expected a new id, got {row['id']!r} again ({seen[row['id']]})"), row
                )
                continue
            seen[row["id"]] = where
            rows.append(as_prompt(row))
    if not rows:
        raise UserError(f"{settings.prompts}: no prompts; the input is empty")
    return rows
