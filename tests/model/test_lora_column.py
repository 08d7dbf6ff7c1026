"""Gated LoRA columns: what is older never changes, what is newer learns, and every way to run them agrees."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from columns import (
    IDS,
    KINDS,
    assert_architecture_takes_columns,
    assert_generation_is_the_same,
    assert_packed_equal_alone,
    examples,
    learn,
    logits,
    of_column,
)
from transformers import AutoModelForCausalLM

from sft_cli.model.adapters import ColumnPlan
from sft_cli.model.adapters.targets import linear_layers
from sft_cli.model.load import load_model
from sft_cli.model.progressive.add import add_column, add_lora_column
from sft_cli.run.errors import UserError


def grown(model: Any, name: str | None = None, laterals: str = "all", rank: int = 4) -> Any:
    return add_lora_column(
        model, ColumnPlan(name, laterals=laterals), rank, 2.0, seed=len(getattr(model, "column_names", []))
    )


@pytest.fixture
def chain(tiny: Path) -> Any:
    """Two trained LoRAs with a network beside the base between them, and a third LoRA that has just begun."""
    model = learn(grown(load_model(str(tiny)), "first"))
    model = learn(add_column(model, ColumnPlan("beside", ratio=2, stride=1), seed=1))
    return grown(learn(grown(model, "second", rank=2)), "third")


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_new_column_starts_as_the_base_and_nothing_older_changes_by_a_bit(tiny: Path, dtype: torch.dtype) -> None:
    model = load_model(str(tiny)).to(dtype)
    answers = {"base": logits(model)}
    for name, grow in (
        ("a", grown),
        ("b", lambda m, n: add_column(m, ColumnPlan(n, 4, 1), 0)),
        ("c", grown),
        ("d", grown),
    ):
        model = grow(model, name)
        assert torch.equal(logits(model), answers["base"])
        learn(model)
        for older, before in answers.items():
            assert torch.equal(of_column(model, older), before), (name, older)
        answers[name] = logits(model)
        assert (answers[name] - answers["base"]).abs().max() > 0.01
    assert model.column_names == ["base", "a", "b", "c", "d"]


def test_gates_and_factors_get_a_gradient_and_nothing_frozen_does(chain: Any) -> None:
    learn(chain, steps=1)  # B is 0 before the first step, so A has no gradient yet
    chain.train()(input_ids=IDS, labels=IDS, use_cache=False).loss.backward()
    newest = chain.body.columns[-1]
    assert newest.shape.sources == (0, 2)  # LoRAs alone
    assert all((gates.grad.abs() > 0).all() for gates in newest.lateral_gates)
    assert [name for name, weight in newest.named_parameters() if not weight.grad.abs().sum() > 0] == []
    frozen = [chain.body.base, *chain.body.columns[:-1]]
    assert all(weight.grad is None and not weight.requires_grad for part in frozen for weight in part.parameters())


def test_it_is_the_base_with_the_products_of_the_docstring_added_to_its_weights(chain: Any, tiny: Path) -> None:
    learn(chain)
    newest = chain.body.columns[-1]
    merged = load_model(str(tiny))
    with torch.no_grad():
        for number, layer in enumerate(linear_layers(merged, ()).values()):
            weight = newest.shape.scale * newest.up[number].weight @ newest.down[number].weight
            for gates, source in zip(newest.lateral_gates, newest.shape.sources, strict=True):
                older = chain.body.columns[source]
                product = older.shape.scale * older.up[number].weight @ older.down[number].weight
                weight = weight + gates[number].tanh() * product
            layer.weight += weight
    torch.testing.assert_close(logits(chain), logits(merged), rtol=1e-4, atol=1e-4)
    kept = newest.lateral_gates[0].detach().clone()
    newest.lateral_gates[0].data.zero_()
    assert (logits(chain) - logits(merged)).abs().max() > 1e-5  # what it reads matters
    newest.lateral_gates[0].data.copy_(kept)


@pytest.mark.slow
@pytest.mark.parametrize("column", ["base", "first", "beside", "second"])
def test_generation_is_the_same_with_and_without_a_cache_and_beside_other_texts(chain: Any, column: str) -> None:
    chain.use_column(column)
    assert_generation_is_the_same(chain)


def test_packed_documents_equal_the_same_documents_alone(chain: Any) -> None:
    assert_packed_equal_alone(learn(chain), examples(5, 17, 2, 9))


def test_what_is_saved_loads_with_the_same_logits_of_every_column(chain: Any, tmp_path: Path) -> None:
    learn(chain)
    chain.save_pretrained(tmp_path)
    plain = AutoModelForCausalLM.from_pretrained(tmp_path)
    assert plain.hashes() == chain.hashes()
    for name in chain.column_names:
        torch.testing.assert_close(of_column(plain, name), of_column(chain, name), rtol=1e-5, atol=1e-5)


def test_a_copy_answers_for_itself(chain: Any) -> None:
    learn(chain)
    before, other = logits(chain), copy.deepcopy(chain)
    learn(chain, steps=2)
    assert torch.equal(logits(other), before)
    other.use_column("base")
    assert (logits(chain) - logits(other)).abs().max() > 0.01


def test_only_the_newest_column_is_in_training_mode(chain: Any) -> None:
    chain.train()
    assert [column.training for column in chain.body.columns] == [False, False, False, True]
    assert not any(module.training for module in chain.body.base.modules())


@pytest.mark.parametrize(("laterals", "sources"), [("all", (0, 2)), ("base", ()), ("last", (2,))])
def test_laterals_say_which_loras_are_read(chain: Any, laterals: str, sources: tuple[int, ...]) -> None:
    chain.body.columns, chain.config.columns = chain.body.columns[:3], chain.config.columns[:3]
    chain.config.sha256 = {}
    assert grown(chain, "last", laterals).body.columns[-1].shape.sources == sources


@pytest.mark.parametrize("kind", KINDS)
def test_other_architectures_take_loras_too(tmp_path: Path, kind: str) -> None:
    assert_architecture_takes_columns(kind, grown, tmp_path)


def test_a_name_that_is_taken_is_refused(chain: Any) -> None:
    with pytest.raises(
        UserError, match="--column-name: expected a new name, got 'beside'; existing names: base, first, "
    ):
        grown(chain, "beside")
