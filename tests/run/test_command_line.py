"""The words after a command: spellings of flags, values, unknown flags, and flags of other tools."""

from __future__ import annotations

import re
from typing import get_type_hints

import pytest

from sft_cli.commands import COMMANDS
from sft_cli.run.command_line import flags_of, read_command_line
from sft_cli.run.flags import Field, fields_of
from sft_cli.run.foreign import EVERYWHERE, FOREIGN, foreign_flag
from sft_cli.run.registry import fold

ASKED_FOR = """
    lr num_train_epochs per_device_train_batch_size gradient_accumulation_steps gradient-checkpointing output_dir lora_r
    lora_target cutoff_len max_seq_length model_name_or_path dataset val_size warmup_ratio lr_scheduler_type bf16 fp16
    packing neftune_noise_alpha report_to save_steps logging_steps eval_steps micro_batch_size sequence_len
"""


def fields(command: str) -> list[Field]:
    return fields_of(get_type_hints(COMMANDS.load(command))["settings"])


def advice_of(command: str) -> dict[str, str]:
    return {name: text for names, text in (EVERYWHERE | FOREIGN[command]).items() for name in names.split()}


@pytest.mark.parametrize(
    ("words", "read"),
    [
        ("--batch_size 4", "--batch-size 4"),
        ("--batch_size=4 a_b.jsonl", "--batch-size=4 a_b.jsonl"),
        ("--model=a_b --run_name c_d", "--model=a_b --run-name c_d"),
        ("--run_name --x_y", "--run-name --x_y"),  # a value
        ("--no_token_cache --force", "--no-token-cache --force"),
        ("-o --x_y -n 3 -qo --x_y -oa_b", "-o --x_y -n 3 -qo --x_y -oa_b"),
        ("-- --batch_size", "-- --batch_size"),
        ("- a", "- a"),
    ],
)
def test_flags_may_have_underscores_and_values_stay_as_they_are(words: str, read: str) -> None:
    line = read_command_line(words.split(), fields("train"))
    assert (line.words, line.unknown, line.help) == (read.split(), [], None)


def test_unknown_flags_are_kept_as_they_were_typed() -> None:
    words = ["a", "--lora_r", "8", "--zzz=3", "--run-name", "--lr", "-x", "--out", "b"]
    line = read_command_line(words, fields("train"))
    assert line.unknown == ["--lora_r", "--zzz"]


@pytest.mark.parametrize("command", FOREIGN)
def test_advice_names_flags_that_exist(command: str) -> None:
    for name, text in advice_of(command).items():
        for other, flag in re.findall(r"(?:sft ([a-z-]+) )?(--[a-z][a-z0-9-]*)", text):
            assert flag in flags_of(fields(other or command)), f"{command} {name}: {text}"


@pytest.mark.parametrize("command", FOREIGN)
def test_advice_is_short_and_begins_with_what_to_do(command: str) -> None:
    for text in advice_of(command).values():
        assert re.match(r"use |name |not (needed|supported|a flag)", text), text
        assert not text.endswith(".")
        assert len(text) < 120


@pytest.mark.parametrize("command", FOREIGN)
def test_no_entry_is_hidden_by_a_flag_of_ours_or_by_another_entry(command: str) -> None:
    names = [fold(name) for names in (EVERYWHERE | FOREIGN[command]) for name in names.split()]
    assert [name for name in set(names) if names.count(name) > 1] == []
    own = {flag.removeprefix("--").replace("-", "_") for flag in flags_of(fields(command))}
    assert own & {name.replace("-", "_") for names in FOREIGN[command] for name in names.split()} == set()


def test_every_command_has_a_table_but_no_other() -> None:
    assert set(FOREIGN) == set(COMMANDS)


@pytest.mark.parametrize("name", ASKED_FOR.split())
@pytest.mark.parametrize("command", ["train", "distill"])
def test_flags_of_trl_transformers_llama_factory_and_axolotl_are_known(command: str, name: str) -> None:
    assert foreign_flag(command, f"--{name}")
    assert foreign_flag(command, f"--{name.replace('_', '-')}") == foreign_flag(command, f"--{name}")


@pytest.mark.parametrize(
    ("command", "name"),
    [
        *(
            ("train", name)
            for name in ("lora_alpha", "lora_dropout", "weight_decay", "max_steps", "max_length", "seed")
        ),
        *(("generate", name) for name in ("max_new_tokens", "num_beams", "repetition_penalty", "top_p", "temperature")),
    ],
)
def test_flags_with_the_same_name_elsewhere_are_taken(command: str, name: str) -> None:
    assert read_command_line([f"--{name}", "1"], fields(command)).unknown == []
