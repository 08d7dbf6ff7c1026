"""Work on all cores in forked processes; the results come in the order of the work."""

from __future__ import annotations

import gc
import os
import sys
from collections import deque
from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any, TypeVar

from sft_cli.run.errors import UserError

Work = TypeVar("Work")
Result = TypeVar("Result")


def usable_cores() -> int:
    """How many processes can help: 1 if this process may use only one core, or cannot be forked safely."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else 1


def in_order(
    batches: Iterator[Work], work: Callable[[Any], Result], task: Callable[[Work], Any], doing: str
) -> Iterator[tuple[Work, Result]]:
    """Each batch with `work(task(batch))`, from one process for each core, at most two batches ahead of the reader.

    The processes are forked at the first batch, so `work` sees the data that this process has then. Task and result
    are pickled. Raises UserError ("a process that … was killed", with `doing`) if a process is killed.
    """
    first = next(batches, None)
    if first is None:
        return
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor
    from concurrent.futures.process import BrokenProcessPool

    cores = usable_cores()
    waiting: deque[tuple[Work, Any]] = deque()
    gc.freeze()  # otherwise the garbage collector of each process would copy the pages that it visits
    with ProcessPoolExecutor(cores, multiprocessing.get_context("fork"), _ignore_interrupts) as pool:
        try:
            for batch in chain([first], batches):
                waiting.append((batch, pool.submit(work, task(batch))))
                if len(waiting) > 2 * cores:
                    done, future = waiting.popleft()
                    yield done, future.result()
            while waiting:
                done, future = waiting.popleft()
                yield done, future.result()
        except BrokenProcessPool as error:
            raise UserError(f"a process that {doing} was killed; there may not be enough memory") from error
        finally:
            pool.shutdown(cancel_futures=True)
            gc.unfreeze()


def _ignore_interrupts() -> None:
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # only the parent answers Ctrl-C
