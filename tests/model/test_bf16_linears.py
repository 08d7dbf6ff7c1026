from __future__ import annotations

from pathlib import Path

import pytest
import torch

from sft_cli.model import bf16_linears
from sft_cli.model.load import load_model


@pytest.mark.parametrize("rows", [1, 5, 64, 100])
def test_packed_weights_give_the_same_bits(tiny: Path, rows: int) -> None:
    plain, model = (load_model(str(tiny), "bfloat16") for _ in range(2))
    assert bf16_linears.pack_linears(model) in (0, sum(type(module) is torch.nn.Linear for module in plain.modules()))
    ids = torch.randint(9, (rows, 7), generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        assert torch.equal(model(input_ids=ids).logits, plain(input_ids=ids).logits)


def test_other_models_are_left_alone(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert bf16_linears.pack_linears(load_model(str(tiny), "float32")) == 0
    monkeypatch.setattr(bf16_linears, "MOST_BYTES", 10)
    assert bf16_linears.pack_linears(load_model(str(tiny), "bfloat16")) == 0
