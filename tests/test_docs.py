"""The pages say what the code does."""

from __future__ import annotations

import dataclasses
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import get_type_hints

import pytest
from test_house import MAY_IMPORT

from sft_cli.commands import COMMANDS
from sft_cli.data.rows import check_row
from sft_cli.metrics import METRICS
from sft_cli.run import manifest
from sft_cli.run.context import Run
from sft_cli.run.flags import Common, fields_of
from sft_cli.scoring.generations import check_generation

ROOT = Path(__file__).parent.parent
PAGES = [*sorted((ROOT / "docs").rglob("*.md")), ROOT / "README.md", ROOT / "CHANGELOG.md"]


def page(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def test_generated_parts_are_up_to_date() -> None:
    files = [str(path.relative_to(ROOT)) for path in sorted((ROOT / "docs").rglob("*.md"))]
    command = [sys.executable, "-m", "cogapp", "--check", "--diff", "-I", "docs", *files]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, f"run `make docs`\n{done.stdout}{done.stderr}"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_and_flag_is_in_the_manual(command: str) -> None:
    parts = re.split(r"^## sft ([a-z-]+)$", page("docs/commands.md"), flags=re.MULTILINE)
    section = parts[parts.index(command) + 1]
    for field in fields_of(get_type_hints(COMMANDS.load(command))["settings"]):
        if not field.flag.positional:
            assert re.search(rf"^  (-\w, )?{field.option}\b", section, re.MULTILINE), f"{command}: {field.option}"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_in_the_readme_and_the_changelog(command: str) -> None:
    assert f"`sft {command}`" in page("CHANGELOG.md")
    assert re.search(rf"\bsft {command}\b|`{command}`", page("README.md")), f"README.md does not mention sft {command}"


@pytest.mark.parametrize("metric", METRICS)
def test_every_metric_has_a_page_with_its_options(metric: str) -> None:
    pages = [path.read_text(encoding="utf-8") for path in (ROOT / "docs" / "metrics").glob("*.md")]
    own = [text for text in pages if f"`{metric}`" in text.split("\n\n")[1]]  # the paragraph after the title
    assert len(own) == 1
    for field in dataclasses.fields(METRICS.load(metric)):
        assert not field.init or f"| `{field.name}` |" in own[0]


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_links_between_pages_lead_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", path.read_text(encoding="utf-8")):
        assert target.startswith("https://") or (path.parent / target).exists(), f"{path.name}: {target}"


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_flags_that_a_page_names_exist(path: Path) -> None:
    settings = [get_type_hints(COMMANDS.load(name))["settings"] for name in COMMANDS]
    known = {field.option for each in settings for field in fields_of(each)} | {"--help", "--version", "--no-deps"}
    known |= {"--install-completion", "--show-completion"}
    known |= {
        "--standalone",
        "--nproc-per-node",
        "--nnodes",
        "--rdzv-backend",
        "--rdzv-endpoint",
        "--rdzv-id",
        "--max-restarts",
    }  # torchrun
    known |= {f"--no-{field.option[2:]}" for each in settings for field in fields_of(each) if field.default is True}
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z0-9-]*", path.read_text(encoding="utf-8")))
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
