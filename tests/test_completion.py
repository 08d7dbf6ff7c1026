"""What the tab key completes: through typer's environment variables, and in bash itself."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from sft_cli.commands import COMMANDS
from sft_cli.losses import LOSSES
from sft_cli.metrics import METRICS
from sft_cli.model.adapters import ADAPTERS

SFT = (sys.executable, "-m", "sft_cli")


def complete(shell: str, line: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """What sft answers a shell that completes the last word of `line`."""
    words = line.split(" ")
    asked = {
        "_SFT_COMPLETE": f"complete_{shell}",
        "COMP_WORDS": line,
        "COMP_CWORD": str(len(words) - 1),
        "_TYPER_COMPLETE_ARGS": line,
        "_TYPER_COMPLETE_FISH_ACTION": "get-args",
    }
    return subprocess.run([*SFT], env={**os.environ, **asked, **environment}, capture_output=True, text=True)


def words(line: str, **environment: str) -> list[str]:
    """The words that bash is offered."""
    done = complete("bash", line, **environment)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.split()


def test_commands_complete() -> None:
    assert words("sft tr") == ["train"]
    assert words("sft ") == list(COMMANDS)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("sft train --loss ", list(LOSSES)),
        ("sft train --loss f", ["focal"]),
        ("sft train rows.jsonl --model m --adapter ", list(ADAPTERS)),
        ("sft train --adapter=p", ["pissa", "progressive", "progressive-lora"]),
        ("sft train --laterals ", ["all", "base", "last"]),
        ("sft train --eval-metric rouge-l", ["rouge-l", "rouge-lsum"]),
        ("sft train --strength ", ["ewc", "si", "l2-sp", "kl"]),
        ("sft score x --metric ", list(METRICS)),
        ("sft score x --metric bleu --metric c", [name for name in METRICS if name.startswith("c")]),
        ("sft compare a b --fail-if-worse exact", ["exact-match"]),
        (
            "sft generate m --extract ",
            ["none", "number", "line", "boxed", "marked", "json", "regex", "labels", "choices"],
        ),
        ("sft generate m --prompt-template e", ["evidence"]),
        ("sft generate m --chat-template ", ["hermes-tools", "think"]),
        ("sft prep --format s", ["sharegpt"]),
    ],
)
def test_names_of_tables_complete(line: str, offered: list[str]) -> None:
    assert words(line) == offered


def test_flags_complete() -> None:
    assert words("sft train --lora") == ["--lora-alpha", "--lora-dropout", "--lora-plus-ratio"]
    assert words("sft train --help") == ["--help", "--help-all"]
    assert words("sft train --no-t") == ["--no-token-cache"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "line", ["sft train ro", "sft train --force ro", "sft train --eval-data ro", "sft generate m ro"]
)
def test_files_are_left_to_the_shell(line: str) -> None:
    assert words(line) == []  # `complete -o default`: bash completes files then
    assert complete("zsh", line).stdout == "_files\n"
    fish = complete("fish", line, _TYPER_COMPLETE_FISH_ACTION="is-args")
    assert fish.returncode == 1  # its script completes files then


@pytest.mark.slow
def test_what_is_wrong_on_the_line_does_not_matter_yet() -> None:
    assert words("sft train --config no.toml --loss f") == ["focal"]
    assert words("sft train --loss nonsense --lr 3 --adapter ds --order sh") == ["shuffled"]
    assert words("sft train --loss f", SFT_TRAIN_NONSENSE="1") == ["focal"]
    assert words("sft trian --lo") == []


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS)
def test_each_flag_has_one_line_in_zsh_and_fish(command: str) -> None:
    flags = words(f"sft {command} --")
    fish = complete("fish", f"sft {command} --")
    assert fish.stderr == ""
    assert [line.partition("\t")[0] for line in fish.stdout.splitlines()] == flags
    assert all(line.partition("\t")[2] for line in fish.stdout.splitlines())
    zsh = complete("zsh", f"sft {command} --")
    assert (zsh.stderr, zsh.stdout.count("\n")) == ("", len(flags))
    assert "[" not in fish.stdout + zsh.stdout


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
def test_bash_completes_after_the_documented_installation(tmp_path: Path) -> None:
    program = tmp_path / "bin" / "sft"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m sft_cli "$@"\n')
    program.chmod(0o755)
    environment = {**os.environ, "HOME": str(tmp_path), "PATH": f"{program.parent}:{os.environ['PATH']}"}
    python_path = str(Path(__file__).parent.parent)
    environment["PYTHONPATH"] = python_path

    def bash(script: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(["bash", "--norc", "-c", script], env=environment, capture_output=True, text=True)

    installed = bash("sft --install-completion; true")
    assert installed.returncode == 0, installed.stderr
    assert "source '" in (tmp_path / ".bashrc").read_text()
    lines = ("COMP_WORDS=(sft train --loss f)", "COMP_CWORD=3", "_sft_completion sft", 'echo "${COMPREPLY[@]}"')
    done = bash("\n".join(["source ~/.bashrc", *lines, "complete -p sft"]))
    assert done.stdout.splitlines() == ["focal", "complete -o default -F _sft_completion sft"]
    assert bash("sft --show-completion; true").stdout.startswith("_sft_completion()")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_of_every_shell_is_printed(shell: str) -> None:
    environment = {**os.environ, "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}
    done = subprocess.run([*SFT, "--show-completion", shell], env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert "_SFT_COMPLETE" in done.stdout
