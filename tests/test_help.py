"""Pages of help: the groups of flags, the first page, and what `--help WORDS` shows."""

from __future__ import annotations

import re
from typing import Any, get_type_hints

import pytest

from sft_cli.commands import COMMANDS
from sft_cli.run.flags import Field, fields_of
from sft_cli.run.groups import GROUPS, MOST_ON_ONE_PAGE, HelpPages

LONG = ("prep", "train", "distill", "generate", "compare")


def flags(command: str) -> list[Field]:
    return fields_of(get_type_hints(COMMANDS.load(command))["settings"])


def shown(text: str) -> list[str]:
    """The flags that a page lists, in the order of the page; positional arguments by their names."""
    text = text[text.index(f"\n{headings(text)[0]}:\n") :]  # after the text on what the command does
    return re.findall(r"^  (?:-\w, )?(--[a-z0-9-]+|[A-Z]+)(?=\s|\.\.\.)", text, re.MULTILINE)


def headings(text: str) -> list[str]:
    return re.findall(r"^([A-Z][\w -]+):$", text, re.MULTILINE)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_flag_is_in_one_group(command: str) -> None:
    pages = HelpPages(command, flags(command))
    assert [field.option for field in flags(command) if field.group not in GROUPS] == []
    assert sum(map(len, pages.groups.values())) == len(flags(command))


def test_every_group_has_flags_and_says_what_they_are_about() -> None:
    used = {field.group for command in COMMANDS for field in flags(command)}
    assert used == set(GROUPS)
    assert [text for text in GROUPS.values() if len(text.split()) > 10 or text.endswith(".")] == []


@pytest.mark.parametrize("command", COMMANDS)
def test_all_flags_are_shown_once_by_help_all(sft: Any, command: str) -> None:
    page = sft(command, "--help-all").out
    wanted = [field.flag.metavar if field.flag.positional else field.option for field in flags(command)]
    assert sorted(shown(page)) == sorted([*wanted, "--help", *["--help-all"] * (command in LONG)])
    assert headings(page) == [*HelpPages(command, flags(command)).groups, "Help"]
    assert (sft(command, "--help").out == page) == (command not in LONG)


def test_the_first_page_of_a_command_with_many_flags_is_short(sft: Any) -> None:
    assert {command for command in COMMANDS if len(flags(command)) > MOST_ON_ONE_PAGE} == set(LONG)
    for command in LONG:
        listed = shown(sft(command, "--help").out)
        assert 4 < len(listed) <= 24 + 2, "with both flags of help"
        assert len(set(listed)) == len(listed)
        needed = {each.flag.metavar if each.flag.positional else each.option for each in flags(command)} & {
            "DATA",
            "MODEL",
            "PROMPTS",
            "--model",
            "--teacher",
        }
        if command == "prep":
            needed.discard("--model")  # only --stats counts tokens
        assert needed <= set(listed)


@pytest.mark.parametrize("command", LONG)
def test_the_first_page_counts_the_flags_of_each_group(sft: Any, command: str) -> None:
    page = sft(command, "--help").out
    counts = dict(re.findall(r"^  ([A-Z][\w -]+?) +(\d+) flags?:", page, re.MULTILINE))
    pages = HelpPages(command, flags(command))
    assert counts == {name: str(len(fields)) for name, fields in pages.groups.items()}
    assert f"show all {len(flags(command))} flags" in page


def test_distill_shows_its_own_flags_and_refers_to_train(sft: Any) -> None:
    page = sft("distill", "--help").out
    assert headings(page) == ["Needed", "Distillation", "Help", "Groups of flags"]
    assert shown(page) == ["DATA", "--model", "--teacher", "--alpha", "--temperature", "--help", "--help-all"]
    assert "All flags of `sft train` work here and have the same meaning: `sft train --help`." in " ".join(page.split())
    own = {field.name for field in flags("distill") if field.group == "Distillation"}
    assert own == {field.name for field in flags("distill")} - {field.name for field in flags("train")}


@pytest.mark.parametrize(
    ("words", "group"),
    [
        (["--help", "optimizer"], "Optimizer and schedule"),
        (["--help", "OPT"], "Optimizer and schedule"),
        (["--help=schedule"], "Optimizer and schedule"),
        (["--help", "optimizer", "and", "schedule"], "Optimizer and schedule"),
        (["-h", "not-forgetting"], "Not forgetting"),
        (["--help", "not", "forgetting", "--model", "m"], "Not forgetting"),
        (["--model", "m", "--lr", "1", "--help", "forget"], "Not forgetting"),
        (["--help", "Data"], "Data"),
        (["--help", "dev"], "Devices"),
    ],
)
def test_one_group_is_shown_by_the_start_of_a_word(sft: Any, words: list[str], group: str) -> None:
    result = sft("train", *words)
    assert (result.code, result.err) == (0, "")
    assert headings(result.out) == [group]
    assert result.out.startswith("Usage: sft train [OPTIONS] [DATA]")
    members = HelpPages("train", flags("train")).groups[group]
    assert shown(result.out) == ["DATA" if field.flag.positional else field.option for field in members]


@pytest.mark.parametrize("words", [["--help", "all"], ["--help=all"], ["--help-all"], ["--help_all"]])
def test_all_flags_are_shown_by_several_words(sft: Any, words: list[str]) -> None:
    assert sft("train", *words).out == sft("train", "--help-all").out


def test_short_commands_have_groups_too(sft: Any) -> None:
    assert headings(sft("compare", "--help", "gate").out) == ["Gate"]
    assert shown(sft("compare", "--help", "gate").out) == [
        "--fail-if-worse",
        "--gate",
        "--require-power",
        "--allow-missing",
        "--junit",
    ]


def test_help_that_is_a_value_is_not_asked_for(sft: Any) -> None:
    result = sft("generate", "m", "--prompt", "--help", "--print-config")
    assert 'prompt = ["--help"]' in result.out
    assert sft("generate", "m", "-qo", "--help", "--print-config").code == 0
    assert 'prompts = "--help"' in sft("generate", "--print-config", "--", "m", "--help").out


def test_the_columns_of_a_page_are_aligned(sft: Any, monkeypatch: Any) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    for command in COMMANDS:
        lines = [line for line in sft(command, "--help-all").out.splitlines() if re.match(r"  (-\w, )?--\S", line)]
        starts = {re.search(r"(?<=\S)  +(?=\S)", line).end() for line in lines if "  " in line.strip()}  # type: ignore[union-attr]
        assert len(starts) == 1, command
