"""Causes that are in the answers: the answer of the other file has a fault that the answer of the base has not."""

from __future__ import annotations

import math

from sft_cli.metrics.repetition import sequence_repetition
from sft_cli.metrics.tokenizers import mixed
from sft_cli.report.explain.looked_at import Found, LookedAt
from sft_cli.report.texts import RowTexts

TEXTS_MISSING = "no texts"
LOOP_SHARE = 0.3  # share of 4-grams that an answer repeats; ordinary prose is below 0.1
LOOP_ORDER = 4
LEAST_WORDS = 8  # a shorter answer is no loop
LEAST_LETTERS = 40  # of an answer of fewer words, whose characters are compared


def no_answer(rows: LookedAt) -> Found:
    """No answer: the generation failed, or the answer is empty."""
    if not rows.both:
        return TEXTS_MISSING
    return {
        "no answer (failed)": rows.newly(lambda row: row.completion is None),
        "empty answer": rows.newly(lambda row: row.completion is not None and not row.completion.strip()),
    }


def loops(text: str | None) -> bool:
    """Whether an answer repeats itself: at least LOOP_SHARE of its 4-grams of words come again.

    Of a long answer with fewer than LEAST_WORDS words, those of characters.
    """
    words = mixed(text or "")
    if len(words) < LEAST_WORDS:
        words = list(text or "") if len(text or "") >= LEAST_LETTERS else []
    return bool(words) and sequence_repetition(words, LOOP_ORDER) >= LOOP_SHARE


def loop(rows: LookedAt) -> Found:
    """The answer repeats itself: at least 30 % of its 4-grams come again."""
    if not rows.both:
        return TEXTS_MISSING
    return {"answer repeats itself": rows.newly(lambda row: loops(row.completion))}


def cut(rows: LookedAt) -> Found:
    """The answer ended at the token limit."""
    name = "cut at the token limit"
    marked = [rows.pairs.files[side].cut for side in (0, rows.side)]
    if any(row.finish_reason for pair in rows.both for row in pair):
        return {name: rows.newly(lambda row: row.is_cut)}
    if not any(marked):
        return "no finish_reason in the rows"
    numbers = [rows.pairs.rows[side] for side in (0, rows.side)]
    return {name: [numbers[1][at] in marked[1] and numbers[0][at] not in marked[0] for at in rows.places]}


def less_evidence(rows: LookedAt) -> Found:
    """sft verify found more claims without support than in the answer of the base."""
    if not rows.both:
        return TEXTS_MISSING
    if not any(None not in (base.unsupported, other.unsupported) for base, other in rows.both):
        return "no row was verified in both files"
    return {"more unsupported claims": [(other.unsupported or 0) > _base_claims(base) for base, other in rows.both]}


def _base_claims(base: RowTexts) -> float:
    """The claims without support of the base; a base that was not verified is no comparison."""
    return math.inf if base.unsupported is None else base.unsupported
