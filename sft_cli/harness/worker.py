"""The process that imports lm-eval: `python -m sft_cli.harness.worker REQUEST OUTCOME`, started by `run`.

Reads a request and writes an outcome, both JSON; the outcome of an error that the user can correct is `{"error": …}`.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from sft_cli.harness.tasks import check_shots, check_task, original_split, packaged_file, write_overlay
from sft_cli.run.errors import UserError


def main(request_path: str, outcome_path: str) -> int:
    """Answer one request; the exit code is 0, or 2 with an error in the outcome."""
    request = json.loads(Path(request_path).read_text(encoding="utf-8"))
    try:
        outcome = answer(request, Path(outcome_path).parent)
    except UserError as error:
        outcome = {"error": str(error)}
    Path(outcome_path).write_text(json.dumps(outcome, ensure_ascii=False, default=_json_value), encoding="utf-8")
    return 2 if "error" in outcome else 0


def answer(request: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Build and check all tasks, then load the model and run them; `folder` is for the overlays."""
    import lm_eval
    from lm_eval.tasks import TaskManager

    manager = TaskManager()
    if not hasattr(manager, "load"):
        raise UserError(
            f"--harness: needs lm-eval 0.4.13 or newer, got {lm_eval.__version__}\n"
            "hint: pip install 'lm-eval[hf]>=0.4.13,<0.5'"
        )
    packaged = {entry["task"]: packaged_file(manager.task_index, entry["task"]) for entry in request["tasks"]}
    for entry in request["tasks"]:
        if entry["file"] is None:
            name = entry["task"]
            raise UserError(f"--data: {request['data']}: no rows for {name}: expected {name}.jsonl, .json or .parquet")
    tasks, about = [], {}
    for entry in request["tasks"]:
        name, file = entry["task"], entry["file"]
        tasks.append(build_task(manager, entry, packaged[name], folder))
        check_task(tasks[-1], name, file, entry["rows"], request["limit"])
        shots = check_shots(tasks[-1], name, file, entry["train"] is not None, request["shots"])
        about[name] = {"shots": shots, "split": original_split(manager.task_index[name].cfg or {})}
    dtype, results = run_tasks(tasks, manager, request)
    outcome = {"lm_eval": lm_eval.__version__, "dtype": dtype, "tasks": {}}
    for task in tasks:
        name = task.config.task
        outcome["tasks"][name] = {**about[name], **task_outcome(results, task, name)}
    return outcome


def run_tasks(tasks: list[Any], manager: Any, request: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """The number format, and the results of the harness. Raises UserError if the model cannot be loaded."""
    import lm_eval

    device, arguments = model_arguments(request)
    try:
        results = lm_eval.simple_evaluate(
            model="hf",
            model_args=arguments,
            tasks=tasks,
            num_fewshot=request["shots"],
            batch_size=request["batch_requests"],
            device=device,
            limit=request["limit"],
            bootstrap_iters=0,  # 100,000 draws for the error of F1 and MCC take minutes; sft computes the intervals
            log_samples=True,
            task_manager=manager,
        )
    except OSError as error:
        reason = (str(error).strip().splitlines() or [""])[0]
        raise UserError(
            f"--model: {request['model']}: cannot load: {reason}\n"
            "hint: --harness is offline; a model with a hub id must be in the cache"
        ) from error
    return arguments["dtype"], results


def build_task(manager: Any, entry: dict[str, Any], packaged: Path, folder: Path) -> Any:
    """The task, which reads only the local files."""
    name, file, train = entry["task"], Path(entry["file"]), entry["train"] and Path(entry["train"])
    overlay = folder / f"{name}.yaml"
    write_overlay(overlay, name, packaged, file, train)
    try:
        task = manager.load([str(overlay)])["tasks"][name]
    except Exception as error:  # the file of the task, its functions and the reader of the data can raise anything
        if os.environ.get("SFT_DEBUG"):
            raise
        reason = (str(error).strip().splitlines() or [""])[0]
        raise UserError(
            f"--harness: lm-eval cannot set up {name} with {file}: {type(error).__name__}: {reason}\n"
            "hint: the fields must be those of the task's data; SFT_DEBUG=1 shows where it failed"
        ) from error
    read = (task.config.dataset_kwargs or {}).get("data_files", {}).get("validation")
    if read != str(file.resolve()):
        raise UserError(f"--harness: {name} has fixed data and would not read {file}")
    return task


def model_arguments(request: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """The device, and the arguments of lm-eval's `hf` model; names, device and number format as in `sft generate`."""
    import sft_cli.model.progressive  # noqa: F401 (registers these models with transformers, which lm-eval uses)
    from sft_cli.model.device import pick_device, pick_dtype
    from sft_cli.model.names import adapter_base, resolve_model

    path = resolve_model(request["model"])
    base = adapter_base(path)
    device = pick_device(request["device"])
    arguments = {"pretrained": path, "dtype": pick_dtype(request["dtype"], device)}
    if arguments["dtype"] == "bfloat16":
        arguments["softmax_dtype"] = "float32"  # otherwise sums of log-likelihoods are rounded to 8 bits, with ties
    if base is not None:
        arguments |= {"pretrained": resolve_model(base), "peft": path}
        if (Path(path) / "tokenizer_config.json").exists():
            arguments["tokenizer"] = path
    return device, arguments


def task_outcome(results: dict[str, Any], task: Any, name: str) -> dict[str, Any]:
    """The facts about one task that `samples` needs."""
    return {
        "version": results["versions"].get(name),
        "config": results["configs"][name],
        "aggregation": {measure: getattr(each, "__name__", "") for measure, each in task.aggregation().items()},
        "higher_is_better": results["higher_is_better"].get(name, {}),
        "results": results["results"][name],
        "samples": [
            {
                "row": sample["doc_id"],
                "filter": sample["filter"],
                "document": sample["doc"],
                "values": {measure: sample[measure] for measure in sample["metrics"]},
            }
            for sample in results["samples"][name]
        ],
    }


def _json_value(value: Any) -> Any:
    return value.item() if hasattr(value, "item") else str(value)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2]))
