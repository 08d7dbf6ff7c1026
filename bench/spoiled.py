"""Spoiled files through every command that reads rows: what became of each line, exit codes, the highest memory.

    make bench-spoiled                          # 240 files of 500 lines, and bombs
    python bench/spoiled.py --files 24 --lines 50

A line must be written, rejected with its reason, or lie in a file that was refused by name; no command may end with
exit 70. `tests/test_spoiled.py` does the same with fewer.
"""

from __future__ import annotations

import argparse
import gzip
import resource
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "helpers"))

from spoiled_runs import Account, run_all, run_and_account

BOMB_BYTES = 1 << 30


def bombs(account: Account, folder: Path) -> None:
    """A gigabyte of zeros between two good rows, packed."""
    import zstandard

    zeros = bytes(1 << 20)
    for ending, packer in ((".gz", gzip.open), (".zst", zstandard.open)):
        path = folder / f"zeros.jsonl{ending}"
        with packer(path, "wb") as sink:
            sink.write(b'{"text": "before"}\n')
            for _ in range(BOMB_BYTES // len(zeros)):
                sink.write(zeros)
            sink.write(b'\n{"text": "after"}\n')
        run_and_account(account, path, ["prep", path], folder / "work", lines=3)


def main() -> None:
    """Print each problem, then one line of figures; exit 1 if there is a problem or a line is lost."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=240)
    parser.add_argument("--lines", type=int, default=500)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        account = run_all(asked.files, asked.lines, Path(folder), lambda problem: print(problem, file=sys.stderr))
        bombs(account, Path(folder))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{account.sum_up()}; peak memory {peak:.0f} MB")
    sys.exit(bool(account.problems or account.lost))


if __name__ == "__main__":
    main()
