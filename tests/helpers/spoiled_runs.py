"""Puts spoiled files through the commands and accounts for every line: written, rejected with a reason, refused."""

from __future__ import annotations

import contextlib
import csv
import gc
import gzip
import io
import json
import shutil
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from spoiler import BENCHMARKS, GOOD

from sft_cli.cli import run
from sft_cli.run.errors import FieldError, UserError
from sft_cli.run.ledger import Ledger

RAW = ("alpaca", "sharegpt", "messages", "prompt-completion", "triples", "text", "rows")
METRICS = ("exact-match", "token-f1", "rouge-l", "bleu", "chrf", "accuracy", "choice-accuracy", "perplexity")
METRICS += ("json-validity", "repetition", "groundedness")


@dataclass
class Account:
    """What became of the lines of all files so far."""

    files: int = 0
    made: int = 0  # lines in all files
    runs: int = 0
    lines: int = 0  # lines that were to be read, in all runs
    written: int = 0
    rejected: int = 0
    refused: int = 0  # lines of files that were refused as a whole, by name
    problems: list[str] = field(default_factory=list)
    crashes: int = 0

    @property
    def lost(self) -> int:
        """Lines of which nothing was said."""
        return self.lines - self.written - self.rejected - self.refused

    def sum_up(self) -> str:
        """One line of figures."""
        return (
            f"{self.made:,} spoiled lines in {self.files:,} files, read {self.lines:,} times in {self.runs:,} runs: "
            f"{self.written:,} written, {self.rejected:,} rejected with a reason, {self.refused:,} in files refused by "
            f"name, {self.lost:,} lost; {self.crashes} exit 70, {len(self.problems)} problems"
        )


def lines_in(path: Path) -> int | None:
    """How many records a file holds; None for one that no reader could read to its end."""
    name = path.name
    if name.endswith(".parquet"):
        import pyarrow.parquet

        return int(pyarrow.parquet.read_metadata(path).num_rows)
    try:
        content = path.read_bytes()
        if name.endswith(".gz"):
            content = gzip.decompress(content)
        if name.endswith(".zst"):
            import zstandard

            content = zstandard.decompress(content)
        if name.endswith(".csv"):
            csv.field_size_limit(1 << 30)
            table = csv.reader(io.StringIO(content.decode(), newline=""), strict=True)
            return sum(bool(cells) for cells in table) - 1
        if name.endswith(".json"):
            found = json.loads(content)
            return len(found)
    except (ValueError, EOFError, OSError, RecursionError, csv.Error):
        return None
    except Exception as error:  # zstandard's own
        if type(error).__name__ == "ZstdError":
            return None
        raise
    return sum(bool(line.strip()) for line in content.split(b"\n"))


def count(path: Path) -> int:
    """Lines of an output, each of which must be JSON; 0 if there is none."""
    if not path.is_file():
        return 0
    with open(path, encoding="utf-8", newline="\n") as source:
        return sum(isinstance(json.loads(line), dict) for line in source)


def say(words: list[Any]) -> tuple[int, str]:
    """Exit code and stderr of a command, in this process."""
    out, err = io.TextIOWrapper(io.BytesIO(), encoding="utf-8"), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = run(*words)
    return code, err.getvalue()


def run_and_account(
    account: Account, path: Path, words: list[Any], folder: Path, at_least: bool = False, lines: int | None = None
) -> None:
    """Run `sft WORDS` with a file of rejects and an output, and check that no line of `path` is missing."""
    out, rejects = folder / "out.jsonl", folder / "bad.jsonl"
    code, err = say([*words, "-o", out, "--rejects", rejects, "--force"])
    written, rejected = count(out), count(rejects)
    _settle(account, path, " ".join(map(str, words)), code, err, written, rejected, at_least, lines)
    for file in folder.iterdir():
        if file.name.startswith(("out", "bad")):
            shutil.rmtree(file) if file.is_dir() else file.unlink()


def _settle(
    account: Account,
    path: Path,
    doing: str,
    code: int,
    err: str,
    written: int,
    rejected: int,
    at_least: bool = False,
    known: int | None = None,
) -> None:
    there = lines_in(path) if known is None else known
    lines = written + rejected if there is None else there
    account.runs += 1
    account.lines += lines
    problem = ""
    if code == 70:
        account.crashes += 1
        problem = err[-1500:]
    elif code == 0:
        account.written += written
        account.rejected += rejected
        if there is None and path.suffix != ".jsonl":
            problem = "a file that is not whole was read without an error"
        elif written + rejected != lines and not (at_least and written + rejected > lines):
            problem = f"{lines} lines, {written} written, {rejected} rejected"
        elif at_least:
            account.lines += written + rejected - lines
    elif code == 2 and path.name in err:
        account.refused += lines
    else:
        problem = f"exit {code}: {err[-500:]}"
    if not all(char.isprintable() or char == "\n" for char in err) or max(map(len, err.split("\n"))) > 2100:
        problem = problem or f"a message that no terminal can show: {err[:3000]!r}"
    if problem:
        account.problems.append(f"{doing}: {problem}")


