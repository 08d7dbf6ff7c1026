"""Records from every kind of file, with the line of each; what cannot be read says why."""

import gzip
import io
import json
import sys
import types

import pytest
import zstandard

from sft_cli.data.readers import Reading, read_records
from sft_cli.run.errors import FieldError, UserError

ROWS = [{"instruction": "a", "output": "é\n"}, {"instruction": "b", "output": "c"}]
LINES = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in ROWS)


def read(path, **how):
    records = read_records(str(path), Reading(**how))
    return [(where, str(record) if isinstance(record, FieldError) else record) for where, record in records]


def located(path, *lines):
    return [(f"{path}:{line}", row) for line, row in zip(lines, ROWS, strict=True)]


def table(delimiter):
    return delimiter.join(["instruction", "output"]) + "\r\n" + f'a{delimiter}"é\n"\r\n\r\nb{delimiter}c\r\n'


@pytest.mark.parametrize(
    ("name", "content", "lines"),
    [
        ("a.jsonl", LINES, (1, 2)),
        ("a.ndjson", "\n" + LINES, (2, 3)),
        ("a.json", json.dumps(ROWS), (1, 1)),
        ("a.json", json.dumps(ROWS, indent=1), (2, 6)),
        ("a.json", LINES, (1, 2)),
        ("a.json", json.dumps({"data": ROWS}), (1, 1)),
        ("a.json", json.dumps(ROWS[0], indent=1) + "\n" + json.dumps(ROWS[1], indent=1), (1, 5)),
        ("a.dat", LINES, (1, 2)),
        ("a.dat", "\ufeff" + json.dumps(ROWS, indent=1), (2, 6)),
        ("a.csv", table(","), (2, 5)),
        ("a.csv", "\ufeff" + table(","), (2, 5)),
        ("a.tsv", table("\t"), (2, 5)),
    ],
)
@pytest.mark.parametrize("compress", ["", ".gz", ".zst"])
def test_every_kind_of_file_gives_the_same_records(tmp_path, name, content, lines, compress):
    path = tmp_path / (name + compress)
    pack = {"": bytes, ".gz": gzip.compress, ".zst": zstandard.ZstdCompressor().compress}[compress]
    path.write_bytes(pack(content.encode()))
    assert read(path) == located(path, *lines)


@pytest.mark.parametrize(
    "content",
    [LINES.encode(), json.dumps(ROWS).encode(), gzip.compress(LINES.encode(), mtime=0)],
    ids=["lines", "array", "gzip"],
)
def test_stdin_is_told_by_its_first_bytes(monkeypatch, content):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(io.BytesIO(content))))
    assert [record for _, record in read("-")] == ROWS


def test_lines_of_stdin_are_named_stdin(monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(io.BytesIO(b"\n" + LINES.encode()))))
    assert [where for where, _ in read("-")] == ["<stdin>:2", "<stdin>:3"]


def test_a_terminal_is_no_data(monkeypatch):
    monkeypatch.setattr(sys, "stdin", types.SimpleNamespace(isatty=lambda: True))
    with pytest.raises(UserError, match="stdin: expected data, got a terminal\nhint: name a file"):
        read("-")


TEXT = "\ufeff\n# One\r\n\r\nA \u2028 line.\r\n \r\nB.\n\n"


@pytest.mark.parametrize("name", ["a.txt", "a.md", "a.txt.gz"])
def test_a_text_file_is_one_document_with_its_paragraphs(tmp_path, name):
    path = tmp_path / name
    path.write_bytes((gzip.compress if name.endswith("gz") else bytes)(TEXT.encode()))
    assert read(path) == [(f"{path}:1", {"text": "# One\n\nA \u2028 line.\n \nB."})]


