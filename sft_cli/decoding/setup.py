"""The preparation of a generation: model, prompts, plan, and the completions of an earlier run."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

from sft_cli.decoding.engines import ENGINES
from sft_cli.decoding.engines.protocol import Engine
from sft_cli.decoding.generation import Generation
from sft_cli.decoding.items import Item
from sft_cli.decoding.partial import ItemKey
from sft_cli.decoding.peers import Peers
from sft_cli.decoding.settings import GenerateSettings
from sft_cli.decoding.values import rewards
from sft_cli.model.device import dtype_note
from sft_cli.run.context import Run
from sft_cli.run.errors import UserError, shown
from sft_cli.run.manifest import file_hash, manifest_path, read_manifest
from sft_cli.run.marked_text import Span, print_marked
from sft_cli.run.output import is_stream
from sft_cli.run.text import counted

SPELLED = (
    "of text with names of special tokens, which are read as plain text (--special-tokens-in-text makes them tokens)"
)
AGAIN = "hint: to generate all rows again, use --force and leave out --retry-errors"


def open_generation(
    settings: GenerateSettings, run: Run, rows: list[dict[str, Any]], peers: Peers
) -> Generation | None:
    """Open the engine, encode the prompts, print the plan, find finished completions; None for a dry run."""
    engine: Engine = ENGINES.load(settings.engine).open(settings, peers.ranks)
    if any("messages" in row for row in rows) and not engine.prompts.has_template:
        raise UserError(
            f"{settings.model}: its tokenizer has no chat template, so sft cannot send the text as a user turn\n"
            "hint: --chat-template FILE.jinja sets one; --raw-text continues plain text without one"
        )
    generation = Generation(engine, rows, settings, peers)
    items = generation.items
    if not peers.ranks.rank:  # only the first process prints
        tell_plan(settings, run, engine, rows, items)
    if settings.dry_run:
        return None
    run.record |= {**engine.described, "decoding": dataclasses.asdict(engine.values), "rows": len(rows)}
    run.record["asked"] = asked = generation.asked(run.described["fingerprint"])
    in_memory = settings.out == "-" or is_stream(settings.out) or settings.write_batch
    generation.keep_at(None if in_memory else Path(settings.out + ".partial"), asked)
    partial = generation.partial
    if settings.retry_errors:
        partial.keep(good_rows(Path(settings.out), asked, items))
        run.say(f"--retry-errors: {len(items) - len(partial.done)} of {len(items)} completions are generated again")
    elif partial.done:
        run.say(f"resuming: {len(partial.done)} of {len(items)} completions already exist")
    return generation


def tell_plan(
    settings: GenerateSettings, run: Run, engine: Engine, rows: list[dict[str, Any]], items: list[Item]
) -> None:
    """Print the plan, and the first prompts of --show."""
    values, context = engine.values, engine.context
    how = f"sampling at temperature {values.temperature:g}" if values.temperature > 0 else "greedy"
    if values.num_beams > 1:
        how = f"{values.num_beams} beams"
    where = " in {dtype} on {device}".format(**engine.described) if "dtype" in engine.described else ""
    column = f", column {engine.described['column']}" if "column" in engine.described else ""
    prompt_tokens = sum(len(item.prompt_ids) for item in items)
    run.say(
        f"{counted(len(rows), 'prompt')}, {f'{prompt_tokens:,} prompt tokens, ' if prompt_tokens else ''}"
        f"{counted(settings.samples, 'sample')} each, {how}, up to {values.max_new_tokens} new tokens; "
        f"{settings.model}{column}{where}"
    )
    if note := dtype_note(settings.dtype, engine.described.get("dtype", settings.dtype)):
        run.warn(note)
    if values.from_preset:
        told = ", ".join(f"{name} {value:g}" for name, value in values.from_preset.items())
        run.say(f"from --preset {settings.preset}: {told}")
    if values.from_checkpoint:
        told = ", ".join(f"{name} {value}" for name, value in values.from_checkpoint.items())
        run.say(f"from the checkpoint's generation_config: {told}; --generation-config none ignores it")
    for line in rewards(values):
        run.warn(line)
    raw = sum("text" in row for row in rows)
    if raw and engine.prompts.has_template and not settings.echo_logprobs:
        run.say(f"{counted(raw, 'prompt')} of raw text, continued without the chat template")
    for line in [*engine.notes, *missing_system(settings.model, rows)]:
        run.say(line)
    if spelled := sum(map(engine.prompts.spells_specials, rows)):
        run.warn(f"{counted(spelled, 'prompt')} {SPELLED}")
    skipped = len(rows) - len({item.index for item in items})
    cut = sum(item.dropped > 0 and item.sample == 0 for item in items)
    if skipped:
        run.say(f"--prompt-overflow skip: {counted(skipped, 'prompt')} left out, longer than the context of {context}")
    if cut:
        run.say(
            f"--prompt-overflow truncate-left: {counted(cut, 'prompt')} cut at the beginning to fit {context} tokens"
        )
    firsts = [item for item in items if item.sample == 0 and not item.error]
    for item in firsts[: settings.show]:
        print_marked(
            f"── {item.row['id']}  {counted(len(item.prompt_ids), 'token')}", [Span(engine.prompts.shown(item))]
        )


def missing_system(model: str, rows: list[dict[str, Any]]) -> list[str]:
    """A line if most conversations in the training of a checkpoint have a system turn, and some rows have none."""
    run = read_manifest(Path(model) / "manifest.json").get("run")
    told = run.get("system_texts") if isinstance(run, dict) else None
    if not told or not told["with_system"] or told["with_system"] * 2 < told["conversations"]:
        return []
    chats = [row["messages"] for row in rows if "messages" in row]
    without = sum(all(message["role"] != "system" for message in messages) for messages in chats)
    if not without:
        return []
    share = told["with_system"] / told["conversations"]
    return [
        f"{counted(without, 'prompt')} without a system turn; {share:.0%} of the training rows had one, most often "
        f"{shown(told['commonest'])}; --system TEXT adds one"
    ]


def good_rows(out: Path, asked: str, items: list[Item]) -> list[tuple[ItemKey, dict[str, Any]]]:
    """The completions of a finished output that did not fail; empty if there is no output yet.

    Raises UserError if it was made with other inputs or settings, or was changed.
    """
    if not out.is_file():
        return []
    recorded = read_manifest(manifest_path(out))
    if recorded.get("run", {}).get("asked") != asked:
        raise UserError(f"{out}: was made with other inputs or settings\n{AGAIN}")
    if file_hash(out) not in [entry["sha256"] for entry in recorded["outputs"]]:
        raise UserError(f"{out}: was changed since it was written\n{AGAIN}")
    keys = {(item.row["id"], item.sample): (item.index, item.sample) for item in items}
    with open(out, encoding="utf-8") as source:
        rows = [json.loads(line) for line in source]
    return [(keys[row["id"], row["sample"]], row) for row in rows if row["error"] is None]
