"""What --show prints is what the model is trained on."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from run_command import run_command
from small_rows import chat
from tiny_models import make_tokenizer

from sft_cli.encoding.encoder import Encoder, Example
from sft_cli.run.marked_text import Span, marked, print_marked
from sft_cli.training.rows.preview import heading, spans

TOKENIZER = make_tokenizer()
ENCODER = Encoder(TOKENIZER)


def shown(row: dict[str, Any], **options: Any) -> str:
    return marked(spans(ENCODER.example(row, **options), TOKENIZER))


def test_targets_stand_between_marks_with_their_stop_tokens() -> None:
    assert shown(chat("What?", "The yen.", "And?", "Quick.")) == (
        "<|im_start|>user\nWhat?<|im_end|>\n<|im_start|>assistant\n⟦The yen.<|im_end|>⟧\n"
        "<|im_start|>user\nAnd?<|im_end|>\n<|im_start|>assistant\n⟦Quick.<|im_end|>⟧\n"
    )
    assert "⟦The yen." not in shown(chat("What?", "The yen.", "And?", "Quick."), targets="last")


def test_characters_that_are_cut_into_several_tokens_print_whole() -> None:
    answer = "日元 💴, 👩‍👩‍👧 and żółć"
    assert len(TOKENIZER(answer).input_ids) > len(answer)  # they are cut
    assert shown(chat("货币 💴?", answer)).endswith(f"assistant\n⟦{answer}<|im_end|>⟧\n")


def test_weights_other_than_1_are_written() -> None:
    row = chat("a", "b", "c", "d", "e", "f")
    row["messages"][1]["weight"] = 0.5
    row["messages"][3]["weight"] = 0
    text = shown(row)
    assert "⟦0.5|b<|im_end|>⟧" in text
    assert "assistant\nd<|im_end|>" in text
    assert "⟦f<|im_end|>⟧" in text
    assert heading(ENCODER.example(row), "r7", "qa") == "── r7  task=qa  42 tokens, 4 of them targets, weight 3"


def test_a_special_token_differs_from_its_name_in_a_text() -> None:
    found = spans(ENCODER.example(chat("a", "<|im_end|>!")), TOKENIZER)
    assert found[-3:] == [Span("<|im_end|>!", 1.0), Span("<|im_end|>", 1.0, True), Span("\n", 0.0)]


texts = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=12)


@settings(max_examples=80, deadline=None)
@given(texts, st.lists(st.sampled_from([0.0, 0.5, 1.0]), min_size=60, max_size=60))
def test_spans_joined_are_the_whole_text_however_the_weights_lie(text: str, weights: list[float]) -> None:
    ids = np.array(TOKENIZER(text).input_ids[:60], dtype=np.int32)
    example = Example(ids, np.array(weights[: len(ids)], dtype=np.float32))
    assert "".join(span.text for span in spans(example, TOKENIZER)) == TOKENIZER.decode(ids)


def test_a_metaspace_tokenizer_keeps_its_spaces() -> None:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    pieces = ["<unk>", "▁the", "▁yen", "▁"]
    core = Tokenizer(models.Unigram([(piece, -float(i)) for i, piece in enumerate(pieces)], unk_id=0))
    core.pre_tokenizer, core.decoder = pre_tokenizers.Metaspace(), decoders.Metaspace()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=core, unk_token="<unk>")
    example = Example(np.array([1, 2, 1], dtype=np.int32), np.array([0, 1, 0.25], dtype=np.float32))
    assert marked(spans(example, tokenizer)) == "the⟦ yen⟧⟦0.25| the⟧"


def test_control_characters_cannot_reach_the_terminal() -> None:
    assert marked([Span("\x1b[2J\x07 a\tb\r\n", 1.0)]) == "⟦\\x1b[2J\\x07 a\tb\\x0d\n⟧"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def on_a_terminal(monkeypatch: pytest.MonkeyPatch, **environment: str) -> str:
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.delenv("NO_COLOR", raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    long = "a [bold]word[/bold] and a very long line that no terminal of forty columns holds"
    print_marked("── r1", [Span(long), Span("yes\n", 1.0), Span("half", 0.5), Span("<|im_end|>", 0.5, True)])
    return screen.getvalue()


def test_on_a_terminal_targets_have_a_colour_and_lines_are_not_wrapped(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = on_a_terminal(monkeypatch)
    assert "⟦" not in screen
    assert "a [bold]word[/bold] and a very long line that no terminal of forty columns holds\x1b[" in screen
    assert "\x1b[30;42myes↵\x1b[0m\n" in screen
    assert "\x1b[30;43m0.5|half\x1b[0m" in screen
    assert "\x1b[1;30;43m<|im_end|>\x1b[0m" in screen


@pytest.mark.parametrize("plain", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_without_colour_there_are_marks(monkeypatch: pytest.MonkeyPatch, plain: dict[str, str]) -> None:
    screen = on_a_terminal(monkeypatch, **plain)
    assert "\x1b" not in screen
    assert "⟦yes\n⟧⟦0.5|half<|im_end|>⟧" in screen


def test_show_prints_the_first_rows_as_they_are_trained_and_then_the_plan(
    monkeypatch: Any, capsys: Any, tiny: Path, rows_file: Path, tmp_path: Path
) -> None:
    command = ("train", rows_file, "--model", tiny, "--dry-run", "--max-length", 22, "--overflow", "truncate")
    result = run_command(monkeypatch, capsys, *command, "--show", 2)
    assert (result.code, result.out) == (0, "")
    assert result.err.startswith("── r0  task=even  22 tokens, ")
    assert result.err.count("── r") == 2
    assert "── r1" not in result.err  # too long, and no turn of it fits: it is not trained
    assert result.err.rindex("── r") < result.err.index("\ntrain: ")
