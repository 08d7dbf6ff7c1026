"""How each file was made: the commands and settings in the manifests, from the scores back to the training."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

from sft_cli.run.manifest import manifest_path, read_manifest

MOST_STEPS_BACK = 8  # from the scores back
# The input of each command that continues the way back; the first that has a manifest is taken.
BACK = {
    "score": ("generations",),
    "verify": ("generations",),
    "generate": ("model",),
    "train": ("model",),
    "distill": ("model",),
}


def commands_of(labels: list[str], paths: list[str]) -> list[dict[str, Any]]:
    """For each score file: its steps, the oldest first, each with its command line, its settings and its versions.

    A model that sft did not train, and a file without a manifest, end the way back.
    """
    return [
        {"label": label, "path": path, "steps": [_step(*step) for step in reversed(recorded_steps(path))]}
        for label, path in zip(labels, paths, strict=True)
    ]


def recorded_steps(path: str) -> list[tuple[str, dict[str, Any]]]:
    """The manifests on the way back from a file, the newest first, each with the path that it is beside.

    The way ends at an input whose manifest is about other bytes than those that were read.
    """
    steps: list[tuple[str, dict[str, Any]]] = []
    place: Path | None = None if path == "-" else Path(path)
    while place is not None and len(steps) < MOST_STEPS_BACK:
        recorded = read_manifest(manifest_path(place))
        if not recorded.get("command"):
            break
        steps.append((str(place), recorded))
        place = _source(place, recorded)
    return steps


def _source(made: Path, recorded: dict[str, Any]) -> Path | None:
    """The input that says most about a file: the generations of scores, the model of generations."""
    for name in BACK.get(recorded["command"], ()):
        value = recorded.get("config", {}).get(name)
        if not isinstance(value, str):
            continue
        # The path starts in the folder where the command ran; the input can also be beside its output.
        for place in (Path(value), made.parent / Path(value).name):
            if manifest_path(place).is_file():
                return place if place.is_dir() or _is_made_of(place, value, recorded) else None
    return None


def _is_made_of(place: Path, name: str, recorded: dict[str, Any]) -> bool:
    """Whether the manifest of an input is about the bytes that a command has read."""
    read = [each.get("sha256") for each in recorded.get("inputs", []) if each.get("path") == name]
    made = [each.get("sha256") for each in read_manifest(manifest_path(place)).get("outputs", [])]
    return not read or not made or bool(set(read) & set(made))


def settings_in(recorded: dict[str, Any]) -> dict[str, Any]:
    """The settings of a command as they took effect: its flags, and what a preset or a checkpoint has added."""
    run = recorded.get("run")
    decoding = run.get("decoding") if isinstance(run, dict) else None
    return {**recorded.get("config", {}), **(decoding or {})}


def _step(path: str, recorded: dict[str, Any]) -> dict[str, Any]:
    argv = recorded.get("argv")
    run = recorded.get("run") if isinstance(recorded.get("run"), dict) else {}
    settings = settings_in(recorded)
    versions = recorded.get("versions") or {}
    return {
        "path": path,
        "command": recorded["command"],
        "line": "sft " + shlex.join(map(str, argv)) if isinstance(argv, list) else f"sft {recorded['command']}",
        "settings": {name: value for name, value in settings.items() if value not in (None, [], "", {})},
        "inputs": [
            {"path": each.get("path"), "sha256": each.get("sha256")}
            for each in recorded.get("inputs", [])
            if isinstance(each, dict)
        ],
        "versions": {name: version for name, version in versions.items() if version},
        "device": (run or {}).get("device"),
    }
