"""Instructions from tables: which phrasing a record gets, label words, and what a template may show."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sft_cli.data.instructions import TABLE_TEMPLATES
from sft_cli.data.instructions.label_words import read_label_words, value_key
from sft_cli.data.instructions.phrasings import TABLE_FOLDER, WRITES_QUESTIONS, Phrasings
from sft_cli.data.language import LANGUAGES
from sft_cli.metrics.choice_accuracy import right_choice
from sft_cli.run.errors import FieldError, UserError

NAMES = [*TABLE_TEMPLATES, WRITES_QUESTIONS]
WORDS = st.text(alphabet="abc的一 ,", min_size=1).map(str.strip).filter(lambda text: text and not text.startswith(","))


@pytest.mark.parametrize("name", NAMES)
def test_a_built_in_template_uses_the_same_fields_in_both_languages_and_in_each_phrasing(name: str) -> None:
    phrasings = Phrasings.of([name])
    pools = phrasings.by_language
    assert pools.keys() == set(LANGUAGES)
    assert [p.template.used.keys() for pool in pools.values() for p in pool] == [phrasings.all_fields] * sum(
        map(len, pools.values())
    )
    assert all(len(pool) >= 3 or name == WRITES_QUESTIONS for pool in pools.values())
    names = [phrasing.name for pool in pools.values() for phrasing in pool]
    assert len({*names}) == len(names)


def test_each_template_file_has_an_entry_in_the_table() -> None:
    files = {path.name for path in TABLE_FOLDER.glob("*.j2")}
    assert files == {f"{name}.{language}.j2" for name in NAMES for language in LANGUAGES}


@given(
    st.lists(st.fixed_dictionaries({"text": st.text(min_size=1), "label": st.text()}), max_size=8), st.integers(0, 9)
)
def test_a_phrasing_depends_on_the_fields_that_count_and_on_nothing_else(rows: list[Any], seed: int) -> None:
    phrasings = Phrasings.of(["classification", "summary"])
    first = [phrasings.draw(row, ["label"], seed).name for row in rows]
    other = [
        phrasings.draw({"note": number, **row, "id": number}, ["label"], seed).name
        for number, row in reversed([*enumerate(rows)])
    ]
    assert first == other[::-1]


def test_phrasings_are_drawn_evenly_and_another_seed_draws_others() -> None:
    phrasings = Phrasings.of(["classification"])
    rows = [{"text": f"Text number {number}."} for number in range(800)]
    by_seed = [[phrasings.draw(row, [], seed).name for row in rows] for seed in (0, 1)]
    counts = Counter(by_seed[0])
    assert len(counts) == 4
    assert all(150 <= count <= 250 for count in counts.values())  # 200 expected, standard deviation 12
    same = sum(one == other for one, other in zip(*by_seed, strict=True))
    assert 150 <= same <= 250


def test_the_language_is_that_of_the_fields_that_are_shown_unless_the_name_has_one() -> None:
    assert (
        Phrasings.of(["summary"]).language({"text": "今天的会议讨论了预算。", "note": "only English words here"})
        == "zh"
    )
    drawn = Phrasings.of(["summary.zh"]).draw({"text": "The budget."}, [], 0)
    assert drawn.name.startswith("summary.zh#")


@given(st.dictionaries(st.text(alphabet="01ab", min_size=1), WORDS, min_size=1))
def test_label_words_are_read_as_they_are_written_also_with_commas(words: dict[str, str]) -> None:
    one = read_label_words([",".join(f"{key}={word}" for key, word in words.items())])
    several = read_label_words([f"{key}={word}" for key, word in words.items()])
    assert one is not None
    assert several is not None
    assert one.words == several.words == words
    assert one.choices == [*dict.fromkeys(words.values())]


@pytest.mark.parametrize(
    ("value", "key"), [(1, "1"), (1.0, "1"), ("1 ", "1"), (1.5, "1.5"), (True, "true"), ("neg", "neg"), (-1, "-1")]
)
def test_a_value_has_the_key_that_a_user_writes(value: Any, key: str) -> None:
    assert value_key(value) == key


def test_labels_know_their_values_and_which_were_never_there() -> None:
    labels = read_label_words(["0=no,1=yes", "2=yes"])
    assert labels is not None
    assert labels.choices == ["no", "yes"]
    assert labels.word("label", 2) == "yes"
    assert labels.unused() == ["0=no", "1=yes"]
    with pytest.raises(FieldError, match="expected one of 0, 1, 2, as in --labels, got 3"):
        labels.word("label", 3)


@pytest.mark.parametrize("text", ["0", "0=", "=a", "0=a,0=b"])
def test_labels_of_another_form_are_refused(text: str) -> None:
    with pytest.raises(UserError, match=r"^--labels: "):
        read_label_words([text])


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("A {{ a }}\n---\nB {{ b }", "t.j2:3: unexpected '}'"),
        ("A {{ a }}\n---\nB", "t.j2:3: expected {{ NAME }} with a field of the records, got none"),
        ("{% set answer %}{{ b }}{% endset %}Why?", "t.j2:1: expected {{ NAME }} with a field"),
        ("A {{ a }}\n---\n{% set answer %}{{ b }}{% endset %}B {{ a }}", "--template: expected all phrasings or none"),
    ],
)
def test_a_bad_template_is_refused_with_its_line(text: str, problem: str, here: Path) -> None:
    (here / "t.j2").write_text(text)
    with pytest.raises(UserError) as error:
        Phrasings.of(["t.j2"])
    assert str(error.value).startswith(problem)


@pytest.mark.parametrize("name", ["summry", "summary.fr", "t.j2"])
def test_an_unknown_template_is_refused(name: str, here: Path) -> None:
    with pytest.raises(UserError, match=r"^--template: "):
        Phrasings.of([name])


def test_label_words_make_rows_that_accuracy_and_choices_read(sft: Any, here: Path) -> None:
    (here / "t.csv").write_text("text,label\nGood,1\nBad,0\n")
    made = sft("prep", "t.csv", "--template", "classification", "--labels", "0=negative,1=positive", "--eval")
    assert [right_choice(row) for row in made.rows] == [1, 0]
    said = [{**row, "completion": "positive", "sample": 0, "finish_reason": "stop"} for row in made.rows]
    (here / "t.gen.jsonl").write_text("".join(json.dumps(row) + "\n" for row in said))
    scored = sft("score", "t.gen.jsonl", "--metric", "accuracy", "-o", "scores.jsonl")
    assert scored.code == 0
    rows = [json.loads(line) for line in (here / "scores.jsonl").read_text().splitlines()]
    assert [row["metrics"]["accuracy"] for row in rows] == [1.0, 0.0]


def test_the_answer_field_is_chosen_once_and_each_row_must_have_it(sft: Any, here: Path) -> None:
    (here / "a.jsonl").write_text('{"text": "One", "Summary": "1"}\n{"text": "Two"}\n')
    (here / "b.jsonl").write_text('{"text": "Three", "Summary": "3"}\n')
    result = sft("prep", "a.jsonl", "b.jsonl", "--template", "summary", "--on-error", "skip")
    assert [row["messages"][1]["content"] for row in result.rows] == ["1", "3"]
    assert result.err.count("the answer is the field Summary") == 1
    assert "1  rejected: Summary\n" in result.err


@pytest.mark.parametrize("name", ["messages", "template"])
def test_a_field_that_the_row_needs_is_refused(name: str, sft: Any, here: Path) -> None:
    (here / "a.jsonl").write_text(json.dumps({"text": "One", "answer": "1", name: "x"}) + "\n")
    refused = sft("prep", "a.jsonl", "--template", "summary")
    assert refused.code == 2
    assert f"{name}: expected a table without this field, because the row has it" in refused.err
    assert sft("prep", "a.jsonl", "--template", "summary", "--drop-field", name).code == 0


@pytest.mark.parametrize("name", ["answer", "answer_index", "references"])
def test_a_second_right_answer_is_refused(name: str, sft: Any, here: Path) -> None:
    (here / "a.jsonl").write_text(json.dumps({"text": "One", "label": "1", name: "x"}) + "\n")
    words = ("prep", "a.jsonl", "--template", "classification", "--answer", "label")
    assert f"a.jsonl:1: {name}: expected one answer, got also this field" in sft(*words).err
    assert sft(*words, "--drop-field", name).code == 0


def test_a_table_with_choices_keeps_them_and_knows_which_is_right(sft: Any, here: Path) -> None:
    (here / "t.j2").write_text("{{ question }}\n{{ choices | join('\n') }}")
    (here / "a.jsonl").write_text('{"question": "2+2?", "choices": ["3", "4"], "answer": "4"}\n')
    (row,) = sft("prep", "a.jsonl", "--template", "t.j2").rows
    assert (row["choices"], row["answer"], row["answer_index"]) == (["3", "4"], "4", 1)


def test_a_template_that_writes_no_answer_is_a_bad_row(sft: Any, here: Path) -> None:
    (here / "t.j2").write_text("{% set answer %}{% if b is defined %}{{ b }}{% endif %}{% endset %}{{ a }}?")
    (here / "t.csv").write_text("a,b\n1,\n")
    result = sft("prep", "t.csv", "--template", "t.j2")
    assert "t.csv:2: template: expected the text of the answer from the template, got nothing" in result.err


def test_a_template_that_fails_on_a_record_names_its_line(sft: Any, here: Path) -> None:
    (here / "t.j2").write_text("One: {{ a }}\n---\n\nTwo: {{ a.b.c }}")
    (here / "t.csv").write_text("a,answer\n" + "".join(f"{number},x\n" for number in range(9)))
    result = sft("prep", "t.csv", "--template", "t.j2", "--on-error", "skip", "--rejects", "bad.jsonl")
    assert 0 < len(result.rows) < 9
    assert (
        "template: the template fails at t.j2:4: 'str object' has no attribute 'b'" in (here / "bad.jsonl").read_text()
    )


def test_several_answer_fields_are_one_json_object_and_must_be_there(sft: Any, here: Path) -> None:
    (here / "t.jsonl").write_text('{"text": "T", "a": 1, "b": null}\n{"text": "T", "a": 1}\n')
    words = ("prep", "t.jsonl", "--template", "extraction", "--answer", "a", "--answer", "b", "--on-error", "skip")
    result = sft(*words, "--rejects", "bad.jsonl")
    assert json.loads(result.rows[0]["messages"][1]["content"]) == {"a": 1, "b": None}
    assert "b: expected a field of --answer, got the fields text, a" in (here / "bad.jsonl").read_text()


def test_a_changed_template_makes_a_new_output(sft: Any, here: Path) -> None:
    (here / "t.csv").write_text("a,answer\n1,2\n")
    words = ("prep", "t.csv", "--template", "t.j2", "-o", "o.jsonl", "--skip-if-current", "--force")
    for text in ("{{ a }}?", "What is {{ a }}?"):
        (here / "t.j2").write_text(text)
        assert sft(*words).code == 0
    assert "What is 1?" in (here / "o.jsonl").read_text()


REFUSED = [
    (["--answer", "a"], "--answer: has an effect only with --template"),
    (["--labels", "0=a"], "--labels: has an effect only with --template"),
    (["--template", "summary", "--format", "alpaca"], "--format: has no effect with --template"),
    (["--template", "summary", "--benchmark", "rte"], "--benchmark: has no effect with --template"),
    (["--template", "summary", "--verifier"], "--verifier: has no effect with --template"),
    (["--template", "summary", "--judge", "rating"], "--judge: has no effect with --template"),
    (["--template", "summary", "--answer", "a", "--answer", "b", "--labels", "0=a"], "--labels: expected one --answer"),
    (["--template", "own.j2", "--answer", "a"], "--answer: has no effect: the template sets the answer"),
    (["--template", "own.j2", "--labels", "0=a"], "--labels: has no effect: the template sets the answer"),
    (["--overlap-tokens", "4"], "--overlap-tokens: has an effect only with --chunk-tokens"),
    (
        ["--chunk-tokens", "4", "--overlap-tokens", "4"],
        "--overlap-tokens: expected less than --chunk-tokens (4), got 4",
    ),
    (["--chunk-tokens", "4", "--format", "text"], "--format: has no effect with --chunk-tokens"),
    (["--ask-questions", "4", "--eval"], "--eval: has no effect with --ask-questions"),
    (["--ask-questions", "4", "--prompts"], "--prompts: has no effect with --ask-questions"),
    (["--ask-questions", "4", "--system", "x"], "--system: has no effect with --ask-questions"),
    (["--ask-questions", "4", "--read-questions"], "--read-questions: has no effect with --ask-questions"),
    (["--ask-questions", "4", "--template", "own.j2", "--answer", "a"], "--answer: has no effect with --ask-questions"),
    (["--read-questions", "--template", "summary"], "--template: has no effect with --read-questions"),
    (["--read-questions", "--chunk-tokens", "4"], "--read-questions: has no effect with --chunk-tokens"),
    (["--ask-questions", "4", "--decontaminate", "t.csv"], "--decontaminate: has an effect only on rows to learn from"),
    (["--read-questions", "--prompts"], "--prompts: has no effect with --read-questions"),
]


@pytest.mark.parametrize(("words", "problem"), REFUSED)
def test_flags_without_an_effect_are_refused(words: list[str], problem: str, sft: Any, here: Path) -> None:
    (here / "t.csv").write_text("a,b\n1,2\n")
    (here / "own.j2").write_text("{% set answer %}{{ a }}{% endset %}{{ b }}?")
    result = sft("prep", "t.csv", *words)
    assert result.code == 2
    assert result.err.startswith(f"sft prep: {problem}")
