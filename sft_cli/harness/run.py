"""A run of the harness: check the files, start a process, read its rows."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sft_cli.harness.data import TaskFiles, task_files
from sft_cli.harness.samples import check_run, measured_rows, named_measures, run_lines, run_summary
from sft_cli.harness.settings import read_task_names
from sft_cli.metrics.protocol import NamedMetric
from sft_cli.model.device import dtype_note
from sft_cli.run.context import Run
from sft_cli.run.errors import UserError, require
from sft_cli.run.text import counted

OFFLINE = dict.fromkeys(("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE", "HF_EVALUATE_OFFLINE", "TRANSFORMERS_OFFLINE"), "1")
LOG_LINES_SHOWN = 20


@dataclass(frozen=True)
class HarnessScores:
    """The results of a run: the measures, the rows with their `file: row`, and the summary's part about the harness."""

    named: list[NamedMetric]
    rows: Iterator[tuple[str, dict[str, Any]]]
    summary: dict[str, Any]


def run_harness(settings: Any, run: Run) -> HarnessScores:
    """Run the tasks of --harness on the files of --data. Raises UserError for errors that lm-eval would not report."""
    require("lm_eval", "--harness", "lm-eval[hf]>=0.4.13,<0.5")
    files = task_files(settings.data, read_task_names(settings.harness), settings.shots)
    asked = sum(min(each.rows, settings.limit or each.rows) for each in files)
    if asked:
        run.say(
            f"lm-evaluation-harness: {counted(len(files), 'task')}, {counted(asked, 'row')}, model {settings.model}"
        )
    outcome = outcome_of(request_for(settings, files), shows_progress=not settings.quiet and sys.stderr.isatty())
    summary = run_summary(outcome, files)
    check_run(summary, settings.limit, {name for name, task in outcome["tasks"].items() if _chooses_rows(task)})
    for line in run_lines(summary):
        run.say(line)
    if note := dtype_note(settings.dtype or "auto", outcome["dtype"]):
        run.warn(note)
    return HarnessScores(named_measures(outcome, files), measured_rows(outcome, settings.by), summary)


def _chooses_rows(task: dict[str, Any]) -> bool:
    return task["config"].get("process_docs") is not None


def request_for(settings: Any, files: list[TaskFiles]) -> dict[str, Any]:
    """The request for the worker."""
    tasks = [
        {
            "task": each.task,
            "file": each.file and str(each.file),
            "train": each.train and str(each.train),
            "rows": each.rows,
        }
        for each in files
    ]
    return {
        "tasks": tasks,
        "data": settings.data,
        "model": settings.model,
        "shots": settings.shots,
        "limit": settings.limit,
        "batch_requests": settings.batch_requests or 8,
        "dtype": settings.dtype or "auto",
        "device": settings.device or "auto",
    }


def outcome_of(request: dict[str, Any], shows_progress: bool) -> dict[str, Any]:
    """Start the worker in a separate folder and return its results. Raises UserError with its last lines if it fails.

    Its output goes to stderr if progress is shown, otherwise to a log that is kept only for that error.
    """
    with tempfile.TemporaryDirectory(prefix="sft-harness-") as name:
        folder = Path(name)
        (folder / "request.json").write_text(json.dumps(request), encoding="utf-8")
        command = [
            sys.executable,
            "-m",
            "sft_cli.harness.worker",
            str(folder / "request.json"),
            str(folder / "outcome.json"),
        ]
        with open(folder / "log", "w+", encoding="utf-8", errors="replace") as log:
            output = sys.stderr if shows_progress else log
            done = subprocess.run(
                command, env=environment(folder, shows_progress), stdin=subprocess.DEVNULL, stdout=output, stderr=output
            )
            log.seek(0)
            lines = log.read().splitlines()[-LOG_LINES_SHOWN:]
        if not (folder / "outcome.json").is_file():
            raise UserError("\n".join([f"--harness: lm-eval stopped with exit code {done.returncode}", *lines]))
        outcome: dict[str, Any] = json.loads((folder / "outcome.json").read_text(encoding="utf-8"))
    if "error" in outcome:
        raise UserError(outcome["error"])
    return outcome


def environment(folder: Path, shows_progress: bool) -> dict[str, str]:
    """The environment of the worker: no downloads, and no cached data set in place of a file that has changed.

    Models in the user's hub cache are still found.
    """
    home = os.environ.get("HF_HOME") or str(
        Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "huggingface"
    )
    hub = os.environ.get("HF_HUB_CACHE") or str(Path(home) / "hub")
    quiet = {} if shows_progress else {"TQDM_DISABLE": "1", "HF_DATASETS_DISABLE_PROGRESS_BARS": "1"}
    return {
        **os.environ,
        **OFFLINE,
        **quiet,
        "HF_HOME": str(folder / "home"),
        "HF_DATASETS_CACHE": str(folder / "home" / "datasets"),
        "HF_HUB_CACHE": hub,
        "DISABLE_MULTIPROC": "1",
        "TOKENIZERS_PARALLELISM": "false",
        "LMEVAL_LOG_LEVEL": "ERROR",
        "PYTHONWARNINGS": "ignore",
    }
