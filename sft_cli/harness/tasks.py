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

HINT = "the task's YAML file in lm-eval shows which fields it reads, and what each label means"


def check_task(task: Any, name: str, file: str, rows: int, limit: int | None) -> None:
    """Raise UserError for rows that the task cannot render, or whose label can never be right."""
    if getattr(task, "UNSAFE_CODE", False):
        raise UserError(f"--harness: {name} runs code that the model writes; sft does not run such code")
    documents = task.eval_docs
    if task.config.process_docs is None and len(documents) != rows:
        raise UserError(f"{file}: expected lm-eval to read {rows:,} rows, got {len(documents):,}")
    ledger = Ledger(hint=HINT)
    for number, document in enumerate(islice(documents, limit), 1):
        problem = _row_problem(task, document)
        if problem is not None:
            ledger.reject(f"{file}: row {number}", problem)
    ledger.close()


def check_shots(task: Any, name: str, file: str, has_train: bool, wanted: int | None) -> int:
    """The number of examples before each question; raises UserError if they would come from the rows to ask."""
    own = task.config.num_fewshot
    if own == 0 and wanted:
        raise UserError(f"--shots: {name} always uses 0 examples, so lm-eval would ignore {wanted}")
    shots = int(wanted if wanted is not None else own or 0)
    brings_its_own = getattr(getattr(task.config, "fewshot_config", None), "samples", None) is not None
    if shots and not has_train and not brings_its_own:
        whose = "" if wanted is not None else " by default"
        raise UserError(
            f"--shots: {name} uses {shots} examples{whose}; without a file of examples lm-eval would draw them "
            f"from the rows that it evaluates\nhint: put {name}.train.jsonl beside {file}, or use --shots 0"
        )
    return shots


def _row_problem(task: Any, document: Any) -> FieldError | None:
    """The error of one row, by the rules of lm-eval's `ConfigurableTask.process_results`."""
    try:
        text, target, choices = _rendered(task, document)
    except Exception as error:  # a template or a function of the task can raise anything
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
            return FieldError("", f"expected a label among the choices {shown(choices)}, got {shown(each)}{cure}")
        if isinstance(each, int) and not 0 <= each < len(choices):
            hidden = " (a hidden test label)" if each == -1 else ""
            return FieldError("", f"expected a label from 0 to {len(choices) - 1}, got {each}{hidden}")
        if not isinstance(each, (str, int)):
            return FieldError("", f"expected a label from 0 to {len(choices) - 1}, got {shown(each)}")
    return None


def _rendered(task: Any, document: Any) -> tuple[Any, Any, Any]:
    choices = task.doc_to_choice(document) if task.OUTPUT_TYPE == "multiple_choice" else None
    return task.doc_to_text(document), task.doc_to_target(document), choices


def _reads(task: Any, document: Any, column: str) -> bool:
    """Whether the result changes if a field is null: templates and functions do not report which fields they read."""
    try:
        return _rendered(task, {**document, column: "0"}) != _rendered(task, document)
    except Exception:  # it was read, and is text
        return True


def packaged_file(index: Any, task: str) -> Path:
    """The path of the YAML file of a task in lm-eval. Raises UserError for an unknown task or a group of tasks.

    A group or a tag is refused: lm-eval would run its members with local data, and silently drop the others.
    """
    if task not in index:
        raise UserError(f"--harness: lm-eval has no task {task!r}.{near_name(task, list(index))}")
    entry = index[task]
    if entry.kind.name in ("GROUP", "TAG"):
        members = sorted(entry.tags) if entry.kind.name == "TAG" else _group_members((entry.cfg or {}).get("task"))
        more = f", … ({len(members)} in all)" if len(members) > MOST_MEMBERS_SHOWN else ""
        listed = ", ".join(members[:MOST_MEMBERS_SHOWN]) + more
        raise UserError(f"--harness: {task} is a group of tasks\nhint: name the tasks that you have data for: {listed}")
    if entry.kind.name == "PY_TASK" or entry.yaml_path is None:
        raise UserError(f"--harness: {task} is written in Python and cannot use local data")
    return Path(entry.yaml_path)


def _group_members(listed: Any) -> list[str]:
    items = listed if isinstance(listed, list) else [listed]
    return [str(item.get("task") or item.get("group")) if isinstance(item, dict) else str(item) for item in items]


def original_split(config: dict[str, Any]) -> str:
    """The split of the published results of a task: the harness uses the test split if it exists."""
    return str(config.get("test_split") or config.get("validation_split") or "validation")


def write_overlay(path: Path, task: str, packaged: Path, file: Path, train: Path | None) -> None:
    """Write the YAML (as JSON, which is YAML) that keeps everything of a task except the source of its rows.

    All paths are absolute: lm-eval reads data files from the working directory and skips an `include` that it does not
    find. All splits are set: an inherited split that the files do not have would cause a KeyError.
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
