"""Benchmarks: all layouts of one give the same questions, worded as lm-evaluation-harness 0.4.13 words them."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

import pytest
from run_command import run_command

from sft_cli.data.benchmarks import BENCHMARKS
from sft_cli.data.benchmarks.convert import BenchmarkConverter
from sft_cli.data.benchmarks.record_fields import others_with
from sft_cli.run.errors import FieldError


@pytest.fixture
def prep(sft: Any, here: Path) -> Any:
    return functools.partial(sft, "prep", "--benchmark")


def lines(*records: Any) -> str:
    return "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)


def table(*rows: str) -> str:
    return "".join(row.replace("|", "\t") + "\n" for row in rows)


def put(files: dict[str, str]) -> None:
    for name, text in files.items():
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


MNLI_COLUMNS = (
    "index|promptID|pairID|genre|sentence1_binary_parse|sentence2_binary_parse|sentence1_parse|sentence2_parse|"
    "sentence1|sentence2|label1|label2|gold_label"
)
PASSAGE = {
    "text": "Ada saw a fox.",
    "questions": [
        {"question": "Who saw it?", "idx": 0, "answers": [{"text": "Ada", "idx": 0, "label": 1}]},
        {"question": "What was it?", "idx": 1, "answers": [{"text": "a dog", "idx": 1, "label": 0}]},
    ],
}
RECORD_TEXT = "Ada met Bob.\n@highlight\nBob left\n@highlight\nAda slept"
RECORD_NESTED = {
    "source": "Daily mail",
    "passage": {
        "text": RECORD_TEXT,
        "entities": [{"start": 8, "end": 10}, {"start": 0, "end": 2}, {"start": 24, "end": 26}],
    },
    "qas": [
        {
            "query": "@placeholder left @placeholder",
            "answers": [{"start": 8, "end": 10, "text": "Bob"}, {"start": 0, "end": 2, "text": "Ada"}],
            "idx": 0,
        },
        {"query": "@placeholder slept", "answers": [{"start": 0, "end": 2, "text": "Ada"}], "idx": 1},
    ],
    "idx": 0,
}
WSC_FLAT = {"text": 'Bob said " no " . He did n\'t go .', "span1_index": 0, "span1_text": "Bob", "span2_index": 6}
WSC_FLAT |= {"span2_text": "He", "label": 1}
WSC_NESTED = {"text": WSC_FLAT["text"], "idx": 0, "label": True}
WSC_NESTED |= {"target": {"span1_index": 0, "span1_text": "bob.", "span2_index": 6, "span2_text": "He"}}
FOUR = [{"text": "salt", "label": "A"}, {"text": "rain", "label": "B"}, {"text": "iron", "label": "C"}]
FOUR.append({"text": "salt", "label": "D"})
FIVE = [
    {"label": letter, "text": text}
    for letter, text in zip("ABCDE", ["bank", "shop", "mall", "sea", "sky"], strict=True)
]


def flat(choices: list[dict[str, str]]) -> dict[str, list[str]]:
    return {key: [choice[key] for choice in choices] for key in ("text", "label")}


# Benchmark -> its official files and what to read, the flat copy's records, (prompt, choices, right one) of each.
# Where several choices are right, or there are none, the last part are the other fields of the row.
CASES: dict[str, tuple[dict[str, str], list[dict[str, Any]], list[tuple[str, list[str], Any]]]] = {
    "rte": (
        {"RTE/dev.tsv": table("index|sentence1|sentence2|label", '0|"It" rains.|It is wet.|not_entailment')},
        [{"sentence1": '"It" rains.', "sentence2": "It is wet.", "label": 1, "idx": 0}],
        [('"It" rains.\nQuestion: It is wet. True or False?\nAnswer:', ["True", "False"], 1)],
    ),
    "wnli": (
        {"WNLI/dev.tsv": table("index|sentence1|sentence2|label", "0|A hit B so he fell.|B fell.|1")},
        [{"sentence1": "A hit B so he fell.", "sentence2": "B fell.", "label": 1, "idx": 0}],
        [("A hit B so he fell.\nQuestion: B fell. True or False?\nAnswer:", ["False", "True"], 1)],
    ),
    "qnli": (
        {"QNLI/dev.tsv": table("index|question|sentence|label", "0|Who?|Ada did.|entailment")},
        [{"question": "Who?", "sentence": "Ada did.", "label": 0, "idx": 0}],
        [("Who?\nAda did.\nQuestion: Does this response answer the question?\nAnswer:", ["yes", "no"], 0)],
    ),
    "mnli": (
        {
            "MNLI/dev_matched.tsv": table(MNLI_COLUMNS, "0|1|1a|g|p|p|p|p|All sleep.|Some sleep|e|e|contradiction"),
            "MNLI/dev_mismatched.tsv": table(MNLI_COLUMNS, "0|1|1a|g|p|p|p|p|No.|Yes.|e|e|neutral"),
        },
        [{"premise": "All sleep.", "hypothesis": "Some sleep", "label": 2, "idx": 0}],
        [
            (
                "All sleep.\nQuestion: Some sleep. True, False or Neither?\nAnswer:",
                ["True", "Neither", "False"],
                2,
            )
        ],
    ),
    "mnli-mismatched": (
        {
            "MNLI/dev_matched.tsv": table(MNLI_COLUMNS, "0|1|1a|g|p|p|p|p|All sleep.|Some sleep|e|e|contradiction"),
            "MNLI/dev_mismatched.tsv": table(MNLI_COLUMNS, "0|1|1a|g|p|p|p|p|No.|Yes.|e|e|neutral"),
        },
        [{"premise": "No.", "hypothesis": "Yes.", "label": 1, "idx": 0}],
        [("No.\nQuestion: Yes. True, False or Neither?\nAnswer:", ["True", "Neither", "False"], 1)],
    ),
    "mrpc": (
        {
            "MRPC/dev.tsv": "\ufeff"
            + table("Quality|#1 ID|#2 ID|#1 String|#2 String", "1|70|71|He ran .|He was running .")
        },
        [{"sentence1": "He ran .", "sentence2": "He was running .", "label": 1, "idx": 0}],
        [
            (
                "Sentence 1: He ran .\nSentence 2: He was running .\n"
                "Question: Do both sentences mean the same thing?\nAnswer:",
                ["no", "yes"],
                1,
            )
        ],
    ),
    "qqp": (
        {"QQP/dev.tsv": table("id|qid1|qid2|question1|question2|is_duplicate", "9|1|2|Why?|How?|0")},
        [{"question1": "Why?", "question2": "How?", "label": 0, "idx": 0}],
        [
            (
                "Question 1: Why?\nQuestion 2: How?\nQuestion: Do both questions ask the same thing?\nAnswer:",
                ["no", "yes"],
                0,
            )
        ],
    ),
    "sst2": (
        {"SST-2/dev.tsv": table("sentence|label", "a joy . |1", "dull |0")},
        [{"sentence": "a joy . ", "label": 1, "idx": 0}, {"sentence": "dull ", "label": 0, "idx": 1}],
        [
            ("a joy . \nQuestion: Is this sentence positive or negative?\nAnswer:", ["negative", "positive"], 1),
            ("dull \nQuestion: Is this sentence positive or negative?\nAnswer:", ["negative", "positive"], 0),
        ],
    ),
    "cola": (
        {"CoLA/dev.tsv": table("gj04|1||Ada sleeps.", "gj04|0|*|Sleeps the Ada.")},
        [{"sentence": "Ada sleeps.", "label": 1, "idx": 0}, {"sentence": "Sleeps the Ada.", "label": 0, "idx": 1}],
        [
            ("Ada sleeps.\nQuestion: Does this sentence make sense?\nAnswer:", ["no", "yes"], 1),
            ("Sleeps the Ada.\nQuestion: Does this sentence make sense?\nAnswer:", ["no", "yes"], 0),
        ],
    ),
    "boolq": (
        {"BoolQ/val.jsonl": lines({"question": "is it", "passage": "Fox -- It is.", "idx": 0, "label": True})},
        [{"question": "is it", "passage": "Fox -- It is.", "label": 1, "idx": 0}],
        [("Fox -- It is.\nQuestion: is it?\nAnswer:", ["no", "yes"], 1)],
    ),
    "cb": (
        {"CB/val.jsonl": lines({"premise": "It may.", "hypothesis": "it does", "label": "neutral", "idx": 0})},
        [{"premise": "It may.", "hypothesis": "it does", "label": 2, "idx": 0}],
        [
            (
                "It may.\nQuestion: it does. True, False, or Neither?\nAnswer:",
                ["True", "False", "Neither"],
                2,
            )
        ],
    ),
    "copa": (
        {
            "COPA/val.jsonl": lines(
                {"premise": "I fell.", "choice1": "I slept.", "choice2": "It froze.", "question": "cause", "label": 1},
                {
                    "premise": "It rained.",
                    "choice1": "I got wet.",
                    "choice2": "I ate.",
                    "question": "effect",
                    "label": 0,
                },
            )
        },
        [
            {"premise": "I fell.", "choice1": "I slept.", "choice2": "It froze.", "question": "cause", "label": 1},
            {"premise": "It rained.", "choice1": "I got wet.", "choice2": "I ate.", "question": "effect", "label": 0},
        ],
        [
            ("I fell because", [" i slept.", " it froze."], 1),
            ("It rained therefore", [" i got wet.", " i ate."], 0),
        ],
    ),
    "stsb": (
        {
            "STS-B/dev.tsv": table(
                "index|genre|filename|year|old_index|source1|source2|sentence1|sentence2|score",
                '0|news|f|2012|1|none|none|"A" cat.|A dog.|3.800',
            )
        },
        [{"sentence1": '"A" cat.', "sentence2": "A dog.", "label": 3.8, "idx": 0}],
        [
            (
                'Sentence 1: "A" cat.\nSentence 2: A dog.\n'
                "Question: How similar are both sentences, from 0 to 5?\nAnswer:",
                [],
                {"references": ["3.8"]},
            )
        ],
    ),
    "record": (
        {"ReCoRD/val.jsonl": lines(RECORD_NESTED)},
        [
            {"passage": RECORD_TEXT, "query": "@placeholder left @placeholder", "entities": ["Bob", "Ada", "Bob"]}
            | {"answers": ["Bob", "Ada", "Bob"]},
            {"passage": RECORD_TEXT, "query": "@placeholder slept", "entities": ["Ada", "Bob"], "answers": ["Ada"]},
        ],
        [
            (
                "Ada met Bob.\n\n  - Bob left.\n  - Ada slept.\n",
                ["  - Ada left Ada", "  - Bob left Bob"],
                {"entities": ["Ada", "Bob"], "references": ["Ada", "Bob"]},
            ),
            (
                "Ada met Bob.\n\n  - Bob left.\n  - Ada slept.\n",
                ["  - Ada slept", "  - Bob slept"],
                {"entities": ["Ada", "Bob"], "references": ["Ada"]},
            ),
        ],
    ),
    "multirc": (
        {"MultiRC/val.jsonl": lines({"idx": 0, "version": 1.1, "passage": PASSAGE})},
        [
            {"paragraph": "Ada saw a fox.", "question": "Who saw it?", "answer": "Ada", "label": 1},
            {"paragraph": "Ada saw a fox.", "question": "What was it?", "answer": "a dog", "label": 0},
        ],
        [
            (
                "Ada saw a fox.\nQuestion: Who saw it?\nAnswer:",
                ["Ada\nIs the answer correct? yes", "Ada\nIs the answer correct? no"],
                0,
            ),
            (
                "Ada saw a fox.\nQuestion: What was it?\nAnswer:",
                ["a dog\nIs the answer correct? yes", "a dog\nIs the answer correct? no"],
                1,
            ),
        ],
    ),
    "wic": (
        {
            "WiC/val.jsonl": lines(
                {"word": "bank", "sentence1": "A bank fell.", "sentence2": "My bank closed.", "idx": 0, "label": False}
                | {"start1": 2, "end1": 6, "start2": 3, "end2": 7, "version": 1.1}
            )
        },
        [
            {"word": "bank", "sentence1": "A bank fell.", "sentence2": "My bank closed.", "idx": 0, "label": 0}
            | {"start1": 2, "end1": 6, "start2": 3, "end2": 7}
        ],
        [
            (
                "Sentence 1: A bank fell.\nSentence 2: My bank closed.\n"
                "Question: Is the word 'bank' used in the same way in the two sentences above?\nAnswer:",
                ["no", "yes"],
                0,
            )
        ],
    ),
    "wsc": (
        {"WSC/val.jsonl": lines(WSC_NESTED)},
        [WSC_FLAT],
        [
            (
                'Passage: Bob said"no". *He* didn\'t go.\n'
                'Question: In the passage above, does the pronoun "*He*" refer to "*Bob*"?\nAnswer:',
                ["no", "yes"],
                1,
            )
        ],
    ),
    "piqa": (
        {
            "physicaliqa-train-dev/dev.jsonl": lines(
                {"id": "x", "goal": "ice box", "sol1": "add soda ", "sol2": "wait"}
            ),
            "physicaliqa-train-dev/dev-labels.lst": "0\n",
        },
        [{"goal": "ice box", "sol1": "add soda ", "sol2": "wait", "label": 0}],
        [("Question: ice box\nAnswer:", ["add soda ", "wait"], 0)],
    ),
    "siqa": (
        {
            "socialiqa-train-dev/dev.jsonl": lines(
                {"context": "Bo ran.", "question": "Why?", "answerA": "fun", "answerB": "fear", "answerC": "fun"}
            ),
            "socialiqa-train-dev/dev-labels.lst": "3\n",
        },
        [
            {
                "context": "Bo ran.",
                "question": "Why?",
                "answerA": "fun",
                "answerB": "fear",
                "answerC": "fun",
                "label": "3",
            }
        ],
        [("Q: Bo ran. Why?\nA:", ["fun", "fear", "fun"], 2)],
    ),
    "hellaswag": (
        {
            "hellaswag_val.jsonl": lines(
                {
                    "ind": 24,
                    "activity_label": "Roof",
                    "ctx_a": "A man climbs.",
                    "ctx_b": "he",
                    "ctx": "A man climbs. he",
                }
                | {
                    "split": "val",
                    "label": 3,
                    "endings": ["sits [step] down.", "[title] sings.", "is  gone.", "works."],
                }
            )
        },
        [
            {"activity_label": "Roof", "ctx_a": "A man climbs.", "ctx_b": "he", "label": "3"}
            | {"endings": ["sits [step] down.", "[title] sings.", "is  gone.", "works."]}
        ],
        [("Roof: A man climbs. He", ["sits down.", " sings.", "is gone.", "works."], 3)],
    ),
    "commonsenseqa": (
        {
            "dev_rand_split.jsonl": lines(
                {
                    "answerKey": "C",
                    "id": "q",
                    "question": {"question_concept": "x", "choices": FIVE, "stem": "Where ? "},
                }
            )
        },
        [{"id": "q", "question": "Where ? ", "question_concept": "x", "choices": flat(FIVE), "answerKey": "C"}],
        [
            (
                "Question: Where ?\nA. bank\nB. shop\nC. mall\nD. sea\nE. sky\nAnswer:",
                ["A", "B", "C", "D", "E"],
                2,
            )
        ],
    ),
    "openbookqa": (
        {
            "Data/Main/dev.jsonl": lines(
                {"id": "7", "question": {"stem": "Rust needs", "choices": FOUR}, "answerKey": "D"}
            ),
            "Data/Main/dev.tsv": "x\n",
            "Data/Additional/dev_complete.jsonl": lines({"id": "other"}),
        },
        [{"id": "7", "question_stem": "Rust needs", "choices": flat(FOUR), "answerKey": "D"}],
        [("Rust needs", ["salt", "rain", "iron", "salt"], 3)],
    ),
    "arc-easy": (
        {
            "ARC-Easy/ARC-Easy-Dev.jsonl": lines(
                {"id": "1", "question": {"stem": "Why?", "choices": FOUR}, "answerKey": "B"}
            )
        },
        [{"id": "1", "question": "Why?", "choices": flat(FOUR), "answerKey": "B"}],
        [("Question: Why?\nAnswer:", ["salt", "rain", "iron", "salt"], 1)],
    ),
    "arc-challenge": (
        {
            "ARC-Challenge/ARC-Challenge-Dev.jsonl": lines(
                {"id": "1", "question": {"stem": "Why?", "choices": FOUR[:3]}, "answerKey": "A"}
            )
        },
        [{"id": "1", "question": "Why?", "choices": flat(FOUR[:3]), "answerKey": "A"}],
        [("Question: Why?\nAnswer:", ["salt", "rain", "iron"], 0)],
    ),
}


def without_source(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{key: value for key, value in row.items() if key not in ("id", "source")} for row in rows]


@pytest.mark.parametrize("name", BENCHMARKS)
def test_official_files_and_flat_copies_give_the_same_rows(prep: Any, name: str, tmp_path: Path) -> None:
    import pyarrow
    from pyarrow import parquet

    official, records, questions = CASES[name]
    put({f"official/{path}": text for path, text in official.items()})
    flat_folder, shards = f"flat-{name}", f"shards-{name}"
    put({f"{flat_folder}/validation.jsonl": lines(*records), f"{flat_folder}/test.jsonl": "{}\n"})
    Path(f"{shards}/data").mkdir(parents=True)
    parquet.write_table(pyarrow.Table.from_pylist(records), f"{shards}/data/validation-00000-of-00001.parquet")
    expected = [
        {"text": prompt, **({"delimiter": " ", "choices": choices} if choices else {})}
        | (right if isinstance(right, dict) else {"answer": choices[right], "answer_index": right})
        | {"task": name}
        for prompt, choices, right in questions
    ]
    ids = []
    for folder in ("official", shards, flat_folder):
        result = prep(name, folder)
        ids.append([row["id"] for row in result.rows])
        assert (result.code, without_source(result.rows)) == (0, expected), result.err
        assert result.err.startswith(f"{name}: the validation split, {folder}/")
    assert ids == [ids[0]] * 3
    assert len(set(ids[0])) == len(expected)
    named = prep(name, f"{flat_folder}/validation.jsonl")
    assert without_source(named.rows) == expected
    assert named.err.startswith(f"{name}: {flat_folder}/validation.jsonl\n")
    assert named.rows[0]["source"] == f"{flat_folder}/validation.jsonl:1"


def test_a_chat_asks_in_a_user_turn_and_has_no_delimiter(prep: Any) -> None:
    put({"rte.jsonl": lines(*CASES["rte"][1])})
    (row,) = prep("rte", "rte.jsonl", "--chat", "--system", "Answer.", "--task", "nli").rows
    prompt, choices, right = CASES["rte"][2][0]
    assert row == {
        "id": prep("rte", "rte.jsonl", "--task", "nli").rows[0]["id"],  # the same question, asked as text
        "messages": [{"role": "system", "content": "Answer."}, {"role": "user", "content": prompt}],
        "choices": choices,
        "answer": choices[right],
        "answer_index": right,
        "task": "nli",
        "source": "rte.jsonl:1",
    }


def test_the_authors_own_boolq_has_the_title_where_superglue_has_it(prep: Any) -> None:
    own = {"question": "is it", "title": "Fox", "answer": True, "passage": "It is."}
    put({"own.jsonl": lines(own, {**own, "answer": "False"}), "glued.jsonl": CASES["boolq"][0]["BoolQ/val.jsonl"]})
    rows = without_source(prep("boolq", "own.jsonl").rows)
    assert rows[:1] == without_source(prep("boolq", "glued.jsonl").rows)
    assert [row["answer"] for row in rows] == ["yes", "no"]


def test_choices_may_be_lines_with_letters(prep: Any) -> None:
    piqa = {"question": "ice box", "options": "A. add soda \nB. wait", "answer": "A. add soda "}
    five = {"question": "Where ? ", "options": "\nA. bank\nB. shop\nC. mall\nD. sea\nE. sky", "answer": "C. mall"}
    put({"piqa.jsonl": lines(piqa), "five.jsonl": lines(five)})
    for name, file in (("piqa", "piqa.jsonl"), ("commonsenseqa", "five.jsonl")):
        (row,) = prep(name, file).rows
        assert (row["text"], row["choices"], row["answer_index"]) == CASES[name][2][0]


def test_social_iqa_may_say_which_is_correct(prep: Any) -> None:
    record = {key: value for key, value in CASES["siqa"][1][0].items() if key != "label"}
    put({"siqa.jsonl": lines({**record, "correct": "B"})})
    assert prep("siqa", "siqa.jsonl").rows[0]["answer_index"] == 1


def test_ids_differ_over_several_files_and_a_limit_counts_over_all(prep: Any) -> None:
    record = lines(*CASES["rte"][1])
    put({"a.jsonl": record * 2, "b.jsonl": record * 2})
    result = prep("rte", "a.jsonl", "b.jsonl", "--limit", 3)
    first, *rest = (row["id"] for row in result.rows)
    assert rest == [f"{first}-2", f"{first}-3"]
    assert result.err == "rte: a.jsonl\nrte: b.jsonl\n3  read\n3  written\n"
    assert prep("rte", stdin=record.encode()).err.startswith("rte: <stdin>\n")


def test_another_split_can_be_asked_for_and_labels_are_taken_from_the_file_beside(prep: Any) -> None:
    put({"d/train.jsonl": lines({"goal": "g", "sol1": "a", "sol2": "b"}), "d/train-labels.lst": "1\n"})
    result = prep("piqa", "d", "--benchmark-split", "train")
    assert result.rows[0]["answer"] == "b"
    assert result.err.startswith("piqa: the train split, d/train.jsonl, labels of d/train-labels.lst\n")


def test_files_of_several_benchmarks_in_one_folder_are_told_apart_by_their_names(prep: Any) -> None:
    put({f"d/{name}.dev.jsonl": lines(*CASES[name][1]) for name in ("rte", "cb", "boolq")})
    for name in ("rte", "cb", "boolq"):
        result = prep(name, "d")
        assert result.err.startswith(f"{name}: the validation split, d/{name}.dev.jsonl\n")
        assert [row["text"] for row in result.rows] == [prompt for prompt, _, _ in CASES[name][2]]


def test_all_shards_of_a_split_are_read_in_order(prep: Any) -> None:
    first, second = CASES["sst2"][1]
    put({f"sst2/validation-0000{n}-of-00002.jsonl": lines(r) for n, r in enumerate((first, second))})
    result = prep("sst2", ".")
    assert [row["answer"] for row in result.rows] == ["positive", "negative"]
    assert result.err.count("the validation split, sst2/validation-") == 2


TWO_CHOICES = {"goal": "g", "sol1": "a", "sol2": "b"}
RTE = {"sentence1": "a", "sentence2": "b"}
WSC = {**WSC_FLAT, "label": 1}
HELLASWAG = CASES["hellaswag"][1][0]
ARC = CASES["arc-easy"][1][0]
RECORD = CASES["record"][1][0]


@pytest.mark.parametrize(
    ("name", "record", "message"),
    [
        ("rte", RTE, "label: expected a label, got nothing: test sets hide their labels, and cannot be scored"),
        ("rte", {**RTE, "label": -1}, "label: expected a label, got -1: test sets hide their"),
        ("arc-easy", {**ARC, "answerKey": ""}, 'answerKey: expected a label, got "": test sets hide'),
        ("rte", {**RTE, "label": 2}, "label: expected one of 0 (entailment), 1 (not_entailment), got 2"),
        ("rte", {**RTE, "label": True}, "label: expected one of 0 (entailment), 1 (not_entailment), got true"),
        ("rte", {"sentence1": "a", "label": 0}, "sentence2: expected text, got nothing"),
        ("rte", {"premise": 7, "hypothesis": "b", "label": 0}, "premise: expected text, got 7"),
        ("copa", {"question": "why"}, 'question: expected cause or effect, got "why"'),
        ("wic", {**CASES["wic"][1][0], "start1": "2"}, 'start1: expected a number of at least 0, got "2"'),
        ("wic", {**CASES["wic"][1][0], "end1": 1}, "end1: expected a word of sentence1 from start1 to end1, got 1"),
        ("wsc", {**WSC, "span2_index": 12}, "span2_index: expected the position of one of the 11 words, got 12"),
        ("multirc", {"passage": {"text": "a"}}, "passage.questions: expected a list of objects, got null"),
        (
            "multirc",
            {"passage": {"text": "a", "questions": [{"question": "b", "answers": "c"}]}},
            'passage.questions[0].answers: expected a list of objects, got "c"',
        ),
        ("hellaswag", {**HELLASWAG, "endings": ["a"]}, 'endings: expected a list of four texts, got ["a"]'),
        ("hellaswag", {**HELLASWAG, "ctx_b": 3}, "ctx_b: expected text, got 3"),
        ("arc-easy", {**ARC, "answerKey": "E"}, 'answerKey: expected one of A, B, C, D, got "E"'),
        ("arc-easy", {**ARC, "choices": ["x"]}, 'choices: expected choices of label and text, got ["x"]'),
        (
            "arc-easy",
            {**ARC, "choices": {"label": ["A"], "text": []}},
            "choices: expected a label and a text for each choice, got",
        ),
        (
            "commonsenseqa",
            CASES["openbookqa"][1][0],
            'choices: expected five, labelled A to E, got ["A", "B", "C", "D"]',
        ),
        ("piqa", {"goal": "g", "options": "A. x\nC. y"}, "options: expected lines that begin with A., B., …, got"),
        ("stsb", {**RTE, "label": 5.5}, "label: expected a number from 0 to 5, got 5.5"),
        ("stsb", {**RTE, "score": "high"}, 'score: expected a number from 0 to 5, got "high"'),
        ("stsb", {**RTE, "label": -1}, "label: expected a label, got -1: test sets hide"),
        ("record", {**RECORD, "query": "who?"}, 'query: expected a sentence with @placeholder, got "who?"'),
        ("record", {**RECORD, "answers": []}, "answers: expected a list of texts, got []: test sets hide their labels"),
        ("record", {**RECORD, "entities": [1]}, "entities: expected a list of texts, got [1]"),
        (
            "record",
            {**RECORD_NESTED, "passage": {"text": "a", "entities": [{"start": 0, "end": 1}]}},
            'passage.entities[0]: expected start and end within the passage, got {"start": 0, "end": 1}',
        ),
        ("record", {**RECORD_NESTED, "passage": {}}, "passage: expected an object with text and entities, got {}"),
        ("record", {**RECORD_NESTED, "qas": [1]}, "qas: expected a list of objects, got [1]"),
        ("record", {**RECORD_NESTED, "qas": [{"answers": 1}]}, "qas[0].answers: expected a list of objects, got 1"),
        ("piqa", [1], "expected a JSON object, got list"),
    ],
)
def test_a_bad_record_names_file_line_and_field(prep: Any, name: str, record: Any, message: str) -> None:
    put({"bad.jsonl": lines(CASES[name][1][0], record)})
    result = prep(name, "bad.jsonl", "-o", "rows.jsonl")
    assert result.code == 2
    assert f"bad.jsonl:2: {message}" in result.err
    assert not Path("rows.jsonl").exists()


def test_a_table_row_with_too_few_columns_is_a_bad_record(prep: Any) -> None:
    put({"RTE/dev.tsv": table("index|sentence1|sentence2|label", "0|a|b|entailment", "1|a|b")})
    assert 'RTE/dev.tsv:3: expected 4 fields, got 3: ["1", "a", "b"]' in prep("rte", "RTE").err
    Path("RTE/dev.tsv").write_bytes(b"index\tsentence1\tsentence2\tlabel\n\xff\n")
    assert "RTE/dev.tsv: expected UTF-8, got invalid start byte" in prep("rte", "RTE").err


def test_a_file_of_labels_that_does_not_fit_is_an_error(prep: Any) -> None:
    put({"dev.jsonl": lines(TWO_CHOICES, TWO_CHOICES), "dev-labels.lst": "1\n"})
    result = prep("piqa", "dev.jsonl", "-o", "rows.jsonl")
    assert result.code == 2
    assert "dev-labels.lst: expected 2 labels, one for each record of dev.jsonl, got 1" in result.err
    assert not Path("rows.jsonl").exists()


def test_a_directory_without_the_split_or_with_several_says_what_is_there(prep: Any) -> None:
    put({"d/a/dev.jsonl": "", "d/b/dev.jsonl": ""})
    many = prep("rte", "d")
    assert many.code == 2
    assert (
        "d: several files could be the validation split of rte\nthese files: a/dev.jsonl, b/dev.jsonl\nhint: name"
        in many.err
    )
    none = prep("rte", "d", "--benchmark-split", "test")
    assert none.code == 2
    assert (
        "d: no file of the test split of rte: expected names with test or tests\nfiles in it: a/dev.jsonl," in none.err
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--benchmark", "rte", "--format", "text"], "--format: rte has a fixed format"),
        (["--benchmark", "rte", "--map", "a=b"], "--map: the fields of rte have fixed names"),
        (["--benchmark", "rte", "--system", "x"], "--system: raw text has no system turn\nhint: --chat"),
        (
            ["--benchmark", "rte", "--benchmark-split", "test"],
            "--benchmark-split: expected a directory, got the file r.js",
        ),
        (["--benchmark", "arc_eas"], "unknown benchmark 'arc_eas'. Did you mean 'arc-easy'?"),
        (["--benchmark-split", "test"], "--benchmark-split: has an effect only with --benchmark"),
        (["--chat"], "--chat: has an effect only with --benchmark"),
    ],
)
def test_flags_that_say_nothing_are_refused(
    monkeypatch: Any, capsys: Any, tmp_path: Path, words: list[str], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    put({"r.jsonl": lines(*CASES["rte"][1])})
    result = run_command(monkeypatch, capsys, "prep", "r.jsonl", *words)
    assert (result.code, message in result.err) == (2, True), result.err


def test_shown_rows_have_their_choices(prep: Any) -> None:
    put({"r.jsonl": lines(*CASES["copa"][1])})
    assert "I fell because\n[choice]  i slept.\n[choice]  it froze.\n" in prep("copa", "r.jsonl", "--show", 1).err


# Another benchmark's file


SAME_COLUMNS = [  # nothing but the labels tells these apart
    {"rte", "wnli", "mrpc", "stsb"},
    {"rte", "cb", "mnli", "mnli-mismatched"},
    {"sst2", "cola"},
    {"mnli", "mnli-mismatched"},
    {"arc-easy", "arc-challenge"},
]


@pytest.mark.parametrize("name", BENCHMARKS)
def test_the_records_of_another_benchmark_are_refused(name: str) -> None:
    converter = BenchmarkConverter(name)
    for other in BENCHMARKS:
        record = CASES[other][1][0]
        if other == name or any({name, other} <= same for same in SAME_COLUMNS):
            continue
        with pytest.raises(FieldError) as caught:
            converter.row(record, "x")
        if name != "commonsenseqa" or other[:3] not in ("arc", "ope"):  # told by the number of choices
            said = str(caught.value)
            assert said.startswith(f"expected the fields of {name} ("), (other, said)
            assert f"got {', '.join(record)}, the fields of " in said
            assert other in said.rpartition(", the fields of ")[2].split(" or ")


@pytest.mark.parametrize("name", BENCHMARKS)
def test_official_columns_are_known(name: str) -> None:
    for record in CASES[name][1]:
        assert others_with(name, record) == []


def test_lettered_questions_are_told_apart_by_the_number_of_choices() -> None:
    def record(count: int) -> dict[str, Any]:
        options = "\n".join(f"{letter}. {letter}" for letter in "ABCDEF"[:count])
        return {"question": "Why?", "options": options, "answer": "A"}

    fits = {"piqa": {2}, "openbookqa": {4}, "commonsenseqa": {5}, "arc-easy": {3, 4, 5}, "arc-challenge": {3, 4, 5}}
    for name, counts in fits.items():
        for count in range(2, 7):
            if count in counts:
                assert BenchmarkConverter(name).row(record(count), "x")["answer_index"] == 0
            else:
                with pytest.raises(FieldError, match=r"choices: expected .*, got"):
                    BenchmarkConverter(name).row(record(count), "x")


def test_a_missing_column_is_told_with_those_that_there_are(prep: Any) -> None:
    put({"chat.jsonl": lines({"prompt": "Hi", "response": "Ho"})})
    result = prep("piqa", "chat.jsonl")
    assert result.code == 2
    assert (
        "chat.jsonl:1: goal: expected text, got nothing; the fields of piqa are goal, sol1, sol2 and label, or "
        "question, options and answer"
    ) in result.err


def test_a_flat_question_ends_as_the_official_one_does(prep: Any) -> None:
    prompt, choices, right = CASES["openbookqa"][2][0]
    options = "\n".join(f"{letter}. {text}" for letter, text in zip("ABCD", choices, strict=True))
    put({"flat.jsonl": lines({"question": f"{prompt} ", "options": options, "answer": "ABCD"[right]})})
    (row,) = prep("openbookqa", "flat.jsonl").rows
    assert (row["text"], row["delimiter"]) == (prompt, " ")  # one space before a choice, not two
    (row,) = prep("arc-easy", "flat.jsonl").rows
    assert row["text"] == f"Question: {prompt}\nAnswer:"


def test_a_file_that_is_named_after_another_benchmark_is_told(prep: Any) -> None:
    text = lines(*CASES["sst2"][1])
    put({"glue/sst2/dev.jsonl": text, "sst2.dev.jsonl": text, "glue/cola/sst2.jsonl": text, "colander.jsonl": text})
    for path in ("glue/sst2/dev.jsonl", "sst2.dev.jsonl"):
        assert f"warning: {path} has the name of sst2, but is read as cola; check --benchmark" in prep("cola", path).err
        assert "warning" not in prep("sst2", path).err
    for path in ("glue/cola/sst2.jsonl", "colander.jsonl"):
        assert "warning" not in prep("cola", path).err
    assert "warning" not in prep("sst2", "colander.jsonl").err


def test_many_brackets_without_an_end_take_no_time() -> None:
    # A regular expression would look for the end of each: minutes for these, and the test would not come back.
    row = BenchmarkConverter("hellaswag").row({**HELLASWAG, "ctx_a": "[" * 1_000_000}, "a:1")
    assert row["text"].count("[") == 1_000_000
    kept = BenchmarkConverter("hellaswag").row({**HELLASWAG, "ctx_a": "a [b [c] d] e]\n[f"}, "a:1")
    assert "a d] e]\n[f" in kept["text"]


def test_a_line_of_a_table_that_is_too_long_is_named_and_not_read(prep: Any) -> None:
    put({"RTE/dev.tsv": table("index|sentence1|sentence2|label", f"0|{'It rains. ' * 200}|It is wet.|not_entailment")})
    result = prep("rte", "RTE/dev.tsv", "--max-line-bytes", 1000)
    assert (result.code, result.out) == (2, "")
    assert "RTE/dev.tsv:2: expected at most 1,000 bytes, got more; --max-line-bytes N" in result.err
