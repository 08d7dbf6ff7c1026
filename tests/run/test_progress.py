"""Progress is a bar on a terminal, a line elsewhere, nothing with --quiet; never on stdout."""

from __future__ import annotations

import io
import sys

import pytest

from sft_cli.run.progress import Progress, shown_number


def walk(quiet: bool = False) -> None:
    with Progress("train", 2, "step", quiet) as progress:
        progress.update(1, {"loss": 1.23456, "tokens/s": 1234.5})
        progress.update(2, {"loss": 1.2, "tokens/s": 250.0})


def test_elsewhere_it_is_one_line_at_the_end(capsys: pytest.CaptureFixture[str]) -> None:
    walk()
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == "train: step 2/2  loss 1.2  tokens/s 250  0 s\n"


def test_a_last_line_that_is_printed_already_is_not_printed_again(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last step takes long where held-out rows are evaluated after it."""
    monkeypatch.setattr("sft_cli.run.progress.SECONDS_BETWEEN_LINES", 0.0)
    walk()
    assert [line.split("  ")[0] for line in capsys.readouterr().err.splitlines()] == [
        "train: step 1/2",
        "train: step 2/2",
    ]


def test_quiet_is_quiet(capsys: pytest.CaptureFixture[str]) -> None:
    walk(quiet=True)
    assert capsys.readouterr() == ("", "")


def test_on_a_terminal_it_is_a_bar_with_loss_speed_and_time_left(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("NO_COLOR", "1")
    walk()
    shown = screen.getvalue()
    assert "2/2 loss 1.2  tokens/s 250 ETA" in shown
    assert "…" not in shown


def test_after_an_error_there_is_no_closing_line(capsys: pytest.CaptureFixture[str]) -> None:
    def fail() -> None:
        with Progress("train", 2, "step") as progress:
            progress.update(1, {"loss": 1.0})
            raise ValueError("stop")

    with pytest.raises(ValueError, match="stop"):
        fail()
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(("value", "text"), [(0.000123456, "0.0001235"), (12.3456, "12.35"), (1234567.0, "1,234,567")])
def test_numbers_are_short(value: float, text: str) -> None:
    assert shown_number(value) == text
