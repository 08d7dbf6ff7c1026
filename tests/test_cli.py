"""What every command shares: help, flags, environment, config, exit codes, signals, pipes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from run_command import Result

from sft_cli import cli
from sft_cli.commands import COMMANDS
from sft_cli.run.context import Run
from sft_cli.run.errors import UserError
from sft_cli.run.flags import Common

HEAVY = (
    "torch",
    "transformers",
    "datasets",
    "peft",
    "accelerate",
    "numpy",
    "rich",
    "pyarrow",
    "sacrebleu",
    "jsonlines",
)
SFT = (sys.executable, "-m", "sft_cli")
ROW = b'{"prompt": "q", "completion": "a"}\n'


pytestmark = pytest.mark.usefixtures("here")


def run_sft(*words: str, stdin: bytes = b"", **environment: str) -> Result:
    """`sft WORDS…` in a process of its own."""
    done = subprocess.run([*SFT, *words], input=stdin, env={**os.environ, **environment}, capture_output=True)
    return Result(done.returncode, done.stdout.decode(), done.stderr.decode())


def config_of(result: Result) -> dict[str, Any]:
    """What --print-config printed."""
    assert result.code == 0, result.err
    (section,) = tomllib.loads(result.out).values()
    return section


# Help


@pytest.mark.parametrize("words", [[], *([name] for name in COMMANDS)], ids=lambda words: " ".join(words) or "sft")
def test_help_loads_no_heavy_library(words: list[str]) -> None:
    code = (
        "import sys; from sft_cli.cli import main\n"
        "try: main()\n"
        "except SystemExit as leaving: assert not leaving.code\n"
        f"print([name for name in {HEAVY} if name in sys.modules], file=sys.stderr)"
    )
    command = [sys.executable, "-c", code, *words, "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stderr == "[]\n"
    assert done.stdout.startswith(" ".join(["Usage: sft", *words]))
    assert "Exit codes: 0 done; 1 it ran well, but a check failed; 2 wrong flags" in done.stdout


def test_help_lists_every_command_with_its_first_line() -> None:
    shown = " ".join(run_sft("--help").out.split())
    for name in COMMANDS:
        assert f"{name} {COMMANDS.load(name).__doc__.partition(chr(10))[0]}" in shown


def test_help_is_plain_text_whatever_the_terminal_can_do() -> None:
    plain = run_sft("train", "--help", COLUMNS="100")
    coloured = run_sft("train", "--help", COLUMNS="100", FORCE_COLOR="1", GITHUB_ACTIONS="true", TERM="xterm-256color")
    assert "\x1b" not in coloured.out
    assert coloured.out == plain.out


def test_a_default_of_zero_is_shown(sft: Any) -> None:
    assert "seed of sampling [default: 0]" in " ".join(sft("generate", "--help").out.split())


def test_the_version_is_one_line() -> None:
    assert run_sft("--version").out.startswith("sft 0.")


# Unknown names


def test_an_unknown_command_names_the_nearest_and_all() -> None:
    result = run_sft("prp")
    assert result == (2, "", f"sft: unknown command 'prp'. Did you mean 'prep'? Known: {', '.join(COMMANDS)}\n")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["prep", "--lim", "3"], "sft prep: --lim: unknown flag"),  # no abbreviations
        (
            ["prep", "--format", "alpacca"],
            "sft prep: --format: expected one of auto, generations, openai, messages, sharegpt, alpaca",
        ),
        (["prep", "--format", "alpacca"], "Did you mean 'alpaca'?"),
        (
            ["train", "--model", "m", "--loss", "cros-entropy"],
            "sft train: --loss: unknown loss 'cros-entropy'. Did you mean 'cross-entropy'? Known: cross-entropy",
        ),
        (["score", "-", "--metric", "rougL"], "sft score: --metric: unknown metric 'rougL'. Did you mean 'rouge-l'?"),
        (["prep", "x", "--benchmark", "OpenBookQS"], "Did you mean 'openbookqa'?"),
        (["train", "--model", "m", "--epochs", "0"], "sft train: --epochs: expected at least 1, got 0"),
        (["generate", "m", "--top-p", "1.5"], "sft generate: --top-p: expected at most 1, got 1.5"),
        (["generate", "m", "--top-p", "0"], "sft generate: --top-p: expected more than 0, got 0.0"),
        (["train", "--model", "m", "--epochs", "two"], "Invalid value for '--epochs'"),
        (["train"], "Missing option '--model'"),
        (["generate"], "Missing argument 'MODEL'"),
    ],
)
def test_a_wrong_flag_exits_with_2_and_says_why(sft: Any, words: list[str], message: str) -> None:
    result = sft(*words)
    assert (result.code, result.out) == (2, "")
    assert message in result.err


# Names in other spellings


@pytest.mark.parametrize(
    ("words", "key", "value"),
    [
        (["train", "--model", "m", "--loss", "Cross_Entropy"], "loss", "cross-entropy"),
        (["train", "--model", "m", "--adapter", "LoRA"], "adapter", "lora"),
        (["train", "--model", "m", "--adapter", "Lora Plus"], "adapter", "lora-plus"),
        (["train", "--model", "m", "--regularizer", "L2_SP", "--regularizer", "EWC"], "regularizer", ["l2-sp", "ewc"]),
        (["train", "--model", "m", "--strength", "EWC=0.5", "--strength", "2"], "strength", ["ewc=0.5", "2"]),
        (["train", "--model", "m", "--eval-metric", "rougeL:beta=1.2"], "eval_metric", "rouge-l:beta=1.2"),
        (["train", "--model", "m", "--overflow", "Drop"], "overflow", "drop"),
        (["train", "--model", "m", "--batch_size", "4"], "batch_size", 4),
        (
            ["score", "--metric", "exact_match", "--metric", "BLEU:tokenize=zh"],
            "metric",
            ["exact-match", "bleu:tokenize=zh"],
        ),
        (["compare", "a", "b", "--fail-if-worse", "ROUGE_L:0.02"], "fail_if_worse", ["rouge-l:0.02"]),
        (["score", "--metric", "nDCG@10", "--metric", "MRR"], "metric", ["ndcg:k=10", "mrr"]),
        (["score", "--metric", "Recall@100"], "metric", ["recall-at-k:k=100"]),
        (["compare", "a", "b", "--fail-if-worse", "recall@5:0.02"], "fail_if_worse", ["recall-at-k:k=5:0.02"]),
        (["score", "--metric", "rouge@k", "--metric", "nothing@3"], "metric", ["rouge@k", "nothing@3"]),
        (["compare", "a", "b", "--metric", "accuracy.macro_f1"], "metric", ["accuracy.macro_f1"]),
        (["prep", "--benchmark", "OpenBookQA"], "benchmark", "openbookqa"),
        (["generate", "m", "--prompt-template", "Chain_Of_Thought"], "prompt_template", ["chain-of-thought"]),
        (["generate", "m", "--extract", "Regex:A_B"], "extract", "regex:A_B"),
        (["generate", "m", "--chat-template", "Hermes_Tools"], "chat_template", "hermes-tools"),
        (["replay-build", "--select", "kMeans"], "select", "k-means"),
        (["Replay_Build", "--rows", "3"], "rows", 3),
    ],
)
def test_settings_have_the_names_of_the_tables(sft: Any, words: list[str], key: str, value: object) -> None:
    run = sft if words[0] in COMMANDS else run_sft  # names of commands are read before the command runs
    assert config_of(run(*words, "--print-config"))[key] == value


def test_names_in_variables_and_config_files_fold_as_well(sft: Any, tmp_path: Path, monkeypatch: Any) -> None:
    (tmp_path / "sft.toml").write_text('[train]\nmodel = "m"\nadapter = "LoRA"\n')
    monkeypatch.setenv("SFT_TRAIN_LOSS", "FOCAL")
    config = config_of(sft("train", "-c", "sft.toml", "--print-config"))
    assert (config["adapter"], config["loss"]) == ("lora", "focal")


def test_a_fingerprint_does_not_depend_on_the_spelling(sft: Any, tmp_path: Path) -> None:
    row = {"id": "1", "messages": [{"role": "user", "content": "q"}], "references": ["a"], "sample": 0}
    (tmp_path / "g.jsonl").write_text(json.dumps({**row, "completion": "a"}) + "\n")
    made = []
    for number, name in enumerate(("rouge-l", "rougeL")):
        assert sft("score", "g.jsonl", "--metric", name, "-o", f"{number}.jsonl").code == 0
        made.append(json.loads((tmp_path / f"{number}.jsonl.meta.json").read_text()))
    assert made[0]["fingerprint"] == made[1]["fingerprint"]
    assert made[1]["config"]["metric"] == ["rouge-l"]
    assert (tmp_path / "0.jsonl").read_bytes() == (tmp_path / "1.jsonl").read_bytes()


def test_two_spellings_of_one_metric_are_one_given_twice(sft: Any) -> None:
    result = sft("score", "-", "--metric", "rougeL", "--metric", "rouge-l", stdin=b"")
    assert (result.code, result.err) == (2, "sft score: --metric: rouge-l is given twice\n")


# Where a setting comes from


def test_flag_beats_environment_beats_config_beats_default(sft: Any, tmp_path: Path, monkeypatch: Any) -> None:
    (tmp_path / "sft.toml").write_text("[train]\nseed = 5\nbatch-size = 4\n")
    words = ["train", "--model", "m", "--print-config"]
    assert config_of(sft(*words))["seed"] == 0
    from_file = config_of(sft(*words, "--config", "sft.toml"))
    assert (from_file["seed"], from_file["batch_size"]) == (5, 4)
    monkeypatch.setenv("SFT_TRAIN_SEED", "3")
    assert config_of(sft(*words, "-c", "sft.toml"))["seed"] == 3
    assert config_of(sft(*words, "-c", "sft.toml", "--seed", "7"))["seed"] == 7
    assert config_of(sft("distill", "--teacher", "t", *words[1:]))["seed"] == 0  # another command's variable


def test_variables_are_named_after_command_and_flag(sft: Any, monkeypatch: Any) -> None:
    monkeypatch.setenv("SFT_REPLAY_BUILD_ROWS", "5")
    monkeypatch.setenv("SFT_SCORE_METRIC", "bleu rouge-l")
    monkeypatch.setenv("SFT_SCORE_QUIET", "1")
    assert config_of(sft("replay-build", "--print-config"))["rows"] == 5
    score = config_of(sft("score", "--print-config"))
    assert (score["metric"], score["quiet"]) == (["bleu", "rouge-l"], True)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "SFT_PREP_SPLITT",
            "SFT_PREP_SPLITT: no flag reads this environment variable. Did you mean 'SFT_PREP_SPLIT'?\nhint: unset ",
        ),
        (
            "SFT_PREP_INPUTS",
            "SFT_PREP_INPUTS: no flag reads this environment variable.",
        ),  # what stands in its place is no flag
        ("SFT_PREP_MAX-LENGTH", "SFT_PREP_MAX-LENGTH: no flag reads this environment variable."),
    ],
)
def test_a_variable_that_sets_no_flag_is_an_error(sft: Any, monkeypatch: Any, name: str, message: str) -> None:
    monkeypatch.setenv(name, "1")
    result = sft("prep", stdin=ROW)
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith(f"sft prep: {message}")
    assert sft("score", "--print-config").code == 0  # another command's


@pytest.mark.parametrize("name", ["SFT_DEBUG", "SFT_CACHE", "SFT_PREPARE", "SFT_SCORE_METRIX", "SFT_BENCH_PEERS"])
def test_variables_of_others_are_no_concern_of_a_command(sft: Any, monkeypatch: Any, name: str) -> None:
    monkeypatch.setenv(name, "1")
    monkeypatch.setenv("SFT_PREP_SPLITT", "")  # as good as unset
    assert sft("prep", stdin=ROW).code == 0


def test_required_settings_may_stand_in_the_config(sft: Any, tmp_path: Path) -> None:
    (tmp_path / "sft.toml").write_text('[train]\nmodel = "m"\n[generate]\nmodel = "g"\nprompts = "p"\n')
    assert config_of(sft("train", "-c", "sft.toml", "--print-config"))["model"] == "m"
    assert config_of(sft("generate", "-c", "sft.toml", "--print-config"))["prompts"] == "p"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[train]\nepoch = 5", "sft.toml: train.epoch: unknown key. Did you mean 'epochs'? Known: data, model, "),
        ("[trian]\nepochs = 5", "sft.toml: trian: expected a section named after a command. Did you mean 'train'?"),
        ("epochs = 5", "sft.toml: epochs: expected a section named after a command."),
        ('[train]\nepochs = "x"', 'sft.toml: train.epochs: expected a whole number, got "x"'),
        ("[train]\nepochs = true", "sft.toml: train.epochs: expected a whole number, got true"),
        ("[train]\nepochs = 1.5", "sft.toml: train.epochs: expected a whole number, got 1.5"),
        ("[train]\nepochs = 0", "sft.toml: train.epochs: expected at least 1, got 0"),
        ('[train]\nforce = "yes"', 'sft.toml: train.force: expected true or false, got "yes"'),
        ('[train]\nclip = "1"', 'sft.toml: train.clip: expected a number, got "1"'),
        ("[train]\nmodel = 1", "sft.toml: train.model: expected a string, got 1"),
        ('[train]\ndata = "a"', "sft.toml: train.data: expected a list of strings"),
        ('[train]\nloss = "focl"', "sft.toml: train.loss: unknown loss 'focl'."),
        ('[train]\nconfig = "b.toml"', "sft.toml: train.config: unknown key."),
        ("[train\n", "sft.toml: not TOML: "),
    ],
)
def test_a_wrong_config_names_file_and_key(sft: Any, tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "sft.toml").write_text(text)
    result = sft("train", "--model", "m", "--config", "sft.toml")
    assert result.code == 2
    assert f"sft train: {message}" in result.err


def test_a_config_that_is_not_there_is_said_so(sft: Any) -> None:
    result = sft("prep", "--config", "no.toml")
    assert result == (2, "", "sft prep: --config: cannot read no.toml: No such file or directory\n")


SETTINGS: dict[str, list[str]] = {
    "prep": ["a", "--map", "x=y", "--limit", "3", "--eval"],
    "train": ["a", "b", "--model", "m", "--learning-rate", "1e-5", "--clip", "inf", "--skip-if-current"],
    "distill": ["--model", "m", "--teacher", "t", "--alpha", "0.25"],
    "replay-build": ["--fraction", "0.1", "-q"],
    "retrieve": ["--corpus", "docs", "--top-k", "3", "-q"],
    "generate": ["m", "--temperature", "0.7"],
    "verify": ["a", "--policy", "abstain", "--least-supported", "0.5"],
    "score": ["--metric", "bleu:tokenize=zh", "--by", ""],
    "compare": ["a", "b", "--fail-if-worse", "bleu:1"],
    "export": ["a", "--interpolate", "0.5"],
}


@pytest.mark.parametrize("command", COMMANDS)
def test_print_config_reads_back_the_same(sft: Any, tmp_path: Path, command: str) -> None:
    printed = sft(command, *SETTINGS[command], "--print-config").out
    (tmp_path / "sft.toml").write_text(printed)
    assert sft(command, "-c", "sft.toml", "--print-config").out == printed


@pytest.mark.slow
@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1))
@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_text_survives_print_config(sft: Any, tmp_path: Path, text: str) -> None:
    printed = sft("prep", "--system", text, "--print-config").out
    (tmp_path / "sft.toml").write_text(printed, encoding="utf-8", newline="")
    assert config_of(sft("prep", "-c", "sft.toml", "--print-config"))["system"] == text


# Exit codes


@dataclass(frozen=True, kw_only=True)
class FakeSettings(Common):
    """Only what every command has."""


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (ZeroDivisionError("x"), 70, "sft fake: this is a bug in sft; please report it with the lines above"),
        (UserError("a.jsonl:3: id: expected text"), 2, "sft fake: a.jsonl:3: id: expected text"),
        (KeyboardInterrupt(), 130, "sft fake: interrupted"),
        (cli.Terminated("terminated"), 143, "sft fake: terminated"),
    ],
)
def test_what_a_command_raises_becomes_its_exit_code(capsys: Any, error: BaseException, code: int, line: str) -> None:
    def fake(settings: FakeSettings, run: Run) -> None:
        raise error

    values = {field.name: field.default for field in cli.fields_of(FakeSettings)}
    before = signal.getsignal(signal.SIGTERM)
    assert cli.run_command("fake", fake, FakeSettings, values) == code
    assert signal.getsignal(signal.SIGTERM) is before
    printed = capsys.readouterr().err
    assert printed.splitlines()[-1] == line
    assert ("Traceback" in printed) == (code == 70)


def test_what_fails_outside_a_command_is_a_bug_too_and_not_an_answer() -> None:
    code = (
        "import sys; from sft_cli import cli\n"
        "cli.COMMANDS['prep'] = 'sft_cli.nowhere:prep'; sys.argv = ['sft', 'prep']; cli.main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (70, "")
    assert done.stderr.endswith("sft: this is a bug in sft; please report it with the lines above\n")


def test_expected_errors_show_their_traceback_only_when_asked() -> None:
    plain, debug = run_sft("prep", "no.json"), run_sft("prep", "no.json", SFT_DEBUG="1")
    assert plain == (2, "", "sft prep: no.json: cannot read: No such file or directory\n")
    assert (debug.code, "Traceback" in debug.err) == (2, True)


# Signals and pipes


@pytest.mark.parametrize(
    ("number", "code", "word"), [(signal.SIGTERM, 143, "terminated"), (signal.SIGINT, 130, "interrupted")]
)
def test_a_signal_ends_a_command_that_waits_for_input(number: int, code: int, word: str, tmp_path: Path) -> None:
    command = [*SFT, "prep", "-o", "out.jsonl"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=tmp_path, stdin=pipe, stdout=pipe, stderr=pipe, bufsize=0) as process:
        assert process.stdin is not None
        assert process.stderr is not None
        process.stdin.write(ROW)
        wait_for(lambda: list(tmp_path.iterdir()))  # the output is open: it reads
        process.send_signal(number)
        assert process.wait(timeout=30) == code
        assert process.stderr.read().decode().splitlines()[-1] == f"sft prep: {word}"
    assert list(tmp_path.iterdir()) == []  # nothing half-written is left behind


@pytest.mark.parametrize(
    ("number", "code", "word"), [(signal.SIGTERM, 143, "terminated"), (signal.SIGINT, 130, "interrupted")]
)
@pytest.mark.parametrize("module", ["typer", "sft_cli.commands.prep", "sft_cli.run.zstd"])
def test_a_signal_during_an_import_ends_the_program_in_one_line(
    module: str, number: int, code: int, word: str, tmp_path: Path
) -> None:
    """While it starts, while its command is imported, and inside the command, which has its output open by then.

    The modules that are imported last catch what is raised in them, as some libraries do.
    """
    program = f"""
