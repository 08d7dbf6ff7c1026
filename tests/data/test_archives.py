"""Tar archives of JSON files: members of one key are one record, and each member that is not read is named."""

import gzip
import io
import json
import tarfile

import pytest

from sft_cli.data.readers import Reading, read_records
from sft_cli.run.errors import FieldError, UserError


def write_tar(path, mode="w", **members):
    with tarfile.open(path, mode) as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


def read(path, **how):
    records = read_records(str(path), Reading(**how))
    return [
        (where.removeprefix(f"{path}:"), str(record) if isinstance(record, FieldError) else record)
        for where, record in records
    ]


@pytest.mark.parametrize(("name", "mode"), [("a.tar", "w"), ("a.tar.gz", "w:gz"), ("a.tgz", "w:gz")])
def test_members_of_one_key_are_one_record(tmp_path, name, mode):
    members = {
        "shard/1.json": b'{"question": "q"}',
        "shard/1.answer.txt": "é".encode(),
        "shard/1.meta.json": b"[1]",
        "./shard/2.txt": b"t",
        "shard/.hidden.json": b"{}",
        "shard/3.json": b'\xef\xbb\xbf{"question": "q", "answer": "a"}',
        "shard/4.json": json.dumps([{"text": "x"}, 3]).encode(),
        "shard/5.jsonl": b'{"text": "y"}\n\n[1]\n',
    }
    assert read(write_tar(tmp_path / name, mode, **members)) == [
        ("shard/1", {"question": "q", "answer": "é", "meta": [1]}),
        ("shard/2", {"text": "t"}),
        ("shard/3", {"question": "q", "answer": "a"}),
        ("shard/4.json:1", {"text": "x"}),
        ("shard/4.json:1", "expected a JSON object, got 3"),
        ("shard/5.jsonl:1", {"text": "y"}),
        ("shard/5.jsonl:3", "expected a JSON object, got list"),
    ]


def test_a_bad_member_spoils_only_its_record(tmp_path):
    members = {
        "1.json": b'{"text": 1',
        "2.json": b"3",
        "3.json": b'{"text": "x"}',
        "3.txt": b"y",
        "4.txt": b"\xff",
        "5.json": b'{"text": "z"}',
    }
    found = read(write_tar(tmp_path / "a.tar", **members))
    assert [where for where, _ in found] == ["1", "2", "3", "4", "5"]
    assert found[0][1].startswith("1.json: expected JSON, got ")
    assert [record for _, record in found[1:]] == [
        "expected a JSON object, got 3",
        "text: expected a field once, got it from two members of 3",
        "text: expected text in UTF-8, got invalid start byte",
        {"text": "z"},
    ]


def test_images_are_fields_and_other_members_are_named(tmp_path):
    said = []
    members = {"1.json": b'{"text": "x"}', "1.jpg": b"1", "1.bin": b"1", "2.bin": b"2", "README": b"r"}
    path = write_tar(tmp_path / "a.tar", **members)
    assert read(path, say=said.append) == [("1", {"text": "x", "image": "1.jpg"})]
    assert said == [
        f"{path}: members .bin are left out: expected JSON or text",
        f"{path}: members without an ending are left out: expected JSON or text",
    ]


def test_a_damaged_archive_says_so(tmp_path):
    (tmp_path / "a.tar").write_bytes(b"not a tar" * 99)
    with pytest.raises(UserError, match=r"a.tar: not a tar archive: "):
        read(tmp_path / "a.tar")
    whole = write_tar(tmp_path / "b.tar", **{"1.json": b'{"text": "' + b"x" * 4000 + b'"}'}).read_bytes()
    (tmp_path / "c.tar").write_bytes(whole[:2000])
    with pytest.raises(UserError, match=r"c.tar: (not a tar archive|cannot read): "):
        read(tmp_path / "c.tar")
    (tmp_path / "d.tar.gz").write_bytes(gzip.compress(whole)[:-20])
    with pytest.raises(UserError, match=r"d.tar.gz: (not a tar archive|cannot read): "):
        read(tmp_path / "d.tar.gz")


def test_a_member_longer_than_the_limit_is_an_error_of_its_record(tmp_path, monkeypatch):
    monkeypatch.setattr("sft_cli.run.jsonl.most_line_bytes", 20)
    members = {"1.json": b'{"text": "' + b"x" * 99 + b'"}', "2.txt": b"y" * 99, "3.txt": b"z"}
    found = read(write_tar(tmp_path / "a.tar", **members))
    assert [str(record).partition(",")[0] for _, record in found] == [
        "expected at most 20 bytes",
        "expected at most 20 bytes",
        "{'text': 'z'}",
    ]
