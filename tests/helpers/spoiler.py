"""Good rows of every kind that `sft` reads, spoiled: cut, garbled, nested too deeply, of the wrong types.

All of it follows from a seed. `write_spoiled` makes one file; `bench/spoiled.py` puts many through the commands.
"""

from __future__ import annotations

import copy
import csv
import gzip
import io
import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

Record = dict[str, Any]
Json = Any

WORDS = ["yen", "What is", "日本", "naïve", "the fox", "1,234.5", "{}", "a b c", "💡", "x = y²"]
DEPTHS = (5, 120, 240, 260, 500, 1000, 1100, 5000, 100_000)
DEEP = "a place for brackets"  # replaced in the text of the line: no library would write them
BENCHMARKS = ("rte", "wic", "wsc", "copa", "multirc", "piqa", "hellaswag", "arc-easy", "commonsenseqa")


def words(draw: random.Random, most: int = 8) -> str:
    """A few words, never none."""
    return " ".join(draw.choice(WORDS) for _ in range(draw.randint(1, most)))


def alpaca(draw: random.Random, number: int) -> Record:
    """Instruction, input, output, history."""
    history = [[words(draw), words(draw)]]
    return {"instruction": words(draw), "input": words(draw), "output": words(draw), "history": history}


def sharegpt(draw: random.Random, number: int) -> Record:
    """Turns of from and value, with a tool call."""
    call = json.dumps({"name": "find", "arguments": {"q": words(draw)}})
    turns = [
        {"from": "human", "value": words(draw)},
        {"from": "function_call", "value": call},
        {"from": "observation", "value": words(draw)},
        {"from": "gpt", "value": words(draw)},
    ]
    return {"conversations": turns, "system": words(draw), "tools": json.dumps([{"name": "find", "parameters": {}}])}


def messages(draw: random.Random, number: int) -> Record:
    """A row as `sft prep` writes it, and as OpenAI's files have it."""
    function = {"name": "find", "arguments": {"q": words(draw), "n": 3}}
    turns = [
        {"role": "system", "content": words(draw)},
        {"role": "user", "content": [{"type": "text", "text": words(draw)}] if number % 5 == 0 else words(draw)},
        {"role": "assistant", "content": None, "tool_calls": [{"type": "function", "function": function}]},
        {"role": "tool", "content": words(draw)},
        {"role": "assistant", "content": words(draw), "weight": 0.5},
    ]
    more = {"task": "t", "weight": 1, "references": [words(draw)], "choices": ["a", "b"], "answer": 7}
    return {
        "id": f"m-{number}",
        "messages": turns,
        "tools": [{"type": "function", "function": {"name": "find"}}],
        **more,
    }


def rows(draw: random.Random, number: int) -> Record:
    """A row without tools, for the commands that read rows."""
    turns = [{"role": "user", "content": words(draw)}, {"role": "assistant", "content": words(draw), "weight": 1.0}]
    return {
        "id": f"r-{number}",
        "messages": turns,
        "task": "t",
        "weight": 1,
        "references": [words(draw)],
        "source": "s",
    }


def prompt_completion(draw: random.Random, number: int) -> Record:
    """A question and its answer."""
    return {"prompt": words(draw), "completion": words(draw), "system": words(draw), "weight": 2}


def triples(draw: random.Random, number: int) -> Record:
    """A subject, a relation and an object."""
    return {"subject": words(draw, 2), "relation": words(draw, 1), "object": number, "weight": 1}


def text(draw: random.Random, number: int) -> Record:
    """Raw text."""
    return {"text": words(draw, 40), "id": f"t-{number}", "weight": 1}


def generations(draw: random.Random, number: int) -> Record:
    """What `sft generate` writes, log-probabilities included."""
    logprobs = [{"sum": -1.5, "tokens": 3, "characters": 9, "bytes": 9, "is_greedy": True}] * 2
    turns = [{"role": "user", "content": words(draw)}]
    more = {"finish_reason": "stop", "error": None, "prompt_tokens": 9, "completion_tokens": 4, "sample": 0}
    more |= {"choices": ["a", "b"], "answer": "a", "answer_index": 0, "choice_logprobs": logprobs, "task": "t"}
    more |= {"reference_logprobs": logprobs[:1], "context": words(draw), "instructions": [{"kind": "x", "n": 3}]}
    return {"id": f"g-{number}", "messages": turns, "completion": words(draw), "references": [words(draw)], **more}


def judged(draw: random.Random, number: int) -> Record:
    """What a judge has written."""
    judge = {"kind": "pairwise", "pair": f"p-{number // 2}", "first": ("base", "other")[number % 2]}
    if number % 3 == 0:
        judge = {"kind": "rating", "lowest": 1, "highest": 10}
    return {"id": f"j-{number}", "messages": [], "judge": judge, "completion": draw.choice(["[[A]]", "[[7]]", "tie"])}


