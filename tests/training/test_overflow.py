"""What becomes of rows that are too long: no target loses its end, no token is lost unsaid."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from conftest import chat, make_tokenizer
from hypothesis import given
from hypothesis import strategies as st

from sft_cli.model.encode import Encoder
from sft_cli.run.errors import FieldError
from sft_cli.run.ledger import Ledger
from sft_cli.training.overflow import Fit

ENCODER = Encoder(make_tokenizer())
STOP = ENCODER.stop_ids[0]
words = st.integers(1, 30).map(lambda n: "The fox " * n)


@given(st.lists(words, min_size=2, max_size=6).filter(lambda turns: len(turns) % 2 == 0), st.integers(2, 120))
def test_a_conversation_is_cut_after_an_answer_or_dropped(turns: list[str], most: int) -> None:
    row = chat(*turns)
    row["messages"][1]["weight"] = 0.5
    whole = ENCODER.example(row)
    ledger = Ledger()
    cut = Fit("truncate", most, ENCODER.stop_ids, "training")(whole, ledger)
    fitting = [n for n in range(2, len(turns) + 1, 2) if len(ENCODER.example(chat(*turns[:n])).ids) - 1 <= most]
    if len(whole.ids) <= most:
        assert cut == [whole]
    elif not fitting:
        assert cut == []
        assert ledger.counts == {f"training rows dropped: no target turn ends within {most} tokens": 1}
    else:
        (example,) = cut
        assert (example.ids[-1], example.weights[-1] > 0, example.has_stop) == (STOP, True, True)
        assert example.ids.tolist() == whole.ids[: len(example.ids)].tolist()
        assert example.weights.tolist() == whole.weights[: len(example.ids)].tolist()
        assert len(example.ids) == len(ENCODER.example(chat(*turns[: fitting[-1]])).ids) - 1  # less the last new line


@given(st.integers(3, 60), st.integers(2, 20), st.sampled_from([1.0, 0.25]))
def test_split_text_has_every_target_exactly_once(repeats: int, most: int, weight: float) -> None:
    whole = ENCODER.example({"id": "t", "text": "The quick fox. " * repeats, "weight": weight})
    ledger = Ledger()
    pieces = Fit("split", most, ENCODER.stop_ids, "training")(whole, ledger)
    targets = [token for piece in pieces for token in piece.ids[piece.weights > 0].tolist()]
    assert targets == whole.ids[1:].tolist()
    assert sum(float(piece.weights.sum()) for piece in pieces) == pytest.approx(float(whole.weights.sum()))
    assert all(2 <= len(piece.ids) <= most and piece.weights[0] == 0 for piece in pieces)
    # A piece begins with the token that the piece before ended with: its second token is predicted from it.
    assert [p.ids[0] for p in pieces[1:]] == [p.ids[-1] for p in pieces[:-1]]
    assert [piece.has_stop for piece in pieces] == [False] * (len(pieces) - 1) + [True]
    if len(pieces) > 1:
        assert ledger.counts == Counter(
            {
                "training rows": 1,
                f"training rows split into documents of at most {most} tokens": 1,
                "training documents added by that": len(pieces) - 1,
            }
        )


def test_text_is_cut_at_the_length_and_counted() -> None:
    whole = ENCODER.example({"id": "t", "text": "The quick fox. " * 9})
    ledger = Ledger()
    (cut,) = Fit("truncate", 8, ENCODER.stop_ids, "held-out")(whole, ledger)
    assert (len(cut.ids), cut.has_stop, cut.is_text) == (8, False, True)
    assert ledger.lines() == ["1  held-out rows", "1  held-out rows cut at 8 tokens (their ends are lost)"]


def test_long_rows_are_errors_by_default_and_name_the_cure() -> None:
    text = ENCODER.example({"id": "t", "text": "The quick fox. " * 9})
    with pytest.raises(FieldError, match=r"expected at most 8 tokens, got \d+ \(--overflow drop, truncate or split"):
        Fit("error", 8, ENCODER.stop_ids, "training")(text, Ledger())
    for overflow in ("error", "split"):
        with pytest.raises(FieldError, match=r"expected at most 8 tokens, got \d+ \(--overflow drop or truncate"):
            Fit(overflow, 8, ENCODER.stop_ids, "training")(ENCODER.example(chat("a", "b " * 20)), Ledger())
    silent = chat("a", "b")
    silent["messages"][1]["weight"] = 0
    with pytest.raises(FieldError, match="at least one target token"):
        Fit("drop", 8, ENCODER.stop_ids, "training")(ENCODER.example(silent), Ledger())
    assert not np.any(ENCODER.example(silent).weights)
