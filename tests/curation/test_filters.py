"""The filters of `sft prep --filter`: what each drops, changes and keeps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sft_cli.curation.filters import FILTERS
from sft_cli.curation.filters.script import script_shares
from sft_cli.metrics.safety.personal_data import PERSONAL_DATA, without_personal_data
from sft_cli.run.errors import UserError
from sft_cli.run.options import read_with_options

LONG = "The river runs from the high mountains down to the wide and quiet sea in the south."
LOOP = "I see. " * 12


def row(answer: str, question: str = "Go on.") -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]}


def problem(text: str, *words: str) -> str:
    return read_with_options(text, FILTERS, "--filter")[1].problem(row(*words))


@pytest.mark.parametrize(
    ("text", "words", "reason"),
    [
        ("length:min=3", ("Yes, sir",), "answer has fewer than 3 words"),
        ("length:min=3", ("三个字",), ""),
        ("length:max=2", ("Yes, my sir",), "answer has more than 2 words"),
        ("length:max=2,of=question", ("Yes, my sir", "Go on."), ""),
        ("length:max=4,of=all", ("Yes, my sir", "Go on."), "all has more than 4 words"),
        ("script", ("Это ответ.",), "answer is not in latin"),
        ("script:only=han", ("好的 OK", "?"), ""),
        ("script:only=han,least=0.9", ("好的 OK", "?"), "answer is not in han"),
        ("script:only=han/kana", ("これは答え", "?"), ""),
        ("script:only=han", ("12 + 3", "?"), ""),
        ("repetition", (LOOP,), "answer repeats itself"),
        ("repetition", (LONG,), ""),
        ("repetition", ("No no no no.",), ""),
        ("refusal", ("I'm sorry, but I can't help with that.",), "answer is a refusal"),
        ("refusal", ("抱歉，我无法回答。",), "answer is a refusal"),
        ("refusal", ("I'm sorry to hear that.",), ""),
        ("markup", ("```py\nprint(1)",), "answer has a code fence without its end"),
        ("markup", ("```py\nprint('<b>')\n```",), ""),
        ("markup", ("<think>Hm.",), "answer has a thought without its end"),
        ("markup", ("<think>Hm.</think>Yes.",), ""),
        ("markup", ("Yes.<|im_end|>",), "answer has marks of a chat format"),
        ("markup", ("### Response: yes",), "answer has marks of a chat format"),
        ("markup", ("a &lt; b",), "answer has HTML"),
        ("markup", ("a < b and c > d",), ""),
        ("markup", ("caf\ufffd",), "answer has characters that were decoded wrongly (U+FFFD)"),
        ("pii:action=drop", ("Write to joe@firm.com.",), "personal data: email"),
        ("pii:action=drop", ("Write to nobody.", "Mail of joe@firm.com?"), "personal data: email"),
        ("pii:action=drop,kinds=phone", ("Write to joe@firm.com.",), ""),
        ("copy", (LONG, f"Repeat: {LONG}"), "answer copies the question"),
        ("copy", (LONG, "Where does the river run?"), ""),
        ("copy", ("yes", "yes or no?"), ""),
    ],
)
def test_what_a_filter_drops(text: str, words: tuple[str, ...], reason: str) -> None:
    assert problem(text, *words) == reason


def test_a_word_list_is_named_and_not_its_word(tmp_path: Path) -> None:
    (tmp_path / "insults.txt").write_text("# ours\nold fool\n笨蛋\n")
    (tmp_path / "secrets.regex").write_text("key-[0-9]{4}\n")
    lists = f"words:lists={tmp_path}"
    assert problem(lists, "You Old Fool!") == "all has a word of the list insults"
    assert problem(lists, "你这个笨蛋") == "all has a word of the list insults"
    assert problem(lists, "It is key-1234", "?") == "all has a word of the list secrets"
    assert problem(lists, "An older fool", "key-12") == ""
    assert problem(f"{lists},of=question", "You old fool") == ""
    assert read_with_options(lists, FILTERS, "--filter")[1].files() == [str(tmp_path)]


def test_personal_data_is_masked_in_every_text_of_a_row() -> None:
    mask = read_with_options("pii", FILTERS, "--filter")[1]
    mails = {
        **row("Call +44 20 7946 0958 now", "I am joe@firm.com"),
        "references": ["a@b.org", "none"],
        "task": "x@y.zz",
    }
    masked, change = mask.changed(mails)
    assert [turn["content"] for turn in masked["messages"]] == ["I am [email]", "Call [phone] now"]
    assert (masked["references"], masked["task"]) == (["[email]", "none"], "x@y.zz")
    assert change == "personal data masked: email, phone"
    clean = row("nothing here")
    assert mask.changed(clean) == (clean, "")
    assert mask.problem(mails) == ""


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("joe@firm.com and ann@firm.com", "[email] and [email]"),
        ("电话１３８１２３４５６７８。", "电话[phone]。"),
        ("at 8.8.8.8, not 10.0.0.1", "at [ip], not 10.0.0.1"),
        ("4111 1111 1111 1111", "[card]"),
        ("nothing", "nothing"),
    ],
)
def test_items_are_replaced_where_they_are(text: str, masked: str) -> None:
    assert without_personal_data(text, PERSONAL_DATA)[0] == masked


def test_shares_of_writing_systems_add_up() -> None:
    shares = script_shares("Hello 你好 мир ሰላም")
    assert sum(shares.values()) == pytest.approx(1)
    assert shares == {"latin": 5 / 13, "cyrillic": 3 / 13, "other": 3 / 13, "han": 2 / 13}
    assert script_shares("123 !") == {}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("lenght", "--filter: unknown filter 'lenght'. Did you mean 'length'? Known: length, script"),
        ("length:most=3", "--filter length:most=3: unknown option 'most' of length. Known: of, min, max"),
        ("length:min=x", "--filter length:min=x: min: expected a whole number, got 'x'"),
        ("script:only=lattin", "script: only: expected writing systems such as latin/han"),
        ("pii:kinds=mail", "pii: kinds: expected email/phone/card/id/ip, got 'mail'. Did you mean 'email'?"),
        ("words", "words: lists: expected a file or a folder, got nothing\nhint: --filter words:lists=FILE"),
    ],
)
def test_what_cannot_be_read_is_named(text: str, message: str) -> None:
    with pytest.raises(UserError) as error:
        read_with_options(text, FILTERS, "--filter")
    assert message in str(error.value)


@given(st.text(alphabet="aZ1 .-éш猫", max_size=20))
def test_the_systems_of_ascii_text_are_those_of_the_patterns(text: str) -> None:
    shares = script_shares(text)
    letters = [letter for letter in text if letter.isalpha()]
    assert shares.get("latin", 0.0) == pytest.approx(sum(letter in "aZé" for letter in letters) / max(len(letters), 1))
    assert sum(shares.values()) == pytest.approx(float(bool(letters)))