def readers(account: Account, path: Path) -> None:
    """Read a file of rows as train and generate do, without a model."""
    from sft_cli.decoding.prompt_rows import read_prompts
    from sft_cli.decoding.settings import GenerateSettings
    from sft_cli.run.context import Run
    from sft_cli.training.rows.entries import training_rows

    def learned() -> tuple[int, int]:
        ledger = Ledger("skip", io.StringIO())
        return sum(1 for _ in training_rows([str(path)], ledger, None)), ledger.rejected

    def asked() -> tuple[int, int]:
        rejects = path.with_name("bad.jsonl")
        settings = GenerateSettings(model="m", prompts=str(path), rejects=str(rejects), quiet=True)
        found = len(read_prompts(settings, Run("generate", settings, [])))
        return found, count(rejects)

    for doing in (learned, asked):
        code, err, written, rejected = 0, "", 0, 0
        try:
            written, rejected = doing()
        except (UserError, FieldError) as error:
            code, err = 2, str(error)
        except Exception:
            code, err = 70, traceback.format_exc()
        _settle(account, path, f"{doing.__name__} {path}", code, err, written, rejected)


def compare(account: Account, path: Path, folder: Path) -> None:
    """Compare a file of scores with a whole one: it is compared, or refused by the name of its first bad line."""
    from random import Random

    base = folder / "base.jsonl"
    base.write_text("".join(json.dumps(GOOD["scores"](Random(n), n)) + "\n" for n in range(600)), encoding="utf-8")
    code, err = say(["compare", base, path, "--draws", "100", "-o", folder / "out.txt", "--force"])
    written = (lines_in(path) or 0) if code == 0 else 0
    _settle(account, path, f"compare {path}", code, err, written, 0)


def put_through(account: Account, path: Path, kind: str, seed: int, folder: Path) -> None:
    """Run each command that reads such a file."""
    is_lines = ".jsonl" in path.name
    if kind in BENCHMARKS:
        run_and_account(account, path, ["prep", path, "--benchmark", kind], folder, at_least=kind == "multirc")
    if kind in RAW:
        formats: list[str] = [] if seed % 2 or kind == "rows" else ["--format", kind]
        more: list[str] = [[], ["--eval"], ["--system", "s"], ["--task", "t"]][seed % 4]
        run_and_account(account, path, ["prep", path, *formats, *more], folder)
        code, err = say(["prep", path, "--check"])
        _settle(account, path, f"prep --check {path}", 2 if code == 1 else code, err, 0, 0)
    if kind in ("messages", "rows", "text") and is_lines:
        size = [["--rows", "20"], ["--fraction", "1"]][seed % 2]
        run_and_account(account, path, ["replay-build", path, "--fraction", "1"], folder)
        code, err = say(["replay-build", path, *size, "--on-error", "skip", "-o", folder / "out.jsonl", "--force"])
        _settle(account, path, f"replay-build {path}", 2 if code == 0 else code, err + path.name, 0, 0)
        corpus = folder / "corpus.txt"
        corpus.write_text("The yen is the currency of Japan. 人民币是中国的法定货币。", encoding="utf-8")
        run_and_account(account, path, ["retrieve", path, "--corpus", corpus], folder)
        readers(account, path)
    if kind in ("generations", "judged") and is_lines:
        metrics = METRICS if kind == "generations" else ("judge-rating", "judge-pairwise", "exact-match")
        asked = [word for name in metrics for word in ("--metric", name)]
        run_and_account(account, path, ["score", path, *asked, "--draws", "0"], folder)
        if kind == "generations":
            run_and_account(account, path, ["prep", path, "--judge", "rating"], folder)
            run_and_account(account, path, ["verify", path], folder)
    if kind == "scores" and is_lines:
        compare(account, path, folder)


def plan(files: int) -> Iterator[tuple[str, str, int]]:
    """Kind, ending and seed of each of so many files, every kind in turn."""
    from spoiler import ENDINGS

    rows_only = ("generations", "judged", "scores")
    for seed in range(files):
        kind = list(GOOD)[seed % len(GOOD)]
        endings = [ending for ending in ENDINGS if ".jsonl" in ending or kind not in rows_only]
        yield kind, endings[seed // len(GOOD) % len(endings)], seed


Tell = Callable[[str], None]


def run_all(files: int, lines: int, folder: Path, tell: Tell = lambda text: None) -> Account:
    """Make the files, run the commands, and give the account."""
    from spoiler import write_spoiled

    account = Account()
    work = folder / "work"
    work.mkdir(parents=True)
    for kind, ending, seed in plan(files):
        path = write_spoiled(folder, kind, ending, seed, lines)
        account.files += 1
        account.made += lines
        before = len(account.problems)
        put_through(account, path, kind, seed, work)
        for problem in account.problems[before:]:
            tell(problem)
        path.unlink()
        gc.collect()  # each run in this process leaves a command line of ten thousand objects behind
    return account
