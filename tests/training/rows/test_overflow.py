"""What becomes of rows that are too long: no target loses its end, no token is lost unsaid."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_rows import chat
from tiny_models import make_tokenizer

from sft_cli.encoding.encoder import Encoder
from sft_cli.encoding.sentences import SentenceEnds
from sft_cli.run.errors import FieldError
from sft_cli.run.ledger import Ledger
from sft_cli.training.rows.overflow import Fit

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


TEXTS = st.lists(
    st.sampled_from(["The quick fox. ", "Why?\n", "\n\n", "日元。", "他说：“好！”", "e.g. this ", "x" * 30, "𝄞"]),
    min_size=3,
    max_size=60,
).map("".join)


@given(TEXTS, st.integers(2, 40), st.sampled_from([1.0, 0.25]), st.booleans())
def test_split_text_has_every_target_exactly_once(text: str, most: int, weight: float, at_sentences: bool) -> None:
    whole = ENCODER.example({"id": "t", "text": text, "weight": weight})
    ledger = Ledger()
    sentences = SentenceEnds(ENCODER.tokenizer) if at_sentences else None
    pieces = Fit("split", most, ENCODER.stop_ids, "training", sentences)(whole, ledger)
    targets = [token for piece in pieces for token in piece.ids[piece.weights > 0].tolist()]
    assert targets == whole.ids[1:].tolist()
    assert sum(float(piece.weights.sum()) for piece in pieces) == pytest.approx(float(whole.weights.sum()))
    assert all(2 <= len(piece.ids) <= most and piece.weights[0] == 0 for piece in pieces)
    # A piece begins with the token that the piece before ended with: its second token is predicted from it.
    assert [p.ids[0] for p in pieces[1:]] == [p.ids[-1] for p in pieces[:-1]]
    assert [piece.has_stop for piece in pieces] == [False] * (len(pieces) - 1) + [True]
    if len(pieces) > 1:
        inside = "training documents that end inside a sentence, because the sentence is too long"
        assert {what: count for what, count in ledger.counts.items() if what != inside} == {
            "training rows": 1,
            f"training rows split into documents of at most {most} tokens": 1,
            "training documents added by the split": len(pieces) - 1,
        }


ENGLISH = 'It costs 1.5 yen, e.g. at home. "Why?" he said. "So."\nDr. Fox left! '
CHINESE = "日元贵吗？他说：“很贵。”（真的！）好。"


def pieces_of(text: str, most: int) -> list[str]:
    example = ENCODER.example({"id": "t", "text": text})
    pieces = Fit("split", most, ENCODER.stop_ids, "training", SentenceEnds(ENCODER.tokenizer))(example, Ledger())
    first, *others = [piece.ids.tolist() for piece in pieces]
    # Each but the first begins with a token of the one before.
    return [ENCODER.tokenizer.decode(ids, skip_special_tokens=True) for ids in (first, *(ids[1:] for ids in others))]


@pytest.mark.parametrize(
    ("text", "ends"), [(ENGLISH * 20, (".", "!", '"', "?", "\n")), (CHINESE * 20, ("？", "”", "）", "。"))]
)
@pytest.mark.parametrize("most", [90, 120, 200])
def test_text_is_split_where_sentences_end(text: str, ends: tuple[str, ...], most: int) -> None:
    pieces = pieces_of(text, most)
    assert "".join(pieces) == text
    assert len(pieces) > 2
    for piece in pieces[:-1]:
        assert piece.rstrip(" ").endswith(ends)
        assert not piece.rstrip().endswith(("1.", "e.g.", "“很贵。", "（真的！"))


def test_the_end_of_a_paragraph_is_preferred_to_that_of_a_sentence() -> None:
    paragraph = "The fox. The dog. " * 3
    pieces = pieces_of(f"{paragraph}\n\n" * 6, 80)
    assert all(piece.endswith("\n\n") for piece in pieces)


def test_a_sentence_that_is_too_long_is_cut_and_counted() -> None:
    example = ENCODER.example({"id": "t", "text": "fox " * 60})
    ledger = Ledger()
    pieces = Fit("split", 20, ENCODER.stop_ids, "training", SentenceEnds(ENCODER.tokenizer))(example, ledger)
    assert {len(piece.ids) for piece in pieces[:-1]} == {20}
    what = "training documents that end inside a sentence, because the sentence is too long"
    assert ledger.counts[what] == len(pieces) - 1


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
