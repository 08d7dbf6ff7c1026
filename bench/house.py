"""Count what a newcomer meets: files, imports, names. `bench/house.py [CHECKOUT …]` prints a column for each.

A room is a folder of `sft_cli`. Its boxes are the files and folders in it, an arrow is an import of one box by another,
wherever it stands in the file. Floors are the longest way down along the arrows; a circle is counted as one box.
"""

from __future__ import annotations

import ast
import re
import statistics
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

ROOM = "training"
# What torch and transformers call has the parameters that they give.
CALLED_BY_LIBRARIES = {"forward", "document_attention", "padded_attention"}
PROTOCOL = {"FIELDS", "convert", "matches"}  # what a file of data/formats is asked for by its name


def modules(package: Path) -> dict[str, Path]:
    """Every module of the package by its dotted name."""
    files = sorted(package.rglob("*.py"))
    return {
        ".".join(file.relative_to(package.parent).with_suffix("").parts).removesuffix(".__init__"): file
        for file in files
    }


def imports(tree: ast.Module) -> Iterator[ast.Import | ast.ImportFrom]:
    """All import statements, those inside functions as well."""
    return (node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom))


def targets(node: ast.Import | ast.ImportFrom, known: dict[str, Path]) -> set[str]:
    """The modules of the package that a statement loads."""
    if isinstance(node, ast.Import):
        return {alias.name for alias in node.names} & known.keys()
    inside = {f"{node.module}.{alias.name}" for alias in node.names} & known.keys()
    return inside or {str(node.module)} & known.keys()


def arrows(known: dict[str, Path], trees: dict[str, ast.Module], room: str) -> dict[str, set[str]]:
    """For each box of a room: the boxes that it imports."""
    prefix = f"sft_cli.{room}."
    graph: dict[str, set[str]] = {}
    for name, tree in trees.items():
        if not name.startswith(prefix):
            continue
        box = name.removeprefix(prefix).split(".")[0]
        below = graph.setdefault(box, set())
        for node in imports(tree):
            below |= {t.removeprefix(prefix).split(".")[0] for t in targets(node, known) if t.startswith(prefix)} - {
                box
            }
    return graph


def reached(graph: dict[str, set[str]]) -> dict[str, set[str]]:
    """For each box: all boxes below it."""
    below = {box: set(near) for box, near in graph.items()}
    for _ in graph:
        below = {box: near.union(*(below.get(name, set()) for name in near)) for box, near in below.items()}
    return below


def floors(graph: dict[str, set[str]]) -> tuple[int, int]:
    """The number of floors, and of circles."""
    below = reached(graph)
    circle = {
        box: frozenset({box} | {name for name in near if box in below.get(name, ())}) for box, near in below.items()
    }
    height: dict[frozenset[str], int] = {}

    def of(group: frozenset[str]) -> int:
        if group not in height:
            lower = {circle[name] for box in group for name in graph.get(box, ()) if name in circle} - {group}
            height[group] = 1 + max((of(one) for one in lower), default=0)
        return height[group]

    return max(of(group) for group in set(circle.values())), sum(len(group) > 1 for group in set(circle.values()))


def same_names(trees: dict[str, ast.Module]) -> dict[str, list[str]]:
    """Classes, constants and functions at the top of a file that another file has under the same name."""
    places: dict[str, list[str]] = defaultdict(list)
    for module, tree in trees.items():
        for node in tree.body:
            if isinstance(node, ast.ClassDef | ast.FunctionDef):
                places[node.name].append(module)
            elif isinstance(node, ast.Assign | ast.AnnAssign):
                for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
                    if isinstance(target, ast.Name):
                        places[target.id].append(module)
    return {
        name: sorted(set(where))
        for name, where in sorted(places.items())
        if len(set(where)) > 1 and name not in PROTOCOL and name != "main"
    }


def long_signatures(trees: dict[str, ast.Module]) -> list[str]:
    """Functions of more than five parameters, `self` and `cls` aside."""
    long = []
    for module, tree in trees.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef) and node.name not in CALLED_BY_LIBRARIES:
                given = node.args.posonlyargs + node.args.args + node.args.kwonlyargs
                if sum(one.arg not in {"self", "cls"} for one in given) > 5:
                    long.append(f"{module}:{node.name}")
    return long


def is_constant(name: str) -> bool:
    """Whether it is written as constants are."""
    return name.isupper()


def parsed(checkout: Path) -> dict[str, ast.Module]:
    """The syntax tree of every module of a checkout."""
    return {name: ast.parse(file.read_text(encoding="utf-8")) for name, file in modules(checkout / "sft_cli").items()}


def counts(checkout: Path) -> dict[str, object]:
    """All counts of a checkout, in the order in which they are printed."""
    known = modules(checkout / "sft_cli")
    texts = {name: file.read_text(encoding="utf-8") for name, file in known.items()}
    trees = {name: ast.parse(text) for name, text in texts.items()}
    lines = [text.count("\n") for text in texts.values()]
    graph = arrows(known, trees, ROOM)
    high, circles = floors(graph)
    rooms = {name.split(".")[1] for name in known if name.count(".")}
    same = same_names(trees)
    classes = {n.name for tree in trees.values() for n in tree.body if isinstance(n, ast.ClassDef)}
    commands = [name for name in known if name.startswith("sft_cli.commands")]
    return {
        "lines": sum(lines),
        "files": len(lines),
        "rooms": len(rooms),
        "import lines": sum(
            (node.end_lineno or 0) - node.lineno + 1 for tree in trees.values() for node in imports(tree)
        ),
        "median file": int(statistics.median(lines)),
        "training: boxes": len(graph),
        "training: floors": high,
        "training: arrows": sum(len(near) for near in graph.values()),
        "training: circles": circles,
        "files in commands": len(commands),
        "classes with one name": sum(name in classes for name in same),
        "constants with one name": sum(is_constant(name.strip("_")) for name in same),
        "helpers with one name": sum(name not in classes and not is_constant(name.strip("_")) for name in same),
        "functions above five parameters": len(long_signatures(trees)),
        "the name `found`": Counter(re.findall(r"\bfound\b", _code(texts)))["found"],
    }


def _code(texts: dict[str, str]) -> str:
    """The names that the code uses, without its strings and comments."""
    names = []
    for text in texts.values():
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Name):
                names.append(node.id)
            elif isinstance(node, ast.arg):
                names.append(node.arg)
            elif isinstance(node, ast.Attribute):
                names.append(node.attr)
    return " ".join(names)


def main() -> None:
    """Print the counts; with --names the names that stand twice and the long signatures of the last checkout."""
    show = "--names" in sys.argv
    checkouts = [Path(word) for word in sys.argv[1:] if word != "--names"] or [Path(__file__).parent.parent]
    columns = [counts(checkout) for checkout in checkouts]
    for name in columns[0]:
        print(f"{name:32}", *(f"{column[name]:>9}" for column in columns))
    if show:
        trees = {
            name: ast.parse(file.read_text(encoding="utf-8"))
            for name, file in modules(checkouts[-1] / "sft_cli").items()
        }
        for name, where in same_names(trees).items():
            print(f"{name}: {', '.join(one.removeprefix('sft_cli.') for one in where)}")
        print(*long_signatures(trees), sep="\n")


if __name__ == "__main__":
    main()
