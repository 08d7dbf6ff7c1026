"""States of an unfinished run: saved, found, and restored exactly."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from sft_cli.model.checkpoint import disk_errors, save_checkpoint
from sft_cli.run.errors import UserError
from sft_cli.run.output import put_in_place, remove_folder, saved_states, scratch_folders, sync
from sft_cli.training.best import Best
from sft_cli.training.loop import LoopState, Position
from sft_cli.training.processes.sharding import cut_optimizer_state, load_sharded, save_sharded, whole_weights
from sft_cli.training.processes.world import World
from sft_cli.training.saving.request import refuse_differences
from sft_cli.training.saving.tensors import (
    apart,
    flatten,
    random_states,
    restore_random_states,
    restore_weights,
    saved_weights,
    trained_weights,
    unflatten,
)

METRICS_FILE = "metrics.jsonl"


@dataclass
class States:
    """The states of a run, in its `OUT.partial`: folders `step-000200/`, the newest `keep` of them.

    A state is a checkpoint that can be loaded, with the optimizer's state, torch's random state, the position in the
    plan and in metrics.jsonl, and the request of the run (`request`, which only the main process knows). The state of a
    sharded run is not a checkpoint: it has each process's part of weights and optimizer state instead. All processes
    call the methods that take a `LoopState`; the main process writes, except for parts.

    With `best`, the weights of its step are in `best-000150/`, as long as a state refers to them.
    """

    folder: Path
    tokenizer: Any
    keep: int
    request: dict[str, Any]
    best: Best
    before: dict[str, Any] = field(default_factory=dict)  # measured before the first step
    is_resumed: bool = False
    dtype: str = "float32"  # of the published weights; a state has them as in training

    def save(self, state: LoopState) -> None:
        """Write the state after `state.at.step` steps; it appears whole and on disk, or not at all."""
        world, target = state.world, self.folder / _name("step", state.at.step)
        if world.of_main(lambda: target in saved_states(self.folder)):
            return  # already saved at this step, by this run or by the run that it continues
        with disk_errors(target, self.way_on):
            if world.is_main and (self.folder / METRICS_FILE).exists():
                sync(self.folder / METRICS_FILE)
            self._place(state, target, self._write_state)
        if world.is_main:
            self._prune()

    def save_best(self, state: LoopState) -> None:
        """Write the current weights, the best so far, as a checkpoint."""
        world, target = state.world, self.folder / _name("best", state.at.step)
        with disk_errors(target, self.way_on):
            self._place(state, target, self._write_checkpoint)
        if world.is_main:
            self._prune()

    def _place(self, state: LoopState, target: Path, write: Callable[[Path, LoopState], None]) -> None:
        """Let all processes `write` into a folder that appears as `target` when it is whole and on disk."""
        world, temporary = state.world, target.with_name(target.name + "-tmp")
        try:
            with world.main_first():
                if world.is_main:
                    shutil.rmtree(temporary, ignore_errors=True)
                    temporary.mkdir()
            write(temporary, state)
            with world.main_first():
                if world.is_main:
                    for path in (*temporary.rglob("*"), temporary):
                        sync(path)
                    put_in_place(temporary, target)
                    sync(self.folder)
        finally:
            if world.is_main:
                shutil.rmtree(temporary, ignore_errors=True)

    def _write_checkpoint(self, folder: Path, state: LoopState) -> None:
        world = state.world
        weights = whole_weights(state.model, world.is_main) if world.is_sharded else None
        if world.is_main:
            save_checkpoint(state.model, self.tokenizer, folder, weights, self.dtype)

    def _write_state(self, folder: Path, state: LoopState) -> None:
        world, metrics = state.world, self.folder / METRICS_FILE
        random = random_states(state.model)  # before any use of random numbers
        document: dict[str, Any] = {
            "schema": 1,
            "request": self.request,
            "at": dataclasses.asdict(state.at),
            "before": self.before,
            "best": dataclasses.asdict(self.best),
            "processes": world.size,
            "is_sharded": world.is_sharded,
        }
        if world.is_sharded:
            save_sharded(folder, state.model, state.optimizer, world)
        elif world.is_main:
            document |= self._write_whole(folder, state)
        if world.is_main:
            document["metrics_bytes"] = metrics.stat().st_size if metrics.exists() else 0
            save_file(apart(random), folder / "random.safetensors")
            document["files"] = {path.name: path.stat().st_size for path in sorted(folder.iterdir()) if path.is_file()}
            (folder / "state.json").write_text(json.dumps(document) + "\n", encoding="utf-8")

    def _write_whole(self, folder: Path, state: LoopState) -> dict[str, Any]:
        """Write a checkpoint, weights that it stores in another form, and the optimizer's state.

        Return their places.
        """
        save_checkpoint(state.model, self.tokenizer, folder)
        weights = trained_weights(state.model)
        places = saved_weights(weights, folder)
        rest = {name: tensor for name, tensor in weights.items() if name not in places}
        tensors: dict[str, Tensor] = {}
        optimizer = flatten(state.optimizer.state_dict(), tensors)
        continual = {
            f"{place}/{name}": tensor
            for place, method in enumerate(state.continual)
            for name, tensor in method.state().items()
        }
        contents = {"weights": rest, "optimizer": tensors} | ({"continual": continual} if continual else {})
        for name, content in contents.items():
            save_file(apart(content), folder / f"{name}.safetensors")
        return {
            "weights": {**places, **dict.fromkeys(rest, "weights.safetensors")},
            "optimizer": optimizer,
        }

    def _prune(self) -> None:
        states = saved_states(self.folder)
        for old in states[self.keep :]:
            remove_folder(old)
        kept = {self.best.step, *(_read_state(path)["best"]["step"] for path in states[: self.keep])}
        for folder in self.folder.glob("best-*"):
            if folder.name not in {_name("best", step) for step in kept}:
                remove_folder(folder)
        for rest in scratch_folders(self.folder):
            if rest.name.startswith("."):  # a run was killed while it removed this one
                shutil.rmtree(rest)

    def newest(self) -> tuple[Path, dict[str, Any]] | None:
        """The newest whole state, and its state.json; newer damaged states are removed."""
        for path in saved_states(self.folder):
            document = _read_state(path)
            sizes = document.get("files", {"state.json": None})
            if all((path / name).is_file() and (path / name).stat().st_size == size for name, size in sizes.items()):
                return path, document
            remove_folder(path)  # otherwise the next saved states would count as older
        return None

    def restore(self, state: LoopState) -> str:
        """Restore the newest state into `state` and cut metrics.jsonl to it; return a message about it.

        Raises UserError if the request of the run has changed.
        """
        world = state.world
        newest = world.of_main(self._find)
        if newest is None:
            return f"--resume: nothing to resume in {self.folder}; starting with the first step"
        path, document = Path(newest[0]), newest[1]
        if document.get("is_sharded"):
            load_sharded(path, state.model, state.optimizer)
        else:
            restore_weights(state.model, path, document["weights"])
            with safe_open(path / "optimizer.safetensors", "pt") as tensors:
                whole = unflatten(document["optimizer"], lambda name: tensors.get_tensor(name).clone())
            state.optimizer.load_state_dict(cut_optimizer_state(state.optimizer, whole))
            self._restore_continual(path / "continual.safetensors", state)
        restore_random_states(state.model, path / "random.safetensors")
        state.at = Position(**document["at"])
        self.before, self.is_resumed = document["before"], True
        for name in ("step", "measured", "waited"):
            setattr(self.best, name, document["best"][name])
        world.wait_for_all()
        if world.is_main:
            os.truncate(self.folder / METRICS_FILE, document["metrics_bytes"])
            self._prune()
        return f"resuming after step {state.at.step} of {len(state.plan)}, from {path}{self._note(document, world)}"

    def _restore_continual(self, path: Path, state: LoopState) -> None:
        if path.exists():  # most methods against forgetting have no state
            with safe_open(path, "pt") as tensors:
                for place, method in enumerate(state.continual):
                    method.restore({name: tensors.get_tensor(f"{place}/{name}") for name in method.state()})

    def _find(self) -> tuple[str, dict[str, Any]] | None:
        """The newest state, if its request equals the current request and metrics.jsonl is long enough."""
        newest = self.newest()
        if newest is None:
            return None
        path, document = newest
        refuse_differences(path, document["request"], self.request)
        metrics = self.folder / METRICS_FILE
        if (metrics.stat().st_size if metrics.exists() else 0) < document["metrics_bytes"]:
            raise UserError(
                f"{metrics}: the file has fewer lines than {path.name} says; it was changed after the run stopped"
            )
        return str(path), document

    def _note(self, document: dict[str, Any], world: World) -> str:
        if not world.is_main:
            return ""  # other processes do not know the request, and print nothing
        then = {**document["request"]["versions"], "number of processes": document.get("processes", 1)}
        then["--shard"] = document.get("is_sharded", False)
        now = {**self.request["versions"], "number of processes": world.size, "--shard": world.is_sharded}
        changed = [f"{name} was {then.get(name)}, is {now[name]}" for name in now if then.get(name) != now[name]]
        return (
            f"\nnote: {', '.join(changed)}: the numbers may differ in their last digits from those of an "
            "uninterrupted run"
            if changed
            else ""
        )

    def way_on(self) -> str:
        """The hint for continuing a run that the disk has stopped."""
        states = saved_states(self.folder)
        return "free some disk space" + (f"; then --resume continues after {states[0].name}" if states else "")

    def way_back(self, is_adapter: bool) -> str:
        """The place of the last good weights, for a failed run."""
        states = saved_states(self.folder)
        if not states:
            return "nothing was saved (--save-every N saves states)"
        if _read_state(states[0]).get("is_sharded"):
            return f"the last saved state is in {states[0]}"
        if is_adapter:
            return f"the last saved adapter is in {states[0]}"
        return f"--model {states[0]} with another --out starts again from the last saved weights"

    def publish(self, state: LoopState, wants_best: bool) -> bool:
        """Write the checkpoint of the run; return whether it is of the best step instead of the last."""
        best = self.folder / _name("best", self.best.step)
        is_best = wants_best and self.best.step > 0
        with disk_errors(self.folder, self.way_on):
            if not is_best:
                self._write_checkpoint(self.folder, state)
            elif state.world.is_main:
                # Links: the disk may be too full for a copy, and a state still needs the folder.
                shutil.copytree(best, self.folder, copy_function=_link, dirs_exist_ok=True)
        return is_best


def _name(kind: str, step: int) -> str:
    return f"{kind}-{step:06d}"


def _read_state(path: Path) -> dict[str, Any]:
    try:
        document = json.loads((path / "state.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {"best": {"step": 0}}
    return dict(document)


def _link(source: str, target: str) -> None:
    Path(target).unlink(missing_ok=True)
    try:
        os.link(source, target)
    except OSError:  # a file system without links
        shutil.copyfile(source, target)
