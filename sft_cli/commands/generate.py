"""`sft generate`: prompts to completions."""

from __future__ import annotations

import dataclasses
import os
from typing import TYPE_CHECKING

from sft_cli.decoding.settings import GenerateSettings
from sft_cli.model.names import check_models
from sft_cli.run.context import Run
from sft_cli.run.errors import UserError
from sft_cli.run.process import wait_politely

if TYPE_CHECKING:
    from sft_cli.decoding.generation import Generation
    from sft_cli.decoding.peers import Peers
    from sft_cli.decoding.self_consistency import SelfConsistency


def generate(settings: GenerateSettings, run: Run) -> None:
    """Let a model answer the prompts of a file, in input order.

    \b
    Example:
      sft generate runs/a --prompt "What is the currency of Japan?"
      sft generate runs/a test.jsonl --max-new-tokens 64 -o a.gen.jsonl
      sft generate runs/a piqa.jsonl --choices --max-new-tokens 0 | sft score - --metric choice-accuracy
      sft generate runs/a qa.jsonl --prompt-template context-only --examples solved.jsonl --shots 2

    If the last turn of a row is an assistant turn, it is not part of the prompt, but becomes a reference. Each output
    line is the row with completion, sample, finish_reason (stop, length or error), error, prompt_tokens and
    completion_tokens. A row that fails is kept with its error. With -o, the same command continues a run that was
    killed.
    """
    wait_politely()
    from sft_cli.decoding.peers import Peers
    from sft_cli.run.ranks import ranks_of

    with Peers(settings.out, ranks_of(os.environ)) as peers:
        answer_prompts(settings, run, peers)


def answer_prompts(settings: GenerateSettings, run: Run, peers: Peers) -> None:
    """Do this process's share of the prompts; the first process writes the output."""
    from sft_cli.decoding.engines.flags import check_engine_flags, check_output
    from sft_cli.decoding.prompt_rows import read_prompts
    from sft_cli.decoding.self_consistency import SelfConsistency, check_consistency
    from sft_cli.run.jsonl import write_row

    run.goes_on = run.goes_on or settings.retry_errors  # `open_generation` checks whether this is possible
    if peers.ranks.rank:  # the first process reports, and writes the output
        rejects = os.devnull if settings.rejects else None
        settings = run.settings = dataclasses.replace(settings, quiet=True, rejects=rejects)
        if os.path.exists(settings.out) and not run.replaces:
            return  # the first process has written it from an earlier run, or reports why it cannot
    else:
        run.check_output()
    check_consistency(settings)
    check_engine_flags(settings)
    check_output(settings, peers.ranks)
    if settings.engine != "openai":  # its models are names on the server
        check_models(settings)
    prompts = read_prompts(settings, run)
    from sft_cli.decoding.setup import open_generation  # imports torch

    generation = open_generation(settings, run, prompts, peers)
    if generation is None:
        return
    answers = SelfConsistency(settings)
    if settings.write_batch:
        write_requests(generation, run)
        return
    if peers.ranks.rank:
        for _ in generation.complete():
            pass
        return
    with run.output() as sink:
        for row in answers.rows(generation.complete()):
            write_row(sink, row)
        run.kept = generation.partial.files()
    tell_end(generation, answers, run)


def tell_end(generation: Generation, answers: SelfConsistency, run: Run) -> None:
    """Report how completions ended; raises UserError if all of them failed."""
    from sft_cli.run.text import counted

    reasons = generation.reasons
    errors = counted(reasons["error"], "error")
    loops = f", {generation.loops} end in a loop" if generation.settings.diagnose_repetition else ""
    run.say(f"finished: {reasons['stop']} complete, {reasons['length']} cut at the length limit, {errors}{loops}")
    if answers.said():
        run.say(answers.said())
    if reasons["error"] == len(generation.items):
        first = generation.items[0]
        raise UserError(f"every row failed; first error: {generation.partial.done[first.index, first.sample]['error']}")


def write_requests(generation: Generation, run: Run) -> None:
    """Write the batch file of --write-batch instead of completions."""
    from sft_cli.decoding.engines.openai import batch_lines
    from sft_cli.run.jsonl import write_row
    from sft_cli.run.text import counted

    with run.output() as sink:
        for line in batch_lines(generation.engine, generation.items):
            write_row(sink, line)
    run.say(f"{counted(len(generation.items), 'request')} written; --read-batch reads their results")
