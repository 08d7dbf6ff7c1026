"""What a generation needs before its first batch: model, prompts, plan, and what an earlier run has left."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sft_cli.decoding.generation import Generation, make_items
from sft_cli.decoding.partial import PartialFile
from sft_cli.decoding.settings import GenerateSettings, check_controls
from sft_cli.decoding.transformers_engine import TransformersEngine
from sft_cli.model.encode import Encoder, stop_ids_of
from sft_cli.model.load import load_model, load_tokenizer, pick_device, pick_dtype, use_threads
from sft_cli.model.packed import pack_linears
from sft_cli.run.context import Run
from sft_cli.run.seed import stable_hash
from sft_cli.run.text import counted


def open_generation(settings: GenerateSettings, run: Run, rows: list[dict[str, Any]]) -> Generation | None:
    """Load the model, encode the prompts, print the plan, find finished completions; None for a dry run."""
    check_controls(settings)
    use_threads(settings.threads)
    device = pick_device(settings.device)
    dtype = pick_dtype(settings.dtype, device)
    tokenizer = load_tokenizer(settings.model, settings.chat_template)
    model = load_model(settings.model, dtype, device)
    pack_linears(model)
    encoder = Encoder(tokenizer, stop_ids_of(model))
    context = int(getattr(model.config, "max_position_embeddings", None) or 1 << 30)
    items = make_items(rows, encoder, settings, context)
    how = f"sampling at temperature {settings.temperature:g}" if settings.temperature > 0 else "greedy"
    run.say(
        f"{counted(len(rows), 'prompt')}, {sum(len(i.prompt_ids) for i in items):,} prompt tokens, "
        f"{counted(settings.samples, 'sample')} each, {how}, up to {settings.max_new_tokens} new tokens; "
        f"{settings.model} in {dtype} on {device}"
    )
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
    run.record |= {"device": device, "dtype": dtype, "rows": len(rows)}
    # What stands on stdin, and what `auto` came to, are not in the manifest's fingerprint.
    asked = stable_hash(run.described["fingerprint"], dtype, [[item.row, item.prompt_ids] for item in items])
    is_stream = settings.out == "-" or settings.out.startswith("/dev/")
    path = None if is_stream else Path(settings.out + ".partial")
    partial = PartialFile(path, f"{asked:016x}", settings.force)
    if partial.resumed:
        run.say(f"resuming: {partial.resumed} of {len(items)} completions are there already")
    return Generation(TransformersEngine(model, encoder, settings), items, partial, settings, context)
