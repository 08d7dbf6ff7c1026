"""Tables and settings: what the commands are built from."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from sft_cli.run.errors import FieldError, UserError, shown
from sft_cli.run.flags import Flag, ReadsRows, fields_of
from sft_cli.run.progress import Progress
from sft_cli.run.registry import Table, known_name
from sft_cli.run.text import counted
from sft_cli.training.settings import TrainSettings

TABLE = Table("shape", {"round": "sft_cli.run.text:counted", "flat": "sft_cli.nowhere:flat"})


def test_reading_a_table_imports_nothing() -> None:
    assert list(TABLE) == ["round", "flat"]
    assert "sft_cli.nowhere" not in sys.modules
    assert TABLE.load("round") is counted
    assert TABLE.summary("round") == "`1 row`, `2,048 rows`."


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(UserError, match=r"^unknown shape 'rond'. Did you mean 'round'\? Known: round, flat$"):
        TABLE.load("rond")
    with pytest.raises(UserError, match=r"^unknown shape 'xyz'. Known: round, flat$"):
        TABLE.check("xyz")


@pytest.mark.parametrize(
    ("typed", "known", "meant"),
    [
        ("rouge-l", ["rouge-l", "rougel"], "rouge-l"),  # as it is
        ("rougeL", ["rouge-1", "rouge-l"], "rouge-l"),
        ("ROUGE_L", ["rouge-l"], "rouge-l"),
        ("Cross Entropy", ["cross-entropy"], "cross-entropy"),
        ("RougeL", ["rouge-l", "rougel"], None),  # not clear, so it is not guessed
        ("rouge", ["rouge-l"], None),
        ("", ["a"], None),
    ],
)
def test_names_fold_case_and_hyphens_if_only_one_is_meant(typed: str, known: list[str], meant: str | None) -> None:
    assert known_name(typed, known) == meant


def test_a_table_returns_its_own_spelling_and_loads_no_other() -> None:
    assert TABLE.check("ROUND") == "round"
    with pytest.raises(UserError, match=r"^unknown shape 'ROUND'. Did you mean 'round'\?"):
        TABLE.load("ROUND")


def test_a_flag_returns_values_in_the_spelling_of_the_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert Flag("", choices=("a-b", "c")).check("--x", ["A_B", "c"]) == ["a-b", "c"]
    assert Flag("", choices=TABLE).check("--x", "Round") == "round"
    assert Flag("", minimum=0).check("--x", 3) == 3
    starts = Flag("", starts="sft_cli.losses:LOSSES")
    assert starts.check("--x", ["Focal:A_b=C", "FOCAL=X", "1.5", "a.b"]) == ["focal:A_b=C", "focal=X", "1.5", "a.b"]
    named = Flag("", names=("think",))
    assert (named.check("--x", "Think"), named.check("--x", "my.jinja")) == ("think", "my.jinja")
    (tmp_path / "Think").touch()
    assert named.check("--x", "Think") == "Think"  # a file


@pytest.mark.parametrize(
    ("flag", "good", "bad"),
    [
        (Flag("", minimum=0), [0, 5, None, [0, 1]], [-1, [0, -1]]),
        (Flag("", maximum=1), [1, 0.5], [1.5]),
        (Flag("", above=0), [1e-9], [0, -1]),
        (Flag("", choices=("a", "b")), ["a", ["a", "b"]], ["c", ["a", "c"]]),
        (Flag("", choices=TABLE), ["round"], ["square"]),
    ],
)
def test_values_out_of_range_name_their_flag(flag: Flag, good: list[object], bad: list[object]) -> None:
    for value in good:
        flag.check("--x", value)
    for value in bad:
        with pytest.raises(UserError, match=r"^--x: "):
            flag.check("--x", value)


def test_fields_give_the_positional_first_and_the_common_last() -> None:
    names = [field.name for field in fields_of(TrainSettings)]
    assert names[:2] == ["data", "model"]
    assert names[-2:] == ["manifest", "quiet"]
    assert names.index("seed") < names.index("on_error") < names.index("out")
    found = {field.name: field for field in fields_of(TrainSettings)}
    assert (found["data"].option, found["learning_rate"].option) == ("DATA", "--learning-rate")
    assert (found["learning_rate"].type, found["learning_rate"].is_optional) == (float, True)
    assert [field.name for field in fields_of(ReadsRows)] == ["on_error", "rejects"]


def test_values_in_messages_are_short_and_on_one_line() -> None:
    assert shown("a\nb") == '"a\\nb"'
    assert shown("你" * 100) == '"' + "你" * 58 + "…"
    assert shown({1, 2}) == '"{1, 2}"'
    assert str(FieldError("id", "expected text")) == "id: expected text"


@pytest.mark.parametrize(("quiet", "lines"), [(False, ["train: step 2/2  loss 1.25  0 s"]), (True, [])])
def test_progress_away_from_a_terminal_is_a_plain_line(
    capsys: pytest.CaptureFixture[str], quiet: bool, lines: list[str]
) -> None:
    with Progress("train", 2, "step", quiet) as progress:
        progress.update(1, {"loss": 1.5})
        progress.update(2, {"loss": 1.25})
    captured = capsys.readouterr()
    assert (captured.out, captured.err.splitlines()) == ("", lines)
