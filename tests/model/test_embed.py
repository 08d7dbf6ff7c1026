"""What a model says of rows, packed into micro-batches, is what it says of each alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from small_rows import chat

from sft_cli.model import embed
from sft_cli.model.embed import RowReader, batches_of
from sft_cli.run.errors import FieldError
from sft_cli.run.flags import RunsModel


@pytest.fixture(scope="module")
def reader(tiny: Path) -> RowReader:
    return RowReader.open(str(tiny), RunsModel(dtype="float32"), quiet=True)


@pytest.fixture
def rows(rows_file: Path) -> list[dict[str, Any]]:
    chats = [json.loads(line) for line in rows_file.read_text(encoding="utf-8").splitlines()]
    return [*chats, {"id": "t", "text": "The quick brown fox."}]


def states_of(reader: RowReader, ids: torch.Tensor) -> torch.Tensor:
    """The last hidden states (tokens, d) of one row, by the model's own forward."""
    output = reader.model(input_ids=ids.to(reader.model.device), output_hidden_states=True)
    return output.hidden_states[-1][0].cpu()


@pytest.mark.parametrize("most", [1, 100, 4096])
def test_an_embedding_is_the_mean_state_of_the_row_alone(reader: RowReader, rows: Any, most: int, monkeypatch: Any):
    monkeypatch.setattr(embed, "MOST_TOKENS", most)
    found = reader.embeddings(rows)
    assert (found.dtype, found.shape) == (np.float32, (len(rows), 32))
    for row, embedding in zip(rows, found, strict=True):
        ids = torch.from_numpy(reader.encoder.example(row).ids.astype(np.int64))[None]
        with torch.no_grad():
            mean = states_of(reader, ids).mean(0)
        np.testing.assert_allclose(embedding, (mean / mean.norm()).numpy(), atol=1e-5)


@pytest.mark.parametrize("most", [1, 100, 4096])
def test_a_loss_is_the_mean_over_the_targets_of_the_row_alone(
    reader: RowReader, rows: Any, most: int, monkeypatch: Any
):
    monkeypatch.setattr(embed, "MOST_TOKENS", most)
    rows[3]["messages"][1]["weight"] = 0.25
    rows[4]["weight"] = 3.0
    for row, loss in zip(rows, reader.losses(rows), strict=True):
        example = reader.encoder.example(row)
        ids, weights = torch.from_numpy(example.ids.astype(np.int64)), torch.from_numpy(example.weights)[1:]
        with torch.no_grad():
            logits = reader.model(input_ids=ids[None].to(reader.model.device)).logits[0, :-1].cpu()
        each = torch.nn.functional.cross_entropy(logits, ids[1:], reduction="none")
        assert loss == pytest.approx(float((each * weights).sum() / weights.sum()), rel=1e-5)


def test_a_row_is_read_up_to_the_context(reader: RowReader) -> None:
    long, reader.cut = chat("The fox. " * 200, "b"), 0
    assert reader.check(long) > 256
    assert reader.cut == 1
    whole = reader.encoder.example(long)
    ids = torch.from_numpy(whole.ids[:256].astype(np.int64))[None]
    with torch.no_grad():
        mean = states_of(reader, ids).mean(0)
    np.testing.assert_allclose(reader.embeddings([long])[0], (mean / mean.norm()).numpy(), atol=1e-5)


def test_a_row_without_anything_to_learn_has_no_loss(reader: RowReader) -> None:
    with pytest.raises(FieldError, match="expected a target among its first 256 tokens, got none"):
        reader.check({"id": "q", "messages": [{"role": "user", "content": "q"}]}, needs_target=True)


@given(st.lists(st.integers(1, 50)), st.integers(1, 80))
def test_batches_hold_each_row_once_and_no_more_tokens_than_allowed(lengths: list[int], most: int) -> None:
    batches = batches_of(lengths, most)
    assert sorted(i for members in batches for i in members) == list(range(len(lengths)))
    assert all(len(members) == 1 or sum(lengths[i] for i in members) <= most for members in batches)
