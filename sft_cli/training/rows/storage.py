"""Encoded rows as flat arrays: in memory if they are few, in mapped files if they are many.

Flat arrays and not Arrow: they are written by appending, and a row is two slices of a mapped array (a microsecond); an
Arrow list must first become a Python object. Weights are stored as runs of equal weights, about three per row.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sft_cli.encoding.encoder import Example
from sft_cli.run.errors import UserError

RowArrays = dict[str, np.ndarray]

# For each row; these are read into memory.
ROW_ARRAYS = {
    "lengths": np.int32,  # tokens
    "runs": np.int32,  # runs of equal weights
    "weight_sums": np.float64,
    "target_counts": np.int32,
    "seam_merges": np.int32,
    "flags": np.uint8,  # 1: has_stop, 2: is_text, 4: is_replay
    "task_numbers": np.int32,
    "difficulties": np.float64,  # the numbers by which --order curriculum sorts
    "id_lengths": np.int32,  # bytes
}
# For all rows, end to end; these are mapped.
FLAT_ARRAYS = {"ids": np.int32, "run_tokens": np.int32, "run_weights": np.float32, "id_bytes": np.uint8}
ARRAYS: dict[str, Any] = {**ROW_ARRAYS, **FLAT_ARRAYS}
HAS_STOP, IS_TEXT, IS_REPLAY = 1, 2, 4
FACTS = "facts.json"  # written last: it shows that the arrays are complete
SPILL = 64 << 20  # bytes in memory before arrays go to files


def arrays_of(
    examples: Sequence[Example],
    row_ids: Sequence[str],
    task_numbers: Sequence[int],
    difficulties: Sequence[float],
    replays: Sequence[bool],
) -> RowArrays:
    """The arrays of some rows; each row has at least one token."""
    lengths = np.array([len(example.ids) for example in examples], dtype=np.int32)
    ends = np.cumsum(lengths, dtype=np.int64)
    nothing = np.zeros(0, dtype=np.float32)
    weights = np.concatenate([nothing, *(example.weights for example in examples)])
    begins = np.ones(len(weights), dtype=bool)  # of a run: a new weight, or a new row
    begins[1:] = weights[1:] != weights[:-1]
    begins[ends[:-1]] = True
    places = np.flatnonzero(begins)
    first_runs = np.searchsorted(places, ends - lengths)
    run_tokens = np.diff(places, append=len(weights)).astype(np.int32)
    run_weights = weights[places]
    encoded = [row_id.encode("utf-8", "surrogatepass") for row_id in row_ids]
    totals = [run_weights.astype(np.float64) * run_tokens, np.where(run_weights != 0, run_tokens, 0)]
    sums = [np.add.reduceat(total, first_runs) if len(examples) else total[:0] for total in totals]
    return {
        "lengths": lengths,
        "runs": np.diff(first_runs, append=len(places)).astype(np.int32),
        "weight_sums": sums[0],
        "target_counts": sums[1].astype(np.int32),
        "seam_merges": np.array([example.seam_merges for example in examples], dtype=np.int32),
        "flags": np.array(
            [
                HAS_STOP * example.has_stop + IS_TEXT * example.is_text + IS_REPLAY * is_replay
                for example, is_replay in zip(examples, replays, strict=True)
            ],
            dtype=np.uint8,
        ),
        "task_numbers": np.array(task_numbers, dtype=np.int32),
        "difficulties": np.array(difficulties, dtype=np.float64),
        "id_lengths": np.array([len(row_id) for row_id in encoded], dtype=np.int32),
        "ids": np.concatenate([np.zeros(0, dtype=np.int32), *(example.ids for example in examples)]),
        "run_tokens": run_tokens,
        "run_weights": run_weights,
        "id_bytes": np.frombuffer(b"".join(encoded), dtype=np.uint8),
    }


class RowWriter:
    """Turns rows into arrays; keeps at most `SPILL` bytes in memory, the rest goes to files in a folder."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder  # made when it is needed; a temporary folder if None
        self.task_names: list[str] = []
        self.tokens = 0
        self.weight_sum = 0.0
        self.highest_id = -1  # of all tokens; found here, because a later search would read all files
        self._tasks: dict[str, int] = {}
        self._held: dict[str, list[bytes]] = {name: [] for name in ARRAYS}
        self._held_bytes = 0
        self._is_spilled = False

    def append(
        self,
        examples: Sequence[Example],
        row_ids: Sequence[str],
        tasks: Sequence[str],
        difficulties: Sequence[float] = (),
        replays: Sequence[bool] = (),
    ) -> None:
        """Add rows; by default their difficulties are 0, and none is replayed."""
        self.tokens += sum(len(example.ids) for example in examples)
        self.weight_sum += sum(float(example.weights.sum(dtype=np.float64)) for example in examples)
        numbers = [self._tasks.setdefault(task, len(self._tasks)) for task in tasks]
        self.highest_id = max([self.highest_id, *(int(example.ids.max()) for example in examples)])
        difficulties, replays = difficulties or [0.0] * len(examples), replays or [False] * len(examples)
        for name, values in arrays_of(examples, row_ids, numbers, difficulties, replays).items():
            self._held[name].append(values.tobytes())
            self._held_bytes += values.nbytes
        if self._held_bytes > SPILL:
            self._write()

    def columns(self) -> RowArrays:
        """All arrays. Raises AssertionError if a token or a weight was lost."""
        if self._is_spilled:
            columns = map_arrays(self._write())
        else:
            columns = {name: np.frombuffer(b"".join(self._held[name]), dtype=kind) for name, kind in ARRAYS.items()}
        self.task_names = list(self._tasks)
        self._check(columns)
        return columns

    def save(self, facts: dict[str, Any]) -> Path:
        """Write all arrays and `facts` to the folder; return the folder."""
        folder = self._write()
        sizes = {name: column_file(folder, name).stat().st_size for name in ARRAYS}
        (folder / FACTS).write_text(json.dumps({**facts, "bytes": sizes}, ensure_ascii=False), encoding="utf-8")
        return folder

    def close(self) -> None:
        """Remove the files, unless they were moved; mapped arrays stay readable."""
        if self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)

    def _write(self) -> Path:
        try:
            self.folder = self.folder or Path(tempfile.mkdtemp(prefix="sft-rows-"))
            self.folder.mkdir(parents=True, exist_ok=True)
            self._is_spilled = True
            for name, blocks in self._held.items():
                with open(column_file(self.folder, name), "ab") as sink:
                    sink.writelines(blocks)
                blocks.clear()
        except OSError as error:
            raise UserError(
                f"{self.folder or tempfile.gettempdir()}: cannot write encoded rows: {error.strerror}\n"
                "hint: SFT_CACHE sets another folder; --no-token-cache writes to the folder of TMPDIR"
            ) from error
        self._held_bytes = 0
        return self.folder

    def _check(self, columns: RowArrays) -> None:
        counts = {
            len(columns["ids"]),
            int(columns["lengths"].sum(dtype=np.int64)),
            int(columns["run_tokens"].sum(dtype=np.int64)),
            self.tokens,
        }
        weights = float(columns["weight_sums"].sum())
        if len(counts) > 1 or abs(weights - self.weight_sum) > 1e-9 * max(1.0, abs(self.weight_sum)):
            raise AssertionError(
                f"the stored rows are not the encoded rows: {sorted(counts)} tokens, weights {weights!r}, "
                f"expected {self.weight_sum!r}; the disk or sft may have a fault"
            )


def column_file(folder: Path, name: str) -> Path:
    """The file of an array."""
    return folder / f"{name}.{np.dtype(ARRAYS[name]).name}"


def map_arrays(folder: Path) -> RowArrays:
    """The arrays in a folder: those for tokens are mapped, those for rows are read."""
    columns: RowArrays = {name: np.fromfile(column_file(folder, name), dtype=kind) for name, kind in ROW_ARRAYS.items()}
    for name, kind in FLAT_ARRAYS.items():
        path = column_file(folder, name)
        is_empty = path.stat().st_size == 0  # an empty file cannot be mapped
        columns[name] = np.zeros(0, dtype=kind) if is_empty else np.asarray(np.memmap(path, dtype=kind, mode="r"))
    return columns


def read_facts(folder: Path) -> dict[str, Any] | None:
    """The facts that were saved with arrays, or None if the arrays are missing or have changed."""
    try:
        facts = json.loads((folder / FACTS).read_text(encoding="utf-8"))
        sizes = {name: column_file(folder, name).stat().st_size for name in ARRAYS}
    except (OSError, ValueError):
        return None
    return facts if isinstance(facts, dict) and facts.get("bytes") == sizes else None
