"""Comparisons as text: the verdicts, a table, and the meaning of its numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from sft_cli.report.comparison import Comparison, Draws
from sft_cli.report.gates import Outcome
from sft_cli.report.score_files import ScoreFile
from sft_cli.report.table import markdown_table, text_table
from sft_cli.report.verdict import (
    BETTER,
    EQUIVALENT,
    NO_DIFFERENCE,
    NOT_COMPARABLE,
    TOO_LITTLE,
    WORSE,
    ComparisonVerdict,
    verdict_of,
)
from sft_cli.run.text import one_line

TableWriter = Callable[[Sequence[str], Sequence[Sequence[str]], str], str]


class Style(NamedTuple):
    """How text is written. note: what begins a footnote; indent: what begins the name of a file in the table."""

    table: TableWriter
    note: str = ""
    indent: str = "  "
    colours: bool = False


TEXT, MARKDOWN = Style(text_table), Style(markdown_table, "- ", "&ensp;")

WORD_MEANING = {
    EQUIVALENT: "the interval lies within the margin",
    NO_DIFFERENCE: "neither a difference nor equivalence, with enough data to see a difference as large as the margin",
    TOO_LITTLE: "a difference as large as the margin could stay unseen; the numbers of rows are for a power of 80 %",
}
P_METHODS = {
    "mcnemar": "exact McNemar test of the rows that only one file got right",
    "swaps": "how often random swaps of the files' outputs produce a difference this large",
    "all swaps": "share of all possible swaps of the files' outputs that produce a difference this large",
}
COLOURS = {BETTER: 32, WORSE: 31, EQUIVALENT: 36, NO_DIFFERENCE: 33, TOO_LITTLE: 33, NOT_COMPARABLE: 35}  # ANSI


def shown_interval(comparison: Comparison) -> str:
    """`[+0.0100, +0.0300]`, or `-`."""
    return "[{:+.4f}, {:+.4f}]".format(*comparison.interval) if comparison.interval else "-"


def four_decimals(value: float | None, sign: str = "") -> str:
    """Four decimals, or `-` if the value is not known."""
    return "-" if value is None else f"{value:{sign}.4f}"


def shown_p(p: float) -> str:
    """Four decimals, or `<0.0001`."""
    return f"{p:.4f}" if p >= 0.00005 else "<0.0001"


def shown_count(count: int | None) -> str:
    """`1,234`, or `-` if the value is not known."""
    return "-" if count is None else f"{count:,}"


def comparison_text(
    files: list[ScoreFile], comparisons: list[Comparison], draws: Draws, notes: list[str], style: Style
) -> str:
    """The verdicts, the comparisons as a table with the base first in each block, and the meaning of the numbers."""
    verdicts = "\n".join(verdict_lines(comparisons, style.colours))
    has_families = any(comparison.p_holm != comparison.p for comparison in comparisons)
    header = ["", "value", "change", f"{draws.confidence * 100:g}% interval", "p holm" if has_families else "p"]
    header += ["better", "worse", "n"]
    lines, block = [], None
    for comparison in comparisons:
        if block != (comparison.value, comparison.group, comparison.base):
            block = (comparison.value, comparison.group, comparison.base)
            lines.append([_block_name(comparison), *[""] * (len(header) - 1)])
            lines.append(
                [f"{style.indent}{comparison.base}", four_decimals(comparison.base_value), *[""] * (len(header) - 2)]
            )
        cells = [f"{style.indent}{comparison.other}", four_decimals(comparison.other_value)]
        cells += [four_decimals(comparison.difference, "+"), shown_interval(comparison)]
        cells += [shown_p(comparison.p_holm)]
        lines.append([*cells, *map(shown_count, (comparison.better, comparison.worse, comparison.n))])
    grid = style.table(header, lines, "<" + ">" * (len(header) - 1))
    below = "".join(f"{style.note}{line}\n" for line in [*footnotes(files, comparisons, draws), *notes])
    return f"{verdicts}\n\n{grid}\n{below}"


def gate_text(outcome: Outcome) -> str:
    """PASS or FAIL in bold, and each reason in a line: for Markdown."""
    return f"**{outcome.word}**\n\n" + "".join(f"- {part}\n" for part in outcome.parts) + "\n"


def _block_name(comparison: Comparison) -> str:
    """`exact_match ↑ 0–1 in old`: the value, its direction, its scale, and the rows."""
    scale = "" if comparison.largest is None else f" 0–{comparison.largest:g}"
    place = "" if comparison.group is None else f" in {one_line(comparison.group)}"
    return f"{comparison.value} {'↑' if comparison.higher_is_better else '↓'}{scale}{place}"


def verdict_lines(comparisons: list[Comparison], colours: bool = False) -> list[str]:
    """For each two files, each word with the values that it is the verdict on."""
    verdicts: dict[tuple[str, str], dict[str, list[str]]] = {}
    for comparison in comparisons:
        verdict = verdict_of(comparison)
        place = "" if comparison.group is None else f" in {one_line(comparison.group)}"
        named = f"{comparison.value}{place}{_details(comparison, verdict)}"
        words = verdicts.setdefault((comparison.base, comparison.other), {word: [] for word in COLOURS})
        words[verdict.word].append(named)
    lines = []
    for (base, other), words in verdicts.items():
        lines.append(f"{other} against {base}:")
        lines += [f"- {_painted(word, colours)}: {', '.join(named)}" for word, named in words.items() if named]
    return lines


def _details(comparison: Comparison, verdict: ComparisonVerdict) -> str:
    parts = [verdict.reason] if verdict.reason else []
    if verdict.word == TOO_LITTLE:
        if verdict.needed_for_difference:
            parts.append(f"{verdict.needed_for_difference:,} rows to detect {comparison.difference:+.4f}")
        if verdict.needed_for_margin:
            parts.append(f"{verdict.needed_for_margin:,} rows to exclude {comparison.margin:.4g}")
    return f" ({'; '.join(parts)})" if parts else ""


def _painted(word: str, colours: bool) -> str:
    return f"\x1b[{COLOURS[word]}m{word}\x1b[0m" if colours else word


def footnotes(files: list[ScoreFile], comparisons: list[Comparison], draws: Draws) -> list[str]:
    """The meaning of the numbers, failed rows, and the signatures."""
    words = {verdict_of(comparison).word for comparison in comparisons}
    lines = [f"{word}: {text}." for word, text in WORD_MEANING.items() if word in words]
    if words & set(WORD_MEANING):
        lines += margin_notes(comparisons)
    lines += [
        *interval_notes(comparisons, draws),
        *_by_method("p", P_METHODS, {c.value: c.p_method for c in comparisons if c.p_method in P_METHODS}),
        "↑ higher is better, ↓ lower is better; better, worse: number of rows whose own value became better or worse.",
    ]
    if any(comparison.p_holm != comparison.p for comparison in comparisons):
        lines.append(
            "p holm: p after Holm's correction over all comparisons of a metric (groups are corrected separately), or "
            "over all tests of a gate."
        )
    lines += [
        f"{file.label}: {file.errors:,} of {len(file.rows):,} rows without a completion (counted as wrong)"
        for file in files
        if file.errors
    ]
    metrics = list(dict.fromkeys(comparison.metric for comparison in comparisons))
    signatures = [file.signatures[key] for key in metrics for file in files if key in file.signatures]
    return lines + list(dict.fromkeys(signatures))


def margin_notes(comparisons: list[Comparison]) -> list[str]:
    """The smallest difference that matters, for each value."""
    margins = {comparison.value: f"{comparison.margin:.4g}" for comparison in comparisons if comparison.group is None}
    if len(set(margins.values())) == 1:
        return [f"margin: {next(iter(margins.values()))} (--margin)."]
    return [f"margin (--margin): {', '.join(f'{value} {margin}' for value, margin in margins.items())}."]


def interval_notes(comparisons: list[Comparison], draws: Draws) -> list[str]:
    """The methods of the intervals, and the reasons for missing intervals."""
    meaning = {
        "newcombe": "Newcombe's interval for the difference between two shares, both of the same prompts",
        "bootstrap": f"expanded percentiles of {draws.count:,} paired bootstrap differences",
    }
    methods = {c.value: c.interval_method for c in comparisons if c.interval_method}
    missing = list(dict.fromkeys(comparison.no_interval for comparison in comparisons if comparison.no_interval))
    lines = _by_method("interval", meaning, methods)
    return lines + ([f"interval -: {', or '.join(missing)}."] if missing else [])


def _by_method(name: str, meaning: dict[str, str], methods: dict[str, str]) -> list[str]:
    """A line for each method that was used; with the values it was used for, if there are several methods."""
    lines = []
    for method, text in meaning.items():
        values = [value for value, own in methods.items() if own == method]
        if values:
            is_all = len(values) == len(methods)
            lines.append(f"{name}{'' if is_all else ' of ' + ', '.join(values)}: {text}.")
    return lines
