"""The browser's fixture finds what a page must not do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from browser import OpenPage, _note_request

pytestmark = pytest.mark.slow


def test_a_page_opens_with_its_theme_and_width(open_page: OpenPage, tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text("<!doctype html><title>a page</title><p>text</p>", encoding="utf-8")
    page = open_page(tmp_path / "page.html", color_scheme="dark", viewport={"width": 390, "height": 844})
    assert page.title() == "a page"
    assert page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches && innerWidth === 390")


@pytest.mark.parametrize("body", ["<script>throw Error('broken')</script>", "<img src='missing.png'>"])
def test_an_exception_and_a_request_are_complaints(chromium_browser: Any, tmp_path: Path, body: str) -> None:
    from browser import open_page

    (tmp_path / "page.html").write_text(f"<!doctype html>{body}", encoding="utf-8")
    opened = open_page.__wrapped__(chromium_browser)
    next(opened)(tmp_path / "page.html").wait_for_load_state("load")
    with pytest.raises(AssertionError, match=r"broken|missing\.png"):
        next(opened)


def test_only_the_page_and_its_own_downloads_are_no_complaint() -> None:
    complaints: list[str] = []
    for url in ("file:///a.html", "file:///a.html#row-3", "blob:null/1", "https://example.org/x.js"):
        _note_request(url, "file:///a.html", complaints)
    assert complaints == ["request: https://example.org/x.js"]
