"""The time and memory that a dry run tells."""

from __future__ import annotations

from typing import Any

import pytest
from small_training import OBJECTIVE, corpus, settings

from sft_cli.model.load import load_model
from sft_cli.training import dry_run
from sft_cli.training.compute import Compute
from sft_cli.training.rows.row_sets import RowSets
from sft_cli.training.setup import Setup


def test_seconds_are_those_of_the_tokens_and_of_the_updates_and_of_the_first_touch(
    tiny: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: list[tuple[tuple[int, ...], bool]] = []
    # The largest twice with an update, the median twice without, the largest without.
    answers = iter([10.0, 4.0, 2.5, 2.0, 3.0])

    def seconds(setup: Any, objective: Any, state: Any, rows: list[int], steps: bool) -> float:
        taken.append((tuple(rows), steps))
        return next(answers)

    monkeypatch.setattr(dry_run, "_seconds", seconds)
    rows = corpus()
    chosen = settings(batch_size=4, epochs=5, microbatch_tokens=1)  # every row is a micro-batch
    nothing: Any = None
    compute = Compute(load_model(str(tiny)), microbatch_tokens=1)
    line = dry_run.expected(Setup(chosen, nothing, nothing, RowSets(rows), compute), OBJECTIVE)
    lengths = sorted(rows.lengths.tolist())
    assert [steps for _, steps in taken] == [True, True, False, False, False]
    assert int(rows.lengths[list(taken[0][0])].sum()) == lengths[-1]
    assert int(rows.lengths[list(taken[2][0])].sum()) == lengths[len(lengths) // 2]
    total = (10.0 - 4.0) + 5 * rows.tokens * 2.0 / lengths[len(lengths) // 2] + 10 * (4.0 - 3.0)
    assert line.startswith(f"estimate: about {dry_run.duration(total)} for 10 steps, ")


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0 s"), (59.6, "1 min 0 s"), (725, "12 min 5 s"), (12000, "3 h 20 min")]
)
def test_durations_are_read_by_people(seconds: float, text: str) -> None:
    assert dry_run.duration(seconds) == text
