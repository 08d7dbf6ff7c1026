"""A tiny Llama and a tokenizer, both made here from a seed: no network, no hub, no home folder."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest
from browser import chromium_browser, open_page  # noqa: F401 (fixtures)
from hypothesis import settings
from run_command import run_command
from small_rows import chat
from tiny_models import make_model, make_tokenizer

# A slow machine is no failure.
settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")

# A shell starts background jobs (`make test &` in a script) with Ctrl-C ignored, and the commands that tests interrupt
# would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Tests run beside each other, one process for each CPU (`-n logical` in the Makefile): torch gets one thread in each,
# or they wait for each other.
if int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")) > 1:
    os.environ.setdefault("OMP_NUM_THREADS", "1")

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")


@pytest.fixture
def sft(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """`sft("score", path, stdin=b"…")`: the command in this process, its exit code and both streams."""
    return lambda *words, **keys: run_command(monkeypatch, capsys, *words, **keys)


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The test's own folder, which is the current one meanwhile."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="session")
def tokenizer() -> Any:
    return make_tokenizer()


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint directory of the tiny model."""
    folder = tmp_path_factory.mktemp("models") / "tiny"
    tokenizer = make_tokenizer()
    make_model(len(tokenizer)).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_teacher(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Another one, of the same vocabulary and other weights."""
    folder = tmp_path_factory.mktemp("models") / "teacher"
    tokenizer = make_tokenizer()
    make_model(len(tokenizer), seed=1, tied=False).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture
def rows_file(tmp_path: Path) -> Path:
    """Eight rows of different lengths, one of them with two assistant turns, one in Chinese."""
    import json

    turns = [
        ("What is the currency of Japan?", "The yen."),
        ("日本的货币是什么？", "日元。"),
        ("Hello", "The quick brown fox jumps over the lazy dog."),
        ("The dog?", "Lazy.", "And the fox?", "Quick and brown."),
        ("a", "b"),
        ("What is what?", "That is that, and this is this."),
        ("JP", '{"territory": "JP", "currency": "JPY"}'),
        ("The fox and the dog and the yen", "The yen."),
    ]
    path = tmp_path / "rows.jsonl"
    rows = [{**chat(*words), "id": f"r{i}", "task": "even" if i % 2 == 0 else "odd"} for i, words in enumerate(turns)]
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path
