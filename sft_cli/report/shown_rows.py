"""--show-worse and --show-better: the rows whose own value changed most, with their texts and a diff."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sft_cli.report.comparison import Measure
from sft_cli.report.paired_rows import MeasuredPairs, no_row_values
from sft_cli.report.pairs import Pairs
from sft_cli.report.row_settings import ShowsRows
from sft_cli.report.texts import RowTexts, TextFile
from sft_cli.report.word_diff import ADDED, GONE, LEAST_COMMON, SAME, DiffPart, common_share, marked_diff, word_diff
from sft_cli.run.text import counted, one_line, printable

LONGEST_SHOWN = 400  # characters of a text in the list; --json has all
Texts = dict[tuple[int, int], RowTexts]  # by side and number of the pair


@dataclass(frozen=True)
class ShownRows:
    """One list: the pairs with the largest drop or gain of one side, largest first. changed: how many there are."""

    is_worse: bool
    side: int
    places: list[int]
    changed: int
    values: Any  # of both sides, (pairs, 2)
    measure: Measure

    @property
    def name(self) -> str:
        """`worse` or `better`: the key of the list in JSON."""
        return "worse" if self.is_worse else "better"


def shown_lists(settings: ShowsRows, pairs: Pairs, measure: Measure) -> list[ShownRows]:
    """The lists that the flags ask for, for each file after the base; raises UserError if rows have no own value."""
    import numpy

    asked = [
        (flag, count) for flag, count in (("worse", settings.show_worse), ("better", settings.show_better)) if count
    ]
    if not asked:
        return []
    measured = MeasuredPairs.of(pairs, measure)
    lists = []
    for side in range(1, len(pairs.files)):
        base, other = measured.values[0], measured.values[side]
        gains = (other - base) * (1 if measure.higher_is_better else -1)
        if numpy.isnan(gains).all():
            raise no_row_values(f"--show-{asked[0][0]}", measure)
        for flag, count in asked:
            signed = gains if flag == "worse" else -gains
            order = numpy.argsort(signed, kind="stable")  # NaN is last; rows with equal changes stay in their order
            changed = int((signed < 0).sum())
            places = order[: min(count, changed)].tolist()
            both = numpy.column_stack([base, other])
            lists.append(ShownRows(flag == "worse", side, places, changed, both, measure))
    return lists


def texts_of_pairs(sources: Sequence[TextFile], pairs: Pairs, wanted: Iterable[int]) -> Texts:
    """The texts of some pairs in every file; other rows are read and not kept."""
    places = sorted(set(wanted))
    texts: Texts = {}
    for side, source in enumerate(sources):
        numbers = {int(pairs.rows[side][place]): place for place in places}
        for number, row in source.read(numbers):
            texts[side, numbers[number]] = row
    return texts


def shown_text(lists: Sequence[ShownRows], pairs: Pairs, texts: Texts) -> str:
    """The lists for a terminal, each below a line that says how they were chosen."""
    blocks = []
    for rows in lists:
        labels = pairs.files[0].label, pairs.files[rows.side].label
        kind = "drop" if rows.is_worse else "gain"
        heading = (
            f"{counted(len(rows.places), 'row')} with the largest {kind} of {rows.measure.value}, {labels[1]} against "
            f"{labels[0]} ({rows.changed:,} of {len(pairs):,} rows became {rows.name})"
        )
        blocks.append(heading)
        names = pairs.names(rows.places)
        for place, name in zip(rows.places, names, strict=True):
            blocks.append(_block(rows, place, name, (texts[0, place], texts[rows.side, place]), labels))
    return "".join(f"\n{block}\n" for block in blocks)


def _block(
    rows: ShownRows, place: int, name: dict[str, Any], texts: tuple[RowTexts, RowTexts], labels: tuple[str, str]
) -> str:
    base, other = texts
    before, after = rows.values[place].tolist()
    sample = f" sample {name['sample']}" if name["sample"] else ""
    title = [one_line(f"{name['id']}{sample}"), f"{rows.measure.value} {before:.4f} → {after:.4f}"]
    if base.task is not None:
        title.insert(1, one_line(base.task))
    lines = [("question", _short(base.question) if base.question else "(the generations have no prompt)")]
    references = base.references or other.references
    lines += [("reference", _short(each)) for each in references] or [("reference", "(none)")]
    lines += [(label, _answer_line(row)) for label, row in zip(labels, texts, strict=True)]
    lines.append(("diff", _diff(base.completion, other.completion)))
    width = max(len(name) for name, _ in lines)
    return "\n".join([" · ".join(title), *(f"  {name.ljust(width)}  {text}" for name, text in lines)])


def _short(text: str) -> str:
    """The text in one line; if it is cut, how many characters are left out."""
    flat = printable(" ".join(text.split()))
    if len(flat) <= LONGEST_SHOWN:
        return flat
    return f"{flat[:LONGEST_SHOWN]}… (and {counted(len(flat) - LONGEST_SHOWN, 'character')})"


def _answer_line(row: RowTexts) -> str:
    if row.completion is None:
        return "(no completion)"
    text = _short(row.completion) or "(empty)"
    return f"{text} (cut at the token limit)" if row.is_cut else text


def _diff(base: str | None, other: str | None) -> str:
    """The marked difference; words if there is nothing to mark."""
    if base is None or other is None:
        return "(one of them has no completion)"
    before, after = (" ".join(text.split()) for text in (base, other))
    if before == after:
        return "(the same words)"
    if max(len(before), len(after)) > LONGEST_SHOWN:
        note = f"(of the first {LONGEST_SHOWN:,} characters) "
        before, after = before[:LONGEST_SHOWN], after[:LONGEST_SHOWN]
    else:
        note = ""
    parts = word_diff(before, after)
    if common_share(parts) < LEAST_COMMON:
        return f"{note}(the two answers share less than a fifth of their words)"
    return note + printable(marked_diff(parts))


def shown_document(lists: Sequence[ShownRows], pairs: Pairs, texts: Texts) -> dict[str, Any]:
    """The lists for --json, by `worse` and `better`, with whole texts."""
    document: dict[str, Any] = {rows.name: [] for rows in lists}
    for rows in lists:
        document[rows.name] += [_entry(rows, place, pairs, texts) for place in rows.places]
    return document


def _entry(rows: ShownRows, place: int, pairs: Pairs, texts: Texts) -> dict[str, Any]:
    base, other = texts[0, place], texts[rows.side, place]
    labels = [pairs.files[side].label for side in (0, rows.side)]
    before, after = rows.values[place].tolist()
    parts: list[DiffPart] = word_diff(base.completion or "", other.completion or "")
    words = {SAME: "same", GONE: "removed", ADDED: "added"}
    return {
        **pairs.names([place])[0],
        "task": base.task,
        "value": rows.measure.value,
        "base": labels[0],
        "other": labels[1],
        "base_value": before,
        "other_value": after,
        "question": base.question,
        "references": base.references or other.references,
        "completions": [base.completion, other.completion],
        "finish_reasons": [base.finish_reason, other.finish_reason],
        "diff": [{"kind": words[kind], "text": text} for kind, text in parts],
    }
