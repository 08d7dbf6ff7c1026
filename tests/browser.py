"""Pages in headless Chromium: Debian's `chromium`, driven by playwright's Python client.

`open_page(path)` opens a local file and returns playwright's page. When the test ends, the fixture fails if a page that
it opened wrote an error to the console, raised an exception, or asked for anything except the file itself. Tests that
use the fixture are skipped where playwright or chromium is missing.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome")
# Root has no sandbox, and a container has little shared memory.
ARGUMENTS = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"]

OpenPage = Callable[..., Any]


def chromium() -> str | None:
    """The program to run: the environment variable SFT_CHROMIUM, otherwise the first of NAMES in PATH."""
    named = os.environ.get("SFT_CHROMIUM")
    return named or next((path for path in map(shutil.which, NAMES) if path), None)


# For one file of tests at a time: while playwright runs, no other test of the process can start an event loop.
@pytest.fixture(scope="module")
def chromium_browser() -> Iterator[Any]:
    """A headless browser, started once for a file of tests."""
    api = pytest.importorskip("playwright.sync_api")
    program = chromium()
    if program is None:
        pytest.skip("there is no chromium (Debian: apt install chromium)")
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def open_page(chromium_browser: Any) -> Iterator[OpenPage]:
    """`open_page(path, **options)`: a page of a new context; the options are those of playwright's `new_context`.

    Such as viewport={"width": 390, "height": 844}, color_scheme="dark", locale="zh-CN", reduced_motion="reduce".
    With `context=page.context` the page opens beside another and shares its storage.
    """
    contexts: list[Any] = []
    complaints: list[str] = []

    def open_(path: Path, context: Any = None, **options: Any) -> Any:
        if context is None:
            context = chromium_browser.new_context(**options)
            contexts.append(context)
        address, page = path.resolve().as_uri(), context.new_page()
        page.on("console", lambda message: message.type == "error" and complaints.append(f"console: {message.text}"))
        page.on("pageerror", lambda error: complaints.append(f"exception: {error}"))
        page.on("request", lambda asked: _note_request(asked.url, address, complaints))
        page.goto(address)
        return page

    yield open_
    for context in contexts:
        context.close()
    assert not complaints, "\n".join(complaints)


def _note_request(url: str, address: str, complaints: list[str]) -> None:
    # A download is a blob: that the page made itself.
    if url.split("#")[0] != address and not url.startswith("blob:"):
        complaints.append(f"request: {url}")
