"""What the raters say, as tables with the meaning of their numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sft_cli.report.human.criteria import YES_NO
from sft_cli.run.text import counted, one_line

WriteTable = Callable[[Sequence[str], Sequence[Sequence[str]], str], str]
Cells = list[str]
STRATA = {
    "similar": "win rate, lengths within 10 %",
    "other_longer": "win rate, {other} longer",
    "base_longer": "win rate, {base} longer",
}
SCALE_NOTES = {YES_NO: "yes is 1, no is 0"}


def ratings_text(document: dict[str, Any], table: WriteTable) -> str:
    """The whole report: a block of tables for each criterion, and notes at the end."""
    level = f"{document['confidence'] * 100:g}% interval"
    parts = [_ratings_title(document)]
    for place, results in enumerate(document["criteria"]):
        parts += [one_line(results["criterion"], 60) + "\n"] if len(document["criteria"]) > 1 else []
        parts += _main_tables(document, results, table, level)
        parts += [
            _filled_table(table, [f"agreement of people{_of(document)}", "value", level, "n"], _agreement(results)),
            # One table of these is enough to read; JSON has them for each criterion.
            _bias_table(document, results, table, level) if place == 0 else "",
            _filled_table(table, ["a judge compared with people", "value", level, "n"], _judges(results)),
        ]
    parts.append("\n".join(_rating_notes(document)) + "\n")
    return "\n".join(part for part in parts if part)


def _ratings_title(document: dict[str, Any]) -> str:
    labels = [one_line(system["label"]) for system in document["systems"]]
    people = sum(not rater["is_judge"] for rater in document["raters"])
    judges = len(document["raters"]) - people
    raters = " and ".join(
        ([("1 person" if people == 1 else f"{people:,} people")] if people else [])
        + ([counted(judges, "judge")] if judges else [])
    )
    title = f"{', '.join(labels)} compared"
    if len(labels) < 3:
        title = f"{labels[1]} compared with {labels[0]}" if _is_pair(document) else labels[0]
    return f"{title}: {counted(document['rows'], 'row')}, judged by {raters}\n"


def _is_pair(document: dict[str, Any]) -> bool:
    """Whether there are two systems, so that one has a win rate over the other."""
    return len(document["systems"]) == 2


def _of(document: dict[str, Any]) -> str:
    people = [rater for rater in document["raters"] if not rater["is_judge"]]
    return f" ({len(people):,})" if len(people) > 2 else ""


def _filled_table(table: WriteTable, header: Cells, rows: list[Cells]) -> str:
    return table(header, rows, "<" + ">" * (len(header) - 1)) if rows else ""


def _bias_table(document: dict[str, Any], results: dict[str, Any], table: WriteTable, level: str) -> str:
    title = "repeated rows" if document["kind"] == "single" else "bias, and repeated rows"
    header = [title, "share", level, "p", "n"]
    return _filled_table(table, header, _biases(document, results))


def _main_tables(document: dict[str, Any], results: dict[str, Any], table: WriteTable, level: str) -> list[str]:
    has_people = any(not each["is_judge"] for each in results["raters"])
    everyone = "all people" if has_people else "all judges"
    if document["kind"] == "single":
        header = ["rater", "mean", level, "n", "rows"]
        rows = [[everyone, *_mean_cells(results["all"])]] if len(results["raters"]) > 1 else []
        rows += [[_rater_cell(each), *_mean_cells(each)] for each in results["raters"]]
        return [_filled_table(table, header, rows)]
    wins = ["win rate", level, "p", "wins", "ties", "bad", "losses", "rows"]
    if _is_pair(document):
        rows = [[everyone, *_win_cells(results["all"])]] if len(results["raters"]) > 1 else []
        rows += [[_rater_cell(each), *_win_cells(each)] for each in results["raters"]]
        return [_filled_table(table, ["rater", *wins], rows)]
    strengths = [
        [
            *(one_line(each["system"]), _shown_number(each["strength"], "+"), _shown_bounds(each["interval"], "+")),
            *(_shown_number(each["win_rate"]), _shown_bounds(each["win_rate_interval"])),
        ]
        for each in results["strengths"]
    ]
    pairs = [
        [f"{one_line(each['other'])} over {one_line(each['base'])}", *_win_cells(each)] for each in results["pairs"]
    ]
    return [
        _filled_table(table, ["system", "strength", level, "beats others", level], strengths),
        _filled_table(table, ["pair", *wins], pairs),
    ]


def _rater_cell(each: dict[str, Any]) -> str:
    return one_line(each["rater"], 24) + (" (judge)" if each["is_judge"] else "")


def _win_cells(each: dict[str, Any]) -> Cells:
    counts = [f"{each[name]:,}" for name in ("wins", "ties", "both_bad", "losses", "prompts")]
    return [_shown_number(each["value"]), _shown_bounds(each["interval"]), _shown_number(each["p"], places=4), *counts]


def _mean_cells(each: dict[str, Any]) -> Cells:
    return [_shown_number(each["value"]), _shown_bounds(each["interval"]), f"{each['count']:,}", f"{each['prompts']:,}"]


def _agreement(results: dict[str, Any]) -> list[Cells]:
    found = results["agreement"]
    if not found:
        return []
    names = {
        "equal": "equal verdicts",
        "fleiss_kappa": "Fleiss' kappa",
        "alpha_nominal": "Krippendorff's alpha, nominal",
        "alpha_ordinal": "Krippendorff's alpha, ordinal",
        "alpha_interval": "Krippendorff's alpha, interval",
    }
    rows = [[label, *_measure_cells(found[name], found["units"])] for name, label in names.items()]
    for pair in found["pairs"]:
        raters = ", ".join(one_line(rater, 16) for rater in pair["raters"])
        rows += [[f"Cohen's kappa: {raters}", *_measure_cells(pair["cohen_kappa"], pair["units"])]]
    return rows


def _measure_cells(each: dict[str, Any], units: int) -> Cells:
    return [_shown_number(each["value"]), _shown_bounds(each["interval"]), f"{units:,}"]


def _biases(document: dict[str, Any], results: dict[str, Any]) -> list[Cells]:
    rows: list[Cells] = []
    if document["kind"] != "single":
        side = "left side" if document["kind"] == "pair" else "shown earlier"
        rows += [[f"{side}: {one_line(each['rater'], 24)}", *_share_cells(each)] for each in results["position"]]
        rows += [["longer answer", *_share_cells(results["length"]["longer"])]]
        labels = {"base": document["systems"][0]["label"], "other": document["systems"][-1]["label"]}
        labels = {name: one_line(label) for name, label in labels.items()}
        strata = results["length"].get("strata", {})
        rows += [[STRATA[name].format(**labels), *_share_cells(each)] for name, each in strata.items() if each["count"]]
    return rows + [
        [f"same verdict again: {one_line(each['rater'], 24)}", *_share_cells(each)] for each in results["repeats"]
    ]


def _share_cells(each: dict[str, Any]) -> Cells:
    shown_p = "" if each["p"] is None else _shown_number(each["p"], places=4)
    return [_shown_number(each["value"]), _shown_bounds(each["interval"]), shown_p, f"{each['count']:,}"]


def _judges(results: dict[str, Any]) -> list[Cells]:
    rows: list[Cells] = []
    for each in results["judges"]:
        name = one_line(each["judge"], 24)
        if not each["units"]:
            rows.append([f"{name}: no row in common", "-", "-", "0"])
            continue
        rows.append([f"{name}: equal verdicts", *_measure_cells(each["equal"], each["units"])])
        rows.append([f"{name}: Cohen's kappa", *_measure_cells(each["cohen_kappa"], each["units"])])
    return rows


def _shown_number(value: float | None, sign: str = "", places: int = 3) -> str:
    return "-" if value is None else f"{value:{sign}.{places}f}"


def _shown_bounds(bounds: Sequence[float] | None, sign: str = "") -> str:
    return f"[{bounds[0]:{sign}.3f}, {bounds[1]:{sign}.3f}]" if bounds else "-"


def _rating_notes(document: dict[str, Any]) -> list[str]:
    """The meaning of the numbers, what is not there, and how long a row took."""
    kind, results = document["kind"], document["criteria"]
    notes = []
    if _is_pair(document):
        base, other = (one_line(system["label"]) for system in document["systems"])
        notes.append(
            f"win rate: share of rows where {other} is better than {base}; "
            "“tie” and “both bad” (bad) count as half a win."
        )
    elif kind != "single":
        notes.append(
            "strength: by Bradley and Terry, from all pairs, mean 0; “tie” and “both bad” count as half a win."
        )
        notes.append(
            "beats others: probability, by these strengths, that the system beats another; mean over the others."
        )
    scales = {each["criterion"]: each["scale"] for each in results} if kind == "single" else {}
    notes += [f"{one_line(name)}: {SCALE_NOTES.get(scale, f'ratings {scale}')}." for name, scale in scales.items()]
    notes.append("interval: Wilson's if each prompt has one verdict without ties, else bootstrap of prompts.")
    if kind != "single":
        notes.append("p: exact sign test of prompts; a share of 0.5 means no difference and no bias.")
    if len(results) > 1:
        notes.append(
            f"bias and repeated rows: for the criterion {one_line(results[0]['criterion'])}; --json has all criteria."
        )
    missing = list(dict.fromkeys(_reasons_of_gaps(results)))
    notes += [f"interval -: {', or '.join(missing)}."] if missing else []
    people = [rater for rater in document["raters"] if not rater["is_judge"]]
    if len(people) == 1:
        notes.append("agreement: not measured, because one person judged; let a second one judge the same page.")
    elif people and not any(each["agreement"] for each in results):
        notes.append("agreement: not measured, because no two people judged the same row.")
    if people and len(people) < len(document["raters"]):
        notes.append("a judge is compared with the majority of people, and is not in “all people”.")
    seconds = [f"{one_line(rater['rater'], 24)} {rater['seconds']:.1f}" for rater in people if rater["seconds"]]
    notes += [f"median seconds for a row: {', '.join(seconds)}"] if seconds else []
    few = [rater for rater in people if rater["rows"] < document["rows"]]
    notes += [f"{one_line(rater['rater'], 24)} judged {rater['rows']:,} of {document['rows']:,} rows." for rater in few]
    return notes


def _reasons_of_gaps(found: Any) -> list[str]:
    """Every reason for a missing interval in a document, for values that are there."""
    if isinstance(found, dict):
        mine = [found["no_interval"]] if found.get("no_interval") not in (None, "no ratings") else []
        return mine + [reason for each in found.values() for reason in _reasons_of_gaps(each)]
    return [reason for each in found for reason in _reasons_of_gaps(each)] if isinstance(found, list) else []
