"""Runs a function in several processes that form a world: without torchrun, and forked, so that libraries load once."""

from __future__ import annotations

import contextlib
import io
import multiprocessing
import os
from collections.abc import Callable
from typing import Any

from torch.distributed import TCPStore

SECONDS = 120  # a deadlock is a failed test, not a build that never ends


def together(function: Callable[..., Any], *arguments: Any, size: int = 2) -> list[Any]:
    """What `function(*arguments)` gives in each of `size` processes, by rank; None from one that died."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["sft_cli.training.fit", "transformers.models.llama.modeling_llama", "peft"])
    store = TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)  # torchrun's agent has it, too
    pipes, processes = [], []
    for rank in range(size):
        ours, theirs = context.Pipe(duplex=False)
        process = context.Process(target=_one, args=(theirs, rank, size, store.port, function, arguments), daemon=True)
        process.start()
        theirs.close()
        pipes.append(ours)
        processes.append(process)
    try:
        results = []
        for rank, pipe in enumerate(pipes):
            assert pipe.poll(SECONDS), f"rank {rank} gave nothing in {SECONDS} s"
            try:
                results.append(pipe.recv())
            except EOFError:
                results.append(None)
        return results
    finally:
        for process in processes:
            process.kill()
            process.join()


def _one(pipe: Any, rank: int, size: int, port: int, function: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    import torch

    torch.set_num_threads(1)
    numbers = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": size, "MASTER_PORT": port, "OMP_NUM_THREADS": 1}
    os.environ.update({name: str(value) for name, value in numbers.items()})
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "TORCHELASTIC_USE_AGENT_STORE": "True"}
    pipe.send(function(*arguments))


def sft(*words: Any) -> tuple[int, str, str]:
    """`sft WORDS…` in this process: its exit code and both streams."""
    from sft_cli.cli import run

    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = run(*words)
    return code, out.getvalue(), err.getvalue()
