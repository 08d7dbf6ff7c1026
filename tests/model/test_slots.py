"""Texts written side by side have the numbers they would have alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from sft_cli.model.load import load_model
from sft_cli.model.slots import WIDTH, Slots

PROMPTS = [[5, 9, 11, 3], [7] * 40, [1, 2], [30, 31, 32, 33, 34, 35, 36]]


def forward(model: Any, slots: Slots, ids: torch.Tensor, positions: torch.Tensor, kept: torch.Tensor) -> torch.Tensor:
    with torch.inference_mode():
        return model(
            input_ids=ids, position_ids=positions, attention_mask=torch.zeros(1, 1, 1, 1), use_cache=False, slots=slots,
            logits_to_keep=kept,
        ).logits  # fmt: skip


def read(model: Any, slots: Slots, prompts: list[list[int]], start: int = 0) -> torch.Tensor:
    ids = torch.tensor([token for prompt in prompts for token in prompt])
    positions = torch.cat([torch.arange(start, start + len(prompt)) for prompt in prompts])
    ends = torch.tensor([len(prompt) for prompt in prompts]).cumsum(0) - 1
    return forward(model, slots, ids[None], positions[None], ends)[0]


def step(model: Any, slots: Slots, tokens: list[int]) -> torch.Tensor:
    slots.begin_tokens(len(tokens))
    found = forward(model, slots, torch.tensor(tokens)[:, None], slots.lengths[: len(tokens), None], torch.tensor([0]))
    slots.end_tokens()
    return found[:, 0]


def whole(model: Any, ids: list[int]) -> torch.Tensor:
    with torch.inference_mode():
        return model(input_ids=torch.tensor([ids])).logits[0, -1]


@pytest.fixture(scope="module")
def model(tiny: Path) -> Any:
    return load_model(str(tiny), "float32")


@pytest.mark.slow
@pytest.mark.parametrize("prefix", [[], [3, 4, 5, 6, 7]])
def test_reading_and_writing_equals_the_whole_text_at_once(model: Any, prefix: list[int]) -> None:
    slots = Slots(8)
    if prefix:
        slots.begin_prefix(len(prefix))
        read(model, slots, [prefix])
    slots.begin_texts(range(4), [len(prompt) for prompt in PROMPTS])
    found = read(model, slots, PROMPTS, len(prefix))
    texts = [[*prefix, *prompt] for prompt in PROMPTS]
    for _ in range(WIDTH):  # past the room that was there
        for row, text in enumerate(texts):
            assert torch.allclose(found[row], whole(model, text), atol=2e-5)
            text.append(int(found[row].argmax()))
        found = step(model, slots, [text[-1] for text in texts])


def test_a_text_that_moves_to_another_slot_goes_on_there(model: Any) -> None:
    slots = Slots(8)
    slots.begin_texts([0, 1], [len(PROMPTS[0]), len(PROMPTS[1])])
    read(model, slots, PROMPTS[:2])
    slots.copy(1, 0)
    found = step(model, slots, [8, 8])
    assert torch.equal(found[0], found[1])
    assert torch.allclose(found[0], whole(model, [*PROMPTS[1], 8]), atol=2e-5)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_numbers_do_not_depend_on_the_neighbours_to_the_last_bit(tiny: Path, dtype: str) -> None:
    model = load_model(str(tiny), dtype)

    def last(prompts: list[list[int]], place: int, rows: int) -> torch.Tensor:
        slots = Slots(64)
        slots.begin_texts(range(len(prompts)), [len(prompt) for prompt in prompts])
        filler = -sum(map(len, prompts)) % 16
        ids = torch.tensor([token for prompt in prompts for token in prompt] + [0] * filler)
        positions = torch.cat([*(torch.arange(len(prompt)) for prompt in prompts), torch.arange(0, filler) * 0])
        ends = torch.tensor([len(prompt) for prompt in prompts]).cumsum(0) - 1
        found = forward(model, slots, ids[None], positions[None], ends)[0]
        tokens = [5] * rows
        for _ in range(3):
            slots.lengths[len(prompts) : rows] = 0
            found = step(model, slots, tokens)
        return found[place]

    alone = last([PROMPTS[3]], 0, 8)
    assert torch.equal(last([*PROMPTS], 3, 8), alone)
    assert torch.equal(last([PROMPTS[1]] * 12 + [PROMPTS[3]] + [PROMPTS[2]], 12, 16), alone)
    assert torch.equal(last([list(range(90)), PROMPTS[3], *[PROMPTS[0]] * 40], 1, 48), alone)


def test_room_that_a_long_text_has_left_behind_is_given_back_and_changes_no_bit(model: Any) -> None:
    def last(before: list[list[int]]) -> tuple[Slots, torch.Tensor]:
        slots = Slots(8)
        for prompts in ([*before, PROMPTS[0]], [PROMPTS[0]]):
            slots.begin_texts(range(len(prompts)), [len(prompt) for prompt in prompts])
            found = read(model, slots, prompts)[-1:]
            slots.lengths[len(prompts) :] = 0
        slots.lengths[1:] = 0
        for token in (8, 9, 10):
            found = step(model, slots, [token] * 8)[:1]
        return slots, found

    never, expected = last([])
    after, found = last([list(range(4 * WIDTH))])
    assert never.room == after.room == WIDTH
    wide, among = last([list(range(WIDTH + 5))])
    assert wide.room == 2 * WIDTH  # not worth the copy
    assert torch.equal(found, expected)
    assert torch.equal(among, expected)
