"""States of a run that has not finished: saved, found again, and put back to the bit."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from sft_cli.model.checkpoint import disk_errors, save_checkpoint
from sft_cli.run.errors import UserError
from sft_cli.run.output import publish_directory, saved_states, sync
from sft_cli.training.flatten import flatten, unflatten
from sft_cli.training.loop import LoopState, Position
from sft_cli.training.request import refuse_differences
from sft_cli.training.sharding import whole_weights
from sft_cli.training.stopping import Best

METRICS = "metrics.jsonl"


@dataclass
class States:
    """The states of a run, in its `OUT.partial`: folders `step-000200/`, the newest `keep` of them.

    A state is a checkpoint that loads as one, and beside it the optimizer's state, torch's random state, the position
    in the plan and in metrics.jsonl, and what the run was asked for (`request`). With `best` weights kept, those of
    its step lie in `best-000150/`, for as long as a state refers to them.
    """

    folder: Path
    tokenizer: Any
    keep: int
    request: dict[str, Any]
    best: Best
    before: dict[str, Any] = field(default_factory=dict)  # measured before the first step
    is_resumed: bool = False

    def save(self, state: LoopState) -> None:
        """Write the state after `state.at.step` steps; it is there whole, and on disk, or not at all."""
        target = self.folder / _name("step", state.at.step)
        if target in saved_states(self.folder):
            return  # saved at this step already, by this run or by the one that it goes on with
        with disk_errors(target, self.way_on):
            if (self.folder / METRICS).exists():
                sync(self.folder / METRICS)
            self._place(state, "step", self._write_state)
        self._prune()

    def save_best(self, state: LoopState) -> None:
        """Write the weights as they are now, the best so far, as a checkpoint."""
        with disk_errors(self.folder / _name("best", state.at.step), self.way_on):
            self._place(state, "best", lambda folder, state: save_checkpoint(state.model, self.tokenizer, folder))
        self._prune()

    def _place(self, state: LoopState, kind: str, write: Callable[[Path, LoopState], None]) -> None:
        target = self.folder / _name(kind, state.at.step)
        temporary = target.with_name(target.name + "-tmp")
        shutil.rmtree(temporary, ignore_errors=True)
        try:
            temporary.mkdir()
            write(temporary, state)
            for path in (*temporary.rglob("*"), temporary):
                sync(path)
            publish_directory(temporary, target)
            sync(self.folder)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)

    def _write_state(self, folder: Path, state: LoopState) -> None:
        metrics = self.folder / METRICS
        random = random_states(state.model)  # before anything may draw
        save_checkpoint(state.model, self.tokenizer, folder)
        weights = trained_weights(state.model)
        places = saved_weights(weights, folder)
        rest = {name: tensor for name, tensor in weights.items() if name not in places}
        tensors: dict[str, Tensor] = {}
        document = {
            "schema": 1,
            "request": self.request,
            "at": dataclasses.asdict(state.at),
            "before": self.before,
            "best": dataclasses.asdict(self.best),
            "metrics_bytes": metrics.stat().st_size if metrics.exists() else 0,
            "weights": {**places, **dict.fromkeys(rest, "weights.safetensors")},
            "optimizer": flatten(state.optimizer.state_dict(), tensors),
        }
        for name, content in {"weights": rest, "optimizer": tensors, "random": random}.items():
            save_file(_apart(content), folder / f"{name}.safetensors")
        document["files"] = {path.name: path.stat().st_size for path in sorted(folder.iterdir()) if path.is_file()}
        (folder / "state.json").write_text(json.dumps(document) + "\n", encoding="utf-8")

    def _prune(self) -> None:
        states = saved_states(self.folder)
        for old in states[self.keep :]:
            shutil.rmtree(old)
        kept = {self.best.step, *(_read(path)["best"]["step"] for path in states[: self.keep])}
        for folder in self.folder.glob("best-*"):
            if folder.name not in {_name("best", step) for step in kept}:
                shutil.rmtree(folder)

    def newest(self) -> tuple[Path, dict[str, Any]] | None:
        """The newest state that is whole, and what its state.json says; damaged ones that are newer are removed."""
        for path in saved_states(self.folder):
            document = _read(path)
            sizes = document.get("files", {"state.json": None})
            if all((path / name).is_file() and (path / name).stat().st_size == size for name, size in sizes.items()):
                return path, document
            shutil.rmtree(path)  # else the states that are saved next would count as older than it
        return None

    def restore(self, state: LoopState) -> str:
        """Put the newest state back into `state` and cut metrics.jsonl to it; gives what to say of it.

        Raises UserError if the run was asked for something else then.
        """
        found = self.newest()
        if found is None:
            return f"--resume: nothing to resume in {self.folder}; beginning with the first step"
        path, document = found
        refuse_differences(path, document["request"], self.request)
        metrics = self.folder / METRICS
        if (metrics.stat().st_size if metrics.exists() else 0) < document["metrics_bytes"]:
            raise UserError(f"{metrics}: is shorter than when {path.name} was saved, so that its lines are lost")
        _restore_weights(state.model, path, document["weights"])
        with safe_open(path / "optimizer.safetensors", "pt") as tensors:
            state.optimizer.load_state_dict(
                unflatten(document["optimizer"], lambda name: tensors.get_tensor(name).clone())
            )
        restore_random_states(state.model, path / "random.safetensors")
        state.at = Position(**document["at"])
        self.before, self.is_resumed = document["before"], True
        for name in ("step", "measured", "waited"):
            setattr(self.best, name, document["best"][name])
        os.truncate(metrics, document["metrics_bytes"])
        self._prune()
        then, now = document["request"]["versions"], self.request["versions"]
        changed = [f"{name} was {then.get(name)}, is {now[name]}" for name in now if then.get(name) != now[name]]
        note = f"\nnote: {', '.join(changed)}: the last bits may differ from a run without a stop" if changed else ""
        return f"resuming after step {state.at.step} of {len(state.plan)}, from {path}{note}"

    def way_on(self) -> str:
        """How a run that the disk has stopped goes on."""
        states = saved_states(self.folder)
        return "free some disk space" + (f", then --resume goes on after {states[0].name}" if states else "")

    def way_back(self, is_adapter: bool) -> str:
        """Where the last good weights are, for a run that has gone wrong."""
        states = saved_states(self.folder)
        if not states:
            return "nothing was saved (--save-every saves)"
        if is_adapter:
            return f"{states[0]} holds the last adapter that was saved"
        return f"--model {states[0]} with another --out begins again from the last weights that were saved"

    def publish(self, state: LoopState, wants_best: bool) -> bool:
        """Write the run's checkpoint, called by all processes; gives whether it is that of the best step rather than of the last."""
        world, best = state.world, self.folder / _name("best", self.best.step)
        is_best = wants_best and self.best.step > 0
        weights = whole_weights(state.model, world.is_main) if world.is_sharded and not is_best else None
        if world.is_main:
            with disk_errors(self.folder, self.way_on):
                if is_best:
                    # Links: the disk may be too full for a copy, and a state still needs the folder.
                    shutil.copytree(best, self.folder, copy_function=_link, dirs_exist_ok=True)
                else:
                    save_checkpoint(state.model, self.tokenizer, self.folder, weights)
        return is_best


