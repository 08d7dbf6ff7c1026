"""The request of a run: it must be the same when the run is resumed, or the result would be different."""

from __future__ import annotations

import hashlib
import json
from itertools import islice
from pathlib import Path
from typing import Any

from sft_cli.run.context import Run
from sft_cli.run.errors import UserError, shown
from sft_cli.run.flags import fields_of
from sft_cli.run.manifest import read_paths
from sft_cli.run.output import partial_directory, saved_states
from sft_cli.training.plan.steps import StepPlan
from sft_cli.training.rows.corpus import Corpus

STEPS_HASHED = 1000


def requested(run: Run) -> dict[str, Any]:
    """{"settings": those that can change the result, "contents": hashes of files, by the field that names them}."""
    described = run.described
    reading = [field.name for field in fields_of(type(run.settings)) if field.flag.reads]
    paths = read_paths(run.settings)
    entries = iter(described["inputs"])  # one for each path, in this order
    contents: dict[str, list[str]] = {name: [] for name in reading}
    for name, groups in paths.items():
        for _ in (path for group in groups for path in group):
            entry = next(entries)
            contents[name].append(entry["sha256"] or entry["path"])
    settings = {name: value for name, value in described["config"].items() if name not in reading}
    return {"settings": settings, "contents": contents, "versions": described["versions"]}


def rows_hash(corpus: Corpus) -> str:
    """A hash of the rows, their lengths and their weights; cheap for many rows."""
    digest = hashlib.sha256(json.dumps(list(corpus.ids)).encode())
    for values in (corpus.lengths, corpus.weight_sums, corpus.target_counts):
        digest.update(values.tobytes())
    return digest.hexdigest()


def plan_hash(plan: StepPlan) -> str:
    """A hash of the number of steps and of the rows in the first of them."""
    steps = [[int(row) for row in step.rows] for step in islice(plan.after(0), STEPS_HASHED)]
    return hashlib.sha256(json.dumps([len(plan), steps]).encode()).hexdigest()


def differences(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """The differences between two requests, in words: `learning_rate was 1e-05, is 2e-05`."""
    was, now = old["settings"], new["settings"]
    names = [name for name in sorted({*was, *now}) if was.get(name) != now.get(name)]
    changes = [f"{name} was {shown(was.get(name))}, is {shown(now.get(name))}" for name in names]
    was, now = old["contents"], new["contents"]
    return changes + [f"the content of {name} has changed" for name in now if was.get(name, []) != now[name]]


def check_same_request(run: Run) -> None:
    """Raise UserError, naming the differences, if `OUT.partial` has a run with another request."""
    for newest in saved_states(partial_directory(run.settings.out))[:1]:
        try:
            old, new = json.loads((newest / "state.json").read_text("utf-8"))["request"], requested(run)
        except ValueError:
            return  # damaged: an older state will be used, and compared when it is restored
        for request in (old, new):  # the choice of `auto` is known, and compared, when the model is loaded
            request["settings"].pop("dtype", None)
        refuse_differences(newest, old, new)


def refuse_differences(path: Path, old: dict[str, Any], new: dict[str, Any]) -> None:
    """Raise UserError if two requests differ; `path` is the state of the old request."""
    changes = differences(old, new)
    if changes:
        raise UserError(
            f"--resume: {'; '.join(changes)}\n"
            f"hint: use the settings and files of {path.parent}, or start again with --force and without --resume"
        )
