"""One run of one command: what it says, where its outputs go, and the manifest beside them."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any, TextIO

from sft_cli.run.errors import UserError
from sft_cli.run.ledger import Ledger
from sft_cli.run.manifest import current_files, describe, input_paths, manifest_path, write_manifest
from sft_cli.run.output import (
    is_stream,
    open_output,
    partial_directory,
    publish_directory,
    refuse_existing,
    saved_states,
    scratch_folders,
)


class Run:
    """What a command gets beside its settings."""

    def __init__(self, command: str, settings: Any, argv: list[str]) -> None:
        self.command, self.settings, self.argv = command, settings, argv
        self.started = time.time()
        self.goes_on = False  # whether the command has seen that the existing output is its own, and goes on with it
        self.record: dict[str, Any] = {}  # what may vary between equal runs: device, rows, …

    @cached_property
    def described(self) -> dict[str, Any]:
        """The manifest's reproducible part; inputs are hashed at the first use."""
        return describe(self.command, self.settings)

    @property
    def replaces(self) -> bool:
        """Whether an existing output may be replaced: by --force, if it is sft's own, or if it is gone on with."""
        is_ours = self.settings.skip_if_current and manifest_path(self.settings.out).is_file()
        return bool(self.settings.force or is_ours or self.goes_on)

    def say(self, text: str) -> None:
        """Print to stderr, unless --quiet."""
        if not self.settings.quiet:
            print(text, file=sys.stderr, flush=True)

    def warn(self, text: str) -> None:
        """Print to stderr what went wrong without ending the run, --quiet or not."""
        print(f"sft {self.command}: {text}", file=sys.stderr, flush=True)

    def is_current(self) -> bool:
        """Whether the output is there already, made from the same inputs and settings; touches it for make."""
        files = current_files(self.settings.out, self.described)
        for path in files or []:
            os.utime(path)
        return files is not None

    @contextlib.contextmanager
    def output(self, path: str | None = None) -> Iterator[TextIO]:
        """Open an output file (default: --out) that appears whole; its manifest follows it."""
        target = self.settings.out if path is None else path
        refuse_existing(target, self.replaces)
        with open_output(target) as sink:
            yield sink
        outputs = [Path(target)] if target != "-" and not is_stream(target) else []
        if outputs:
            self.write_manifest(manifest_path(target), outputs)
        if self.settings.manifest:
            self.write_manifest(Path(self.settings.manifest), outputs)

    def check_output_directory(self, resumes: bool = False) -> Path:
        """Give the folder that --out names; raise UserError if it cannot be written. For before the long work.

        What a stopped run has left in `OUT.partial` is only replaced with --force; `resumes` goes on from it.
        """
        target = Path(self.settings.out)
        if self.settings.out == "-" or target.name in ("", ".."):
            raise UserError(f"--out: {self.command} writes a directory, got {self.settings.out!r}\nhint: -o runs/a")
        if target.is_file():
            raise UserError(f"--out: {target}: is a file; a directory is written here")
        refuse_existing(target, self.replaces)
        if target.is_dir() and any(target.iterdir()) and not (target / "manifest.json").is_file():
            raise UserError(f"--out: {target}: holds no manifest.json, so sft did not write it; it is not replaced")
        partial = partial_directory(target)
        for path in input_paths(self.settings):
            if path != "-" and partial.resolve() in Path(path).resolve().parents:
                raise UserError(f"--out: {target}: its run would replace {partial}, which holds the input {path}")
        states = saved_states(partial)
        if states and not (resumes or self.settings.force):
            raise UserError(
                f"--out: {partial}: holds a run that stopped, saved at {states[0].name}\n"
                "hint: --resume goes on with it, --force begins again"
            )
        return target

    @contextlib.contextmanager
    def output_directory(self, resumes: bool = False) -> Iterator[Path]:
        """Give a folder `OUT.partial` that becomes `OUT` if the block succeeds, its manifest written last.

        If the block fails the partial folder stays, for its metrics and states; the next run replaces it, or goes on
        with it if it `resumes` and there are states. States do not become part of the output.
        """
        import shutil

        target = self.check_output_directory(resumes)
        partial = partial_directory(target)
        if not (resumes and saved_states(partial)):
            shutil.rmtree(partial, ignore_errors=True)
        try:
            partial.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(f"--out: {target}: cannot write: {error.strerror}") from error
        yield partial
        scratch = scratch_folders(partial)
        files = [path for path in partial.rglob("*") if path.is_file() and not set(path.parents) & set(scratch)]
        self.write_manifest(partial / "manifest.json", sorted(files))
        if self.settings.manifest:
            shutil.copyfile(partial / "manifest.json", self.settings.manifest)
        for folder in scratch:
            shutil.rmtree(folder)
        publish_directory(partial, target)

    def write_manifest(self, path: Path, outputs: list[Path]) -> None:
        """Write a manifest of this run, for these outputs."""
        write_manifest(path, self.described, self.argv, outputs, self.started, **self.record)

    @contextlib.contextmanager
    def ledger(self, hint: str = "") -> Iterator[Ledger]:
        """A ledger for reading rows, by --on-error and --rejects; raises the collected errors at the end."""
        rejects = self.settings.rejects
        if rejects and os.path.realpath(rejects) in [os.path.realpath(path) for path in input_paths(self.settings)]:
            raise UserError(f"--rejects: {rejects}: is an input; it is not replaced")
        on_error = "skip" if rejects else self.settings.on_error
        with contextlib.ExitStack() as stack:
            sink = stack.enter_context(open_output(rejects)) if rejects else None
            ledger = Ledger(on_error, sink, hint)
            yield ledger
            ledger.close()
