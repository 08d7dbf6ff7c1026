"""Which of the flags and the checkpoint's generation_config decides."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from sft_cli.decoding.engines import ENGINES
from sft_cli.decoding.engines.flags import FLAGS
from sft_cli.decoding.presets import PRESETS
from sft_cli.decoding.settings import GenerateSettings
from sft_cli.decoding.values import TAKEN, Decoding, check_controls
from sft_cli.run.errors import UserError
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


SAMPLES = {"do_sample": True, "temperature": 0.6, "top_k": 5, "repetition_penalty": 1.3, "max_new_tokens": 9}


@pytest.mark.parametrize(
    ("flags", "config", "in_effect"),
    [
        ({"preset": "deterministic"}, SAMPLES, {"temperature": 0.0, "repetition_penalty": 1.0, "max_new_tokens": 9}),
        ({"preset": "deterministic"}, {"num_beams": 4, "length_penalty": 2.0}, {"num_beams": 1, "length_penalty": 1.0}),
        ({"preset": "diverse"}, SAMPLES, {"temperature": 1.0, "min_p": 0.1, "top_k": 0, "repetition_penalty": 1.0}),
        ({"preset": "diverse", "temperature": 0.5}, {}, {"temperature": 0.5, "min_p": 0.1}),
        ({"preset": "diverse", "min_p": 0.02, "repetition_penalty": 1.1}, {}, {"min_p": 0.02, "temperature": 1.0}),
        ({"preset": "diverse", "temperature": 0.0}, SAMPLES, {"temperature": 0.0, "min_p": 0.0, "top_k": 0}),
        ({"preset": "factual", "num_beams": 4}, {"length_penalty": 2.0}, {"num_beams": 4, "length_penalty": 2.0}),
    ],
)
def test_flags_win_over_a_preset_which_wins_over_the_checkpoint(
    flags: dict[str, Any], config: dict[str, Any], in_effect: dict[str, Any]
) -> None:
    settings = GenerateSettings(model="", **flags)
    values = Decoding.of(settings, config)
    check_controls(settings, values)
    given = {name: value for name, value in flags.items() if name != "preset"}
    for name, value in {**given, **in_effect}.items():
        assert getattr(values, name) == value, name
    assert not given.keys() & values.from_preset.keys()
    assert not (values.from_checkpoint.keys() - {"max_new_tokens", "length_penalty"})


def test_deterministic_is_what_sft_does_without_a_checkpoints_wishes() -> None:
    plain = Decoding.of(GenerateSettings(model=""))
    preset = Decoding.of(GenerateSettings(model="", preset="deterministic"), SAMPLES | {"max_new_tokens": None})
    assert dataclasses.replace(preset, from_preset={}) == plain


@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_sets_all_that_a_checkpoint_may_change_except_lengths(preset: str) -> None:
    assert {*PRESETS[preset], "max_new_tokens", "length_penalty", "early_stopping"} == {*TAKEN}


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"preset": "diverse", "num_beams": 4}, "--num-beams: expected --temperature 0 for beam search"),
        ({"preset": "factual", "top_p": 0.9}, "--top-p: has no effect at --temperature 0"),
        ({"preset": "factual", "samples": 2}, "--samples: at --temperature 0 all samples are the same"),
        ({"preset": "factual", "echo_logprobs": True}, "--preset: has no effect with --echo-logprobs"),
        ({"preset": "factual", "max_new_tokens": 0}, "--preset: has no effect with --max-new-tokens 0"),
        (
            {"preset": "diverse", "engine": "openai"},
            "--preset diverse: sets --min-p 0.1, which needs --engine transformers or vllm\nhint: set other values",
        ),
        (
            {"preset": "diverse", **PRESETS["diverse"]},
            "--preset diverse: has no effect, because other flags set all its values",
        ),
    ],
)
def test_a_preset_that_contradicts_other_flags_is_refused(flags: dict[str, Any], message: str) -> None:
    settings = GenerateSettings(model="", **flags)
    with pytest.raises(UserError) as refused:
        check_controls(settings, Decoding.of(settings))
    assert str(refused.value).startswith(message)


def test_every_flag_that_an_engine_is_said_to_read_exists_and_every_engine_has_its_list() -> None:
    names = {field.name for field in fields_of(GenerateSettings)}
    assert FLAGS.keys() == ENGINES.keys()
    for read in FLAGS.values():
        assert read <= names
