"""Tasks of lm-evaluation-harness: pointed at local files, and asked whether the rows fit."""

from __future__ import annotations

import json
from itertools import islice
from pathlib import Path
from typing import Any

from sft_cli.harness.data import DATASET_READERS
from sft_cli.run.errors import FieldError, UserError, shown
from sft_cli.run.ledger import Ledger
from sft_cli.run.registry import near_name

MOST_MEMBERS_SHOWN = 20

HINT = "the task's own file says which columns it reads, and what a label of 0 means"


def check_task(task: Any, name: str, file: str, rows: int, limit: int | None) -> None:
    """Raise UserError for rows that the task cannot render, or whose label can never be right."""
    if getattr(task, "UNSAFE_CODE", False):
        raise UserError(f"--harness: {name} runs code that the model writes; sft does not")
    documents = task.eval_docs
    if task.config.process_docs is None and len(documents) != rows:
        raise UserError(f"{file}: has {rows:,} rows, but lm-eval reads {len(documents):,} of them")
    ledger = Ledger(hint=HINT)
    for number, document in enumerate(islice(documents, limit), 1):
        problem = _row_problem(task, document)
        if problem is not None:
            ledger.reject(f"{file}: row {number}", problem)
    ledger.close()


def check_shots(task: Any, name: str, file: str, has_train: bool, wanted: int | None) -> int:
    """The number of examples before each question; raises UserError if they would be drawn from the rows asked."""
    own = task.config.num_fewshot
    if own == 0 and wanted:
        raise UserError(f"--shots: {name} sets its examples to 0 itself, so lm-eval would ignore {wanted}")
    shots = int(wanted if wanted is not None else own or 0)
    brings_its_own = getattr(getattr(task.config, "fewshot_config", None), "samples", None) is not None
    if shots and not has_train and not brings_its_own:
        whose = "" if wanted is not None else " of its own"
        raise UserError(
            f"--shots: {name} takes {shots}{whose}, and without a file of examples lm-eval draws them from the rows "
            f"that it asks\nhint: put {name}.train.jsonl beside {file}, or give --shots 0"
        )
    return shots


def _row_problem(task: Any, document: Any) -> FieldError | None:
    """What is wrong with one row, by the rules of lm-eval's `ConfigurableTask.process_results`."""
    try:
        text, target, choices = _rendered(task, document)
    except Exception as error:  # a template or a function of the task, with whatever it raises for a column
        return FieldError("", f"does not fit the task: {type(error).__name__}: {error}")
    for name, value in document.items():
        if value is None and _reads(task, document, name):
            return FieldError(str(name), "expected a value, got null or nothing, which the task would read as None")
    if choices is None:
        return None
    if not (isinstance(choices, list) and choices and all(isinstance(each, str) and each for each in choices)):
        return FieldError("", f"expected a list of texts to choose from, got {shown(choices)}")
    label = text if getattr(task, "multiple_input", 0) else target
    for each in label if isinstance(label, list) else [label]:
        if isinstance(each, str) and each not in choices:
            cure = "; write it as a number, without quotes" if each.lstrip("-").isdigit() else ""
            return FieldError("", f"the label {shown(each)} is none of the choices {shown(choices)}{cure}")
        if isinstance(each, int) and not 0 <= each < len(choices):
            hidden = ", as where test labels are hidden" if each == -1 else ""
            return FieldError("", f"expected a label from 0 to {len(choices) - 1}, got {each}{hidden}")
        if not isinstance(each, (str, int)):
            return FieldError("", f"expected a label from 0 to {len(choices) - 1}, got {shown(each)}")
    return None


def _rendered(task: Any, document: Any) -> tuple[Any, Any, Any]:
    choices = task.doc_to_choice(document) if task.OUTPUT_TYPE == "multiple_choice" else None
    return task.doc_to_text(document), task.doc_to_target(document), choices


def _reads(task: Any, document: Any, column: str) -> bool:
    """Whether anything changes with a column that is null: templates and functions do not tell what they read."""
    try:
        return _rendered(task, {**document, column: "0"}) != _rendered(task, document)
    except Exception:  # it was read, and found to be text
        return True


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
        "dataset_path": DATASET_READERS[file.suffix],
        "dataset_name": None,
        "custom_dataset": None,
        "dataset_kwargs": {"data_files": {name: str(each.resolve()) for name, each in files.items()}},
        "training_split": split,
        "fewshot_split": split,
        "validation_split": "validation",
        "test_split": None,
    }
    path.write_text(json.dumps(overlay), encoding="utf-8")
