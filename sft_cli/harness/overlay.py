"""A task of the harness pointed at local files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from sft_cli.harness.data import KINDS
from sft_cli.run.errors import UserError
from sft_cli.run.registry import near_name

MOST_MEMBERS_SHOWN = 20


def packaged_file(index: Any, task: str) -> Path:
    """Where lm-eval keeps a task's own YAML. Raises UserError for no task, or for a name of several.

    A group or a tag is refused: lm-eval would run those of its members that have local data and drop the others
    without a word.
    """
    if task not in index:
        raise UserError(f"--harness: lm-eval has no task {task!r}.{near_name(task, list(index))}")
    entry = index[task]
    if entry.kind.name in ("GROUP", "TAG"):
        members = sorted(entry.tags) if entry.kind.name == "TAG" else _group_members((entry.cfg or {}).get("task"))
        more = f", … ({len(members)} in all)" if len(members) > MOST_MEMBERS_SHOWN else ""
        listed = ", ".join(members[:MOST_MEMBERS_SHOWN]) + more
        raise UserError(f"--harness: {task} is no task but several\nhint: name those that you have data of: {listed}")
    if entry.kind.name == "PY_TASK" or entry.yaml_path is None:
        raise UserError(f"--harness: {task} is written in Python, so that it cannot be pointed at local data")
    return Path(entry.yaml_path)


def _group_members(listed: Any) -> list[str]:
    items = listed if isinstance(listed, list) else [listed]
    return [str(item.get("task") or item.get("group")) if isinstance(item, dict) else str(item) for item in items]


def original_split(config: dict[str, Any]) -> str:
    """The split that the task's published figures are from: the harness takes the test split if there is one."""
    return str(config.get("test_split") or config.get("validation_split") or "validation")


def write_overlay(path: Path, task: str, packaged: Path, file: Path, train: Path | None) -> None:
    """Write the YAML (as JSON, which is YAML) that keeps everything of a task but where its rows come from.

    All paths are absolute: lm-eval takes data files from the working directory and skips an `include` it does not find.
    All splits are set: an inherited one that the files do not have ends in a KeyError.
    """
    split = None if train is None else "train"
    files = {"validation": file} if train is None else {"validation": file, "train": train}
    overlay = {
        "include": str(packaged.resolve()),
        "task": task,
        "dataset_path": KINDS[file.suffix],
        "dataset_name": None,
        "custom_dataset": None,
        "dataset_kwargs": {"data_files": {name: str(each.resolve()) for name, each in files.items()}},
        "training_split": split,
        "fewshot_split": split,
        "validation_split": "validation",
        "test_split": None,
    }
    path.write_text(json.dumps(overlay), encoding="utf-8")
