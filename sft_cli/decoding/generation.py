"""Rows in, completions out: in input order, no row is lost, a killed run continues where it stopped."""

from __future__ import annotations

import dataclasses
import math
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sft_cli.decoding.endless import diagnosis
from sft_cli.decoding.engines.protocol import Done, Engine, LogProbs
from sft_cli.decoding.items import Completion, Item, failed, plan_batches
from sft_cli.decoding.partial import PartialFile
from sft_cli.decoding.peers import Peers
from sft_cli.decoding.settings import GenerateSettings
from sft_cli.run.errors import FieldError
from sft_cli.run.progress import Progress
from sft_cli.run.ranks import Ranks
from sft_cli.run.seed import stable_hash

SECONDS_BETWEEN_GATHERS = 0.1  # between reads of the files of other processes


def make_items(rows: list[dict[str, Any]], engine: Engine, settings: GenerateSettings) -> list[Item]:
    """One Item per row and sample. A prompt that the template refuses becomes an error item.

    A prompt that does not fit also becomes an error item, or is cut or left out, by `--prompt-overflow`.
    """
    items = []
    most = engine.values.max_new_tokens
    room = engine.context - max(most, 1)
    for index, row in enumerate(map(engine.prompts.with_references, rows)):
        ids: list[int] = []
        error, dropped = None, 0
        try:
            ids = engine.prompts.ids(row)
        except FieldError as problem:
            error = f"{problem} ({problem.hint})" if problem.hint else str(problem)
        if len(ids) > room and not settings.echo_logprobs:
            if settings.prompt_overflow == "skip":
                continue
            if settings.prompt_overflow == "truncate-left" and room > 0:
                dropped = len(ids) - room
                ids = ids[dropped:]
            else:
                error = (
                    f"the prompt has {len(ids)} tokens; with {most} new tokens it exceeds the "
                    f"model's context of {engine.context}"
                )
        items += [Item(index, row, sample, ids, error, dropped) for sample in range(settings.samples)]
    return items


def completion_logprob(done: Completion) -> LogProbs:
    """The field of --completion-logprobs: null if the completion failed, or if the model gives no finite number."""
    is_known = done.log_prob is not None and math.isfinite(done.log_prob)
    return {"completion_logprob": {"sum": done.log_prob, "tokens": done.tokens} if is_known else None}


