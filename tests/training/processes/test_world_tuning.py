"""Whatever is tuned, and by which optimizer, several processes train as one does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from processes import sft, together
from several_processes import HOW, QUICK, assert_same_run

from sft_cli.run.errors import UserError
from sft_cli.training.settings import TrainSettings
from sft_cli.training.settings.checks import NOT_SHARDED, check_adapter_flags

KINDS: dict[str, tuple[Any, ...]] = {
    "dora": ("--adapter", "dora"),
    "lora-plus": ("--adapter", "lora-plus"),
    "pissa": ("--adapter", "pissa", "--rank", 4),
    "corda": ("--adapter", "corda", "--rank", 4),
    "ia3": ("--adapter", "ia3"),
    "osf": ("--adapter", "osf"),
    "progressive": ("--adapter", "progressive", "--column-ratio", 4, "--column-stride", 1),
    "progressive-lora": ("--adapter", "progressive-lora", "--rank", 4),
    "frozen": ("--freeze-bottom", 1),
    "adafactor": ("--optimizer", "adafactor"),
    "sgd": ("--optimizer", "sgd", "--momentum", 0.9),
    "checkpointed": ("--checkpoint-activations",),
}


@pytest.mark.slow
@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("kind", KINDS)
def test_two_processes_tune_as_one(tiny: Path, rows: Path, tmp_path: Path, kind: str, how: str) -> None:
    if how == "fsdp2" and kind in (*NOT_SHARDED["adapter"], *NOT_SHARDED["optimizer"]):
        pytest.skip("refused, see below")
    command = ("train", rows, "--model", tiny, *QUICK, *KINDS[kind], "--max-steps", 4, "--learning-rate", 1e-3)
    assert sft(*command, "-o", tmp_path / "one")[0] == 0
    main, other = together(sft, *command, "-o", tmp_path / "two", *HOW[how])
    assert (main[0], other) == (0, (0, "", "")), main
    (file,) = (tmp_path / "one").glob("*model.safetensors")
    assert_same_run(tmp_path / "one", tmp_path / "two", file.name)


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in NOT_SHARDED.items() for value in values])
def test_what_cannot_be_cut_into_parts_is_refused(name: str, value: Any) -> None:
    settings: Any = {"model": "tiny", "data": ["d"], name: value}
    what = "--compile" if value is True else f"--{name} {value}"
    with pytest.raises(UserError, match=f"--shard: does not work with {what}\nhint: without --shard"):
        check_adapter_flags(TrainSettings(**settings, shard=True))
