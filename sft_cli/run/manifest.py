"""How an output was made: command, settings, hashes of the inputs, versions. The fingerprint covers all of these."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any, NamedTuple

from sft_cli import __version__
from sft_cli.run.flags import Field, fields_of

LIBRARIES = ("torch", "transformers", "peft", "tokenizers", "datasets", "numpy", "sacrebleu", "lm-eval")


def file_hash(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    import hashlib

    digest = hashlib.sha256()
    with open(path, "rb") as source:
        for block in iter(lambda: source.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()


def _json_hash(value: Any) -> str:
    import hashlib

    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def input_entry(path: str) -> dict[str, Any]:
    """The manifest entry of an input: a file, a directory (hashed over its files), or a name without a hash."""
    target = Path(path)
    if target.is_file():
        return {"path": path, "sha256": file_hash(target), "bytes": target.stat().st_size}
    if path != "-" and target.is_dir():
        # What a run recorded about itself (times, the host) does not change the results of its model.
        files = sorted(p for p in target.rglob("*") if p.is_file() and p.name not in RUN_FILES)
        listing = [(str(p.relative_to(target)), file_hash(p)) for p in files]
        total = sum(p.stat().st_size for p in files)
        return {"path": path, "sha256": _json_hash(listing), "bytes": total}
    return {"path": path, "sha256": None, "bytes": None}


RUN_FILES = frozenset({"manifest.json", "metrics.jsonl", "loss.svg", "README.md"})


def versions() -> dict[str, str | None]:
    """Versions of sft, Python and the libraries that compute numbers; None for a library that is not installed."""
    import importlib.metadata
    import platform

    version_of: dict[str, str | None] = {"sft": __version__, "python": platform.python_version()}
    for name in LIBRARIES:
        try:
            version_of[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            version_of[name] = None
    return version_of


def git_revision() -> dict[str, Any] | None:
    """Revision of the git checkout that the command runs in, or None outside one."""
    import subprocess

    def git(*words: str) -> str:
        return subprocess.run(["git", *words], capture_output=True, text=True, check=True, timeout=10).stdout.strip()

    try:
        return {"rev": git("rev-parse", "HEAD"), "dirty": bool(git("status", "--porcelain", "--untracked-files=no"))}
    except (OSError, subprocess.SubprocessError):
        return None


def input_paths(settings: Any) -> list[str]:
    """The values of the fields marked `reads`: files, directories, models, or `-`; and files that options name."""
    named = [path for paths in read_paths(settings).values() for each in paths for path in each]
    return [*named, *getattr(settings, "option_files", ())]


def read_paths(settings: Any) -> dict[str, list[list[str]]]:
    """The paths that each field of files holds, in groups: a value that joins several files is one group."""
    paths = {}
    for field in fields_of(type(settings)):
        value = getattr(settings, field.name)
        if field.reads(value):
            values = value if isinstance(value, (list, tuple)) else [value]
            paths[field.name] = [field.paths(each) for each in values if each and field.reads(each)]
    return paths


def describe(command: str, settings: Any) -> dict[str, Any]:
    """The part of a manifest that is known before the command runs, with its fingerprint.

    Fields marked `neutral` stay out of the fingerprint; fields marked `reads` enter it by their content.
    """
    fields = fields_of(type(settings))
    values = {field.name: getattr(settings, field.name) for field in fields if not field.flag.neutral}
    inputs = [input_entry(path) for path in input_paths(settings)]
    described: dict[str, Any] = {
        "schema": 1,
        "command": command,
        "config": values,
        "inputs": inputs,
        "versions": versions(),
    }
    if "seed" in values:
        described["seed"] = values["seed"]
    paths = read_paths(settings)
    # The grouping of the files matters, not only their content.
    joined = {name: [*map(len, each)] for name, each in paths.items() if any(len(parts) > 1 for parts in each)}
    fixed = {
        "command": command,
        "config": {
            **{name: value for name, value in values.items() if name not in paths},
            **joined,
            **_names(fields, values),
        },
        "inputs": [entry["sha256"] or entry["path"] for entry in inputs],
        "versions": described["versions"],
    }
    described["fingerprint"] = _json_hash(fixed)
    return described


def _names(fields: list[Field], values: dict[str, Any]) -> dict[str, Any]:
    """The lists that have names of built-in things beside files: the names, with None in the place of a file."""
    mixed: dict[str, Any] = {}
    for field in fields:
        value = values.get(field.name)
        if field.flag.reads and field.flag.suffix and isinstance(value, list):
            names = [None if field.reads(each) else each for each in value]
            mixed |= {field.name: names} if any(names) else {}
    return mixed


def manifest_path(output: str | Path) -> Path:
    """The path of an output's manifest: inside a directory, beside a file."""
    path = Path(output)
    return path / "manifest.json" if path.is_dir() else path.with_name(path.name + ".meta.json")


def read_manifest(path: Path) -> dict[str, Any]:
    """The content of a manifest; empty if there is no manifest, or the file is not a manifest."""
    try:
        recorded = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return recorded if isinstance(recorded, dict) else {}


def current_files(output: str, described: dict[str, Any]) -> list[Path] | None:
    """The files of `output`, its manifest last, if it has the same fingerprint and is unchanged; otherwise None.

    An output that was made from stdin is never current.
    """
    path = manifest_path(output)
    if output == "-" or not Path(output).exists():
        return None
    if any(entry["path"] == "-" for entry in described["inputs"]):
        return None
    recorded = read_manifest(path)
    if recorded.get("fingerprint") != described["fingerprint"]:
        return None
    entries = recorded.get("outputs", [])
    if not all(_unchanged(path.parent, entry) for entry in entries):
        return None
    return [*(path.parent / entry["path"] for entry in entries), path]


def _unchanged(folder: Path, entry: dict[str, Any]) -> bool:
    path = folder / entry["path"]
    return path.is_file() and path.stat().st_size == entry["bytes"] and file_hash(path) == entry["sha256"]


class Call(NamedTuple):
    """One run: its command line, when it started (time.time), and a record, which may vary between equal runs."""

    argv: list[str]
    started: float
    record: dict[str, Any]


def manifest_text(path: Path, described: dict[str, Any], outputs: list[tuple[Path, Path]], call: Call) -> str:
    """The manifest that will be at `path`, of `outputs`: (where each is now, where it will be)."""
    import platform

    begun = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(call.started))
    document = {
        **{key: value for key, value in described.items() if key != "fingerprint"},
        "argv": call.argv,
        "outputs": [
            {"path": os.path.relpath(there, path.parent), "sha256": file_hash(here), "bytes": here.stat().st_size}
            for here, there in outputs
        ],
        "git": git_revision(),
        "fingerprint": described["fingerprint"],
        "run": {
            "started": begun,
            "seconds": round(time.time() - call.started, 3),
            "host": platform.node(),
            **call.record,
        },
    }
    return json.dumps(document, ensure_ascii=False, indent=1) + "\n"
