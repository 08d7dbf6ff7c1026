"""Rows stored are rows given: in memory, in files, and from the cache."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_rows import chat
from tiny_models import make_tokenizer

from sft_cli.encoding.encoder import Encoder, Example
from sft_cli.run import parallel
from sft_cli.run.errors import UserError
from sft_cli.run.ledger import Ledger
from sft_cli.training.rows import entries, parallel_encoding, storage, token_cache
from sft_cli.training.rows import reader as row_reader
from sft_cli.training.rows.corpus import Corpus
from sft_cli.training.rows.reader import CorpusReader, describe_corpus
from sft_cli.training.rows.storage import RowWriter
from sft_cli.training.settings import TrainSettings


@st.composite
def examples(draw: Any) -> Example:
    weights = draw(st.lists(st.sampled_from([0.0, 0.0, 1.0, 0.1, 3.0]), min_size=1, max_size=9))
    ids = draw(st.lists(st.integers(0, 200_000), min_size=len(weights), max_size=len(weights)))
    flags = draw(st.booleans()), draw(st.integers(0, 3)), draw(st.booleans())
    return Example(np.array(ids, dtype=np.int32), np.array(weights, dtype=np.float32), *flags)


def shown(example: Example) -> Any:
    assert (example.ids.dtype, example.weights.dtype) == (np.int32, np.float32)
    return example.ids.tolist(), example.weights.tolist(), example.has_stop, example.seam_merges, example.is_text


@pytest.mark.parametrize("spill", [0, 1 << 20])
@settings(max_examples=40, deadline=None)
@given(rows=st.lists(st.tuples(examples(), st.text(max_size=4), st.sampled_from(["", "a", "b"])), max_size=9))
def test_rows_come_back_as_they_were(spill: int, rows: list[tuple[Example, str, str]]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(storage, "SPILL", spill)
        writer = RowWriter()
        for example, row_id, task in rows:
            writer.append([example], [row_id], [task])
        corpus = Corpus.of(writer.columns(), writer.task_names, writer.highest_id)
        writer.close()
    again = Corpus(*(zip(*rows, strict=True) if rows else ([], [], [])))
    for each in (corpus, again):
        assert [shown(example) for example in each.examples] == [shown(example) for example, _, _ in rows]
        assert list(each.ids) == [row_id for _, row_id, _ in rows]
        assert list(each.tasks) == [each.tasks[i] for i in range(len(rows))] == [task for _, _, task in rows]
        assert each.lengths.tolist() == [len(example.ids) for example, _, _ in rows]
        assert each.target_counts.tolist() == [example.target_count for example, _, _ in rows]
        assert each.weight_sums.tolist() == pytest.approx([float(e.weights.sum(dtype="f8")) for e, _, _ in rows])
        assert each.tokens == sum(len(example.ids) for example, _, _ in rows)
        assert each.highest_id == max((int(example.ids.max()) for example, _, _ in rows), default=-1)
    if rows:
        assert shown(corpus[-1]) == shown(rows[-1][0])
    with pytest.raises(IndexError):
        corpus[len(rows)]


def test_a_token_that_is_lost_on_the_way_is_noticed() -> None:
    writer = RowWriter()
    example = Example(np.arange(4, dtype=np.int32), np.array([0, 1, 1, 0.5], dtype=np.float32))
    writer.append([example, example], ["a", "b"], ["", ""])
    kept = writer._held["ids"]
    writer._held["ids"] = [kept[0][:-4]]
    with pytest.raises(AssertionError, match=r"the stored rows are not the encoded rows: \[7, 8\] tokens"):
        writer.columns()
    writer._held["ids"] = kept
    writer.weight_sum += 0.5
    with pytest.raises(AssertionError, match=r"weights 5\.0, expected 5\.5"):
        writer.columns()


def write(path: Path, rows: list[Any]) -> str:
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
    return str(path)


def reader(ledger: Ledger | None = None, **changes: Any) -> CorpusReader:
    chosen = TrainSettings(**{"model": "tiny", "overflow": "drop", **changes})
    return CorpusReader(Encoder(make_tokenizer()), ledger or Ledger(), chosen, chosen.max_length or 60)


ROWS: list[Any] = [{**chat("What is it?", f"The yen {n}. " * (1 + n % 9)), "id": f"r{n}"} for n in range(60)]


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: Any) -> Path:
    monkeypatch.setenv("SFT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(token_cache, "SMALL", 0)
    return tmp_path / "cache" / "tokens"


def counts_of(*, rules: Path | None = None, paths: list[str], **changes: Any) -> tuple[Corpus, list[str]]:
    ledger = Ledger()
    corpus = reader(ledger, **changes).read(paths, "training", None if rules is None else str(rules))
    return corpus, ledger.lines()


def test_a_second_run_takes_rows_and_counts_from_the_cache(cache: Path, tmp_path: Path, monkeypatch: Any) -> None:
    paths = [write(tmp_path / "a.jsonl", ROWS)]
    first, said = counts_of(paths=paths)
    assert any("dropped: longer than 60 tokens" in line for line in said)
    assert first.note == ""
    monkeypatch.setattr(row_reader, "encode_batches", lambda *_: pytest.fail("encoded again"))
    second, said_again = counts_of(paths=paths)
    assert said_again == said
    assert [shown(example) for example in second.examples] == [shown(example) for example in first.examples]
    assert list(second.ids) == list(first.ids)
    assert second.highest_id == first.highest_id
    (folder,) = cache.iterdir()
    lines = describe_corpus(second, "train")
    assert lines[2] == f"  read from the token cache ({folder})"
    assert [*lines[:2], *lines[3:]] == describe_corpus(first, "train")


def test_the_cache_is_keyed_by_all_that_encoding_depends_on(cache: Path, tmp_path: Path, monkeypatch: Any) -> None:
    paths = [write(tmp_path / "a.jsonl", ROWS)]
    rules = tmp_path / "rules.toml"
    rules.write_text('[[rule]]\nregex = "yen"\nweight = 2\n')
    variants: list[dict[str, Any]] = [
        {},
        {"targets": "last"},
        {"max_length": 30},
        {"overflow": "truncate"},
        {"limit": 50},
        {"rules": rules},
    ]
    for number, changes in enumerate(variants, 1):
        assert counts_of(paths=paths, **changes)[0].note == ""
        assert len(list(cache.iterdir())) == number
        assert "token cache" in counts_of(paths=paths, **changes)[0].note
    reader().read(paths, "held-out")
    write(tmp_path / "a.jsonl", ROWS[1:])
    counts_of(paths=paths)
    monkeypatch.setattr(token_cache, "code_hash", lambda: "other")
    counts_of(paths=paths)
    assert len(list(cache.iterdir())) == len(variants) + 3


def test_what_is_not_kept(cache: Path, tmp_path: Path, monkeypatch: Any) -> None:
    paths = [write(tmp_path / "a.jsonl", [*ROWS, "{"])]
    for _ in range(2):  # its errors are said each time
        ledger = Ledger("skip")
        assert reader(ledger).read(paths, "training").note == ""
        assert [error.split(", got")[0] for error in ledger.error_lines()] == [f"{paths[0]}:61: expected a JSON object"]
    good = [write(tmp_path / "b.jsonl", ROWS)]
    counts_of(paths=good, token_cache=False)
    monkeypatch.setattr(token_cache, "SMALL", 1 << 20)
    counts_of(paths=good)
    assert list(cache.glob("*")) == []


def test_a_damaged_entry_is_made_again_and_the_first_of_two_writers_wins(cache: Path, tmp_path: Path) -> None:
    paths = [write(tmp_path / "a.jsonl", ROWS)]
    counts_of(paths=paths)
    (folder,) = cache.iterdir()
    (folder / "ids.int32").write_bytes(b"")
    corpus, _ = counts_of(paths=paths)
    assert corpus.note == ""
    assert "token cache" in counts_of(paths=paths)[0].note
    late = token_cache.TokenCache(paths, reader().encoder, {})
    early = token_cache.TokenCache(paths, reader().encoder, {})
    for each in (early, late):
        writer = each.writer()
        writer.append(corpus.examples, list(corpus.ids), list(corpus.tasks))
        each.keep(writer, Corpus.of(writer.columns(), writer.task_names, writer.highest_id), {})
        writer.close()
    assert len(list(cache.iterdir())) == 2
    assert all((entry / "facts.json").exists() for entry in cache.iterdir())


def test_what_was_not_used_for_a_month_is_forgotten(cache: Path, tmp_path: Path) -> None:
    old, new = ([write(tmp_path / name, ROWS)] for name in ("a.jsonl", "b.jsonl"))
    counts_of(paths=old)
    (folder,) = cache.iterdir()
    os.utime(folder / "facts.json", (0, 0))
    counts_of(paths=new)
    assert folder not in list(cache.iterdir())
    assert "token cache" in counts_of(paths=new)[0].note


def test_what_a_killed_process_left_is_forgotten_after_a_day_without_a_write(cache: Path, tmp_path: Path) -> None:
    dead, alive = cache / ".a.1.tmp", cache / ".b.2.tmp"
    for folder in (dead, alive):
        folder.mkdir(parents=True)
        (folder / "ids.int32").write_bytes(b"")
    for path in (dead / "ids.int32", dead, alive):  # a folder's own time tells when it was made, not what is written
        os.utime(path, (0, 0))
    counts_of(paths=[write(tmp_path / "a.jsonl", ROWS)])
    assert (dead.exists(), alive.exists()) == (False, True)


def test_a_cache_that_cannot_be_written_is_named(cache: Path, tmp_path: Path) -> None:
    paths = [write(tmp_path / "a.jsonl", ROWS)]
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(UserError, match=r"cannot write the token cache: .*\nhint: --no-token-cache uses no cache"):
        counts_of(paths=paths)
    counts_of(paths=paths, token_cache=False)


def test_errors_keep_the_order_of_the_file_with_and_without_processes(tmp_path: Path, monkeypatch: Any) -> None:
    silent = {**ROWS[0], "messages": [*ROWS[0]["messages"][:1], {**ROWS[0]["messages"][1], "weight": 0}]}
    rows: list[Any] = [*ROWS[:5], silent, "{", ROWS[6], {"id": "x"}, silent, *ROWS]
    path = write(tmp_path / "a.jsonl", rows)
    expected: list[Any] = []
    for size, alone in ((512, 20), (2, 1)):
        monkeypatch.setattr(entries, "BATCH_ROWS", size)
        monkeypatch.setattr(parallel_encoding, "BATCHES_ALONE", alone)
        monkeypatch.setattr(parallel.os, "sched_getaffinity", lambda _: {0, 1}, raising=False)
        ledger = Ledger("skip")
        corpus = reader(ledger).read([path], "training")
        expected.append((ledger.error_lines(), ledger.counts, [shown(e) for e in corpus.examples], list(corpus.ids)))
        assert [error.split(": ")[0] for error in ledger.error_lines()] == [f"{path}:{line}" for line in (6, 7, 9, 10)]
    assert expected[0] == expected[1]
    with pytest.raises(UserError, match=f"{path}:6: messages: expected at least one target"):
        reader().read([path], "training")


def test_errors_of_the_template_come_back_from_other_processes(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(entries, "BATCH_ROWS", 1)
    monkeypatch.setattr(parallel_encoding, "BATCHES_ALONE", 1)
    monkeypatch.setattr(parallel.os, "sched_getaffinity", lambda _: {0, 1}, raising=False)
    refused = chat("a", "")
    refused["messages"][1]["tool_calls"] = [{"function": {"name": "f", "arguments": {}}}]
    path = write(tmp_path / "a.jsonl", [ROWS[0], ROWS[1], refused])
    ledger = Ledger("skip")
    assert len(reader(ledger).read([path], "training")) == 2
    assert ledger.error_lines()[0].startswith(f"{path}:3: messages[1].tool_calls: the chat template does not write")


def test_a_process_that_is_killed_ends_the_run_with_one_line(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(entries, "BATCH_ROWS", 1)
    monkeypatch.setattr(parallel_encoding, "BATCHES_ALONE", 1)
    monkeypatch.setattr(parallel.os, "sched_getaffinity", lambda _: {0, 1}, raising=False)
    monkeypatch.setattr(parallel, "_ignore_interrupts", lambda *_: os._exit(1))
    path = write(tmp_path / "a.jsonl", ROWS)
    with pytest.raises(UserError, match="a process that encodes rows was killed"):
        reader().read([path], "training")


def test_split_rows_are_named_by_their_part(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", [{"id": "t", "text": "The quick fox. " * 9}, {"id": "u", "text": "The"}])
    corpus, _ = counts_of(paths=[path], overflow="split", max_length=30)
    assert corpus.ids[0] == "t#1"
    assert corpus.ids[-1] == "u"
    assert len(corpus) > 2


def test_an_input_without_rows_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no training rows: the input is empty"):
        reader().read([write(tmp_path / "a.jsonl", [])], "training")