@pytest.mark.parametrize("name", ["a.txt", "a.md"])
def test_a_text_file_can_be_a_document_a_line(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(TEXT.encode())
    found = [(f"{path}:{line}", {"text": text}) for line, text in ((2, "# One"), (4, "A \u2028 line."), (6, "B."))]
    assert read(path, is_by_line=True) == found


def test_a_file_without_words_is_no_document(tmp_path):
    (tmp_path / "a.txt").write_text(" \n\n")
    assert read(tmp_path / "a.txt") == []


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "utf-16-le", "utf-16-be", "gb18030", "latin-1"])
@pytest.mark.parametrize("name", ["a.jsonl", "a.json", "a.csv", "a.txt", "a.html", "a.jsonl.zst"])
def test_text_in_any_encoding_is_read_by_its_mark_or_by_the_flag(tmp_path, name, encoding):
    word = "é" if encoding == "latin-1" else "é 你好 𝄞"
    contents = {".csv": f"text\n{word}\n{word}\n", ".txt": word, ".html": f"<p>{word}</p>"}
    row = json.dumps({"text": word}, ensure_ascii=False)
    contents |= {".json": f"[{row},\n{row}]"}
    data = contents.get((tmp_path / name).suffix, f"{row}\n" * 2000).encode(encoding)
    path = tmp_path / name
    path.write_bytes(zstandard.compress(data) if name.endswith("zst") else data)
    has_mark = encoding in ("utf-16", "utf-32")
    said = []
    texts = {record["text"] for _, record in read(path, encoding="" if has_mark else encoding, say=said.append)}
    assert texts == {word}
    assert said == ([f"{path}: read as {encoding.upper()}, because of its byte order mark"] if has_mark else [])


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf_16_without_a_mark_is_recognised(tmp_path, encoding):
    (tmp_path / "a.jsonl").write_bytes('{"text": "a"}\n'.encode(encoding))
    with pytest.raises(
        UserError, match=f"this is probably {encoding.upper()}\nhint: sft prep --encoding {encoding} reads it"
    ):
        read(tmp_path / "a.jsonl")


def test_what_the_named_encoding_does_not_have_is_an_error(tmp_path):
    (tmp_path / "a.csv").write_bytes(b"text\n\x81\n")
    with pytest.raises(UserError, match=r"a\.csv: expected cp1252, got "):
        read(tmp_path / "a.csv", encoding="cp1252")


@pytest.mark.parametrize(
    ("content", "delimiter", "told"),
    [
        ("a;b\n1,5;2\n3;4,x\n", "", "semicolons"),
        ("a\tb\n1,5\t2\n3\t4\n", "", "tabs"),
        ("a|b\n1|2\n", "", "bars"),
        ("a,b;c\n1,2\n3,4\n", "", ""),
        ("a (x, y);b\n1;2\n3;4\n", "", "semicolons"),
        ("a\n1;2\n3\n", "", ""),
        ("sep=;\r\na;b\r\n1,5;2\r\n", "", ""),
        ("a;b,c\n1;2,3\n", ";", ""),
        ("a~b\n1~2\n", "~", ""),
        ('"a;b",c\n"1;2\n3;4",5\n', "", ""),
    ],
)
def test_what_parts_the_columns_is_found_and_said(tmp_path, content, delimiter, told):
    (tmp_path / "a.csv").write_text(content, newline="")
    said = []
    records = [record for _, record in read(tmp_path / "a.csv", delimiter=delimiter, say=said.append, has_flags=True)]
    assert said == (
        [f"{tmp_path}/a.csv: fields are separated by {told} (--delimiter CHAR names another)"] if told else []
    )
    assert all(isinstance(record, dict) for record in records)
    wanted = {"a": "1,5"} if "1,5" in content else {}
    assert wanted.items() <= records[0].items()


def test_a_table_says_the_line_of_each_record_below_a_line_that_names_the_delimiter(tmp_path):
    (tmp_path / "a.csv").write_text("sep=;\na;b\n1;2\n3;4;5\n")
    assert [where for where, _ in read(tmp_path / "a.csv")] == [f"{tmp_path}/a.csv:3", f"{tmp_path}/a.csv:4"]


