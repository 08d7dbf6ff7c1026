"""A loss and its options come from the flags; training lowers it; a flag that would do nothing is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from training_files import step_lines

from sft_cli.losses import LOSSES
from sft_cli.losses.focal import focal
from sft_cli.losses.label_smoothing import label_smoothing
from sft_cli.run.errors import UserError
from sft_cli.training.objective import chosen_loss
from sft_cli.training.settings import TrainSettings
from sft_cli.training.settings.checks import check_loss
from sft_cli.training.tables import LOSS_OPTIONS

LOGITS = torch.randn(4, 9, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
LABELS = torch.tensor([0, 8, 3, 1])


def values(**flags: Any) -> torch.Tensor:
    settings = TrainSettings(model="tiny", **flags)
    check_loss(settings)
    return chosen_loss(settings)(LOGITS, LABELS)


def test_flags_choose_the_loss_and_its_options() -> None:
    assert torch.equal(values(), LOSSES.load("cross-entropy")(LOGITS, LABELS))
    assert torch.equal(values(loss="focal"), focal(LOGITS, LABELS, 2.0))
    assert torch.equal(values(loss="focal", focal_gamma=5.0), focal(LOGITS, LABELS, 5.0))
    assert torch.equal(values(loss="focal", focal_gamma=0.0), LOSSES.load("cross-entropy")(LOGITS, LABELS))
    assert torch.equal(values(loss="label-smoothing"), label_smoothing(LOGITS, LABELS, 0.1))
    assert torch.equal(values(loss="label-smoothing", label_smoothing=0.3), label_smoothing(LOGITS, LABELS, 0.3))


def test_the_options_are_those_of_losses_in_the_table() -> None:
    assert set(LOSS_OPTIONS) <= set(LOSSES)


@pytest.mark.parametrize("name", list(LOSSES))
@pytest.mark.parametrize(
    ("owner", "field"), [(name, field) for name, options in LOSS_OPTIONS.items() for field in options.values()]
)
def test_an_option_of_another_loss_is_refused(name: str, owner: str, field: str) -> None:
    flags: dict[str, Any] = {"loss": name, field: 0.0}
    if name == owner:
        values(**flags)
        return
    flag = "--" + field.replace("_", "-")
    with pytest.raises(UserError, match=f"^{flag}: expected --loss {owner}, got --loss {name}, which does not use it$"):
        values(**flags)


def test_messages_of_the_command(sft: Any, tiny: Path, rows_file: Path, tmp_path: Path) -> None:
    def error(*flags: Any, command: str = "train") -> str:
        teacher = ("--teacher", tiny) if command == "distill" else ()
        result = sft(command, rows_file, "--model", tiny, "-o", tmp_path / "run", *teacher, *flags)
        assert (result.code, "Traceback" in result.err) == (2, False)
        return str(result.err)

    useless = "--focal-gamma: expected --loss focal, got --loss cross-entropy, which does not use it"
    assert useless in error("--focal-gamma", 3)
    assert useless in error("--focal-gamma", 3, "--dry-run")
    assert useless in error("--focal-gamma", 3, command="distill")
    assert "--label-smoothing: expected --loss label-smoothing, got --loss focal" in error(
        "--loss", "focal", "--label-smoothing", 0.1
    )
    assert "--focal-gamma: expected at least 0, got -1.0" in error("--loss", "focal", "--focal-gamma", -1)
    assert "--label-smoothing: expected at most 1, got 1.5" in error("--label-smoothing", 1.5)
    assert "--loss: expected cross-entropy, which distillation combines with KL, got 'dft'" in error(
        "--loss", "dft", command="distill"
    )
    assert not (tmp_path / "run").exists()


FLAGS = {"focal": ("--focal-gamma", 1.5), "label-smoothing": ("--label-smoothing", 0.2)}


@pytest.mark.slow
@pytest.mark.parametrize("adapter", ["none", "lora"])
@pytest.mark.parametrize("name", list(LOSSES))
def test_training_lowers_the_loss_that_was_asked_for(
    sft: Any, tiny: Path, rows_file: Path, tmp_path: Path, name: str, adapter: str
) -> None:
    out = tmp_path / "run"
    steps = ("--epochs", 6, "--batch-size", 8, "--learning-rate", 1e-2, "--warmup", 0, "--dtype", "float32")
    flags = ("--loss", name, *FLAGS.get(name, ()), "--adapter", adapter, "--eval-data", rows_file)
    result = sft("train", rows_file, "--model", tiny, "-o", out, *steps, *flags)
    assert result.code == 0, result.err
    lines = step_lines(out)
    losses = [line["loss"] for line in lines]
    # DFT, p·(−log p), rises with p up to p = 1/e; what training must raise is p, which the held-out loss shows.
    measured = [line["eval_loss"] for line in lines] if name == "dft" else losses
    assert measured[-1] < 0.95 * measured[0], losses
    config = json.loads((out / "manifest.json").read_text())["config"]
    assert config["loss"] == name
    assert config["focal_gamma"] == (1.5 if name == "focal" else None)
