"""What completions have of the training rows, and of a reference text."""

import json
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sft_cli.metrics.memorised import copied_tokens
from sft_cli.metrics.protocol import read_metric
from sft_cli.metrics.rare_words import common_and_rare
from sft_cli.run.errors import UserError
from sft_cli.scoring.totals import Totals


def scored(name, rows):
    named = read_metric(name)
    totals = Totals()
    for row in rows:
        totals.add(named.metric.sums(row if isinstance(row, dict) else {"completion": row}))
    return {key.partition(":")[0]: value for key, value in totals.values(named).items()}, totals.summary(named, None)


def training_file(folder, *texts):
    path = folder / "train.jsonl"
    rows = [{"messages": [{"role": "user", "content": "Q?"}, {"role": "assistant", "content": text}]} for text in texts]
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def test_a_copied_run_is_found_in_both_languages(tmp_path):
    path = training_file(tmp_path, "The cat sat on the mat and slept.", "北京是中国的首都，人口很多。")
    values, _ = scored(f"memorised:train={path},n=4", ["I think the CAT sat on, the mat!"])
    assert values == {"memorised": 6 / 8, "memorised.rows": 1.0, "memorised.longest_run": 6 / 8}
    values, _ = scored(f"memorised:train={path},n=4", ["我说北京是中国的首都"])
    assert values["memorised"] == 8 / 10
    assert scored(f"memorised:train={path},n=4", ["the mat sat on the cat"])[0]["memorised"] == 0


def test_what_the_prompt_has_is_not_memorised_and_short_completions_are_left_out(tmp_path):
    path = training_file(tmp_path, "The cat sat on the mat and slept.")
    quoted = {
        "completion": "The cat sat on the mat.",
        "messages": [{"role": "user", "content": "The cat sat on the mat?"}],
    }
    values, summary = scored(f"memorised:train={path},n=4", [quoted, "a cat", {"completion": None}])
    assert values["memorised"] == 0
    assert (summary["too_short"], summary["no_completion"], summary["n"]) == (1, 1, 1)


def test_longer_rows_weigh_more_and_runs_of_two_rows_are_one_if_they_overlap(tmp_path):
    path = training_file(tmp_path, "a b c d", "b c d e")
    values, _ = scored(f"memorised:train={path},n=3", ["a b c d e", "x y z"])
    assert values["memorised"] == 5 / 8
    assert values["memorised.longest_run"] == 1 / 2


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.lists(st.sampled_from("abc"), min_size=1, max_size=9), min_size=1, max_size=4),
    st.lists(st.sampled_from("abc"), min_size=2, max_size=14),
    st.integers(2, 4),
)
def test_memorised_equals_its_definition(tmp_path_factory, training, completion, n):
    path = training_file(tmp_path_factory.mktemp("m"), *(" ".join(row) for row in training))
    values, summary = scored(f"memorised:train={path},n={n}", [" ".join(completion)])
    if len(completion) < n:
        assert summary["too_short"] == 1
        return

    def is_in_training(span):
        return any(row[at : at + len(span)] == span for row in training for at in range(len(row)))

    copied = set()
    for start in range(len(completion)):
        for stop in range(start + n, len(completion) + 1):
            if is_in_training(completion[start:stop]):
                copied |= set(range(start, stop))
    assert values["memorised"] == pytest.approx(len(copied) / len(completion))
    longest = max(
        (
            stop - start
            for start in range(len(completion))
            for stop in range(start + n, len(completion) + 1)
            if all(is_in_training(completion[at : at + n]) for at in range(start, stop - n + 1))
        ),
        default=0,
    )
    assert values["memorised.longest_run"] == pytest.approx(longest / len(completion))


def test_runs_with_a_gap_are_two():
    assert copied_tokens([True, False, False, True, True], 2) == (5, 3)


