"""HTML as the text that a page shows."""

from __future__ import annotations

import io
from typing import Any

import pytest

from sft_cli.data.documents import declared_encoding, read_document


def read(page: str) -> Any:
    return [record for _, record in read_document(io.BytesIO(page.encode()), "html")]


@pytest.mark.parametrize(
    ("page", "text"),
    [
        ("<h1>Title</h1><p>One\n  two <b>three</b>.</p><p>Four</p>", "Title\n\nOne two three.\n\nFour"),
        ("<script>var a = '<p>no</p>';</script><style>p {}</style><p>yes</p>", "yes"),
        ("<p>a<br>b<br/><br>c", "a\nb\n\nc"),
        ("<ul><li>one<li>two <i>b</i></ul>after", "- one\n- two b\n\nafter"),
        ("<ul><li><p>one</p></li><li></li></ul>", "- one"),
        ("<table><tr><th>a<th>b<tr><td>1</td><td>2</td></tr></table>", "a\tb\n1\t2"),
        ("<pre>\ndef f():\n    return  1\n</pre> x", "def f():\n    return  1\n\nx"),
        ("caf&eacute; &lt;b&gt; &#20320;&nbsp;", "café <b> 你"),
        ("<div><div>a</div></div><!-- no -->b", "a\n\nb"),
        ("</p></script>plain & text", "plain & text"),
        ("<svg><title>no</title><text>no</text></svg>yes", "yes"),
        ("<p>a</p><p hidden>no</p><p>b</p>", "a\n\nb"),
        ('<div style="color:red; DISPLAY : none">no<div>no</div>no<br>no</div>yes', "yes"),
        ("<p style='visibility:hidden'>no<p>yes", "yes"),
        ("<ul><li hidden>no<li>yes</ul>", "- yes"),
        ("<div hidden><p>no<img src=x></div><p style='display:block'>yes", "yes"),
        ("yes<p hidden>no", "yes"),
    ],
)
def test_a_page_becomes_its_text(page: str, text: str) -> None:
    assert read(page) == [{"text": text}]


def test_the_title_of_a_page_is_kept_apart() -> None:
    assert read("<html><head><title> A \n b</title><body>text") == [{"text": "text", "title": "A b"}]


@pytest.mark.parametrize("tag", ["script", "noscript", "template"])
def test_an_element_that_is_never_closed_does_not_swallow_the_rest(tag: str) -> None:
    [error] = read(f"<p>a</p><{tag}>b<p>c</p>")
    assert str(error) == f"text: expected the end of <{tag}>, got the end of the file; its text would be lost"


def test_a_page_without_words_is_no_document() -> None:
    assert read("<p> </p><script>1</script>") == []


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (b'<meta charset="GB2312">', "gb18030"),
        (b'<meta http-equiv="Content-Type" content="text/html; charset=iso-8859-1">', "cp1252"),
        (b"<meta charset=shift_jis>", "shift_jis"),
        (b"<meta charset=unknown>", ""),
        (b"\xef\xbb\xbf<meta charset=gbk>", ""),
        (b"<p>charset=gbk", ""),
    ],
)
def test_a_page_says_its_encoding(head: bytes, name: str) -> None:
    assert declared_encoding(head) == name
