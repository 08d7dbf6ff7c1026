import json
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from sft_cli.cli import app
from sft_cli.scoring import scoreboard

ROWS = [
    {"id": "a", "sample": 0, "task": "qa", "references": ["Paris"], "completion": "Paris", "finish_reason": "stop"},
    {
        "id": "b",
        "sample": 0,
        "task": "qa",
        "references": ["two cats"],
        "completion": "two dogs",
        "finish_reason": "length",
    },
    {
        "id": "c",
        "sample": 0,
        "task": "zh",
        "references": ["我爱北京"],
        "completion": "我爱南京",
        "finish_reason": "stop",
    },
    {
        "id": "d",
        "sample": 0,
        "task": "zh",
        "references": ["好"],
        "completion": None,
        "finish_reason": "error",
        "error": "x",
    },
    {"id": "e", "sample": 0, "task": "zh", "references": [], "completion": "好", "finish_reason": "stop"},
]


def write(path, rows):
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return str(path)


def run(*arguments):
    result = CliRunner().invoke(app, ["score", *map(str, arguments)])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


SIGNED = (
    '"signatures":{"token-f1":"token-f1|tok:mixed|ref:max|v:0.1.0",'
    '"exact-match":"exact-match|norm:space|ref:any|v:0.1.0"}}\n'
)


def test_golden_rows(tmp_path):
    result = run(write(tmp_path / "g.jsonl", ROWS), "--metric", "token-f1", "--metric", "exact-match", "--quiet")
    assert result.exit_code == 0
    assert result.stderr == ""
    assert result.stdout == (
        '{"id":"a","sample":0,"task":"qa","references_hash":"6ecea96011269c25",'
        '"metrics":{"token_f1.p":1.0,"token_f1.r":1.0,"token_f1.f":1.0,"exact_match":1.0},'
        '"stats":{"token-f1":{"precision":1.0,"recall":1.0,"f":1.0,"count":1},"exact-match":{"correct":1,"count":1}},SIGNED\n'
        '{"id":"b","sample":0,"task":"qa","references_hash":"fdee3c984d8fc8f8","finish_reason":"length",'
        '"metrics":{"token_f1.p":0.5,"token_f1.r":0.5,"token_f1.f":0.5,"exact_match":0.0},'
        '"stats":{"token-f1":{"precision":0.5,"recall":0.5,"f":0.5,"count":1},"exact-match":{"correct":0,"count":1}},SIGNED\n'
        '{"id":"c","sample":0,"task":"zh","references_hash":"ac0af5ec69ecde06",'
        '"metrics":{"token_f1.p":0.75,"token_f1.r":0.75,"token_f1.f":0.75,"exact_match":0.0},'
        '"stats":{"token-f1":{"precision":0.75,"recall":0.75,"f":0.75,"count":1},"exact-match":{"correct":0,"count":1}},SIGNED\n'
        '{"id":"d","sample":0,"task":"zh","references_hash":"d59a34117aac9719","finish_reason":"error",'
        '"metrics":{"token_f1.p":0.0,"token_f1.r":0.0,"token_f1.f":0.0,"exact_match":0.0},'
        '"stats":{"token-f1":{"precision":0.0,"recall":0.0,"f":0.0,"count":1},"exact-match":{"correct":0,"count":1}},SIGNED\n'
        '{"id":"e","sample":0,"task":"zh","references_hash":"d46d56fa4257e2f3","metrics":{},"stats":{},"signatures":{}}\n'
    ).replace("SIGNED\n", SIGNED)


def test_golden_summary_on_stderr(tmp_path):
    result = run(write(tmp_path / "g.jsonl", ROWS), "--metric", "token-f1", "--draws", 0)
    assert result.stderr == (
        "metric      task   value  95% interval  n      not scored\n"
        "token_f1.f  all   0.5625             -  4  1 no reference\n"
        "token_f1.f  qa    0.7500             -  2\n"
        "token_f1.f  zh    0.3750             -  2  1 no reference\n"
        "5 rows, 1 without a completion (counted as wrong), 1 cut at the token limit\n"
        "interval -: --draws 0\n"
        "token-f1|n:4|tok:mixed|ref:max|v:0.1.0\n"
    )


