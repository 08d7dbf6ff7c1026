"""`sft prep --engine ray`: the same rows from a cluster, also if one of its machines dies; and files in shards."""

from __future__ import annotations

import importlib.util
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sft_cli.data.file_shards import FileShard, shards_of, with_first_lines
from sft_cli.data.ray_engine import _mapped
from sft_cli.run.errors import UserError

needs_ray = pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="needs ray")
FLAGS = ["--dedup", "exact", "--filter", "length:min=2", "--split", "train=0.8,test=0.2", "--ledger"]


@given(st.lists(st.binary(max_size=12).map(lambda line: line.replace(b"\n", b"")), max_size=25), st.booleans())
@settings(max_examples=150)
def test_shards_have_each_line_once_with_its_number(lines: list[bytes], ends: bool) -> None:
    import tempfile

    text = b"\n".join(lines) + (b"\n" if ends and lines else b"")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.jsonl"
        path.write_bytes(text)
        want = text.split(b"\n")
        want = want[:-1] if not want[-1] else want
        for size in (1, 5, 30, 1000):
            shards = shards_of(str(path), size)
            shards = with_first_lines(shards, [shard.count_lines() for shard in shards])
            got = [
                (block.first + place, line)
                for shard in shards
                for block in shard.blocks()
                for place, line in enumerate(block.lines())
            ]
            assert [number for number, _ in got] == list(range(1, len(want) + 1))
            assert [line.rstrip(b"\n") for _, line in got] == want


def test_a_compressed_file_is_one_shard(tmp_path: Path) -> None:
    import gzip

    path = tmp_path / "rows.jsonl.gz"
    path.write_bytes(gzip.compress(b"a\nb\nc"))
    (shard,) = shards_of(str(path), 1)
    assert (shard, shard.count_lines()) == (FileShard(str(path), 0, 0), 3)
    assert [line for block in shard.blocks() for line in block.lines()] == [b"a", b"b", b"c"]


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """A cluster of two machines with a core each, beside the one that starts the work."""
    import ray
    from ray.cluster_utils import Cluster

    store = {"object_store_memory": 100_000_000}
    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, **store})
    for _ in range(2):
        made.add_node(num_cpus=1, **store)
    ray.init(address=made.address, log_to_driver=False, logging_level="ERROR")
    yield made
    ray.shutdown()
    made.shutdown()


def write_rows(path: Path, count: int) -> None:
    with open(path, "w", encoding="utf-8") as sink:
        for number in range(count):
            record = {"question": f"What is {number % (count - 50)}?", "answer": f"It is {number % 7}."}
            sink.write("not json\n" if number == 77 else json.dumps(record) + "\n")


def written(folder: Path) -> dict[str, str]:
    files = {path.name: path.read_text() for path in folder.rglob("*.jsonl")}
    return {
        name: text if name != "ledger.jsonl" else "\n".join(sorted(text.splitlines())) for name, text in files.items()
    }


@needs_ray
@pytest.mark.slow
def test_two_machines_write_what_one_writes_even_if_one_dies(
    here: Path, sft: Any, cluster: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_rows(Path("raw.jsonl"), 3000)
    both = ["prep", "raw.jsonl", *FLAGS]
    alone = sft(*both, "alone/ledger.jsonl", "--on-error", "skip", "-o", "alone")
    monkeypatch.setattr("sft_cli.data.file_shards.SHARD_BYTES", 4000)
    engine = ["--engine", "ray", "--on-error", "skip"]
    together = sft(*both, "together/ledger.jsonl", *engine, "-o", "together")
    assert (together.code, together.err) == (0, alone.err), together.err
    assert written(here / "together") == written(here / "alone")

    def kill() -> None:
        time.sleep(1)
        cluster.remove_node(cluster.worker_nodes.copy().pop(), allow_graceful=False)

    gone = here / "gone.jsonl"
    gone.write_text("{}")
    shards = shards_of(str(gone))
    gone.unlink()
    with pytest.raises(UserError) as error:
        list(_mapped(shards, FileShard.count_lines))
    assert "--engine ray: a task failed: FileNotFoundError: [Errno 2] No such file or directory:" in str(error.value)

    killer = threading.Thread(target=kill)
    killer.start()
    left = sft(*both, "left/ledger.jsonl", *engine, "-o", "left")
    killer.join()
    assert (left.code, left.err) == (0, alone.err)
    assert written(here / "left") == written(here / "alone")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--engine", "ray", "--limit", "3"], "--engine ray: expected files of JSON lines (.jsonl), each row of which"),
        (["--engine", "ray", "--dedup", "near"], "--engine ray: expected files of JSON lines (.jsonl), each row of"),
        (["--ray-address", "a:1"], "--ray-address: has an effect only with --engine ray"),
    ],
)
def test_what_ray_cannot_do_is_refused(here: Path, sft: Any, words: list[str], message: str) -> None:
    write_rows(Path("raw.jsonl"), 60)
    result = sft("prep", "raw.jsonl", *words, "--on-error", "skip", "-o", "out.jsonl")
    assert result.code == 2
    assert message in result.err


def test_without_ray_the_package_is_named(here: Path, sft: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    write_rows(Path("raw.jsonl"), 60)
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name == "ray" else find(name, *rest))
    result = sft("prep", "raw.jsonl", "--engine", "ray", "-o", "out.jsonl")
    assert result.code == 2
    assert "--engine ray: needs the package ray\nhint: pip install 'ray[data]>=2.40'" in result.err
