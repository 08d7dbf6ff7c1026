"""Progressive columns: what is older never changes, what is newer learns, and every way to run them agrees."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
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
from hypothesis import given
from hypothesis import strategies as st
from tiny_models import make_model, make_tokenizer
from transformers import (
    AutoModelForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    StaticCache,
)

from sft_cli.model.adapters import ColumnPlan
from sft_cli.model.attention import NAME
from sft_cli.model.column_shape import ColumnShape, column_shape, count_weights, lateral_sources
from sft_cli.model.forward import make_batch, target_logits, target_states
from sft_cli.model.load import load_model
from sft_cli.model.progressive.add import add_column, choose_column
from sft_cli.model.slots import Slots
from sft_cli.run.errors import UserError


def grown(model: Any, name: str | None = None, laterals: str = "all", ratio: int = 4, stride: int = 1) -> Any:
    return add_column(model, ColumnPlan(name, ratio, stride, laterals), seed=len(getattr(model, "column_names", [])))


@pytest.fixture
def chain(tiny: Path) -> Any:
    """A model with two trained columns, the second of which reads the first, and a third that has just begun."""
    model = learn(grown(load_model(str(tiny)), "first"))
    model = learn(grown(model, "second", ratio=2, stride=2))
    return grown(model, "third")


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_new_column_starts_as_the_base_to_the_bit(tied: bool, dtype: torch.dtype) -> None:
    base = make_model(300, tied=tied).to(dtype)
    before = logits(base)
    model = grown(base, "first")
    assert torch.equal(logits(model), before)
    assert torch.equal(logits(grown(learn(model), "second")), before)


def test_base_and_older_columns_do_not_change_by_a_bit_over_a_chain_of_three(tiny: Path) -> None:
    model = load_model(str(tiny))
    answers = {"base": logits(model)}
    for name in ("first", "second", "third"):
        model = learn(grown(model, name))
        for older, before in answers.items():
            assert torch.equal(of_column(model, older), before)
        answers[name] = logits(model)
    assert model.column_names == ["base", "first", "second", "third"]
    for one, other in ("base", "first"), ("first", "second"), ("second", "third"):
        assert (answers[one] - answers[other]).abs().max() > 0.01
    assert torch.equal(of_column(model, "base"), logits(load_model(str(tiny))))


def test_gates_and_laterals_get_a_gradient_and_nothing_frozen_does(chain: Any) -> None:
    learn(chain, steps=1)  # W_up is 0 before the first step, so nothing behind it has a gradient yet
    chain.train()(input_ids=IDS, labels=IDS, use_cache=False).loss.backward()
    newest = chain.body.columns[-1]
    assert newest.shape.sources == (0, 1)
    for gates in (newest.gates, *newest.lateral_gates):
        assert (gates.grad.abs() > 0).all()
    with torch.no_grad():
        for gates in newest.lateral_gates:  # closed gates pass no gradient to what is behind them
            gates += 0.1
    chain(input_ids=IDS, labels=IDS, use_cache=False).loss.backward()
    assert [name for name, weight in newest.named_parameters() if not weight.grad.abs().sum() > 0] == []
    frozen = [chain.body.base, *chain.body.columns[:-1]]
    assert all(weight.grad is None and not weight.requires_grad for part in frozen for weight in part.parameters())


def test_what_a_trained_column_reads_from_older_ones_matters(chain: Any) -> None:
    learn(chain)
    before = logits(chain)
    for number in (0, 1):
        gates = chain.body.columns[-1].lateral_gates[number]
        kept = gates.detach().clone()
        gates.data.zero_()
        assert (logits(chain) - before).abs().max() > 1e-5
        gates.data.copy_(kept)
    chain.body.columns[-1].gates.data.fill_(20.0)  # σ = 1: nothing of the base's layers
    assert (logits(chain) - before).abs().max() > 1e-3


def test_the_equations_are_those_of_the_docstring(chain: Any) -> None:
    learn(chain)
    base, columns = chain.body.base, chain.body.columns
    with torch.no_grad():
        layers = base.model(input_ids=IDS, output_hidden_states=True)
        states: list[list[torch.Tensor]] = []
        positions = torch.arange(IDS.shape[1])[None]
        for column in columns:
            z = [column.entry(layers.hidden_states[0])]
            for i, tap in enumerate(column.shape.taps):
                a = column.gates[i].sigmoid()
                mixed = a * z[-1] + (1 - a) * column.down[i](column.norms[i](layers.hidden_states[tap]))
                for j in range(len(column.shape.sources)):
                    other = states[column.shape.sources[j]]
                    mixed = mixed + column.lateral_gates[j][i].tanh() * column.laterals[j][i](
                        other[min(i + 1, len(other) - 1)]
                    )
                rotations = column.rotary(mixed, positions)
                z.append(column.blocks[i](mixed, position_ids=positions, position_embeddings=rotations))
            states.append(z)
        last = columns[-1]
        expected = base.lm_head(layers.last_hidden_state + last.up(last.norm(states[-1][-1])))
    torch.testing.assert_close(logits(chain), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("column", ["base", "first", "second"])
def test_generation_is_the_same_with_and_without_a_cache_and_beside_other_texts(chain: Any, column: str) -> None:
    chain.use_column(column)
    assert_generation_is_the_same(chain)


def test_a_cache_that_is_filled_by_hand_holds_the_column_too(chain: Any) -> None:
    learn(chain)
    whole = logits(chain)
    first = chain(input_ids=IDS[:, :4], use_cache=True)
    rest = chain(input_ids=IDS[:, 4:], past_key_values=first.past_key_values, use_cache=True)
    torch.testing.assert_close(torch.cat([first.logits, rest.logits], 1), whole, rtol=1e-4, atol=1e-4)
    static = StaticCache(config=chain.config, max_cache_len=16)
    torch.testing.assert_close(logits(chain, past_key_values=static, use_cache=True), whole, rtol=1e-4, atol=1e-4)


def test_slots_give_a_column_what_the_whole_text_would(chain: Any) -> None:
    learn(chain)
    texts = [[5, 9, 11, 3], [7] * 20, [1, 2]]
    slots = Slots(8)

    def forward(ids: torch.Tensor, positions: torch.Tensor, kept: torch.Tensor) -> torch.Tensor:
        mask = torch.zeros(1, 1, 1, 1)
        options = {"position_ids": positions, "attention_mask": mask, "use_cache": False}
        with torch.inference_mode():
            return chain(input_ids=ids, slots=slots, logits_to_keep=kept, **options).logits

    slots.begin_prefix(2)
    forward(torch.tensor([[3, 4]]), torch.tensor([[0, 1]]), torch.tensor([1]))
    slots.begin_texts(range(3), [len(text) for text in texts])
    ids = torch.tensor([[token for text in texts for token in text]])
    positions = torch.cat([torch.arange(2, 2 + len(text)) for text in texts])[None]
    ends = torch.tensor([len(text) for text in texts]).cumsum(0) - 1
    found = forward(ids, positions, ends)[0]
    texts = [[3, 4, *text] for text in texts]
    for _ in range(3):
        for row, text in enumerate(texts):
            whole = chain(input_ids=torch.tensor([text])).logits[0, -1]
            torch.testing.assert_close(found[row], whole, rtol=1e-4, atol=1e-4)
            text.append(int(found[row].argmax()))
        slots.begin_tokens(3)
        newest = torch.tensor([[text[-1]] for text in texts])
        found = forward(newest, slots.lengths[:3, None], torch.tensor([0]))[:, 0]
        slots.end_tokens()
    assert sorted(slots.layers) == [0, 1, 2, 3, 4, 5, 6]  # 2 of the base, 2 + 1 + 2 of the columns


def test_packed_documents_equal_the_same_documents_alone_and_padded(chain: Any) -> None:
    learn(chain)
    rows = examples(5, 17, 2, 9)
    assert_packed_equal_alone(chain, rows)
    batch = make_batch(rows)
    with torch.no_grad():
        packed = target_states(chain.eval(), batch)
        chain.config._attn_implementation = "sdpa"
        torch.testing.assert_close(target_states(chain, batch), packed, rtol=1e-4, atol=1e-4)  # right-padded rows
        head = chain.get_output_embeddings()
        torch.testing.assert_close(target_logits(chain, batch), head(packed), rtol=1e-4, atol=1e-4)


def test_what_is_saved_loads_with_the_same_logits_of_every_column(chain: Any, tmp_path: Path) -> None:
    learn(chain)
    chain.save_pretrained(tmp_path)
    make_tokenizer().save_pretrained(tmp_path)
    plain = AutoModelForCausalLM.from_pretrained(tmp_path)
    ours = load_model(str(tmp_path))
    assert ours.config._attn_implementation == NAME
    assert ours.get_output_embeddings().weight is ours.get_input_embeddings().weight  # tied, as in the base
    for name in chain.column_names:
        expected = of_column(chain, name)
        assert torch.equal(of_column(ours, name), expected), name
        torch.testing.assert_close(of_column(plain, name), expected, rtol=1e-5, atol=1e-5)
    assert ours.config.sha256 == chain.hashes() == ours.hashes()
    assert ours.generation_config.eos_token_id == 2


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_the_base_in_a_checkpoint_is_the_plain_model_in_any_number_format(
    chain: Any, tiny: Path, tmp_path: Path, dtype: str
) -> None:
    learn(chain).save_pretrained(tmp_path)
    ours, plain = load_model(str(tmp_path), dtype), load_model(str(tiny), dtype)
    assert {weight.dtype for weight in ours.parameters()} == {getattr(torch, dtype)}
    assert torch.equal(of_column(ours, "base"), logits(plain))
    torch.testing.assert_close(logits(ours).float(), logits(chain), rtol=0.1, atol=0.3)


def test_a_frozen_weight_that_has_changed_is_not_saved(chain: Any, tmp_path: Path) -> None:
    chain.body.columns[0].up.weight.data[0, 0] += 1e-4
    with pytest.raises(RuntimeError, match=r"^first: frozen, but the weights have changed$"):
        chain.save_pretrained(tmp_path)
    assert not (tmp_path / "model.safetensors").exists()


def test_a_column_is_not_added_to_weights_that_others_were_not_trained_on(chain: Any, tmp_path: Path) -> None:
    chain.save_pretrained(tmp_path / "good")
    chain = load_model(str(tmp_path / "good"), "bfloat16")
    chain.save_pretrained(tmp_path / "narrow")  # hashes are those of what is saved
    grown(load_model(str(tmp_path / "narrow")), "fourth")
    changed = load_model(str(tmp_path / "good"))
    changed.body.base.model.norm.weight.data += 1e-3
    with pytest.raises(UserError, match="--model: the weights of 'base' do not match their"):
        grown(changed, "fourth")


def test_only_the_newest_column_is_in_training_mode(chain: Any) -> None:
    chain.train()
    assert [column.training for column in chain.body.columns] == [False, False, True]
    assert chain.training
    assert not any(module.training for module in chain.body.base.modules())
    chain.eval()
    assert not any(module.training for module in chain.modules())


@pytest.mark.parametrize(("laterals", "sources"), [("all", (0, 1)), ("base", ()), ("last", (1,))])
def test_laterals_say_which_columns_are_read(tiny: Path, laterals: str, sources: tuple[int, ...]) -> None:
    model = load_model(str(tiny))
    for name in ("first", "second", "third"):
        model = learn(grown(model, name, laterals), steps=2)
    assert model.body.columns[-1].shape.sources == sources
    ran: list[int] = []
    for number, column in enumerate(model.body.columns):
        column.register_forward_hook(lambda *_, number=number: ran.append(number))
    logits(model)
    # What is read by what is read runs too, and nothing else: with `base` the cost does not grow with the tasks.
    assert ran == {"all": [0, 1, 2], "base": [2], "last": [0, 1, 2]}[laterals]


def test_columns_without_a_name_are_numbered(tiny: Path) -> None:
    model = grown(grown(grown(load_model(str(tiny))), "column-3"))
    assert model.column_names == ["base", "column-1", "column-3", "column-4"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"name": "base"},
            "--column-name: expected a new name, got 'base'; existing names: base, first, second, third",
        ),
        ({"name": "second"}, "--column-name: expected a new name, got 'second'"),
        ({"ratio": 17}, r"--column-ratio: expected at most 16 \(the model is 32 wide\), got 17"),
        ({"stride": 3}, r"--column-stride: expected at most 2 \(the model's layers\), got 3"),
    ],
)
def test_a_column_that_cannot_be_is_refused(chain: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        grown(chain, **options)


def test_columns_to_choose_from_are_listed(tiny: Path, chain: Any) -> None:
    with pytest.raises(UserError, match="--column: expected one of base, first, second, third, got 'fourth'"):
        choose_column(chain, "fourth")
    choose_column(load_model(str(tiny)), "base")
    with pytest.raises(UserError, match="--column: the model has no columns, got 'first'"):
        choose_column(load_model(str(tiny)), "first")


def test_models_that_columns_do_not_fit_are_refused() -> None:
    sizes = {"vocab_size": 100, "hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 1}
    sliding = MistralForCausalLM(
        MistralConfig(**sizes, num_attention_heads=4, num_key_value_heads=2, sliding_window=8, bos_token_id=1)
    )
    with pytest.raises(UserError, match="--model: expected plain causal attention for progressive columns, got "):
        grown(sliding)
    model = make_model(100)
    model.lm_head.bias = torch.nn.Parameter(torch.zeros(100))
    with pytest.raises(UserError, match="--model: expected a head of one matrix for progressive columns, got llama"):
        grown(model)


@pytest.mark.parametrize("kind", KINDS)
def test_other_architectures_take_columns_too(tmp_path: Path, kind: str) -> None:
    assert_architecture_takes_columns(kind, grown, tmp_path)


LLAMA_7B = {"hidden_size": 4096, "intermediate_size": 11008, "num_hidden_layers": 32, "num_attention_heads": 32}
SMOLLM2 = {"hidden_size": 576, "intermediate_size": 1536, "num_hidden_layers": 30, "num_attention_heads": 9}


def test_shapes_are_the_model_s_own_made_smaller() -> None:
    shape = column_shape(SimpleNamespace(**SMOLLM2, num_key_value_heads=3), "a")
    assert shape == ColumnShape("a", 72, 9, 3, 192, tuple(range(2, 31, 2)))
    assert count_weights(shape, 576, []) == 1_545_351
    assert shape.cache_numbers / (30 * 2 * 3 * 64) == 1 / 16
    wide = column_shape(SimpleNamespace(**LLAMA_7B), "b")
    assert (wide.width, wide.heads, wide.key_value_heads, wide.head_size) == (512, 32, 32, 16)


@given(
    heads=st.integers(1, 12), shared=st.integers(1, 4), size=st.integers(1, 16), layers=st.integers(1, 9),
    ratio=st.integers(1, 16), stride=st.integers(1, 9),
)  # fmt: skip
def test_every_shape_can_be_built(heads: int, shared: int, size: int, layers: int, ratio: int, stride: int) -> None:
    hidden = heads * shared * 2 * size
    config = {"hidden_size": hidden, "num_attention_heads": heads * shared, "num_key_value_heads": heads}
    shape = column_shape(SimpleNamespace(**config, num_hidden_layers=layers), "a", ratio, min(stride, layers))
    assert shape.head_size * shape.heads == shape.width
    assert (shape.head_size % 2, shape.heads % shape.key_value_heads) == (0, 0)
    assert shape.width <= max(hidden // ratio, 2)
    assert 1 <= shape.taps[0] <= shape.taps[-1] == layers
    assert len(shape.taps) == -(-layers // min(stride, layers))


def test_weights_are_counted_as_they_are(chain: Any) -> None:
    widths = [column.shape.width for column in chain.body.columns]
    for column in chain.body.columns:
        assert sum(weight.numel() for weight in column.parameters()) == count_weights(column.shape, 32, widths)
    assert [lateral_sources(laterals, ()) for laterals in ("all", "base", "last")] == [(), (), ()]
