"""Causes that are in the rows: what was asked, and whether the model was trained on it."""

from __future__ import annotations

from itertools import pairwise

from sft_cli.report.explain.answer_causes import TEXTS_MISSING
from sft_cli.report.explain.looked_at import Found, LookedAt
from sft_cli.report.page.text_facts import LANGUAGE_NAMES, script_of
from sft_cli.report.settings import NO_GROUPS

QUARTERS = 4
SHORT = dict(zip(LANGUAGE_NAMES, ("CJK", "mixed", "other"), strict=True))
MOST_FIELD_VALUES = 100  # of the field of --by


def trained(rows: LookedAt) -> Found:
    """A row of --train has the question or its answer, nearly word for word."""
    if rows.trained is None:
        return "no --train"
    hashes = rows.pairs.files[0].hashes["prompt_hash"]
    own = [hashes[int(rows.pairs.rows[0][place])] for place in rows.places]
    if not any(own) and not rows.both:
        return "no prompt_hash in the rows and no texts"
    questions = [base.question for base, _ in rows.both] or [""] * len(own)
    return {
        "also a training row": [
            rows.trained.has(number, question) for number, question in zip(own, questions, strict=True)
        ]
    }


def by_field(rows: LookedAt) -> Found:
    """The rows of one value of the field that --by names, usually the task."""
    groups = rows.pairs.files[0].groups
    names = [groups[int(rows.pairs.rows[0][place])] for place in rows.places]
    known = list(dict.fromkeys(name for name in names if name is not None))
    if rows.by == NO_GROUPS:
        return f"--by {NO_GROUPS}"
    if not known:
        return f"no row has the field {rows.by}"
    if len(known) > MOST_FIELD_VALUES:
        return f"the field {rows.by} has {len(known):,} values, more than {MOST_FIELD_VALUES}"
    return {f"{rows.by}: {name}": [own == name for own in names] for name in sorted(known)}


def language(rows: LookedAt) -> Found:
    """The language of the question by its letters: Chinese, Japanese, Korean; mixed; other."""
    if not rows.both:
        return TEXTS_MISSING
    scripts = [script_of(base.question) for base, _ in rows.both]
    return {f"language: {SHORT[name]}": [own == name for own in scripts] for name in sorted(set(scripts))}


def prompt_length(rows: LookedAt) -> Found:
    """A quarter of the rows by the characters of the question."""
    if not rows.both:
        return TEXTS_MISSING
    return quarters("prompt", [len(base.question) for base, _ in rows.both])


def reference_length(rows: LookedAt) -> Found:
    """A quarter of the rows by the characters of the first reference."""
    if not rows.both:
        return TEXTS_MISSING
    lengths = [len((base.references or other.references or [""])[0]) for base, other in rows.both]
    if not any(lengths):
        return "no references"
    return quarters("reference", lengths)


def quarters(name: str, lengths: list[int]) -> Found:
    """Four groups of about one size, named by their bounds in characters; equal lengths are in one group."""
    ordered = sorted(lengths)
    ends = sorted({ordered[min(len(ordered) - 1, len(ordered) * part // QUARTERS)] for part in range(1, QUARTERS)})
    bounds = [-1, *ends, ordered[-1]]
    found = {}
    for low, high in pairwise(bounds):
        members = [low < length <= high for length in lengths]
        if any(members):
            found[f"{name}: {low + 1} to {high}" if low + 1 < high else f"{name}: {high}"] = members
    return found