def _name(kind: str, step: int) -> str:
    return f"{kind}-{step:06d}"


def _read(path: Path) -> dict[str, Any]:
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


def _apart(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The tensors on the CPU, none sharing memory with another: safetensors refuses that."""
    seen: set[int] = set()
    found = {}
    for name, tensor in tensors.items():
        held = tensor.detach().cpu().contiguous()
        place = held.untyped_storage().data_ptr()
        found[name] = held.clone() if place in seen else held
        seen.add(place)
    return found


def trained_weights(model: Any) -> dict[str, Tensor]:
    """The parameters that train, by name."""
    return {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}


def saved_weights(weights: dict[str, Tensor], folder: Path) -> dict[str, str]:
    """{name: file} of the weights that a checkpoint holds under their own name, equal to the bit."""
    places = {}
    for path in sorted(folder.glob("*.safetensors")):
        with safe_open(path, "pt") as tensors:
            for name in set(tensors.keys()) & set(weights):
                saved, weight = tensors.get_tensor(name), weights[name].detach().cpu()
                if saved.dtype == weight.dtype and torch.equal(saved, weight):
                    places[name] = path.name
    return places


def _restore_weights(model: Any, folder: Path, places: dict[str, str]) -> None:
    weights = trained_weights(model)
    if set(weights) != set(places):
        raise UserError(f"--resume: {folder}: holds other weights than those that train now")
    for file in sorted(set(places.values())):
        with safe_open(folder / file, "pt") as tensors, torch.no_grad():
            for name in (name for name, place in places.items() if place == file):
                weights[name].copy_(tensors.get_tensor(name))


def random_states(model: Any) -> dict[str, Tensor]:
    """Torch's random states: of the CPU, and of the GPU that the model is on."""
    device = next(model.parameters()).device
    states = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        states["cuda"] = torch.cuda.get_rng_state(device)
    return states


def restore_random_states(model: Any, path: Path) -> None:
    """Set what `random_states` gave."""
    device = next(model.parameters()).device
    with safe_open(path, "pt") as tensors:
        torch.set_rng_state(tensors.get_tensor("cpu").clone())
        if device.type == "cuda" and "cuda" in tensors.keys():  # noqa: SIM118 (not a dict)
            torch.cuda.set_rng_state(tensors.get_tensor("cuda").clone(), device)
