"""The pages say what the code does."""

from __future__ import annotations

import dataclasses
import json
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import get_type_hints

import pytest
from test_house import MAY_IMPORT

from sft_cli.cli import build_command
from sft_cli.commands import COMMANDS
from sft_cli.data.benchmarks import BENCHMARKS
from sft_cli.data.rows import check_row
from sft_cli.metrics import METRICS
from sft_cli.model.adapters import ADAPTERS
from sft_cli.run import manifest
from sft_cli.run.context import Run
from sft_cli.run.flags import Common, fields_of
from sft_cli.scoring.generations import check_generation

ROOT = Path(__file__).parent.parent
sys.path.append(str(ROOT / "docs"))

import contents  # noqa: E402

DOCS = [path for path in sorted((ROOT / "docs").rglob("*.md")) if "examples" not in path.parts]
PAGES = [*DOCS, ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"]


def page(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


@pytest.mark.slow
def test_generated_parts_are_up_to_date() -> None:
    files = [*(str(path.relative_to(ROOT)) for path in DOCS), "CONTRIBUTING.md", "zensical.toml"]
    command = [sys.executable, "-m", "cogapp", "--check", "--diff", "-I", "docs", *files]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, f"run `make docs`\n{done.stdout}{done.stderr}"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_and_flag_is_in_the_manual(command: str) -> None:
    parts = re.split(r"^## sft ([a-z-]+)$", page("docs/commands.md"), flags=re.MULTILINE)
    section = parts[parts.index(command) + 1]
    settings = get_type_hints(COMMANDS.load(command))["settings"]
    extends = getattr(settings, "extends", "")
    assert f"All flags of `sft {extends}` work here" in section if extends else True
    there = [field.name for field in fields_of(get_type_hints(COMMANDS.load(extends))["settings"])] if extends else []
    for field in fields_of(settings):
        if not field.flag.positional and field.name not in there:
            assert re.search(rf"^  (-\w, )?{field.option}\b", section, re.MULTILINE), f"{command}: {field.option}"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_in_the_readme_and_the_changelog(command: str) -> None:
    assert f"`sft {command}`" in page("CHANGELOG.md")
    assert re.search(rf"\bsft {command}\b|`{command}`", page("README.md")), f"README.md does not mention sft {command}"


def test_the_readme_counts_right() -> None:
    for what, table in (("metrics", METRICS), ("benchmarks", BENCHMARKS), ("adapters", [*ADAPTERS][1:])):  # but "none"
        assert f"{len(table)} {what}" in page("README.md"), what


@pytest.mark.parametrize("metric", METRICS)
def test_every_metric_has_a_page_with_its_options(metric: str) -> None:
    pages = [path.read_text(encoding="utf-8") for path in (ROOT / "docs" / "metrics").glob("*.md")]
    own = [text for text in pages if f"`{metric}`" in text.split("\n\n")[1]]  # the paragraph after the title
    assert len(own) == 1
    for field in dataclasses.fields(METRICS.load(metric)):
        assert not field.init or f"| `{field.name}` |" in own[0]


def test_each_page_is_in_the_index_once() -> None:
    listed = [path for paths in contents.pages().values() for path in paths]
    assert sorted(listed) == sorted(str(path.relative_to(ROOT / "docs")) for path in DOCS if path.name != "README.md")
    links = re.findall(r"^- \[.+?\]\((.+?)\): (.+)$", page("docs/README.md"), re.MULTILINE)
    assert [target for target, _ in links] == listed
    assert {target: summary for target, summary in links if len(summary) > 200} == {}  # a line, not a paragraph


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_links_between_pages_lead_somewhere(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    targets = re.findall(r"\]\(([^)#]*)(?:#([^)]*))?\)", re.sub(r"`[^`\n]*`", "", text))
    for target, anchor in [pair for pair in targets if not pair[0].startswith("https://")]:
        other = path.parent / target if target else path
        assert other.exists(), f"{path.name}: {target}"
        # The site has docs/ alone.
        assert path not in DOCS or other.resolve().is_relative_to(ROOT / "docs"), f"{path.name}: {target}"
        assert not anchor or anchor in contents.anchors(other.read_text(encoding="utf-8")), f"{target}#{anchor}"


def test_the_files_that_contributors_are_sent_to_exist() -> None:
    named = re.findall(r"`([\w.-]+/[\w./-]*)`", page("CONTRIBUTING.md"))
    assert len(named) > 20
    assert [name for name in named if not (ROOT / name).exists()] == []


def shell_lines(text: str) -> Iterator[str]:
    """Every line that a page tells the reader to type."""
    for language, block in re.findall(r"^```(\w+)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        lines = block.replace("\\\n", " ").splitlines()
        if language == "console":
            yield from (line[2:] for line in lines if line.startswith(("$ ", "> ")))
        elif language in ("sh", "make"):
            yield from lines
    yield from re.findall(r"^    ((?:torchrun .* )?sft .*)$", text, re.MULTILINE)


def calls(line: str) -> Iterator[list[str]]:
    """The words after each `sft` of a line; where a shell would start another command, another call begins."""
    lexer = shlex.shlex(line.replace("$<", "x"), posix=True, punctuation_chars="|;&<>()")
    lexer.whitespace_split, lexer.commenters = True, "#"
    words: list[str] = []
    for word in [*lexer, ";"]:
        if not set(word) <= set("|;&<>()"):
            words.append(word)
        else:
            if "sft" in words:
                yield words[words.index("sft") + 1 :]
            words = []


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_commands_that_a_page_shows_can_be_typed(path: Path) -> None:
    lines = [line for line in shell_lines(path.read_text(encoding="utf-8")) if re.search(r"\bsft ", line)]
    for name, *words in (call for line in lines for call in calls(line)):
        if not name.startswith("-"):
            assert name in COMMANDS, f"{path.name}: sft {name}"
            build_command(name).make_context(name, words)  # raises for a flag or a value that it does not take


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_flags_that_a_page_names_exist(path: Path) -> None:
    settings = [get_type_hints(COMMANDS.load(name))["settings"] for name in COMMANDS]
    known = {field.option for each in settings for field in fields_of(each)} | {"--help", "--version", "--no-deps"}
    known |= {"--help-all", "--install-completion", "--show-completion"}
    known |= {
        "--standalone",
        "--nproc-per-node",
        "--nnodes",
        "--rdzv-backend",
        "--rdzv-endpoint",
        "--rdzv-id",
        "--max-restarts",
    }  # torchrun
    demo = "".join(script.read_text(encoding="utf-8") for script in (ROOT / "demo").glob("*.py"))
    known |= set(re.findall(r'add_argument\("(--[a-z-]+)"', demo))
    known |= {"--enable-lora", "--lora-modules", "--port"}  # servers
    known |= {f"--no-{field.option[2:]}" for each in settings for field in fields_of(each) if field.default is True}
    text = re.sub(r"^.*: unknown flag$", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    named = {flag.replace("_", "-") for flag in re.findall(r"(?<![\w-])--[a-z][a-z0-9_-]*", text)}
    assert named - known == set()


def test_the_design_lists_the_rooms_and_what_they_import() -> None:
    rows = re.findall(r"^\| `(\w+)` \| .* \| ([\w, ]+) \|$", page("docs/design.md"), re.MULTILINE)
    listed = {room: set(rest.split(", ")) - {"nothing"} for room, rest in rows}
    assert listed == {room: allowed for room, allowed in MAY_IMPORT.items() if not room.startswith("__")}


def blocks(name: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", page(name), re.MULTILINE | re.DOTALL)


def test_rows_and_generations_in_the_manual_keep_their_contracts() -> None:
    (row_block, score_block) = blocks("docs/files.md", "console")
    for line in row_block.splitlines()[1:]:
        check_row(json.loads(line))
    assert len(score_block.splitlines()) == 3
    for line in page("docs/examples/answers.gen.jsonl").splitlines():
        check_generation(json.loads(line))


def test_the_manifest_in_the_manual_has_the_keys_of_a_real_one(tmp_path: Path) -> None:
    run = Run("fake", Common(out=str(tmp_path / "out")), [])
    with run.output():
        pass
    real = json.loads(manifest.manifest_path(tmp_path / "out").read_text())
    shown = json.loads(blocks("docs/files.md", "json")[-1])
    assert [key for key in shown if key != "seed"] == list(real)  # only commands that have a --seed have a seed
    assert list(shown["outputs"][0]) == list(real["outputs"][0])
    assert list(shown["run"]) == list(real["run"])


def test_the_constraints_are_exact_and_portable() -> None:
    pins = [line for line in page("constraints.txt").splitlines() if line and not line.startswith("#")]
    assert [line for line in pins if not re.fullmatch(r"[a-z0-9-]+==[0-9][0-9a-z.]*", line)] == []
    assert pins == sorted(pins, key=lambda line: line.partition("==")[0])
    names = {line.partition("==")[0] for line in pins}
    project = tomllib.loads(page("pyproject.toml"))["project"]
    extras = project["optional-dependencies"]
    # Two bring more than sft itself, and are tested in environments of their own.
    listed = [*project["dependencies"], *(need for name in extras.keys() - {"bench", "vllm"} for need in extras[name])]
    wanted = {str(re.match(r"[\w-]+", need)[0]).lower().replace("_", "-") for need in listed}  # type: ignore[index]
    assert wanted <= names
