"""Explanations as text: a table of groups, their examples, and what could not be looked at."""

from __future__ import annotations

from sft_cli.report.comparison_text import Style, shown_p
from sft_cli.report.explain import CAUSES
from sft_cli.report.explain.explanation import Explanation
from sft_cli.report.explain.groups import CauseGroup, examples
from sft_cli.report.intervals import FEWEST
from sft_cli.report.score_files import ScoreFile
from sft_cli.run.text import counted, one_line

MOST_SHOWN = 10  # groups in the table; --json has all
WIDEST_NAME = 24  # so that the table has 80 columns
THROUGH_OTHERS = "·"  # begins the name of a group that other groups explain
HEADER = ("group", "worse", "share", "rest", "interval", "lift", "p", "new")


def explanation_text(explanations: list[Explanation], style: Style) -> str:
    """The groups of each file, below the table of the comparison."""
    return "".join(f"\n{_explained(each, style)}" for each in explanations)


def _explained(each: Explanation, style: Style) -> str:
    base, other = each.rows.labels
    total, value = len(each.rows.places), each.rows.measure.value
    head = (
        f"what went wrong, {other} against {base}: {each.broken:,} of {counted(total, 'row')} became worse by more "
        f"than {each.rows.comparison.margin:.4g} ({value})"
    )
    lines = [*_sample_note(each), *_quiet_notes(each)]
    shown = each.shown
    if not each.broken:
        return f"{head}\n\n" + _notes(["no row to explain.", *lines], style)
    if not shown:
        number = sum(group.p is not None for group in each.groups)
        none = f"no group became worse significantly more often than the other rows; {counted(number, 'group')} tested."
        return f"{head}\n\n" + _notes([none, *lines], style)
    table = style.table(HEADER, [_cells(group) for group in shown[:MOST_SHOWN]], "<>>>>>>>")
    tested = sum(group.p is not None for group in each.groups)
    meaning = [
        "order: the group that is least likely by chance first.",
        f"share, rest: share of the group, and of all other rows, that became worse; lift: share over rest; interval: "
        f"of the difference, {100 * each.rows.comparison.confidence:.4g} % (Newcombe).",
        f"p: exact test (Fisher, one-sided), corrected for {counted(tested, 'group')} (Holm); new: worse rows of no "
        "group above.",
    ]
    if any(group.cause.endswith("-length") for group in shown):
        meaning.append("prompt, reference: characters of the question, and of the first reference.")
    if not all(group.is_own for group in shown[:MOST_SHOWN]):
        meaning.append(f"{THROUGH_OTHERS}: without the rows of the groups above, it is not significantly worse.")
    more = [f"{counted(len(shown) - MOST_SHOWN, 'more group')}: --json has all."] if len(shown) > MOST_SHOWN else []
    rows = [_example_line(each, group) for group in shown[:MOST_SHOWN]]
    return f"{head}\n\n{table}\n" + _notes([*rows, "", *more, *meaning, *lines], style)


def _notes(lines: list[str], style: Style) -> str:
    return "".join(f"{style.note}{line}\n" if line else ("" if style.note else "\n") for line in lines)


def _cells(group: CauseGroup) -> list[str]:
    low, high = group.interval or (0.0, 0.0)
    return [
        one_line(group.name if group.is_own else f"{THROUGH_OTHERS} {group.name}", WIDEST_NAME),
        f"{group.broken:,}/{group.rows:,}",
        f"{group.share:.2f}",
        f"{group.rest_share:.2f}",
        f"[{low:.2f}, {high:.2f}]",
        "∞" if group.lift is None else f"{group.lift:.3g}",
        shown_p(group.p_holm or 0.0),
        f"{group.not_above:,}",
    ]


def _example_line(each: Explanation, group: CauseGroup) -> str:
    """`loop: q3 (line 4), q9 (line 10)`: rows of the other score file."""
    found = [
        f"{one_line(str(row['id']), 24)}{' sample ' + str(row['sample']) if row['sample'] else ''} (line {row['line']})"
        for row in examples(each.rows, group)
    ]
    return f"{one_line(group.name, 60)}, {_file_name(each.rows.pairs.files[each.rows.side])}: " + ", ".join(found)


def _file_name(file: ScoreFile) -> str:
    return "<stdin>" if file.path == "-" else file.path


def _sample_note(each: Explanation) -> list[str]:
    if not each.rows.samples:
        return []
    left_out = counted(each.rows.samples, "row")
    return [f"each prompt counts once, by its row with the largest drop; {left_out} not counted."]


def _quiet_notes(each: Explanation) -> list[str]:
    """The causes that were not looked at, those without a row, and the groups that are too small to test."""
    notes = []
    if each.missing:
        by_reason: dict[str, list[str]] = {}
        for cause, reason in each.missing.items():
            by_reason.setdefault(reason, []).append(cause)
        parts = [f"{', '.join(causes)} ({reason})" for reason, causes in by_reason.items()]
        notes.append(f"not looked at: {'; '.join(parts)}.")
    empty = [group.name for group in each.groups if not group.rows]
    if empty:
        notes.append(f"no such row: {'; '.join(empty)}.")
    whole = [one_line(group.name, 60) for group in each.groups if not group.rest_rows]
    if whole:
        notes.append(f"all rows are alike: {'; '.join(whole)}.")
    small = [group for group in each.groups if group.p is None and group.rows and group.rest_rows]
    if small:
        parts = [f"{one_line(group.name, 60)} ({group.broken:,}/{group.rows:,} worse)" for group in small]
        notes.append(f"not tested, fewer than {FEWEST} rows in the group or in the rest: {'; '.join(parts)}.")
    return notes


def cause_table() -> str:
    """The causes and what each looks at, in Markdown, for the page on explanations."""
    rows = [f"| `{name}` | {CAUSES.summary(name)} |" for name in CAUSES]
    return "\n".join(["| cause | which rows |", "|---|---|", *rows, ""])