def scores(draw: random.Random, number: int) -> Record:
    """What `sft score` writes."""
    stats = {"exact-match": {"correct": draw.randint(0, 1), "count": 1}}
    signatures = {"exact-match": "exact-match|case:lower|v:0.1.0"}
    values = {"exact_match": stats["exact-match"]["correct"]}
    more = {"metrics": values, "stats": stats, "signatures": signatures}
    return {"id": f"s-{number}", "sample": 0, "task": "t", **more}


def _benchmark(name: str) -> Callable[[random.Random, int], Record]:
    def record(draw: random.Random, number: int) -> Record:
        label = number % 2
        letters = {"label": ["A", "B", "C", "D", "E"], "text": [words(draw) for _ in range(5)]}
        spans = {"span1_text": "the fox", "span1_index": 0, "span2_text": "it", "span2_index": 3}
        passage = {"text": words(draw), "questions": [{"question": "who?", "answers": [{"text": "he", "label": 1}]}]}
        known: dict[str, Record] = {
            "rte": {"premise": words(draw), "hypothesis": words(draw), "label": label},
            "wic": {"sentence1": "a fox ran", "sentence2": "fox", "start1": 2, "end1": 5, "label": bool(label)},
            "wsc": {"text": "the fox said it ran", "target": spans, "label": bool(label)},
            "copa": {"premise": "it rained.", "choice1": "a", "choice2": "b", "question": "cause", "label": label},
            "multirc": {"passage": passage},
            "piqa": {"goal": words(draw), "sol1": words(draw), "sol2": words(draw), "label": label},
            "hellaswag": {
                "endings": [words(draw) for _ in range(4)],
                **{"ctx_a": words(draw), "ctx_b": words(draw), "activity_label": "x", "label": str(label)},
            },
            "arc-easy": {"question": words(draw), "choices": letters, "answerKey": "B"},
            "commonsenseqa": {"question": words(draw), "choices": letters, "answerKey": "C"},
        }
        return known[name]

    return record


GOOD: dict[str, Callable[[random.Random, int], Record]] = {
    "alpaca": alpaca,
    "sharegpt": sharegpt,
    "messages": messages,
    "rows": rows,
    "prompt-completion": prompt_completion,
    "triples": triples,
    "text": text,
    "generations": generations,
    "judged": judged,
    "scores": scores,
    **{name: _benchmark(name) for name in BENCHMARKS},
}


def bad_values(draw: random.Random) -> Json:
    """A value that hardly belongs where it is put."""
    simple: list[Json] = [None, True, False, 0, -1, -0.5, 1e308, 3, "", " ", [], {}, [[]], [None], {"": None}, "x"]
    odd: list[Json] = [10**18, 2**64, 10**400, -(10**30), float("nan"), float("inf"), "\x00", "\ud800", "a\udfffb"]
    odd += ["\x1b[31m", "\u2028", "\u202e", "\x9b2J", "[" * draw.choice(DEPTHS), '{"a":' * draw.choice(DEPTHS)]
    odd += ['[{"name": 1}]', '"', "null", "1e999", "9" * 5000, "\ufeff", "x" * draw.choice([1000, 200_000]), DEEP]
    odd += [[1, "a", None], {"role": 3}, {"type": "text"}, [{"type": "text", "text": 4}], {"a": {"b": {"c": []}}}]
    return draw.choice(simple if draw.random() < 0.4 else odd)