def test_the_index_that_pandas_writes_is_a_column(tmp_path):
    (tmp_path / "a.csv").write_text(",text\n0,t\n")
    assert read(tmp_path / "a.csv")[0][1] == {"column_1": "0", "text": "t"}


def test_parquet_is_read_in_batches_and_counts_its_rows(tmp_path):
    import pyarrow
    import pyarrow.parquet

    path = tmp_path / "a.parquet"
    rows = [{"messages": [{"role": "user", "content": str(number)}]} for number in range(600)]
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), path)
    assert read(path) == [(f"{path}:{number + 1}", row) for number, row in enumerate(rows)]


@pytest.mark.parametrize("name", ["a.arrow", "a.feather", "a.arrow.zst", "a.dat"])
@pytest.mark.parametrize("is_stream", [True, False], ids=["stream", "file"])
def test_arrow_is_read_as_a_file_and_as_a_stream(tmp_path, name, is_stream):
    import pyarrow

    rows = [{"text": str(number), "tags": ["a"]} for number in range(600)]
    table = pyarrow.Table.from_pylist([{**row, "raw": b"x"} for row in rows])
    sink = io.BytesIO()
    writer = pyarrow.ipc.new_stream if is_stream else pyarrow.ipc.new_file
    with writer(sink, table.schema) as file:
        file.write_table(table)
    path = tmp_path / name
    path.write_bytes(zstandard.compress(sink.getvalue()) if name.endswith("zst") else sink.getvalue())
    said = []
    found = read(path, kind="arrow", say=said.append, is_text=lambda field: field == "text")
    assert found == [(f"{path}:{number + 1}", row) for number, row in enumerate(rows)]
    assert said == [f"{path}: field raw is left out: it has bytes, which JSON cannot hold"]


def test_table_cells_that_hold_lists_or_numbers_are_read_as_such(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text('prompt,references,weight\nq,"[""a"", ""b""]",0.5\nq,,\nq,[,1\nq,x,heavy\n')
    assert [record for _, record in read(path)] == [
        {"prompt": "q", "references": ["a", "b"], "weight": 0.5},
        {"prompt": "q"},
        'references: expected JSON, got "["',
        'weight: expected a number of at least 0, got "heavy"',
    ]


@pytest.mark.parametrize(
    ("name", "content", "where", "problem"),
    [
        ("a.jsonl", "[1]\n", ":1", "expected a JSON object, got list"),
        ("a.json", '[\n{"a": 1},\n3]', ":3", "expected a JSON object, got 3"),
        ("a.csv", "a,b\n1,2,3\n", ":2", 'expected 2 fields, got 3: ["1", "2", "3"]'),
        ("a.csv", "a,b\n\n1\n", ":3", 'expected 2 fields, got 1: ["1"]'),
    ],
)
def test_a_bad_record_does_not_stop_the_reading(tmp_path, name, content, where, problem):
    path = tmp_path / name
    path.write_text(content)
    assert read(path)[-1] == (f"{path}{where}", problem)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "a.dat",
            b"hello",
            '{path}: expected JSON, got "hello"\nhint: other file types need one of the endings .jsonl',
        ),
        ("a.csv", b"a,a\n1,2\n", '{path}:1: expected field names, each once, got ["a", "a"]'),
        ("a.csv", b'a,b\n1,2\n"1,2\n3,4\n', "{path}:3: not a table: unexpected end of data"),
        ("a.csv", b'a,b\n1,"2"3\n', "{path}:2: not a table: ',' expected after '\"'"),
        ("a.csv", b"a,b\ncaf\xe9,1\n", "{path}: expected UTF-8, got invalid continuation byte"),
        ("a.txt", b"\xff\xfd", "{path}: expected UTF-8, got invalid start byte\nhint: sft prep --encoding NAME"),
        ("a.json", b'["\xff', "{path}:1: expected UTF-8, got invalid start byte\nhint: sft prep --encoding NAME"),
        ("a.parquet", b"not parquet", "{path}: not Parquet: "),
        ("a.arrow", b"not arrow", "{path}: not Arrow: "),
        ("a.arrow", b"ARROW1 cut", "{path}: not Arrow: "),
        ("a.dat", b"ARROW1\n", '{path}: expected JSON, got "ARROW1\\n"\nhint: '),
        ("a.json", b"[1, ", "{path}:1: not JSON: Expecting value"),
        ("a.json", b"[]\n[]", "{path}:2: not JSON: expected the end of the file after the array, got "),
    ],
)
def test_a_file_that_cannot_be_read_says_why(tmp_path, name, content, message):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(UserError) as caught:
        read(path)
    assert str(caught.value).startswith(message.format(path=path))


