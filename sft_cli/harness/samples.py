"""The results of a run of the harness, as rows that `sft score` adds up."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from sft_cli.harness.data import TaskFiles
from sft_cli.metrics.harness import Harness
from sft_cli.metrics.protocol import NamedMetric
from sft_cli.run.errors import UserError
from sft_cli.run.manifest import file_hash
from sft_cli.run.text import counted

# The settings that decide the text for the model and the reading of its answer; without paths of this machine.
TEMPLATE = (
    "output_type",
    "description",
    "doc_to_text",
    "doc_to_choice",
    "doc_to_target",
    "process_docs",
    "target_delimiter",
    "fewshot_delimiter",
    "filter_list",
    "generation_kwargs",
    "repeats",
)


@dataclass(frozen=True, kw_only=True)
class RunMeasure(Harness):
    """A measure and its conditions, which must be equal before two runs may be compared."""

    conditions: dict[str, str] = field(default_factory=dict)

    def signature_parts(self) -> dict[str, str]:
        """Tasks and their versions, examples, prompts, number format, version of lm-eval."""
        return {**super().signature_parts(), **self.conditions}


def measure_name(measure: str, filter_name: str) -> str:
    """`acc`, or `exact_match/strict-match` if a task reads answers in several ways."""
    return measure if filter_name == "none" else f"{measure}/{filter_name}"


def additive(task: dict[str, Any]) -> list[str]:
    """The measures of a task that are means of the rows' numbers and better if higher, in the order of the task."""
    measures = []
    for measure, aggregation in task["aggregation"].items():
        values = [sample["values"][measure] for sample in task["samples"] if measure in sample["values"]]
        # A flag as text would always count as true, so text is not a number.
        are_numbers = bool(values) and all(isinstance(value, (int, float)) for value in values)
        if aggregation == "mean" and are_numbers and task["higher_is_better"].get(measure) is not False:
            measures.append(measure)
    return measures


def measured_rows(outcome: dict[str, Any], by: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """(place, row) of every row that was asked, in the order of tasks and of their files."""
    for task, task_outcome in outcome["tasks"].items():
        measures = additive(task_outcome)
        rows: dict[int, dict[str, Any]] = {}
        given: Counter[str] = Counter()
        for sample in task_outcome["samples"]:
            if sample["row"] not in rows:
                document = sample["document"]
                content = hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()[:16]
                given[content] += 1
                again = f"-{given[content]}" if given[content] > 1 else ""
                # The id comes from the content: a row keeps it when rows are added, and a changed row has a new id.
                name = {"id": f"{task}-{content}{again}", "sample": 0, "prompt_hash": content}
                rows[sample["row"]] = {by: document.get(by), **name, "task": task, "completion": "", "harness": {}}
            row = rows[sample["row"]]
            for measure in measures:
                if measure in sample["values"]:
                    row["harness"][measure_name(measure, sample["filter"])] = float(sample["values"][measure])
        yield from ((f"{task}: row {number + 1}", row) for number, row in rows.items())


def named_measures(outcome: dict[str, Any], files: list[TaskFiles]) -> list[NamedMetric]:
    """Every measure of the run, as the metric `harness:measure=NAME`; its signature has the conditions of the run."""
    tasks = outcome["tasks"]
    names = dict.fromkeys(
        measure_name(measure, sample["filter"])
        for task in tasks.values()
        for measure in additive(task)
        for sample in task["samples"]
    )
    conditions = {
        "tasks": "+".join(f"{name}@{task['version']}" for name, task in sorted(tasks.items())),
        "shots": "+".join(str(shots) for shots in sorted({task["shots"] for task in tasks.values()})),
        "prompts": _prompts_hash(tasks, files),
        "dtype": outcome["dtype"],
        "version": outcome["lm_eval"],
    }
    return [NamedMetric(f"harness:measure={name}", RunMeasure(measure=name, conditions=conditions)) for name in names]


def _prompts_hash(tasks: dict[str, Any], files: list[TaskFiles]) -> str:
    parts = {name: [{key: task["config"].get(key) for key in TEMPLATE}, task["shots"]] for name, task in tasks.items()}
    examples = {each.task: file_hash(each.train) for each in files if each.train and tasks[each.task]["shots"]}
    return hashlib.sha256(json.dumps([parts, examples], sort_keys=True).encode()).hexdigest()[:8]


def run_summary(outcome: dict[str, Any], files: list[TaskFiles]) -> dict[str, Any]:
    """The part `harness` of the summary: for each task its file, its examples and the values of the harness."""
    tasks = {}
    for each in files:
        task_outcome = outcome["tasks"][each.task]
        assert each.file is not None
        numbers = {key: value for key, value in task_outcome["results"].items() if isinstance(value, float)}
        tasks[each.task] = {
            "file": each.file.name,
            "in_place_of": task_outcome["split"],
            "rows_in_file": each.rows,
            "rows": len({sample["row"] for sample in task_outcome["samples"]}),
            "shots": task_outcome["shots"],
            "version": task_outcome["version"],
            "aggregates": {
                measure_name(*key.split(",", 1)): value for key, value in sorted(numbers.items()) if "," in key
            },
            "left_out": [measure for measure in task_outcome["aggregation"] if measure not in additive(task_outcome)],
        }
    return {"lm_eval": outcome["lm_eval"], "dtype": outcome["dtype"], "tasks": tasks}


def check_run(summary: dict[str, Any], limit: int | None, can_filter: set[str]) -> None:
    """Raise UserError if a task did not answer all of its rows; tasks in `can_filter` choose rows."""
    for name, task in summary["tasks"].items():
        expected = min(task["rows_in_file"], limit or task["rows_in_file"])
        if task["rows"] != expected and name not in can_filter:
            raise UserError(f"--harness: {name}: expected results for {counted(expected, 'row')}, got {task['rows']:,}")


def run_lines(summary: dict[str, Any]) -> list[str]:
    """One line for each task: the rows, the file, the split that it replaces, and values that only the summary has."""
    lines = []
    for name, task in summary["tasks"].items():
        rows = f"{task['rows']:,} of {counted(task['rows_in_file'], 'row')}"
        place = f"in place of the {task['in_place_of']} split of the task"
        line = f"{name}: {rows} of {task['file']}, {place}; {task['shots']} examples"
        for measure in task["left_out"]:
            known = task["aggregates"].get(measure)
            shown = "" if known is None else f" ({known:.4f})"
            line += f"; {measure}{shown} is not a mean of rows, so it is only in the summary"
        lines.append(line)
    return lines
