"""Stand-ins for the clients of trackers: the same functions and parameters, calls recorded instead of sent.

Signatures as in trackio 0.43.0, wandb 0.31.0 and mlflow 3.18.0, as far as they are used.
"""

from __future__ import annotations

import sys
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

Calls = list[tuple[Any, ...]]


def install(monkeypatch: Any, name: str, *, breaks_at: int = -1) -> Calls:
    """Put the fake client of this name into sys.modules; gives the list of its calls. It raises at step `breaks_at`."""
    calls: Calls = []
    module = ModuleType(name)
    module.__spec__ = ModuleSpec(name, None)
    for key, value in MAKERS[name](calls, breaks_at).items():
        setattr(module, key, value)
    monkeypatch.setitem(sys.modules, name, module)
    return calls


def _check(step: int | None, breaks_at: int) -> None:
    if step == breaks_at:
        raise ConnectionError("no route to host\nand more lines")


def _trackio(calls: Calls, breaks_at: int) -> dict[str, Any]:
    def init(
        project: str, name: str | None = None, group: str | None = None, config: Any = None, resume: str = "never"
    ) -> None:
        print(f"* Trackio project initialized: {project}")  # as the real one does, to stdout
        calls.append(("init", project, name, config, resume))

    def log(metrics: dict[str, Any], step: int | None = None) -> None:
        _check(step, breaks_at)
        calls.append(("log", step, metrics))

    def finish() -> None:
        calls.append(("finish",))

    return {"init": init, "log": log, "finish": finish}


def _wandb(calls: Calls, breaks_at: int) -> dict[str, Any]:
    class Settings:
        def __init__(self, *, console: str = "auto") -> None:
            assert console in ("auto", "off", "wrap", "redirect", "wrap_raw", "wrap_emu")

    class Run:
        def log(self, data: dict[str, Any], step: int | None = None, commit: bool | None = None) -> None:
            _check(step, breaks_at)
            calls.append(("log", step, data))

        def finish(self, exit_code: int | None = None) -> None:
            calls.append(("finish", exit_code))

    def init(
        entity: str | None = None,
        project: str | None = None,
        dir: Any = None,
        id: str | None = None,
        name: str | None = None,
        config: Any = None,
        settings: Settings | dict[str, Any] | None = None,
    ) -> Run:
        calls.append(("init", project, name, config))
        return Run()

    return {"Settings": Settings, "init": init}


def _mlflow(calls: Calls, breaks_at: int) -> dict[str, Any]:
    def start_run(run_id: str | None = None, experiment_id: str | None = None, run_name: str | None = None) -> None:
        calls.append(("init", None, run_name))

    def log_params(params: dict[str, Any], synchronous: bool | None = None, run_id: str | None = None) -> None:
        assert len(params) <= 100, "mlflow's MAX_PARAMS_TAGS_PER_BATCH"
        calls.append(("params", params))

    def log_metrics(metrics: dict[str, float], step: int | None = None, synchronous: bool | None = None) -> None:
        _check(step, breaks_at)
        calls.append(("log", step, metrics))

    def end_run(status: str = "FINISHED") -> None:
        assert status in ("RUNNING", "SCHEDULED", "FINISHED", "FAILED", "KILLED")
        calls.append(("finish", status))

    return {"start_run": start_run, "log_params": log_params, "log_metrics": log_metrics, "end_run": end_run}


MAKERS = {"trackio": _trackio, "wandb": _wandb, "mlflow": _mlflow}
