"""What a blind page shows, and its key: order, sides, opaque codes and planted repeats, from the seed and the rows."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from itertools import combinations
from pathlib import PurePath
from typing import Any

from sft_cli.report.human.answers import AnsweredPrompt
from sft_cli.report.human.criteria import RaterTask
from sft_cli.report.score_files import labels_of
from sft_cli.run.seed import stable_hash

FEWEST_FOR_REPEATS = 10  # rows; a smaller page has no repeat unless --repeats asks for one
PAGE_KINDS = {1: "single", 2: "pair"}  # by the number of systems; more are a ranking


@dataclass(frozen=True)
class Showing:
    """One row of the page: a prompt, the systems in the order in which their answers are shown, and a code for each."""

    prompt: AnsweredPrompt
    systems: list[int]
    codes: list[str]
    is_repeat: bool = False


def page_kind(systems: int) -> str:
    """`single`, `pair` or `ranking`, by the number of answers in a row."""
    return PAGE_KINDS.get(systems, "ranking")


def showings(prompts: list[AnsweredPrompt], seed: int, repeats: float, shows_pairs: bool = False) -> list[Showing]:
    """The rows of the page in their order, with repeats among them.

    The order of the rows, the order of the answers and the codes depend on the seed, on the id of the row, and on a
    hash of all texts: a rater who knows this program and guesses the seed still cannot tell the systems apart. With
    `shows_pairs` a row has the answers of two systems; each pair of systems has as many rows, or one more.
    """
    salt = stable_hash([[p.id, p.sample, [turn["text"] for turn in p.prompt], p.answers] for p in prompts])
    count = len(prompts[0].answers)
    groups = list(combinations(range(count), 2)) if shows_pairs else [tuple(range(count))]

    def shown(prompt: AnsweredPrompt, place: int, showing: int) -> Showing:
        def draw(what: str, system: int) -> int:
            return stable_hash(seed, salt, what, prompt.id, prompt.sample, system)

        systems = sorted(groups[place % len(groups)], key=lambda system: draw("side", system))
        if showing:
            systems.reverse()
        codes = [f"{draw(f'code {showing}', system):016x}" for system in systems]
        return Showing(prompt, systems, codes, bool(showing))

    ordered = sorted(prompts, key=lambda prompt: stable_hash(seed, salt, "row", prompt.id, prompt.sample))
    rows = [shown(prompt, place, 0) for place, prompt in enumerate(ordered)]
    half = len(ordered) // 2
    # A repeat comes half a page after its row, so that few raters remember it.
    for place in sorted(repeated_places(len(ordered), repeats), reverse=True):
        rows.insert(place + half + 1, shown(ordered[place], place, 1))
    return rows


def repeated_places(rows: int, share: float) -> list[int]:
    """The places of the rows to repeat, spread over the first half of the page."""
    count = round(rows * share)
    if share and rows >= FEWEST_FOR_REPEATS:
        count = max(count, 1)
    half = max(rows // 2, 1)
    count = min(count, half if rows > 1 else 0)
    return [place * half // count for place in range(count)]


def blind_document(rows: list[Showing], task: RaterTask, language: str) -> dict[str, Any]:
    """What the page holds, without a name or path of a system. `page` is a hash of all of it."""
    document = {
        "schema": 1,
        "kind": page_kind(len(rows[0].systems)),
        "language": language,
        **task.document(),
        "rows": [
            {
                "id": row.prompt.id,
                "sample": row.prompt.sample,
                "repeat": row.is_repeat,
                "prompt": row.prompt.prompt,
                "answers": [
                    {"code": code, "text": row.prompt.answers[system]}
                    for system, code in zip(row.systems, row.codes, strict=True)
                ],
            }
            for row in rows
        ],
    }
    text = json.dumps(document, ensure_ascii=False, sort_keys=True)
    return {"page": hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16], **document}


def key_document(rows: list[Showing], page: dict[str, Any], paths: list[str], seed: int) -> dict[str, Any]:
    """The systems, and for each code its row, its system and the length of its answer in characters."""
    return {
        "schema": 1,
        "page": page["page"],
        "kind": page["kind"],
        "seed": seed,
        "systems": [{"label": label, "path": path} for label, path in zip(system_labels(paths), paths, strict=True)],
        "criteria": page["criteria"],
        "rows": [
            {
                "id": row.prompt.id,
                "sample": row.prompt.sample,
                "repeat": row.is_repeat,
                "prompt_hash": row.prompt.hash,
                "codes": row.codes,
                "systems": row.systems,
                "characters": [len(row.prompt.answers[system] or "") for system in row.systems],
            }
            for row in rows
        ],
    }


def system_labels(paths: list[str]) -> list[str]:
    """A short name for each file: as `labels_of`, without the ending `.gen` where the names stay different."""
    labels = labels_of(paths)
    short = [label.removesuffix(PurePath(label).suffix) if label.endswith(".gen") else label for label in labels]
    return short if len(set(short)) == len(short) else labels