def test_summary_beside_the_output(tmp_path):
    out = tmp_path / "s.jsonl"
    assert run(write(tmp_path / "g.jsonl", ROWS), "-o", out).exit_code == 0
    summary = json.loads((tmp_path / "s.jsonl.summary.json").read_text(encoding="utf-8"))
    assert (summary["rows"], summary["errors"], summary["truncated"], summary["draws"]) == (5, 1, 1, 1000)
    metric = summary["metrics"]["token-f1"]
    assert metric["value"] == metric["values"]["token_f1.f"] == 0.5625
    assert (metric["n"], metric["no_reference"], metric["higher_is_better"]) == (4, 1, True)
    assert (metric["interval"], metric["no_interval"]) == (None, "fewer than 5 prompts")
    assert summary["groups"]["qa"]["metrics"]["exact-match"]["value"] == 0.5
    assert (tmp_path / "s.jsonl.meta.json").is_file()
    again = run(tmp_path / "g.jsonl", "-o", out)
    assert again.exit_code == 2
    assert "already exists" in again.stderr


def test_summary_is_the_same_whatever_the_order_of_rows(tmp_path):
    for name, rows in (("one", ROWS), ("two", ROWS[::-1])):
        run(write(tmp_path / f"{name}.jsonl", rows), "--summary", tmp_path / f"{name}.json", "--metric", "rouge-1")
    assert (tmp_path / "one.json").read_bytes() == (tmp_path / "two.json").read_bytes()


def test_by_another_field_and_options(tmp_path):
    rows = [{**row, "level": place % 2} for place, row in enumerate(ROWS)]
    result = run(
        write(tmp_path / "g.jsonl", rows), "--by", "level", "--metric", "rouge-l:beta=1.2", "--tokenizer", "char"
    )
    first = json.loads(result.stdout.splitlines()[0])
    assert first["level"] == 0
    assert first["metrics"]["rouge_l.f:beta=1.2"] == 1.0
    assert "rouge-l|n:4|tok:char|beta:1.2|ref:max" in result.stderr
    assert "rouge_l.f:beta=1.2  1 " in result.stderr


def test_warnings_of_what_cannot_be_trusted(tmp_path):
    path = write(tmp_path / "g.jsonl", ROWS)
    assert (
        "2 rows with letters or digits that this tokenizer removes"
        in run(path, "--metric", "rouge-1", "--tokenizer", "rouge155").stderr
    )
    assert "2 rows in another writing system than the first row" in run(path, "--metric", "bleu").stderr
    prompts = write(tmp_path / "p.jsonl", [{"id": "a", "references": ["x"]}])
    assert "no row has a completion" in run(prompts).stderr


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"completion": "x"}, "id: expected text, got null"),
        ({"id": "a", "completion": 3}, "completion: expected text, got 3"),
        ({"id": "a", "references": "x"}, 'references: expected a list, got "x"'),
        ({"id": "a", "references": ["x", None]}, "references[1]: expected text, got null"),
        ({"id": "a", "sample": -1}, "sample: expected a number of at least 0, got -1"),
        ({"id": "a", "answer": []}, "answer: expected text or a number, got []"),
        (
            {"id": "a", "reference_logprobs": [{"sum": 1.5, "tokens": 2}]},
            "reference_logprobs[0].sum: expected a log-probability of at most 0, got 1.5",
        ),
        (
            {"id": "a", "reference_logprobs": [{"sum": -1.5}]},
            "reference_logprobs[0].tokens: expected a number of at least 0, got null",
        ),
        ([1], "expected a JSON object, got list"),
    ],
)
def test_bad_row_names_file_line_and_field(tmp_path, row, message):
    path = write(tmp_path / "g.jsonl", [ROWS[0], row])
    result = run(path, "-o", tmp_path / "s.jsonl")
    assert result.exit_code == 2
    assert f"{path}:2: {message}\n" in result.stderr
    assert not (tmp_path / "s.jsonl").exists()
    skipped = run(path, "--on-error", "skip")
    assert skipped.exit_code == 0
    assert "1 rows, 1 bad rows left out" in skipped.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--metric", "bleuu"], "unknown metric 'bleuu'. Did you mean 'bleu'?"),
        (["--metric", "bleu", "--metric", "bleu"], "--metric: bleu is given twice"),
        (
            ["--tokenizer", "mixd"],
            "--tokenizer: expected one of auto, mixed, char, jieba, rouge155, mixed-raw, char-raw, got 'mixd'",
        ),
    ],
)
def test_bad_flags(tmp_path, arguments, message):
    result = run(write(tmp_path / "g.jsonl", ROWS), *arguments)
    assert result.exit_code == 2
    assert message in result.stderr


