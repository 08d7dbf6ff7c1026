"""Processes that generate together, seen from one of them; the others are played, or are small programs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sft_cli.cli import Terminated
from sft_cli.decoding import peers as module
from sft_cli.decoding.peers import PeerLost, Peers, is_locked
from sft_cli.run.errors import UserError
from sft_cli.run.ranks import Ranks

WAITS = """
import sys, time
from sft_cli.decoding.peers import Peers
from sft_cli.run.ranks import Ranks
with Peers(sys.argv[1], Ranks(1, 3)):
    print("here", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def interruptible() -> Iterator[None]:
    """SIGTERM is raised, as the command line does it."""

    def raised(*words: Any) -> None:
        raise Terminated("terminated")

    before = signal.signal(signal.SIGTERM, raised)
    yield
    signal.signal(signal.SIGTERM, before)


def begin(out: Path) -> subprocess.Popen[str]:
    """Rank 1 of 3, which stays until its stdin ends."""
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    other = subprocess.Popen([sys.executable, "-c", WAITS, str(out)], text=True, **pipes)
    assert other.stdout is not None
    assert other.stdout.readline() == "here\n"
    return other


def test_a_process_that_is_killed_ends_the_others_with_its_name(here: Path, interruptible: None) -> None:
    out = here / "o.jsonl"
    other = begin(out)

    def work() -> None:
        with Peers(str(out), Ranks(0, 3)):
            other.kill()
            threading.Event().wait(60)  # until it is interrupted

    with pytest.raises(
        PeerLost, match="rank 1 of 3 processes ended before the work was finished\nhint: run the same"
    ) as lost:
        work()
    assert lost.value.exit_code == 1
    other.wait()
    # The next run takes their files for what they are.
    with Peers(str(out), Ranks()):
        assert list(here.iterdir()) == []


def test_one_that_is_done_ends_nobody(here: Path) -> None:
    out = here / "o.jsonl"
    other = begin(out)
    with Peers(str(out), Ranks(0, 2)) as peers:
        assert peers.why_missing(0.0) is None  # it may still write
        assert other.stdin is not None
        assert any(1 in peers.seen or peers.leaving.wait(0.1) for _ in range(600))
        other.stdin.close()
        assert other.wait(60) == 0
        assert peers.lost == []
        assert "of 2 processes, these did not finish their share: rank 1" in str(peers.why_missing(0.0))
    assert list(here.iterdir()) == []


def test_one_that_has_not_come_is_waited_for(here: Path, monkeypatch: Any) -> None:
    with Peers(str(here / "o.jsonl"), Ranks(0, 2)) as peers:
        now = module.time.monotonic()
        assert peers.why_missing(now) is None
        assert "of 2 processes, these did not finish their share: rank 1" in str(
            peers.why_missing(now - module.SECONDS_TO_COME - 1)
        )


def test_only_the_first_that_is_left_speaks(here: Path) -> None:
    peers = Peers(str(here / "o.jsonl"), Ranks(2, 4))
    for lost, speaks in (([3], False), ([0], False), ([0, 1], True)):
        peers.lost = lost
        assert bool(peers._said()) == speaks
    assert peers._said().startswith("ranks 0, 1 of 4 processes ended")


def test_two_of_one_rank_are_refused(here: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(module, "SECONDS_BETWEEN_CHECKS", 0.01)
    with Peers("o.jsonl", Ranks(1, 2)):
        assert is_locked(here / "o.jsonl.partial.1.here")
        with pytest.raises(UserError, match="another process with this rank writes the same output"):
            Peers("o.jsonl", Ranks(1, 2)).__enter__()
        assert os.listdir(here) == ["o.jsonl.partial.1.here"]
