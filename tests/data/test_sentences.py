from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sft_cli.data.chunking.sentences import split_sentences


def sentences(text: str) -> list[str]:
    return [text[start:end] for start, end in split_sentences(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "Dr. Smith left the U.S. in 1980. He was 3.5 years old.",
            ["Dr. Smith left the U.S. in 1980.", "He was 3.5 years old."],
        ),
        (
            "J. K. Rowling wrote it, e.g. at 5 p.m. today. The end.",
            ["J. K. Rowling wrote it, e.g. at 5 p.m. today.", "The end."],
        ),
        ("He works at Apple Inc. The firm is big.", ["He works at Apple Inc.", "The firm is big."]),
        ("Apple Inc. announced it on Jan. 5, see Fig. 3.", ["Apple Inc. announced it on Jan. 5, see Fig. 3."]),
        ("No. 5 is first. He said no. Then he left.", ["No. 5 is first.", "He said no.", "Then he left."]),
        (
            "It costs $3.50. (See page 3. It is long.) We left.[3] Why?",
            ["It costs $3.50.", "(See page 3. It is long.)", "We left.[3]", "Why?"],
        ),
        ("“What?” he asked. “Go!” She went.", ["“What?” he asked.", "“Go!”", "She went."]),
        ("Yahoo! is a firm. Really? yes", ["Yahoo! is a firm.", "Really? yes"]),
        ("i went home. then i slept.", ["i went home.", "then i slept."]),
        (
            "It was socialism.Humans lived. A torch.Tensor is one.",
            ["It was socialism.Humans lived.", "A torch.Tensor is one."],
        ),
        ("It ended.The next began.", ["It ended.", "The next began."]),
        ("Buy butter. . Ok. ", ["Buy butter. .", "Ok."]),
        ("Smith et al. (2019) found it.", ["Smith et al. (2019) found it."]),
    ],
)
def test_english(text: str, expected: list[str]) -> None:
    assert sentences(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("北京有3.5万人。真的吗？是的！好……然后", ["北京有3.5万人。", "真的吗？", "是的！", "好……然后"]),
        ("他说：“你好。”她走了。", ["他说：“你好。”", "她走了。"]),
        ("It was in 1871. [2] The yen [3] is old. [1, 4]", ["It was in 1871. [2]", "The yen [3] is old. [1, 4]"]),
        ("第一句(见第3.2节。)在此。第二句。[3]第三句", ["第一句(见第3.2节。)在此。", "第二句。[3]", "第三句"]),
        ("好不好?好的!走吧.再见", ["好不好?", "好的!", "走吧.", "再见"]),
        ("《你好。再见》是书；不是歌。", ["《你好。再见》是书；不是歌。"]),
    ],
)
def test_chinese(text: str, expected: list[str]) -> None:
    assert sentences(text) == expected


def test_lines() -> None:
    items = "# Title\n1. One thing. Two\n2. Other\n- item\n\n"
    text = items + "A line that a program wrapped after some seventy columns of it\ngoes on.\nShort\nNext"
    assert sentences(text) == [
        "# Title",
        "1. One thing.",
        "Two",
        "2. Other",
        "- item",
        "A line that a program wrapped after some seventy columns of it\ngoes on.",
        "Short",
        "Next",
    ]
    assert sentences(
        "```\nx = 1\nfor each of the many lines in a long block of code that is wide: pass\ny\n```\nEnd"
    ) == [
        "```",
        "x = 1",
        "for each of the many lines in a long block of code that is wide: pass",
        "y\n```",
        "End",
    ]


@given(st.text(alphabet=st.sampled_from("ab A.1!?。…“”()\n\t-'#`中文。（）[]"), max_size=60))
def test_spans_have_every_character_but_the_white_space_between(text: str) -> None:
    end = 0
    for first, last in split_sentences(text):
        assert not text[end:first].strip()
        assert text[first:last] == text[first:last].strip() != ""
        end = last
    assert not text[end:].strip()