@pytest.mark.parametrize("content", [LINES * 99, json.dumps(ROWS * 99)])
@pytest.mark.parametrize("pack", [gzip.compress, zstandard.ZstdCompressor().compress])
def test_a_compressed_file_that_is_cut_off_is_an_error_not_fewer_rows(tmp_path, content, pack):
    path = tmp_path / "a.json"
    path.write_bytes(pack(content.encode())[:-10])
    with pytest.raises(UserError, match="cannot read: Compressed file ended before"):
        read(path)


def test_zstd_frames_one_after_another_are_one_file(tmp_path):
    path = tmp_path / "a.jsonl.zst"
    path.write_bytes(b"".join(zstandard.ZstdCompressor().compress(line.encode()) for line in LINES.splitlines(True)))
    assert read(path) == located(path, 1, 2)


def test_a_damaged_zstd_file_is_an_error(tmp_path):
    path = tmp_path / "a.jsonl.zst"
    path.write_bytes(zstandard.ZstdCompressor().compress(LINES.encode() * 99)[:20] + b"damage" * 9)
    with pytest.raises(UserError, match="cannot read: "):
        read(path)


def test_directories_and_missing_files_are_errors(tmp_path):
    with pytest.raises(UserError, match=r": expected a file, got a directory\nhint: name its files: .*/\*"):
        read(tmp_path)
    with pytest.raises(UserError, match=r"none.json: cannot read: No such file or directory"):
        read(tmp_path / "none.json")
    with pytest.raises(UserError, match=r"none.parquet: cannot read: "):
        read(tmp_path / "none.parquet")


def test_hub_data_sets_are_streamed(monkeypatch):
    asked = []

    def load_dataset(*arguments, **named):
        asked.append((arguments, named))
        return iter(ROWS)

    monkeypatch.setitem(sys.modules, "datasets", types.SimpleNamespace(load_dataset=load_dataset))
    assert read("hf:o/n:test") == located("hf:o/n:test", 1, 2)
    assert read("hf:o/n/main") == located("hf:o/n/main", 1, 2)
    assert asked == [
        (("o/n", None), {"split": "test", "streaming": True}),
        (("o/n", "main"), {"split": "train", "streaming": True}),
    ]


def test_what_the_hub_refuses_is_one_line(monkeypatch):
    def load_dataset(*arguments, **named):
        raise ConnectionError("no network\nand a long story")

    monkeypatch.setitem(sys.modules, "datasets", types.SimpleNamespace(load_dataset=load_dataset))
    with pytest.raises(UserError) as caught:
        read("hf:o/n")
    assert str(caught.value) == "hf:o/n: cannot load from the hub: no network"
    with pytest.raises(UserError, match="hf:: expected hf:owner/name, hf:owner/name/config or hf:owner/name:split"):
        read("hf:")


def test_a_command_without_the_flag_does_not_hint_at_it(tmp_path):
    (tmp_path / "a.csv").write_text("a;b\n1;2\n")
    said = []
    read(tmp_path / "a.csv", say=said.append)
    assert said == [f"{tmp_path}/a.csv: fields are separated by semicolons"]
