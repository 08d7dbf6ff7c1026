"""Golden cases: each folder of tests/cases is a command, its files, and what it must say.

`cmd` holds one command a line, without `sft` in front; `{tiny}` is a model of `tiny_models.py`. All run in a copy of
the folder. Of the last command, `out` is the whole of stdout, `err` the whole of stderr, `code` the exit code (0 if
there is no such file); a file `NAME.expected` is what it must have written to NAME. What is not there is not compared.
The commands before the last must succeed.
"""

from __future__ import annotations

import shlex
import shutil
from pathlib import Path
from typing import Any

import pytest
import tiny_models

CASES = Path(__file__).parent / "cases"
ABOUT = ("cmd", "out", "err", "code")


def commands(case: Path, models: Path) -> list[list[str]]:
    """The words of each line of `cmd`; comments are left out."""
    lines = [shlex.split(line, comments=True) for line in (case / "cmd").read_text(encoding="utf-8").splitlines()]
    return [[_with_model(word, models) for word in words] for words in lines if words]


def _with_model(word: str, models: Path) -> str:
    name = word.removeprefix("{").removesuffix("}")
    return str(tiny_models.save(name, models)) if word == f"{{{name}}}" else word


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tiny-models")


@pytest.mark.parametrize("case", sorted(path.parent for path in CASES.glob("*/cmd")), ids=lambda path: path.name)
def test_case(case: Path, models: Path, here: Path, sft: Any) -> None:
    for path in case.iterdir():
        if path.name not in ABOUT and path.suffix != ".expected":
            (shutil.copytree if path.is_dir() else shutil.copy)(path, here / path.name)
    *before, last = commands(case, models)
    for words in before:
        result = sft(*words)
        assert result.code == 0, result.err
    result = sft(*last)
    said = {"out": result.out, "err": result.err.replace(f"{models}/", ""), "code": f"{result.code}\n"}
    for name, got in said.items():
        if (case / name).is_file() or name == "code":
            want = (case / name).read_text(encoding="utf-8") if (case / name).is_file() else "0\n"
            assert got == want, f"{case.name}/{name}\n{result.err}"
    for path in case.glob("*.expected"):
        assert (here / path.stem).read_bytes() == path.read_bytes(), path.name