def paths_of(value: Json, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to every value inside a record."""
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield (*path, key)
        yield from paths_of(inner, (*path, key))


def spoil_record(record: Record, draw: random.Random) -> Record:
    """The record with one to three of its values changed, removed, renamed or doubled."""
    record = copy.deepcopy(record)
    for _ in range(draw.choice([1, 1, 1, 2, 3])):
        paths = list(paths_of(record))
        if not paths:
            return record
        *way, last = draw.choice(paths)
        holder: Json = record
        for key in way:
            holder = holder[key]
        what = draw.random()
        if what < 0.7:
            holder[last] = bad_values(draw)
        elif what < 0.8:
            del holder[last]
        elif isinstance(holder, dict):
            holder[draw.choice(["", "role", "from", "text", "\ud800", "a\nb", "k" * 5000])] = bad_values(draw)
        else:
            holder.append(copy.deepcopy(holder[last]))
    return record


def as_text(record: Record, draw: random.Random) -> str:
    """The record as JSON, with brackets by the thousand where there is a place for them, now and then a key twice."""
    line = json.dumps(record, ensure_ascii=draw.random() < 0.5)
    depth, kind = draw.choice(DEPTHS), draw.choice(["[]", "{}"])
    open_, close = ("[", "]") if kind == "[]" else ('{"a":', "}")
    middle = "" if kind == "[]" else "1"
    line = line.replace(json.dumps(DEEP), open_ * depth + middle + close * draw.choice([depth, depth, 0]))
    if draw.random() < 0.03 and len(line) > 2:
        line = '{"id": 3, "id": "twice", "messages": 1,' + line[1:]
    return line


def spoil_bytes(line: bytes, draw: random.Random) -> bytes:
    """The line cut, with bytes flipped or put in, or with something else in its place."""
    place = draw.randrange(len(line) + 1)
    what = draw.randrange(10)
    if what == 0:
        return line[:place]
    if what == 1:
        flipped = bytearray(line)
        for _ in range(draw.randint(1, 4)):
            if flipped:
                flipped[draw.randrange(len(flipped))] ^= 1 << draw.randrange(8)
        return bytes(flipped)
    if what == 2:
        return line[:place] + b"\x00" * draw.choice([1, 100, 10_000]) + line[place:]
    if what == 3:
        return line[:place] + draw.choice([b"\xff\xfe", b"\xc3", b"\xed\xa0\x80", b"\xf4\x90\x80\x80"]) + line[place:]
    if what == 4:
        return b"[" * draw.choice(DEPTHS)
    if what == 5:
        return line + b" " + line
    if what == 6:
        return draw.choice([b"null", b"3", b'"x"', b"[]", b"{}", b"NaN", b"-", b"\xef\xbb\xbf", b"\r", b"   ", b"\x1c"])
    if what == 7:
        return line[:place] + draw.choice([b"\r", b"\x1e", b"\x0c", b"\xe2\x80\xa8"]) + line[place:]
    if what == 8:
        return b"[" + line + b"]"
    return b'{"a":' * draw.choice(DEPTHS) + line


def spoiled_lines(kind: str, draw: random.Random, count: int) -> list[bytes]:
    """Lines of one kind of file, all but the first spoiled; none holds a line break."""
    make = GOOD[kind]
    lines = [json.dumps(make(draw, 0)).encode()] if draw.random() < 0.8 else []
    for number in range(len(lines), count):
        record = make(draw, number)
        in_place = draw.random() < 0.75
        line = as_text(spoil_record(record, draw) if in_place else record, draw).encode("utf-8", "surrogatepass")
        lines.append((line if in_place else spoil_bytes(line, draw)).replace(b"\n", b"\\n"))
    return lines


def _table(kind: str, draw: random.Random, count: int, lines: list[bytes]) -> bytes:
    """A CSV file: cells of spoiled records as JSON, some lines with bytes flipped."""
    make = GOOD[kind]
    header = list(make(draw, 0))
    sink = io.StringIO()
    writer = csv.writer(sink, lineterminator="\n")
    writer.writerow(header)
    for number in range(count):
        record = spoil_record(make(draw, number), draw)
        cells = [value if isinstance(value, str) else as_text(value, draw) for value in map(record.get, header)]
        writer.writerow(cells if draw.random() < 0.95 else cells[1:])
    table = sink.getvalue().encode("utf-8", "replace").split(b"\n")
    if draw.random() < 0.3:
        place = draw.randrange(1, len(table))
        table[place] = spoil_bytes(table[place], draw)
    return b"\n".join(table)


def _parquet(kind: str, draw: random.Random, count: int, path: Path) -> None:
    """A Parquet file: a column or two of a type that is not expected, else of good values and nulls."""
    import pyarrow
    import pyarrow.parquet

    records = [GOOD[kind](draw, number) for number in range(count)]
    columns: dict[str, list[Json]] = {name: [record.get(name) for record in records] for name in records[0]}
    for name in draw.sample(list(columns), min(2, len(columns))):
        value: Json = draw.choice([b"\xff\x00", 3, 1.5, "x", [], ["x"], [1], {"a": 1}, {"role": 1}, True, 2**63 - 1])
        columns[name] = [None if draw.random() < 0.2 else value for _ in columns[name]]
    good = {}
    for name, values in columns.items():
        try:
            good[name] = pyarrow.array(values)
        except (pyarrow.ArrowException, OverflowError):  # a column of several types, which Parquet cannot hold
            good[name] = pyarrow.array([json.dumps(value) for value in values])
    pyarrow.parquet.write_table(pyarrow.table(good), path, row_group_size=97)


ENDINGS = (".jsonl", ".jsonl", ".jsonl", ".json", ".jsonl.gz", ".jsonl.zst", ".csv", ".parquet")


def write_spoiled(folder: Path, kind: str, ending: str, seed: int, count: int) -> Path:
    """A file of `count` spoiled lines (records, in a table), a function of its arguments alone."""
    draw = random.Random(f"{kind} {ending} {seed}")
    path = folder / f"{kind}-{seed}{ending}"
    if ending == ".parquet":
        _parquet(kind, draw, count, path)
        return path
    lines = spoiled_lines(kind, draw, count)
    if ending == ".json":
        # One broken element is the end of an array, so that most of its elements are whole.
        whole = [line for line in lines if _is_json(line)]
        content = b"[\n" + b",\n".join(whole if draw.random() < 0.8 else lines) + b"\n]\n"
    elif ending == ".csv":
        content = _table(kind, draw, count, lines)
    else:
        content = b"\n".join(lines) + b"\n"
    if ending.endswith(".gz"):
        content = gzip.compress(content, mtime=0)
    elif ending.endswith(".zst"):
        import zstandard

        content = zstandard.compress(content)
    if ending.endswith((".gz", ".zst")) and draw.random() < 0.2:
        content = content[: draw.randrange(len(content))]
    path.write_bytes(content)
    return path


def _is_json(line: bytes) -> bool:
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        return False
    return True
