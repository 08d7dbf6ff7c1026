"""What trains all the same, but not as one may think, is told with the first place."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from small_rows import chat
from tiny_models import make_tokenizer

from sft_cli.encoding.encoder import Encoder
from sft_cli.training.rows.notes import RowNotes

MARKUP = "<|im_start|>user\nIs it?<|im_end|>\n<|im_start|>assistant\nVery.<|im_end|>\n"
IM_START, IM_END = make_tokenizer().convert_tokens_to_ids(["<|im_start|>", "<|im_end|>"])


def write(path: Path, *rows: dict[str, Any]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def plan(sft: Any, *words: Any) -> Any:
    result = sft("train", *words, "--dry-run")
    assert result.code == 0, result.err
    return result


def test_markup_in_raw_text_is_told_even_to_who_wants_quiet(sft: Any, tiny: Path, here: Path) -> None:
    write(here / "t.jsonl", {"text": "The dog."}, {"text": MARKUP}, {"text": MARKUP})
    told = (
        "sft train: training: 2 rows of text with names of special tokens, which are learned as plain text "
        "(--special-tokens-in-text makes them tokens); first t.jsonl:2\n"
    )
    assert told in plan(sft, "t.jsonl", "--model", tiny).err
    assert plan(sft, "t.jsonl", "--model", tiny, "-q", "--dtype", "float32").err == told
    assert "letters" not in plan(sft, "t.jsonl", "--model", tiny, "--special-tokens-in-text").err


def test_markup_in_a_prompt_of_raw_text_is_told(sft: Any, tiny: Path, here: Path) -> None:
    write(here / "t.jsonl", {"text": MARKUP}, {"text": "The dog."})
    told = (
        "sft generate: 1 prompt of text with names of special tokens, which are read as plain text (--special-tokens-in"
    )
    assert told in sft("generate", tiny, "t.jsonl", "--dry-run").err
    assert "letters" not in sft("generate", tiny, "t.jsonl", "--dry-run", "--special-tokens-in-text").err


def test_names_of_special_tokens_in_text_become_the_tokens_if_asked() -> None:
    tokenizer = make_tokenizer()
    encoder = Encoder(tokenizer, special_tokens_in_text=True)
    ids = tokenizer(MARKUP, add_special_tokens=False).input_ids
    for example in (encoder.example({"id": "t", "text": MARKUP}), *encoder.examples([{"id": "t", "text": MARKUP}])):
        assert example.ids.tolist() == ids  # it ends itself, and no second stop token follows
        assert example.notes == ()
    assert encoder.prompt({"text": MARKUP})[1] == ids
    assert encoder.example({"id": "t", "text": "The dog."}).ids[-1] == IM_END
    assert IM_END not in encoder.example(chat("a", "b <|im_end|> c")).ids[:-2].tolist()[6:]  # messages stay as they are


def test_answers_that_spell_the_stop_token_are_told(sft: Any, tiny: Path, here: Path) -> None:
    write(here / "a.jsonl", chat("a", "b", id="0"), chat("a", "Paris<|im_end|>", "a", "b", id="1"))
    err = plan(sft, "a.jsonl", "--model", tiny).err
    assert (
        "training: 1 row with an answer that ends with the text <|im_end|>, which is learned as plain text; "
        "the chat template writes the stop token itself, so remove the text from the answers; "
        "first a.jsonl:2\n"
    ) in err
    assert "spell" not in plan(sft, "a.jsonl", "--model", tiny, "--targets", "last").err


def test_an_id_that_comes_again_is_told_with_both_places(sft: Any, tiny: Path, here: Path) -> None:
    write(here / "a.jsonl", chat("a", "b", id="x"), chat("c", "d", id="y"))
    write(here / "b.jsonl", chat("e", "f", id="z"), chat("g", "h", id="x"), chat("i", "j", id="y"))
    err = plan(sft, "a.jsonl", "b.jsonl", "--model", tiny).err
    assert (
        "sft train: training: 2 rows with the id of an earlier row; the first is b.jsonl:2, which repeats a.jsonl:1\n"
        in err
    )
    assert "earlier row" not in plan(sft, "b.jsonl", "--model", tiny).err


def test_rows_are_read_before_the_weights(sft: Any, tiny: Path, here: Path, monkeypatch: Any) -> None:
    """What is wrong with a row is said at once, and not after a large model has been loaded."""
    from sft_cli.training import setup

    monkeypatch.setattr(setup, "load_for_tuning", lambda *_: pytest.fail("the model was loaded"))
    write(here / "a.jsonl", {**chat("a", "b"), "tools": [{"type": "function"}]})
    assert (
        "a.jsonl:1: tools: the chat template does not write" in sft("train", "a.jsonl", "--model", tiny, "-o", "r").err
    )


def test_rows_without_notes_have_no_lines() -> None:
    notes = RowNotes()
    assert notes.lines() == []
    notes.add("a:1", "x", ())
    notes.add("a:2", "y", ())
    assert notes.lines() == []
