"""The settings with which the compared answers were generated, as the manifests of their files record them."""

from __future__ import annotations

import json
from typing import Any

from sft_cli.report.provenance import recorded_steps, settings_in
from sft_cli.report.score_files import ScoreFile
from sft_cli.run.errors import UserError

# What is compared, where rows come from and go to, and what changes the speed or the fields of a row alone.
NOT_COMPARED = frozenset(
    (
        *("model", "prompts", "prompt", "out", "limit", "max_line_bytes", "config", "print_config", "manifest"),
        *("column", "base", "base_url", "concurrency", "requests_per_minute", "retries", "request_timeout"),
        *("device", "threads", "tensor_parallel_size", "pipeline_parallel_size", "batch_tokens", "seed"),
        *("write_batch", "read_batch", "dry_run", "on_error", "rejects", "force", "skip_if_current", "quiet", "show"),
        *("retry_errors", "completion_logprobs", "logprobs", "choices", "echo_logprobs", "window_stride"),
        *("diagnose_repetition", "engine"),
    )
)


ANY = "any"


def settings_of(file: ScoreFile) -> dict[str, Any] | None:
    """The settings of the `sft generate` whose answers a score file is about; None if no manifest tells."""
    for _, recorded in recorded_steps(file.path):
        if recorded["command"] == "generate":
            return {name: value for name, value in settings_in(recorded).items() if name not in NOT_COMPARED}
    return None


def check_generation_settings(files: list[ScoreFile], allowed: list[str]) -> list[str]:
    """Notes on the settings of the answers; raises UserError if two files differ in one that is not allowed to."""
    known = {file.label: settings_of(file) for file in files}
    unknown = [label for label, settings in known.items() if settings is None]
    if unknown and allowed:
        raise UserError(f"--allow-different: no manifest tells how the answers of {', '.join(unknown)} were generated")
    if unknown:
        return [f"settings of sft generate: not compared, no manifest for the answers of {', '.join(unknown)}."]
    (base, first), *others = [(label, settings or {}) for label, settings in known.items()]
    differ: dict[str, str] = {}
    for label, settings in others:
        for name in sorted({*first, *settings}):
            if first.get(name) != settings.get(name):
                differ.setdefault(name, f"{_shown(first.get(name))} in {base}, {_shown(settings.get(name))} in {label}")
    names = {name.removeprefix("--").replace("-", "_") for name in allowed}
    for name in (name for name in allowed if name.removeprefix("--").replace("-", "_") not in (*differ, ANY)):
        raise UserError(f"--allow-different {name}: expected a setting that differs, got one that is equal or unknown")
    refused = {name: text for name, text in differ.items() if not names & {name, ANY}}
    if refused:
        name, text = next(iter(refused.items()))
        more = f" (and {len(refused) - 1} more: {', '.join(list(refused)[1:])})" if len(refused) > 1 else ""
        raise UserError(
            f"the answers were generated with other settings: {name}: {text}{more}\n"
            f"hint: --allow-different {name.replace('_', '-')}, if that is what you want to compare"
        )
    if differ:
        return [f"settings of sft generate: {'; '.join(f'{name}: {text}' for name, text in differ.items())}."]
    return []


def _shown(value: Any) -> str:
    return "not set" if value in (None, "", []) else json.dumps(value, ensure_ascii=False)