class Generation:
    """What an engine is to complete: prompts of `generate`, drafts of `replay-build`, held-out rows of `train`.

    `what` names the completions in messages.
    """

    def __init__(
        self,
        engine: Engine,
        rows: list[dict[str, Any]],
        settings: GenerateSettings,
        peers: Peers | None = None,
        what: str = "completions",
    ) -> None:
        self.engine, self.settings, self.what = engine, settings, what
        self.items = make_items(rows, engine, settings)
        self.peers = peers or Peers("-", Ranks())
        self.ranks = self.peers.ranks
        self.partial = PartialFile(None, "")
        self.reasons: Counter[str] = Counter()
        self.loops = 0  # completions that end in a loop

    def asked(self, fingerprint: str) -> str:
        """A hash of all that the completions depend on; `fingerprint` is that of the run's manifest.

        What was on stdin, and what `auto` came to, are not in the fingerprint.
        """
        content = [[item.row, item.prompt_ids] for item in self.items]
        decoding = dataclasses.asdict(self.engine.values)
        return f"{stable_hash(fingerprint, self.engine.described.get('dtype'), decoding, content):016x}"

    def keep_at(self, path: Path | None, asked: str) -> None:
        """Keep finished completions in a file, from which a killed run continues; with None only in memory."""
        settings = self.settings
        self.partial = PartialFile(path, asked, settings.force, self.ranks.rank, settings.retry_errors)

    def complete(self) -> Iterator[dict[str, Any]]:
        """Yield generation rows in input order, each as soon as it and all before it are done.

        Of several processes each does its share; the first reads the files of the others and yields all rows;
        the others yield none. An interruption says how far it came.
        """
        try:
            yield from self._completed()
        except KeyboardInterrupt as stop:
            cure = "; run the same command again to continue" if self.partial.path else ""
            done = f"{len(self.partial.done)} of {len(self.items)} {self.what}"
            raise type(stop)(f"interrupted after {done}{cure}") from None
        finally:
            self.partial.close()

    def _completed(self) -> Iterator[dict[str, Any]]:
        order = [(item.index, item.sample) for item in self.items]
        given = 0
        own = self.own_share()
        bad = [item for item in own if item.error]
        self.partial.add([(i.index, i.sample, self._row(i, failed(i.error or ""), {})) for i in bad])
        with Progress("generate", len(self.items), "row", self.settings.quiet) as progress:
            tokens = 0
            for finished in self._finished([item for item in own if not item.error]):
                rows = [(item.index, item.sample, self._row(item, done, more)) for item, done, more in finished]
                tokens += sum(row["completion_tokens"] for _, _, row in rows)
                self.partial.add(rows)
                progress.update(len(self.partial.done), {"tokens": tokens})
                while not self.ranks.rank and given < len(order) and order[given] in self.partial.done:
                    yield self._given(order[given])
                    given += 1
            for key in order[given:] if not self.ranks.rank else []:
                since = time.monotonic()
                while key not in self.partial.done:
                    lost = self.peers.why_missing(since)  # before the read, so that the last lines of the others count
                    self.partial.gather()
                    if lost and key not in self.partial.done:
                        raise lost
                    progress.update(len(self.partial.done), {"tokens": tokens})
                    time.sleep(SECONDS_BETWEEN_GATHERS if key not in self.partial.done else 0)
                yield self._given(key)

    def own_share(self) -> list[Item]:
        """The items of this process: distributed by length, so that all processes have about the same work."""
        if self.ranks.size == 1:
            return self.items
        by_length = sorted(self.items, key=lambda item: (-len(item.prompt_ids), item.index, item.sample))
        return by_length[self.ranks.rank :: self.ranks.size]

    def _given(self, key: tuple[int, int]) -> dict[str, Any]:
        row = self.partial.done[key]
        self.reasons[row["finish_reason"]] += 1
        self.loops += (row.get("repetition") or {}).get("loop_start") is not None
        return row

    def _finished(self, items: list[Item]) -> Iterator[list[tuple[Item, Completion, LogProbs]]]:
        """Unfinished items, with their completions and the requested log-probabilities."""
        left = [item for item in items if (item.index, item.sample) not in self.partial.done]
        if self.engine.values.max_new_tokens:
            of = [item for item in self.items if not item.error]  # of all processes, so that each finds the same prefix
            for completions in self.engine.complete(left, of):
                yield from self._with_logprobs(completions)
            return
        for batch in plan_batches(left, self.settings.batch_tokens, 0):
            yield from self._with_logprobs([(item, Completion("", "length", 0)) for item in batch])

    def _with_logprobs(self, completions: Done) -> Iterator[list[tuple[Item, Completion, LogProbs]]]:
        """The completions with their log-probabilities; if they fail, rows are tried alone."""
        try:
            by_row = self.engine.logprobs(
                {i.index: i.row for i, done in completions if done.finish_reason != "error"}, self.settings
            )
        except Exception as error:  # an error of one row must not end the run; the row has the error
            if len(completions) == 1:
                yield [(completions[0][0], failed(error), {})]
                return
        else:
            yield [(item, done, by_row.get(item.index, {})) for item, done in completions]
            return
        for each in completions:
            yield from self._with_logprobs([each])

    def _row(self, item: Item, done: Completion, logprobs: LogProbs) -> dict[str, Any]:
        has_failed = done.finish_reason == "error"
        row = {
            **item.row,
            "completion": done.text if has_failed else self.settings.forced_prefix + done.text,
            "sample": item.sample,
            "finish_reason": done.finish_reason,
            "error": done.error,
            "prompt_tokens": len(item.prompt_ids) if done.prompt_tokens is None else done.prompt_tokens,
            "completion_tokens": done.tokens,
            **(completion_logprob(done) if self.settings.completion_logprobs else {}),
            **logprobs,
        }
        if item.dropped:
            row["prompt_tokens_dropped"] = item.dropped
        if self.settings.diagnose_repetition and not has_failed:
            row["repetition"] = diagnosis(done.ids)
        return row