import importlib.abc, os, signal, sys
class Finder(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == {module!r}:
            try:
                signal.raise_signal({number})
            except BaseException:
                raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Finder())
from sft_cli.__main__ import main
main()
"""
    (tmp_path / "rows.jsonl").write_bytes(b"\x28\xb5\x2f\xfd")
    words = ["prep", "rows.jsonl", "-o", "out.jsonl"]
    done = subprocess.run([sys.executable, "-c", program, *words], cwd=tmp_path, capture_output=True, text=True)
    name = "sft prep" if module == "sft_cli.run.zstd" else "sft"
    assert (done.returncode, done.stderr) == (code, f"{name}: {word}\n")
    assert [path.name for path in tmp_path.iterdir()] == ["rows.jsonl"]


def test_a_signal_right_after_the_start_is_answered(tmp_path: Path) -> None:
    """As soon as the first large import has begun, which the interpreter tells."""
    tell = "lambda event, words: event == 'import' and words[0] == 'typer' and print(flush=True)"
    code = f"import sys; sys.addaudithook({tell}); from sft_cli.__main__ import main; main()"
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", code, "prep", "-"], stdin=pipe, stdout=pipe, stderr=pipe) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 143
        assert process.stderr.read().decode() in ("sft: terminated\n", "sft prep: terminated\n")


def wait_for(condition: Any) -> None:
    """Wait until it holds, for at most half a minute."""
    for _ in range(3000):
        if condition():
            return
        time.sleep(0.01)
    raise AssertionError("it did not happen")


@pytest.mark.parametrize(
    "command", [["prep", "rows.jsonl"], ["replay-build", "rows.jsonl", "--rows", "9000"], ["score"]]
)
def test_a_reader_that_leaves_is_no_error(tmp_path: Path, command: list[str]) -> None:
    rows = '{"id":"%d","messages":[{"role":"user","content":"q"}],"references":["a"],"sample":0,"completion":"a"}\n'
    (tmp_path / "rows.jsonl").write_text("".join(rows % number for number in range(9000)))
    line = f"{' '.join([*SFT, *command])} -q < rows.jsonl | head -n 1; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", line], cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stderr, done.stdout.count("\n")) == (0, "", 1)


def test_a_closed_stdout_with_help_is_quiet() -> None:
    done = subprocess.run(["bash", "-c", f"{' '.join(SFT)} train --help | head -n 1"], capture_output=True, text=True)
    assert done.stderr == ""
