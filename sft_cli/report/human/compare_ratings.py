"""`sft compare --ratings`: ratings of people and verdicts of judges in, what they say out."""

from __future__ import annotations

import json
from statistics import median
from typing import Any

from sft_cli.report.comparison import Draws
from sft_cli.report.human.judge_ratings import JudgeFile, is_judge_file, read_judge_file
from sft_cli.report.human.key import Key, read_key
from sft_cli.report.human.pair_results import criterion_results
from sft_cli.report.human.preferences import preferences_of_judges, preferences_of_people
from sft_cli.report.human.ratings import Rating, check_raters, read_ratings
from sft_cli.report.human.ratings_text import ratings_text
from sft_cli.report.human.single_results import all_marks, mark_results
from sft_cli.report.settings import CompareSettings
from sft_cli.report.table import markdown_table, text_table
from sft_cli.run.context import Run
from sft_cli.run.errors import UserError, shown


def compare_ratings(settings: CompareSettings, run: Run) -> None:
    """Read the key and the files, and print what the raters say."""
    for path in settings.scores:
        if path == "-" or settings.scores.count(path) > 1:
            found = "stdin" if path == "-" else f"{path} twice"
            raise UserError(f"FILE: expected the files of the raters, each once, got {found}")
    assert settings.key is not None
    key = read_key(settings.key)
    people: dict[str, list[Rating]] = {}
    judges: list[JudgeFile] = []
    for path in settings.scores:
        if is_judge_file(path):
            judges.append(read_judge_file(path, key, settings.limit))
        else:
            people[path] = read_ratings(path, key, settings.limit)
    check_raters(people)
    ratings = [rating for found in people.values() for rating in found]
    check_judge_names(judges, ratings)
    for file in judges:
        for line in file.lines(key):
            run.say(line)
    draws = Draws(count=settings.draws, confidence=settings.confidence, seed=settings.seed)
    document = ratings_document(key, ratings, judges, draws)
    with run.output() as sink:
        if settings.json:
            sink.write(json.dumps(document, ensure_ascii=False, indent=1) + "\n")
        else:
            sink.write(ratings_text(document, markdown_table if settings.markdown else text_table))


def check_judge_names(judges: list[JudgeFile], ratings: list[Rating]) -> None:
    """Raise UserError if two judges, or a judge and a person, have one name."""
    known = {rating.rater: "a person" for rating in ratings}
    for file in judges:
        if file.rater in known:
            raise UserError(
                f"{file.path}: the judge has the name {shown(file.rater)}, which {known[file.rater]} also has\n"
                "hint: rename the file, or the rater in its rows"
            )
        known[file.rater] = file.path


def ratings_document(key: Key, ratings: list[Rating], judges: list[JudgeFile], draws: Draws) -> dict[str, Any]:
    """All results, for programs; later versions only add keys."""
    rows = {(str(row.id), row.sample) for row in key.rows}
    return {
        "schema": 1,
        "page": key.page,
        "kind": key.kind,
        "systems": [{"label": label, "path": path} for label, path in zip(key.systems, key.paths, strict=True)],
        "rows": len(rows),
        "raters": [
            *_people_documents(ratings),
            *({"rater": file.rater, "is_judge": True, "rows": len(file.verdicts), "seconds": None} for file in judges),
        ],
        "confidence": draws.confidence,
        "draws": draws.count,
        "seed": draws.seed,
        "criteria": _criteria_documents(key, ratings, judges, draws),
    }


def _people_documents(ratings: list[Rating]) -> list[dict[str, Any]]:
    """Each person: how many rows, without repeats, and the median of the seconds of a row."""
    found = []
    for rater in dict.fromkeys(rating.rater for rating in ratings):
        mine = [rating for rating in ratings if rating.rater == rater]
        seconds = [rating.seconds for rating in mine if rating.seconds is not None]
        count = len({(str(rating.row.id), rating.row.sample) for rating in mine})
        found.append(
            {"rater": rater, "is_judge": False, "rows": count, "seconds": median(seconds) if seconds else None}
        )
    return found


def _criteria_documents(key: Key, ratings: list[Rating], judges: list[JudgeFile], draws: Draws) -> list[dict[str, Any]]:
    found = []
    if key.kind == "single":
        marks = all_marks(ratings, judges)
        for criterion in key.criteria:
            mine = [each for each in marks if each.criterion == criterion.name]
            scale = {"criterion": criterion.name, "scale": criterion.scale}
            found += [{**scale, **mark_results(mine, draws)}] if mine else []
        return found
    preferences = [*preferences_of_people(ratings), *preferences_of_judges(judges)]
    for criterion in key.criteria:
        chosen = [each for each in preferences if each.criterion == criterion.name]
        found += [{"criterion": criterion.name, **criterion_results(chosen, key.systems, draws)}] if chosen else []
    return found
