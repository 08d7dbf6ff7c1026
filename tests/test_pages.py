"""The walk-throughs of docs/ run as they are printed, on a tiny model."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from pathlib import Path
from typing import Any

import pytest

DOCS = Path(__file__).parent.parent / "docs"


def blocks(name: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", (DOCS / name).read_text("utf-8"), re.MULTILINE | re.DOTALL)


def typed(name: str) -> list[tuple[str, str]]:
    """Each command of a page's consoles, with what the page shows below it."""
    found = [re.split(r"^\$ (.*)\n", block, flags=re.MULTILINE)[1:] for block in blocks(name, "console")]
    return [pair for parts in found for pair in zip(parts[::2], parts[1::2], strict=True)]


@pytest.mark.slow
def test_the_walk_through_from_a_csv_runs_and_prints_what_the_page_shows(sft: Any, here: Path, tiny: Path) -> None:
    (here / "docs").mkdir()
    shutil.copytree(DOCS / "examples", here / "docs/examples")
    lines = [(shlex.split(line), shown) for line, shown in typed("first-model.md")]
    commands = [(words[1:], shown) for words, shown in lines if words[0] == "sft"]
    assert [words[0] for words, _ in commands[:7]] == [
        *("prep", "train", "generate", "generate", "score", "score", "compare")
    ]
    for words, shown in commands:
        result = sft(*[str(tiny) if word == "smollm2-135m-instruct" else word for word in words])
        assert result.code == 0, result.err
        if words[0] == "prep":
            assert result.err == shown
        if words[0] == "compare":  # the numbers are those of another model
            assert result.out.split()[:2] == shown.split()[:2]
        if "--show-worse" in words:
            assert " with the largest drop of rouge_l.f, tickets against base (" in result.out
    (page,) = [block for block in blocks("first-model.md", "sh") if "--html" in block]
    assert sft(*shlex.split(page)[1:]).code == 0
    assert (here / "report.html").is_file()


def test_the_readme_and_the_page_in_chinese_have_the_same_commands() -> None:
    (pipeline,) = [block for block in blocks("../README.md", "sh") if "sft prep" in block]
    assert pipeline.splitlines() == [line for line, _ in typed("first-model.md")][:7]
    assert [line for line, _ in typed("zh.md")] == [line for line, _ in typed("first-model.md")]
    assert [blocks("zh.md", kind) for kind in ("sh", "python")] == [
        blocks("first-model.md", kind) for kind in ("sh", "python")
    ]


def test_the_example_documents_become_the_rows_that_the_page_shows(sft: Any, here: Path) -> None:
    (here / "docs").mkdir()
    shutil.copytree(DOCS / "examples", here / "docs/examples")
    commands = [(shlex.split(line), shown) for line, shown in typed("domain.md") if line.startswith("sft prep docs")]
    assert len(commands) == 3
    for words, shown in commands:
        result = sft(*words[1:])
        assert result.code == 0, result.err
        begin, _, end = shown.partition("…\n")
        assert result.err.startswith(begin)
        assert result.err.endswith(end)


def test_the_example_of_the_page_for_people_is_what_the_commands_write(sft: Any, here: Path) -> None:
    (here / "docs").mkdir()
    shutil.copytree(DOCS / "examples", here / "docs/examples")
    example = "docs/examples/human"
    files = [f"{example}/{name}.gen.jsonl" for name in ("base", "tuned")]
    page = ("--blind-page", "page.html", "--key", "key.json", "--criteria", f"{example}/criteria.toml")
    result = sft("compare", *files, *page)
    assert result.code == 0, result.err
    assert (here / "key.json").read_bytes() == (DOCS / "examples/human/key.json").read_bytes()
    (row,) = blocks("human.md", "json")
    with open(DOCS / "examples/human/ratings.anna.jsonl", encoding="utf-8") as ratings:
        assert json.loads(row) == json.loads(next(ratings))
    ((command, shown),) = [pair for pair in typed("human.md") if "--ratings" in pair[0]]
    assert sft(*shlex.split(command)[1:]).out == shown
