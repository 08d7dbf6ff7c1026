"""The importance of weights: of mean 1, added up over tasks, kept with a checkpoint."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from sft_cli.run.errors import UserError
from sft_cli.training.continual.importance import FILE, Importance, check_fits, read_importance


def of(values: list[float], **facts: float) -> Importance:
    return Importance.normalised("ewc", {"w": torch.tensor(values)}, facts)


def test_it_has_mean_one_and_remembers_what_it_was_divided_by() -> None:
    found = of([1.0, 3.0, 8.0])
    assert found.values["w"].tolist() == [0.25, 0.75, 2.0]
    assert found.raw_mean == 4.0


def test_tasks_add_up_and_older_ones_fade(tmp_path: Path) -> None:
    first, second = of([1.0, 1.0]), of([2.0, 0.0], rows=7)
    both = second.after(first, 0.5)
    assert both.values["w"].tolist() == [2.5, 0.5]
    assert second.after(None, 0.5) is second
    assert both.raw_mean is None  # a sum over tasks is of no one scale
    both.save(tmp_path)
    again = read_importance(str(tmp_path))
    assert again is not None
    assert torch.equal(again.values["w"], both.values["w"])
    assert again.tasks == [{"raw_mean": 1.0}, {"rows": 7, "raw_mean": 1.0, "decay": 0.5}]
    assert (tmp_path / "continual" / "importance.safetensors").is_file()  # not beside the weights: vLLM reads all there


def test_what_does_not_fit_is_told(tmp_path: Path) -> None:
    assert read_importance(str(tmp_path)) is None
    found = of([1.0, 2.0])
    assert check_fits(found, {"w": (2,), "v": (2,)}, "there") == 0.5
    with pytest.raises(UserError, match=r"there: w: expected the shape \(3,\), got \(2,\) of another model"):
        check_fits(found, {"w": (3,)}, "there")
    with pytest.raises(UserError, match="there: has no importance for any trained weight"):
        check_fits(found, {"v": (2,)}, "there")
    (tmp_path / FILE).parent.mkdir()
    (tmp_path / FILE).write_bytes(b"no tensors")
    with pytest.raises(UserError, match="expected a file of --record-importance, got another file"):
        read_importance(str(tmp_path))
