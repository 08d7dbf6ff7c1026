"""Which of the flags and the checkpoint's generation_config decides."""

from __future__ import annotations

from typing import Any

import pytest

from sft_cli.decoding.engines import ENGINES
from sft_cli.decoding.engines.flags import FLAGS
from sft_cli.decoding.settings import GenerateSettings
from sft_cli.decoding.values import Decoding
from sft_cli.run.flags import fields_of


@pytest.mark.parametrize(
    ("flags", "config", "taken"),
    [
        ({}, {"temperature": 0.6, "top_p": 0.9}, {}),  # it does not say that it samples
        ({}, {"do_sample": True}, {"temperature": 1.0}),
        ({}, {"do_sample": True, "temperature": 0.6, "top_p": 0.9}, {"temperature": 0.6, "top_p": 0.9}),
        ({"temperature": 0.0}, {"do_sample": True, "top_p": 0.9}, {}),
        ({"temperature": 1.5}, {"do_sample": True, "temperature": 0.6, "top_k": 5}, {"top_k": 5}),
        ({"num_beams": 2}, {"do_sample": True, "temperature": 0.6, "top_k": 5}, {}),
        ({}, {"num_beams": 4, "early_stopping": True}, {"num_beams": 4, "early_stopping": "yes"}),
        ({}, {"num_beams": 4, "do_sample": True, "top_k": 5}, {"num_beams": 4}),
        ({"num_beams": 1}, {"num_beams": 4, "length_penalty": 2.0}, {}),
        ({"temperature": 1.0}, {"num_beams": 4, "length_penalty": 2.0}, {}),
        ({"regex": "a"}, {"num_beams": 4}, {}),
        ({}, {"repetition_penalty": 1.1, "max_new_tokens": 9}, {"repetition_penalty": 1.1, "max_new_tokens": 9}),
        ({"max_new_tokens": 5}, {"max_new_tokens": 9, "top_p": 1.0, "repetition_penalty": 1.0}, {}),
    ],
)
def test_a_flag_counts_before_the_checkpoint_and_what_means_nothing_is_left_out(
    flags: dict[str, Any], config: dict[str, Any], taken: dict[str, Any]
) -> None:
    values = Decoding.of(GenerateSettings(model="", **flags), config)
    assert values.from_checkpoint == taken
    for name, value in {**flags, **taken}.items():
        assert getattr(values, name) == value
    if not taken:
        assert values == Decoding.of(GenerateSettings(model="", **flags))


def test_every_flag_that_an_engine_is_said_to_read_exists_and_every_engine_has_its_list() -> None:
    names = {field.name for field in fields_of(GenerateSettings)}
    assert FLAGS.keys() == ENGINES.keys()
    for read in FLAGS.values():
        assert read <= names