def test_the_signature_knows_the_training_rows(tmp_path):
    one = read_metric(f"memorised:train={training_file(tmp_path, 'a b c')}").signature()
    assert one.partition("train:")[2][8:] == "|order:13|tok:mixed|v:0.1.0"
    two = read_metric(f"memorised:train={training_file(tmp_path, 'a b d')}").signature()
    assert one != two


@pytest.mark.parametrize(
    ("metric", "message"),
    [
        ("memorised", r"memorised: train: expected a file, got nothing\nhint: --metric memorised:train=FILE"),
        ("rare-words:text=-", r"rare-words: text: expected a file, got stdin\nhint: --metric rare-words:text=FILE"),
        ("memorised:train=x,n=1", r"n: expected at least 2, got '1'"),
        ("rare-words:text=x,common=1", r"rare-words: common: expected less than 1, got 1"),
    ],
)
def test_options_that_cannot_be(metric, message):
    with pytest.raises(UserError, match=message):
        read_metric(metric)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("t.jsonl", b'{"text": "a"}\nnot json\n', r"t\.jsonl:2: .*\nhint: --metric memorised:train reads rows"),
        ("t.jsonl", b'{"id": "a"}\n', r"--metric memorised:train: .*t\.jsonl: expected text, got none"),
        ("t.txt", b"\xff\xfe\x00", r"--metric memorised:train: .*t\.txt: cannot read: not UTF-8"),
        ("t.txt", b" \n", r"expected text, got none\nhint: rows of sft prep"),
        (
            "t.csv",
            b"a,b\n",
            r"t\.csv: expected rows of sft prep \(\.jsonl\) or plain text\nhint: sft prep .*t\.csv -o rows",
        ),
        ("none.txt", None, r"none\.txt: cannot read: No such file"),
    ],
)
def test_files_that_have_no_training_rows(tmp_path, name, content, message):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=message):
        scored(f"memorised:train={tmp_path / name}", ["word " * 20])


def test_pipes_and_folders_are_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe.jsonl")
    for path in (tmp_path, tmp_path / "pipe.jsonl"):
        with pytest.raises(UserError, match=r"--metric memorised:train: .*: expected a file, got a folder or a pipe"):
            scored(f"memorised:train={path}", ["word " * 20])


def test_rare_words_of_a_plain_text(tmp_path):
    text = tmp_path / "reference.txt"
    text.write_text("the " * 18 + "cat zebra\n", encoding="utf-8")
    values, summary = scored(f"rare-words:text={text},common=0.9", ["The zebra saw the cat.", {"completion": None}])
    assert values == {"rare_words": 3 / 5, "rare_words.unseen": 1 / 5}
    assert summary["reference"] == {"rare": pytest.approx(0.1), "common_tokens": 1, "rare_tokens": 2}
    assert summary["no_completion"] == 1


def test_rare_chinese_characters(tmp_path):
    text = tmp_path / "reference.txt"
    text.write_text("的的的的的的的的的猫", encoding="utf-8")
    assert scored(f"rare-words:text={text},common=0.8", ["的猫"])[0] == {"rare_words": 0.5, "rare_words.unseen": 0.0}


@given(st.dictionaries(st.sampled_from("abcdefgh"), st.integers(1, 9), min_size=1), st.floats(0.01, 0.99))
def test_common_words_are_nearest_to_the_share(counts, common):
    found = common_and_rare(counts, common)
    total = sum(counts.values())
    covered = sum(counts[token] for token in found.common)
    assert found.common | found.rare == set(counts)
    assert found.rare_share == pytest.approx(1 - covered / total)
    assert min(counts[token] for token in found.common) > max((counts[token] for token in found.rare), default=0)
    possible = [sum(count for count in counts.values() if count >= least) for least in set(counts.values())]
    assert abs(covered - common * total) == pytest.approx(min(abs(each - common * total) for each in possible))


def test_words_of_a_small_text_that_it_has_once_are_rare():
    counts = {"the": 80, "a": 10} | {f"once{place}": 1 for place in range(10)}
    assert common_and_rare(counts, 0.92).common == {"the", "a"}  # not all, although the two are only 0.9
