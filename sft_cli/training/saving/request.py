"""What a run was asked for: must be the same when it is resumed, or the result would be another."""

from __future__ import annotations

import hashlib
import json
from itertools import islice
from pathlib import Path
from typing import Any

from sft_cli.run.context import Run
from sft_cli.run.errors import UserError, shown
from sft_cli.run.flags import fields_of
from sft_cli.run.output import partial_directory, saved_states
from sft_cli.training.plan.steps import StepPlan
from sft_cli.training.rows.corpus import Corpus

STEPS_HASHED = 1000


def requested(run: Run) -> dict[str, Any]:
    """{"settings": those that can change the result, "contents": hashes by the field that names the files}."""
    described = run.described
    reading = [field.name for field in fields_of(type(run.settings)) if field.flag.reads]
    entries = iter(described["inputs"])  # in the order of the fields, see run.manifest.input_paths
    contents = {}
    for name in reading:
        value = getattr(run.settings, name)
        paths = [path for path in (value if isinstance(value, list | tuple) else [value]) if path]
        contents[name] = [entry["sha256"] or entry["path"] for _, entry in zip(paths, entries, strict=False)]
    settings = {name: value for name, value in described["config"].items() if name not in reading}
    return {"settings": settings, "contents": contents, "versions": described["versions"]}


def rows_hash(corpus: Corpus) -> str:
    """A hash of which rows there are, how long they are and what they weigh; cheap for many rows."""
    digest = hashlib.sha256(json.dumps(list(corpus.ids)).encode())
    for values in (corpus.lengths, corpus.weight_sums, corpus.target_counts):
        digest.update(values.tobytes())
    return digest.hexdigest()


def plan_hash(plan: StepPlan) -> str:
    """A hash of the number of steps and of the rows in the first of them."""
    steps = [[int(row) for row in step.rows] for step in islice(plan.after(0), STEPS_HASHED)]
    return hashlib.sha256(json.dumps([len(plan), steps]).encode()).hexdigest()


def differences(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """What differs between two requests, in words: `learning_rate was 1e-05, is 2e-05`."""
    was, now = old["settings"], new["settings"]
    names = [name for name in sorted({*was, *now}) if was.get(name) != now.get(name)]
    found = [f"{name} was {shown(was.get(name))}, is {shown(now.get(name))}" for name in names]
    was, now = old["contents"], new["contents"]
    return found + [f"the content of {name} has changed" for name in now if was.get(name, []) != now[name]]


def check_same_request(run: Run) -> None:
    """Raise UserError, naming what differs, if `OUT.partial` holds a run that was asked for something else."""
    for newest in saved_states(partial_directory(run.settings.out))[:1]:
        try:
            old, new = json.loads((newest / "state.json").read_text("utf-8"))["request"], requested(run)
        except ValueError:
            return  # damaged: it will be passed over for an older one, which is compared when it is restored
        for request in (old, new):  # what `auto` came to is known, and compared, once the model is loaded
            request["settings"].pop("dtype", None)
        refuse_differences(newest, old, new)


def refuse_differences(path: Path, old: dict[str, Any], new: dict[str, Any]) -> None:
    """Raise UserError if two requests differ; `path` is the state that the old one comes from."""
    found = differences(old, new)
    if found:
        raise UserError(
            f"--resume: {'; '.join(found)}\n"
            f"hint: give what {path.parent} was begun with, or begin again with --force and without --resume"
        )
