"""What raters say: counts and shares recomputed by hand, refusals, and judges beside people."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from judged_pages import NAMES, exported, make_key, prompts_of, side_of, write_rows

from sft_cli.report.comparison import Draws
from sft_cli.report.human.agreement import fleiss_kappa, krippendorff_alpha
from sft_cli.report.human.shares import share_of
from sft_cli.report.statistics import exact_sign_test

DRAWS = Draws(count=500, confidence=0.95, seed=0)


def report(sft: Any, *files: str, key: str = "key.json") -> Any:
    result = sft("compare", "--ratings", *files, "--key", key, "--json", "--draws", "500")
    assert result.code == 0, result.err
    return json.loads(result.out)


def rate(key: Any, rater: str, choose: Any) -> list[dict[str, Any]]:
    """The export of a rater whose choice for each row is `choose(place)`: a system, tie or both-bad."""
    rows = []
    for place in range(len(key["rows"])):
        choice = choose(place)
        value = choice if isinstance(choice, str) else side_of(key, place, choice)
        rows.append(exported(key, place, value, rater))
    return rows


@given(positive=st.integers(0, 60), negative=st.integers(0, 60))
def test_the_sign_test_equals_scipy(positive: int, negative: int) -> None:
    scipy_stats = pytest.importorskip("scipy.stats")
    count = positive + negative
    expected = scipy_stats.binomtest(positive, count, 0.5).pvalue if count else 1.0
    assert exact_sign_test(positive, negative) == pytest.approx(expected, rel=1e-9)


def test_a_win_rate_of_single_verdicts_has_wilsons_interval() -> None:
    share = share_of([(str(row), float(row < 15)) for row in range(20)], DRAWS)
    assert (share.value, share.count, share.prompts, share.interval_method) == (0.75, 20, 20, "wilson")
    assert share.interval == pytest.approx((0.5313, 0.8881), abs=1e-4)  # statsmodels proportion_confint, wilson
    assert share.p == pytest.approx(0.0414, abs=1e-4)  # binomtest(15, 20)


def test_many_raters_of_one_row_are_one_cluster() -> None:
    alone = share_of([(str(row), float(row % 3 > 0)) for row in range(60)], DRAWS)
    five = share_of([(str(row), float(row % 3 > 0)) for row in range(60) for _ in range(5)], DRAWS)
    assert five.value == alone.value
    assert five.p == alone.p
    assert five.interval is not None
    assert alone.interval is not None
    width = [bounds[1] - bounds[0] for bounds in (alone.interval, five.interval)]
    assert width[1] == pytest.approx(width[0], rel=0.1)  # five raters who agree are no new evidence


def test_counts_win_rate_and_raters(here: Path, sft: Any) -> None:
    key = make_key(here / "key.json", prompts_of(20))
    choices = {"anna": [1] * 12 + [0] * 4 + ["tie"] * 3 + ["both-bad"], "bo": [1] * 10 + [0] * 10}
    for rater, given_choices in choices.items():
        write_rows(here / f"{rater}.jsonl", rate(key, rater, lambda place, given=given_choices: given[place]))
    document = report(sft, "anna.jsonl", "bo.jsonl")
    (results,) = document["criteria"]
    anna, bo = results["raters"]
    assert (anna["wins"], anna["losses"], anna["ties"], anna["both_bad"]) == (12, 4, 3, 1)
    assert anna["value"] == pytest.approx(14 / 20)
    assert (bo["value"], bo["p"]) == (0.5, 1.0)
    assert results["all"]["value"] == pytest.approx(24 / 40)
    words = {0: "base", 1: "other"}
    units = [[words.get(choice, choice) for choice in pair] for pair in zip(*choices.values(), strict=True)]
    numbers = [[{"base": -1, "other": 1}.get(label, 0) for label in unit] for unit in units]
    assert results["agreement"]["fleiss_kappa"]["value"] == pytest.approx(fleiss_kappa(units), abs=1e-12)
    assert results["agreement"]["equal"]["value"] == pytest.approx(14 / 20)
    for level, rated in (("nominal", units), ("ordinal", numbers), ("interval", numbers)):
        expected = krippendorff_alpha(rated, level)
        assert results["agreement"][f"alpha_{level}"]["value"] == pytest.approx(expected, abs=1e-12)
    assert [rater["seconds"] for rater in document["raters"]] == [4.0, 4.0]


def test_a_rater_who_always_presses_left_shows_a_bias_and_no_winner(here: Path, sft: Any) -> None:
    key = make_key(here / "key.json", prompts_of(60), repeats=0.2)
    rows = [exported(key, place, "left") for place in range(len(key["rows"]))]
    write_rows(here / "anna.jsonl", rows)
    (results,) = report(sft, "anna.jsonl")["criteria"]
    (position,) = results["position"]
    assert (position["value"], position["count"]) == (1.0, 60)
    assert position["p"] < 1e-9
    assert results["all"]["p"] > 0.05
    (repeats,) = results["repeats"]
    assert (repeats["value"], repeats["count"]) == (0.0, 12)  # the sides were exchanged, so the verdict changed


def test_a_rater_who_likes_long_answers_shows_a_bias(here: Path, sft: Any) -> None:
    def answer(row: int, system: int) -> str:
        return "x" * (100 + (5 if row < 10 else 60) * ((row + system) % 2))

    prompts = prompts_of(40, answer=answer)
    key = make_key(here / "key.json", prompts)
    place_of = {row["id"]: place for place, row in enumerate(key["rows"])}
    rows = []
    for number in range(40):
        longer = (number + 1) % 2
        place = place_of[f"q{number}"]
        rows.append(exported(key, place, side_of(key, place, longer)))
    write_rows(here / "anna.jsonl", rows)
    (results,) = report(sft, "anna.jsonl")["criteria"]
    assert results["length"]["longer"]["value"] == 1.0
    strata = results["length"]["strata"]
    assert [strata[name]["count"] for name in ("similar", "other_longer", "base_longer")] == [10, 15, 15]
    assert [strata[name]["value"] for name in ("similar", "other_longer", "base_longer")] == [0.5, 1.0, 0.0]


def test_planted_repeats_do_not_count_twice(here: Path, sft: Any) -> None:
    key = make_key(here / "key.json", prompts_of(20), repeats=0.5)
    write_rows(here / "anna.jsonl", rate(key, "anna", lambda _: 1))
    (results,) = report(sft, "anna.jsonl")["criteria"]
    assert (results["all"]["count"], results["all"]["value"]) == (20, 1.0)
    assert (results["repeats"][0]["value"], results["repeats"][0]["count"]) == (1.0, 10)


def test_criteria_are_reported_one_by_one(here: Path, sft: Any) -> None:
    key = make_key(here / "key.json", prompts_of(6), criteria='[[criteria]]\nname = "polite"\n')
    rows = [
        exported(key, place, side_of(key, place, 1), criteria={"polite": side_of(key, place, 0)}) for place in range(6)
    ]
    write_rows(here / "anna.jsonl", rows)
    overall, polite = report(sft, "anna.jsonl")["criteria"]
    assert (overall["criterion"], overall["all"]["value"]) == ("overall", 1.0)
    assert (polite["criterion"], polite["all"]["value"]) == ("polite", 0.0)
    shown = sft("compare", "--ratings", "anna.jsonl", "--key", "key.json").out
    assert "\noverall\n" in shown
    assert "\npolite\n" in shown


def test_rankings_give_strengths_in_the_order_of_the_systems(here: Path, sft: Any) -> None:
    key = make_key(here / "key.json", prompts_of(60, 4))
    draw = random.Random(0)

    def ranks(place: int) -> list[int]:
        noisy = [system + draw.gauss(0, 1.5) for system in key["rows"][place]["systems"]]
        return [1 + sum(other > mine for other in noisy) for mine in noisy]

    write_rows(here / "anna.jsonl", [exported(key, place, ranks(place)) for place in range(60)])
    (results,) = report(sft, "anna.jsonl")["criteria"]
    assert [each["system"] for each in results["strengths"]] == list(reversed(NAMES))
    for each in results["strengths"]:
        assert each["interval"][0] < each["strength"] < each["interval"][1]
    assert sum(each["strength"] for each in results["strengths"]) == pytest.approx(0)
    first = results["pairs"][0]
    assert (first["base"], first["other"], first["count"]) == ("base", "tuned", 60)


def test_pairs_of_many_systems_give_strengths_as_well(here: Path, sft: Any) -> None:
    choix = pytest.importorskip("choix")
    key = make_key(here / "key.json", prompts_of(90, 3), shows_pairs=True)
    draw, rows, games = random.Random(0), [], []
    for place, row in enumerate(key["rows"]):
        better, worse = max(row["systems"]), min(row["systems"])
        winner = better if draw.random() < 0.7 else worse
        games.append((winner, worse if winner == better else better))
        rows.append(exported(key, place, side_of(key, place, winner)))
    write_rows(here / "anna.jsonl", rows)
    (results,) = report(sft, "anna.jsonl")["criteria"]
    theirs = choix.opt_pairwise(3, games, alpha=0.0, tol=1e-10)
    ours = {each["system"]: each["strength"] for each in results["strengths"]}
    assert [ours[name] for name in NAMES[:3]] == pytest.approx(theirs - theirs.mean(), abs=1e-6)
    assert [pair["count"] for pair in results["pairs"]] == [30, 30, 30]
    shown = sft("compare", "--ratings", "anna.jsonl", "--key", "key.json").out
    assert shown.startswith("base, tuned, third compared: 90 rows, judged by 1 person\n\nsystem  strength")
    assert "left side: anna" in shown


def test_a_system_that_always_wins_has_no_strength_and_says_why(here: Path, sft: Any) -> None:
    key = make_key(here / "key.json", prompts_of(6, 3))
    rows = [exported(key, place, [3 - system for system in key["rows"][place]["systems"]]) for place in range(6)]
    write_rows(here / "anna.jsonl", rows)
    (results,) = report(sft, "anna.jsonl")["criteria"]
    assert {each["strength"] for each in results["strengths"]} == {None}
    shown = sft("compare", "--ratings", "anna.jsonl", "--key", "key.json").out
    assert "a system won or lost all its comparisons: no finite strength" in shown


def test_the_text_says_what_was_not_measured(here: Path, sft: Any) -> None:
    key = make_key(here / "key.json", prompts_of(12))
    write_rows(here / "anna.jsonl", rate(key, "anna", lambda _: 1)[:6])
    shown = sft("compare", "--ratings", "anna.jsonl", "--key", "key.json").out
    assert "agreement: not measured, because one person judged; let a second one judge the same page.\n" in shown
    assert "anna judged 6 of 12 rows.\n" in shown
    write_rows(here / "bo.jsonl", rate(key, "bo", lambda _: 1)[6:])
    shown = sft("compare", "--ratings", "anna.jsonl", "bo.jsonl", "--key", "key.json").out
    assert "agreement: not measured, because no two people judged the same row.\n" in shown


CHANGES = {
    "another page": ({"page": "0123456789abcdef"}, "anna.jsonl:1: page: expected"),
    "no rater": ({"rater": " "}, 'anna.jsonl:1: rater: expected text, got " "'),
    "a code": ({"left": "00"}, 'anna.jsonl:1: left, right: expected codes of answers as in key.json, got "00, '),
    "a code that is no text": ({"left": 3}, "anna.jsonl:1: left, right: expected codes of answers as in key.json"),
    "another id": ({"id": "q99"}, "anna.jsonl:1: id: expected "),
    "a choice": ({"choice": "up"}, 'anna.jsonl:1: choice: expected one of left, right, tie, both-bad, got "up"'),
    "a time": ({"ms": "3"}, 'anna.jsonl:1: ms: expected a number, got "3"'),
    "criteria": ({"criteria": 3}, "anna.jsonl:1: criteria: expected an object, got 3"),
    "a criterion": (
        {"criteria": {"tone": "left"}},
        'anna.jsonl:1: criteria.tone: expected a criterion of key.json, got "tone"',
    ),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_rating_that_does_not_fit_is_one_clear_line(name: str, here: Path, sft: Any) -> None:
    key = make_key(here / "key.json", prompts_of(3))
    change, message = CHANGES[name]
    write_rows(
        here / "anna.jsonl",
        [exported(key, 0, "left", **change)] if "rater" not in change else [{**exported(key, 0, "left"), **change}],
    )
    result = sft("compare", "--ratings", "anna.jsonl", "--key", "key.json")
    assert (result.code, result.out) == (2, "")
    assert message in result.err
    assert "hint: " in result.err


def test_rows_that_come_twice_are_refused(here: Path, sft: Any) -> None:
    key = make_key(here / "key.json", prompts_of(3))
    write_rows(here / "anna.jsonl", [exported(key, 0, "left"), exported(key, 0, "right")])
    result = sft("compare", "--ratings", "anna.jsonl", "--key", "key.json")
    assert result.code == 2
    assert f'anna.jsonl:2: id: "{key["rows"][0]["id"]}", sample 0 by rater "anna" is already in line 1' in result.err
    write_rows(here / "anna.jsonl", [exported(key, 0, "left")])
    write_rows(here / "again.jsonl", [exported(key, 0, "right")])
    result = sft("compare", "--ratings", "anna.jsonl", "again.jsonl", "--key", "key.json")
    assert result.code == 2
    assert 'again.jsonl: id: "' in result.err
    assert "is also in anna.jsonl\nhint: give the newest export of each rater" in result.err
    result = sft("compare", "--ratings", "anna.jsonl", "anna.jsonl", "--key", "key.json")
    assert "FILE: expected the files of the raters, each once, got anna.jsonl twice" in result.err


BAD_KEYS = {
    "none": (None, "--key: cannot read key.json: No such file or directory"),
    "no JSON": ("x", "--key: key.json: expected a key that sft compare --blind-page wrote, got text that is not JSON"),
    "a list": ("[]", "--key: key.json: expected a key that sft compare --blind-page wrote, got []"),
    "another object": (
        '{"rows": []}',
        '--key: key.json: expected a key that sft compare --blind-page wrote, got {"rows": []}',
    ),
}


@pytest.mark.parametrize("name", BAD_KEYS)
def test_a_key_that_is_none_is_one_clear_line(name: str, here: Path, sft: Any) -> None:
    key = make_key(here / "key.json", prompts_of(3))
    write_rows(here / "anna.jsonl", [exported(key, 0, "left")])
    text, message = BAD_KEYS[name]
    (here / "key.json").unlink()
    if text is not None:
        (here / "key.json").write_text(text, encoding="utf-8")
    result = sft("compare", "--ratings", "anna.jsonl", "--key", "key.json")
    assert (result.code, result.out) == (2, "")
    assert message in result.err


def test_ratings_and_ranks_have_their_ranges(here: Path, sft: Any) -> None:
    single = make_key(here / "single.json", prompts_of(3, 1))
    ranking = make_key(here / "ranking.json", prompts_of(3, 3))
    cases: list[tuple[Any, Any, str, str]] = [
        *((single, value, "single.json", "rating: expected a whole number from 1 to 5") for value in (0, 6, 2.5, True)),
        *((ranking, value, "ranking.json", "ranks: expected 3 ranks from 1 to 3") for value in ([1, 2], [0, 1, 2], 1)),
    ]
    for key, value, name, message in cases:
        write_rows(here / "anna.jsonl", [exported(key, 0, value)])
        result = sft("compare", "--ratings", "anna.jsonl", "--key", name)
        assert (result.code, f"anna.jsonl:1: {message}" in result.err) == (2, True), result.err
    (here / "empty.jsonl").write_text("", encoding="utf-8")
    result = sft("compare", "--ratings", "empty.jsonl", "--key", "single.json")
    assert "empty.jsonl: no rows\nhint: Export on the page" in result.err


def test_mean_ratings_and_their_counts(here: Path, sft: Any) -> None:
    key = make_key(here / "key.json", prompts_of(10, 1), repeats=0.1)
    assert sum(row["repeat"] for row in key["rows"]) == 1
    for rater, value in (("anna", 4), ("bo", 5)):
        rows = [exported(key, place, value - (place == 0), rater) for place in range(11)]
        write_rows(here / f"{rater}.jsonl", rows)
    (results,) = report(sft, "anna.jsonl", "bo.jsonl")["criteria"]
    assert results["raters"][0]["value"] == pytest.approx(3.9)
    assert results["all"]["counts"] == {"3": 1, "4": 10, "5": 9}
    shown = sft("compare", "--ratings", "anna.jsonl", "bo.jsonl", "--key", "key.json").out
    assert shown.startswith("base: 10 rows, judged by 2 people\n\nrater        mean")
