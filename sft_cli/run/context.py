"""One run of one command: its messages, its outputs, and their manifests."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any, TextIO

from sft_cli.run.errors import AnswerIsNo, UserError
from sft_cli.run.ledger import Ledger
from sft_cli.run.lock import lock_path
from sft_cli.run.manifest import Call, current_files, describe, input_paths, manifest_path, manifest_text, read_manifest
from sft_cli.run.output import (
    asked_files,
    is_stream,
    open_stream,
    partial_directory,
    refuse_existing,
    saved_states,
    scratch_folders,
    sync,
)
from sft_cli.run.publish import Publication
from sft_cli.run.ranks import ranks_of
from sft_cli.run.signals import HeldSignals
from sft_cli.run.text import for_terminal


class Run:
    """What a command receives in addition to its settings."""

    def __init__(self, command: str, settings: Any, argv: list[str]) -> None:
        self.command, self.settings, self.argv = command, settings, argv
        self.started = time.time()
        self.goes_on = False  # whether this command wrote the existing output and continues it
        self.record: dict[str, Any] = {}  # what may vary between equal runs: device, rows, …
        self.kept: list[Path] = []  # files from which a stopped run continues; removed when the output appears
        self.withholds = False  # whether only the rejected rows are published
        self.publication: Publication | None = None
        self._outputs: dict[Path, bool] = {}  # each file to publish, and whether it gets a manifest
        self._is_publishing = False

    @cached_property
    def described(self) -> dict[str, Any]:
        """The reproducible part of the manifest; inputs are hashed at the first use."""
        return describe(self.command, self.settings)

    def hash_inputs_again(self) -> None:
        """Forget the hashes of the inputs: this run made or changed one of them."""
        self.__dict__.pop("described", None)

    @property
    def replaces(self) -> bool:
        """Whether an existing output may be replaced: with --force, if sft wrote it, or if the run continues it."""
        is_ours = self.settings.skip_if_current and manifest_path(self.settings.out).is_file()
        return bool(self.settings.force or is_ours or self.goes_on)

    def say(self, text: str) -> None:
        """Print to stderr, unless --quiet."""
        if not self.settings.quiet:
            print(for_terminal(text), file=sys.stderr, flush=True)

    def warn(self, text: str) -> None:
        """Print to stderr, also with --quiet: a problem that does not end the run."""
        print(f"sft {self.command}: {for_terminal(text)}", file=sys.stderr, flush=True)

    def is_current(self) -> bool:
        """Whether the output exists and was made from the same inputs and settings; if so, set its time for make.

        Raises AnswerIsNo if that was the answer of the run that made it.
        """
        files = current_files(self.settings.out, self.described)
        if files is None or not all(path.exists() for path in asked_files(self.settings)):
            return False
        for path in files:
            os.utime(path)
        answer = read_manifest(files[-1]).get("run", {}).get("answer")
        if answer is not None:
            raise AnswerIsNo(answer)
        return True

    @property
    def _place(self) -> Path | None:
        """The path beside which the lock is; None if only streams are written."""
        is_split = getattr(self.settings, "split", None)
        return Path(self.settings.out) / "manifest.json" if is_split else next(iter(asked_files(self.settings)), None)

    def claim(self) -> None:
        """Take the lock of the output, and finish a publication that a killed run has started.

        Raises UserError if another process holds the lock.
        """
        if self.publication is None and self._place is not None:
            with HeldSignals():
                self.publication = Publication(self._place)
            recovered = self.publication.recovered
            self.goes_on = self.goes_on or (recovered is not None and recovered == self.described["fingerprint"])

    def release(self) -> None:
        """Release the lock of the output; remove files that were not published."""
        with HeldSignals():
            publication, self.publication, self._outputs = self.publication, None, {}
            if publication is not None:
                publication.release()

    def recovers(self) -> bool:
        """Finish a publication that a killed run has started; return whether the output is now current."""
        looks = any(getattr(self.settings, name, False) for name in ("dry_run", "check", "check_template"))
        if looks or self._place is None or not lock_path(self._place).exists():
            return False
        if ranks_of(os.environ).size > 1:
            return False  # the first process does it, after it has contact with the others
        self.claim()
        return self.goes_on and self.is_current()

    def check_output(self, path: str | None = None) -> None:
        """Raise UserError if an output (default: --out) cannot be written. Call it before long work."""
        if not getattr(self.settings, "dry_run", False):
            self.claim()
        refuse_existing(self.settings.out if path is None else path, self.replaces)

    @contextlib.contextmanager
    def publishing(self) -> Iterator[None]:
        """Files that are opened in this block appear together, with their manifests, when the outermost block ends."""
        if self._is_publishing:
            yield
            return
        self._is_publishing = True
        try:
            self.claim()
            try:
                yield
            except AnswerIsNo as answer:  # "no" is also a result
                self.record["answer"] = str(answer)
                self._publish()
                raise
            self._publish()
        finally:
            self._is_publishing = False
            self.release()

    @contextlib.contextmanager
    def output(self, path: str | None = None, has_manifest: bool = True) -> Iterator[TextIO]:
        """Open an output file (default: --out). It appears whole, with its manifest and the files of `publishing`.

        With `has_manifest` off the file is a part of --out, and the manifest of --out names it.
        """
        target, answer = self.settings.out if path is None else path, None
        if Path(target).is_dir():
            raise UserError(f"{target}: cannot write: is a directory")
        with self.publishing():
            refuse_existing(target, self.replaces)
            with self._open(target) as sink:
                try:
                    yield sink
                except AnswerIsNo as no:  # the output is whole
                    answer = no
            if not is_stream(target):
                self._outputs[Path(target)] = has_manifest
            if answer:
                raise answer

    def _open(self, path: str | Path) -> contextlib.AbstractContextManager[TextIO]:
        if is_stream(path):
            return open_stream(path)
        assert self.publication is not None
        return self.publication.open(Path(path))

    def _publish(self) -> None:
        """Write the manifests, and publish all files."""
        out, publication = Path(self.settings.out), self.publication
        if self.withholds:
            if publication is not None:
                publication.moves = [move for move in publication.moves if move[1] not in self._outputs]
                publication.commit(lambda: "")
            return
        moves = publication.moves if publication else []
        written = {there: (here, there) for here, there in moves if there in self._outputs}
        for target in [path for path, has_manifest in self._outputs.items() if has_manifest]:
            parts = list(written.values()) if target == out else [written[target]]
            self._write_manifest(manifest_path(target), parts)
        if written and getattr(self.settings, "split", None):
            self._write_manifest(out / "manifest.json", list(written.values()))
        if self.settings.manifest:
            self._write_manifest(Path(self.settings.manifest), list(written.values()))
        if publication is not None:
            publication.removes = self.kept
            publication.commit(lambda: self.described["fingerprint"])

    def _write_manifest(self, path: Path, outputs: list[tuple[Path, Path]]) -> None:
        with self._open(path) as sink:
            sink.write(manifest_text(path, self.described, outputs, Call(self.argv, self.started, self.record)))

    def check_output_directory(self, resumes: bool = False) -> Path:
        """The folder that --out names; raises UserError if it cannot be written. Call it before long work.

        Only --force replaces the `OUT.partial` of a stopped run; with `resumes` the run continues from it.
        """
        target = Path(self.settings.out)
        if self.settings.out == "-" or target.name in ("", ".."):
            raise UserError(
                f"--out: expected a directory for {self.command}, got {self.settings.out!r}\nhint: -o runs/a"
            )
        if target.is_file():
            raise UserError(f"--out: {target}: expected a directory, got a file")
        self.check_output()
        if target.is_dir() and any(target.iterdir()) and not (target / "manifest.json").is_file():
            raise UserError(f"--out: {target}: not replaced: no manifest.json, so it was not made by sft")
        partial = partial_directory(target)
        for path in input_paths(self.settings):
            if path != "-" and partial.resolve() in Path(path).resolve().parents:
                raise UserError(f"--out: {target}: the run would replace {partial}, which contains the input {path}")
        states = saved_states(partial)
        if states and not (resumes or self.settings.force):
            raise UserError(
                f"--out: {partial}: has a stopped run, saved at {states[0].name}\n"
                "hint: --resume continues the run, --force starts again"
            )
        return target

    @contextlib.contextmanager
    def output_directory(self, resumes: bool = False) -> Iterator[Path]:
        """Yield a folder `OUT.partial` that becomes `OUT`, with its manifest, if the block succeeds.

        If the block fails the partial folder stays, for its metrics and states. The next run replaces it, or continues
        from it if it `resumes` and there are states. States do not become part of the output.
        """
        try:
            target = self.check_output_directory(resumes)
            self.claim()
            assert self.publication is not None
            partial = partial_directory(target)
            if not (resumes and saved_states(partial)):
                self.publication.remove(partial)
            try:
                partial.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise UserError(f"--out: {target}: cannot write: {error.strerror}") from error
            yield partial
            self._publish_directory(self.publication, partial, target)
        finally:
            self.release()

    def _publish_directory(self, publication: Publication, partial: Path, target: Path) -> None:
        scratch = scratch_folders(partial)
        manifest = partial / "manifest.json"
        files = [path for path in partial.rglob("*") if path.is_file() and not set(path.parents) & set(scratch)]
        files = sorted(path for path in files if path != manifest)
        text = manifest_text(
            manifest, self.described, [(path, path) for path in files], Call(self.argv, self.started, self.record)
        )
        manifest.write_text(text, encoding="utf-8")
        for path in (*files, manifest, *{path.parent for path in files}):
            sync(path)
        publication.moves.append((partial, target))
        if self.settings.manifest:
            with self._open(self.settings.manifest) as sink:
                sink.write(text)
        publication.removes = scratch
        publication.commit(lambda: self.described["fingerprint"])

    @contextlib.contextmanager
    def ledger(self, hint: str = "", skips: bool = False) -> Iterator[Ledger]:
        """A ledger for reading rows, by --on-error and --rejects, or with `skips`; raises the errors at the end.

        The rejected rows appear together with the output, or at the end of reading.
        """
        rejects = self.settings.rejects
        if rejects and os.path.realpath(rejects) in [os.path.realpath(path) for path in input_paths(self.settings)]:
            raise UserError(f"--rejects: {rejects}: not replaced: it is an input")
        on_error = "skip" if rejects or skips else self.settings.on_error
        with contextlib.ExitStack() as stack:
            sink = stack.enter_context(self.side_file(rejects)) if rejects else None
            ledger = Ledger(on_error, sink, hint)
            yield ledger
            ledger.close()

    @contextlib.contextmanager
    def side_file(self, path: str) -> Iterator[TextIO]:
        """Open a file that says what was not written. It appears with the output, also if the output is withheld."""
        if self._is_publishing or is_stream(path):
            with self._open(path) as sink:
                yield sink
            return
        publication = self.publication or Publication(Path(path))
        try:
            with publication.open(Path(path)) as sink:
                yield sink
            publication.commit(lambda: "")
        finally:
            if publication is not self.publication:
                with HeldSignals():
                    publication.release()
