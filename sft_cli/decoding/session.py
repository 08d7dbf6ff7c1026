"""What a generation needs before its first batch: model, prompts, plan, and what an earlier run has left."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from sft_cli.decoding.engines import ENGINES
from sft_cli.decoding.engines.protocol import Engine
from sft_cli.decoding.generation import Generation, make_items
from sft_cli.decoding.partial import PartialFile
from sft_cli.decoding.settings import GenerateSettings
from sft_cli.run.context import Run
from sft_cli.run.seed import stable_hash
from sft_cli.run.text import counted


def open_generation(settings: GenerateSettings, run: Run, rows: list[dict[str, Any]]) -> Generation | None:
    """Open the engine, encode the prompts, print the plan, find finished completions; None for a dry run."""
    engine: Engine = ENGINES.load(settings.engine).open(settings)
    values, context = engine.values, engine.context
    items = make_items(rows, engine, settings)
    how = f"sampling at temperature {values.temperature:g}" if values.temperature > 0 else "greedy"
    if values.num_beams > 1:
        how = f"{values.num_beams} beams"
    where = " in {dtype} on {device}".format(**engine.described) if "dtype" in engine.described else ""
    run.say(
        f"{counted(len(rows), 'prompt')}, {sum(len(i.prompt_ids) for i in items):,} prompt tokens, "
        f"{counted(settings.samples, 'sample')} each, {how}, up to {values.max_new_tokens} new tokens; "
        f"{settings.model}{where}"
    )
    if values.from_checkpoint:
        told = ", ".join(f"{name} {value}" for name, value in values.from_checkpoint.items())
        run.say(f"from the checkpoint's generation_config: {told}; --generation-config none leaves it out")
    skipped = len(rows) - len({item.index for item in items})
    cut = sum(item.dropped > 0 and item.sample == 0 for item in items)
    if skipped:
        run.say(f"--prompt-overflow skip: {counted(skipped, 'prompt')} left out, longer than the context of {context}")
    if cut:
        run.say(
            f"--prompt-overflow truncate-left: {counted(cut, 'prompt')} cut at the beginning to fit {context} tokens"
        )
    if settings.dry_run:
        return None
    run.record |= {**engine.described, "decoding": dataclasses.asdict(values), "rows": len(rows)}
    # What stands on stdin, and what `auto` came to, are not in the manifest's fingerprint.
    asked = stable_hash(
        run.described["fingerprint"], engine.described.get("dtype"), [[item.row, item.prompt_ids] for item in items]
    )
    is_stream = settings.out == "-" or settings.out.startswith("/dev/")
    path = None if is_stream else Path(settings.out + ".partial")
    partial = PartialFile(path, f"{asked:016x}", settings.force)
    if partial.resumed:
        run.say(f"resuming: {partial.resumed} of {len(items)} completions are there already")
    return Generation(engine, items, partial, settings)