def test_an_empty_input_stops_a_build(tmp_path):
    path = write(tmp_path / "g.jsonl", [])
    result = run(path, "--summary", tmp_path / "s.json")
    assert (result.exit_code, result.stdout) == (2, "")
    assert f"{path}: no rows to score; the input is empty" in result.stderr
    assert not (tmp_path / "s.json").exists()


def test_a_reference_too_long_for_the_model_is_shown(tmp_path):
    entry = {"sum": -2.0, "tokens": 2, "characters": 4, "bytes": 4}
    rows = [{"id": "a", "reference_logprobs": [entry]}, {"id": "b", "reference_logprobs": [None]}]
    result = run(write(tmp_path / "g.jsonl", rows), "--metric", "perplexity", "--draws", 0)
    assert "perplexity  all   2.7183             -  1  1 too long\n" in result.stderr


def test_numeric_answers_and_several_samples(tmp_path):
    rows = [{"id": 1, "sample": sample, "answer": 42, "completion": text} for sample, text in enumerate(["42", "43"])]
    result = run(write(tmp_path / "g.jsonl", rows), "--metric", "exact-match", "--quiet")
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert [(line["sample"], line["metrics"]["exact_match"]) for line in lines] == [(0, 1.0), (1, 0.0)]


def test_a_reader_that_leaves_is_no_error(tmp_path):
    path = write(tmp_path / "g.jsonl", [{**ROWS[0], "id": f"row-{n}"} for n in range(3000)])
    command = f"{sys.executable} -m sft_cli score {path} | head -1"
    result = subprocess.run(["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True, timeout=60)
    assert result.returncode == 0
    assert result.stderr == ""
    assert json.loads(result.stdout)["id"] == "row-0"


def test_first_row_is_out_before_the_last_is_in():
    command = [sys.executable, "-m", "sft_cli", "score", "-", "--metric", "exact-match", "--quiet"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        process.stdin.write(json.dumps(ROWS[0]).encode() + b"\n")
        process.stdin.flush()
        assert json.loads(process.stdout.readline())["id"] == "a"
        process.stdin.close()
        assert process.wait(timeout=30) == 0


def test_heavy_libraries_stay_out_unless_needed(tmp_path):
    path = write(tmp_path / "g.jsonl", ROWS)
    code = (
        "import sys\nsys.argv = ['sft', 'score', sys.argv[1], '--quiet']\nfrom sft_cli.cli import main\n"
        "try: main()\nexcept SystemExit: pass\n"
        "sys.exit(str([m for m in ('numpy', 'sacrebleu', 'torch', 'rich') if m in sys.modules] or '') or 0)"
    )
    result = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, timeout=60)
    assert (result.returncode, result.stderr) == (0, "")


def test_a_row_that_one_metric_cannot_read_is_a_bad_row_and_counts_nowhere(tmp_path):
    rows = [
        {**ROWS[0], "instruction_id_list": ["punctuation:no_comma"]},
        {**ROWS[1], "instruction_id_list": ["punctuation:no_such"]},
    ]
    path = write(tmp_path / "g.jsonl", rows)
    result = run(path, "--metric", "instructions", "--metric", "exact-match")
    assert result.exit_code == 2
    assert f"{path}:2: instruction_id_list[0]: unknown instruction 'punctuation:no_such'" in result.stderr
    out = tmp_path / "s.jsonl"
    skipped = run(path, "--metric", "instructions", "--metric", "exact-match", "--on-error", "skip", "-o", out)
    assert skipped.exit_code == 0
    summary = json.loads((tmp_path / "s.jsonl.summary.json").read_text())
    assert (summary["rows"], summary["rejected"]) == (1, 1)
    assert {name: part["n"] for name, part in summary["metrics"].items()} == {"instructions": 1, "exact-match": 1}


def sampled(*answers, id="p"):
    return [
        {"id": id, "sample": place, "completion": text, "finish_reason": "stop", "references": ["7"]}
        for place, text in enumerate(answers)
    ]


def test_the_sums_of_samples_stand_in_the_line_of_the_first(tmp_path):
    rows = [*sampled("7", "7", "8"), *sampled("1", id="q"), *sampled("7", "8", id="r")]
    out = tmp_path / "s.jsonl"
    metrics = ("--metric", "consistency", "--metric", "exact-match")
    assert run(write(tmp_path / "g.jsonl", rows), *metrics, "-o", out).exit_code == 0
    lines = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    assert [(line["id"], line["sample"], "consistency" in line["stats"]) for line in lines] == [
        ("p", 0, True), ("p", 1, False), ("p", 2, False), ("q", 0, False), ("r", 0, True), ("r", 1, False),
    ]  # fmt: skip
    assert lines[0]["metrics"]["consistency.majority"] == 2 / 3
    assert [line["metrics"]["exact_match"] for line in lines] == [1, 1, 0, 0, 1, 0]
    summary = json.loads((tmp_path / "s.jsonl.summary.json").read_text(encoding="utf-8"))["metrics"]
    assert summary["consistency"]["value"] == pytest.approx((2 / 3 + 1 / 2) / 2)
    assert (summary["consistency"]["n"], summary["consistency"]["one_sample"]) == (2, 1)
    assert (summary["consistency"]["samples"], summary["exact-match"]["n"]) == (5, 6)


def test_samples_of_a_row_must_lie_together(tmp_path):
    rows = sampled("7", "8")
    path = write(tmp_path / "g.jsonl", [rows[0], *sampled("1", id="q"), rows[1]])
    result = run(path, "--metric", "consistency")
    assert result.exit_code == 2
    assert result.stderr == (
        f"sft score: {path}:3: id: expected the samples of 'p' together, got the id again after other rows ({path}:1)\n"
        "hint: --metric consistency needs the rows in the order of sft generate\n"
    )
    assert run(path, "--metric", "exact-match").exit_code == 0


def test_an_answer_that_cannot_be_found_is_told(tmp_path):
    result = run(write(tmp_path / "g.jsonl", sampled("7", "seven")), "--metric", "exact-match:extract=number")
    assert (
        "exact-match:extract=number: 1 row without an answer that `extract` can find, counted as wrong" in result.stderr
    )


def scored_by(monkeypatch, tmp_path, processes, path, *arguments):
    """(score file, summary, stderr) with so many processes; chunks are of three lines."""
    monkeypatch.setattr(scoreboard, "CHUNK_LINES", 3)
    monkeypatch.setattr(scoreboard, "usable_cores", lambda: processes)
    out = tmp_path / f"by-{processes}.jsonl"
    result = run(path, *arguments, "-o", out)
    assert result.exit_code == 0
    return out.read_bytes(), (tmp_path / f"{out.name}.summary.json").read_bytes(), result.stderr


@pytest.mark.slow
def test_all_cores_give_what_one_gives(monkeypatch, tmp_path):
    rows = [
        row
        for place in range(20)
        for row in sampled("the cat sat", f"a cat {place}", "好", id=f"row {place}")[: 1 + place % 3]
    ]
    rows[7]["completion"], rows[9]["references"] = 3, []  # a bad row, and one that most metrics leave out
    for row in rows:
        row["task"] = f"task {row['sample']}"
    path = write(tmp_path / "g.jsonl", rows)
    with open(path, "a", encoding="utf-8") as file:
        file.write("\n{\n")
    metrics = ("bleu", "rouge-l", "consistency", "exact-match", "instructions")
    flags = [part for metric in metrics for part in ("--metric", metric)]
    for more in ([], ["--limit", 17]):
        one, two = (
            scored_by(monkeypatch, tmp_path, count, path, *flags, "--on-error", "skip", "--force", *more)
            for count in (1, 2)
        )
        assert one == two
    assert json.loads(one[1])["rows"] == 16
    assert json.loads(one[1])["rejected"] == 1


def test_samples_that_lie_apart_are_found_across_chunks(monkeypatch, tmp_path):
    rows = [*sampled("7", "8"), *(row for place in range(9) for row in sampled("1", id=f"q{place}")), *sampled("9")]
    monkeypatch.setattr(scoreboard, "CHUNK_LINES", 3)
    monkeypatch.setattr(scoreboard, "usable_cores", lambda: 2)
    path = write(tmp_path / "g.jsonl", rows)
    result = run(path, "--metric", "consistency")
    assert (
        f"{path}:12: id: expected the samples of 'p' together, got the id again after other rows ({path}:1)"
        in result.stderr
    )


def test_chunks_do_not_part_the_samples_of_a_row(monkeypatch):
    lines = [json.dumps({"id": name}).encode() for name in "aaabbbbbcd"]
    monkeypatch.setattr(scoreboard, "CHUNK_LINES", 2)
    for together, parts in ((True, [0, 0, 0, 1, 1, 1, 1, 1, 2, 2]), (False, [0, 0, 1, 1, 2, 2, 3, 3, 4, 4])):
        assert [chunk for chunk, _, _ in scoreboard.numbered_chunks(lines, together)] == parts
    zeros = [json.dumps({"id": number}).encode() for number in (5, 5, 0, 0, 0, 1)]
    assert [chunk for chunk, _, _ in scoreboard.numbered_chunks(zeros, together=True)] == [0, 0, 1, 1, 1, 2]


def test_a_scoring_process_that_is_killed_ends_the_command_with_one_line(monkeypatch, tmp_path):
    import os

    from sft_cli.run import parallel

    monkeypatch.setattr(scoreboard, "CHUNK_LINES", 1)
    monkeypatch.setattr(scoreboard, "usable_cores", lambda: 2)
    monkeypatch.setattr(parallel, "_ignore_interrupts", lambda: os._exit(1))
    result = run(write(tmp_path / "g.jsonl", ROWS))
    assert result.exit_code == 2
    assert (
        result.stderr.splitlines()[-1]
        == "sft score: a process that scores rows was killed; there may not be enough memory"
    )


def test_intervals_of_shares_are_wilsons_and_four_rows_have_none(tmp_path):
    def row(name, task, is_right):
        return {**ROWS[0], "id": name, "task": task, "completion": "Paris" if is_right else "Rome"}

    rows = [row(f"wrong-{n}", "wrong", False) for n in range(20)] + [row(f"few-{n}", "few", True) for n in range(4)]
    result = run(write(tmp_path / "g.jsonl", rows), "--metric", "exact-match", "-o", tmp_path / "s.jsonl")
    assert "exact_match  wrong  0.0000  [0.0000, 0.1611]  20\n" in result.stderr  # as R: binom::binom.wilson(0, 20)
    assert "exact_match  few    1.0000                 -   4\n" in result.stderr
    assert "interval -: fewer than 5 prompts\n" in result.stderr
    found = json.loads((tmp_path / "s.jsonl.summary.json").read_text())["groups"]["wrong"]["metrics"]["exact-match"]
    assert (found["interval_method"], found["no_interval"]) == ("wilson", None)


def test_all_samples_alike_are_no_certainty(tmp_path):
    rows = [{**ROWS[0], "id": n // 4, "sample": n % 4} for n in range(80)]
    result = run(write(tmp_path / "g.jsonl", rows), "--metric", "exact-match", "-o", tmp_path / "s.jsonl")
    assert "exact_match  all   1.0000             -  80\n" in result.stderr
    assert "interval -: all resamples are equal\n" in result.stderr


@pytest.mark.parametrize("between", [0, 2000])  # in one chunk, or in those of two processes
def test_a_second_row_of_an_id_is_told(tmp_path, between):
    others = [{**ROWS[1], "id": f"other-{n}"} for n in range(between)]
    path = write(tmp_path / "g.jsonl", [ROWS[0], {**ROWS[0], "sample": 1}, *others, ROWS[0]])
    result = run(path, "--metric", "exact-match", "-o", tmp_path / "s.jsonl")
    assert result.exit_code == 0
    assert (
        f"warning: 1 row with the id and sample of an earlier row (line {between + 3}: same as line 1); "
        "sft compare refuses such files\n"
    ) in result.stderr
    repeated = json.loads((tmp_path / "s.jsonl.summary.json").read_text())["repeated"]
    assert repeated == {"rows": 1, "line": between + 3, "first_line": 1}


def test_a_row_says_what_was_asked_and_what_is_right(tmp_path):
    rows = [{**ROWS[0], "messages": [{"role": "user", "content": text}]} for text in ("Capital?", "Town?", "Capital?")]
    rows[2] |= {"completion": "Rome", "sample": 1, "source": "elsewhere:9"}
    result = run(write(tmp_path / "g.jsonl", rows), "--metric", "exact-match", "--quiet")
    first, other, same = (
        (row["prompt_hash"], row["references_hash"]) for row in map(json.loads, result.stdout.split())
    )
    assert first == same
    assert (first[0] == other[0], first[1] == other[1]) == (False, True)


def test_files_that_options_name_are_inputs(tmp_path):
    path, words, out = write(tmp_path / "g.jsonl", ROWS), tmp_path / "stop.txt", tmp_path / "s.jsonl"
    words.write_text("the\n", encoding="utf-8")
    asked = [path, "--metric", f"rouge-1:stop_words={words}", "-o", out, "--skip-if-current", "--quiet"]
    assert run(*asked).exit_code == 0
    manifest = json.loads((tmp_path / "s.jsonl.meta.json").read_text(encoding="utf-8"))
    assert str(words) in [entry["path"] for entry in manifest["inputs"]]
    words.write_text("the\na\n", encoding="utf-8")
    assert run(*asked).exit_code == 0
    after = json.loads((tmp_path / "s.jsonl.meta.json").read_text(encoding="utf-8"))
    assert after["fingerprint"] != manifest["fingerprint"]  # --skip-if-current saw the new list


def test_a_row_that_cannot_be_surveyed_is_a_bad_row_with_its_line(tmp_path):
    good = {"id": "a", "task": "multirc", "choices": ["yes", "no"], "completion": "yes", "answer": "yes", "text": "q"}
    for bad, message in (
        ({"answer": "maybe"}, 'answer: expected one of the choices ["yes", "no"], got "maybe"'),
        (
            {"choice_logprobs": [{"sum": -1, "tokens": 1, "characters": 1, "bytes": 1}]},
            "choice_logprobs: expected a log-",
        ),
        ({"sample": -1}, "sample: expected a number of at least 0, got -1"),
    ):
        path = write(tmp_path / "g.jsonl", [good, {**good, "id": "b", **bad}])
        result = run(path, "--metric", "superglue")
        assert result.exit_code == 2
        assert f"g.jsonl:2: {message}" in result.stderr
        with open(path, "a", encoding="utf-8") as file:
            file.write("no json\n")
        assert run(path, "--metric", "superglue", "--on-error", "skip").exit_code == 0


def test_a_pipe_cannot_be_read_twice(tmp_path):
    import os

    os.mkfifo(tmp_path / "pipe")
    result = run(tmp_path / "pipe", "--metric", "collapse")
    assert result.exit_code == 2
    assert f"--metric collapse: expected a file, because it reads the rows twice, got {tmp_path}/pipe" in result.stderr


def test_processes_that_share_the_scoring_know_all_rows(tmp_path):
    rows = [{"id": f"r{place}", "completion": f"answer {place % 500} of five hundred"} for place in range(2500)]
    assert run(write(tmp_path / "g.jsonl", rows), "--metric", "collapse", "-o", tmp_path / "s.jsonl").exit_code == 0
    values = json.loads((tmp_path / "s.jsonl.summary.json").read_text(encoding="utf-8"))["metrics"]["collapse"][
        "values"
    ]
    assert values["collapse.excess"] == pytest.approx(0.8)  # 500 answers, each five times
    assert values["collapse.repeated"] == 1.0
