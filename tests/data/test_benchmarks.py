"""Benchmarks: every official layout and every flat copy gives the same questions, worded as lm-eval 0.4.13 words them."""

from __future__ import annotations

import functools
import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from run_command import run_command

from sft_cli.data.benchmarks import BENCHMARKS


@pytest.fixture
def prep(monkeypatch: Any, capsys: Any, tmp_path: Path) -> Any:
    monkeypatch.chdir(tmp_path)
    return functools.partial(run_command, monkeypatch, capsys, "prep", "--benchmark")


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
WSC_FLAT = {"text": 'Bob said " no " . He did n\'t go .', "span1_index": 0, "span1_text": "Bob", "span2_index": 5}
WSC_FLAT |= {"span2_text": "He", "label": 1}
WSC_NESTED = {"text": WSC_FLAT["text"], "idx": 0, "label": True}
WSC_NESTED |= {"target": {"span1_index": 0, "span1_text": "bob.", "span2_index": 5, "span2_text": "He"}}
FOUR = [{"text": "salt", "label": "A"}, {"text": "rain", "label": "B"}, {"text": "iron", "label": "C"}]
FOUR.append({"text": "salt", "label": "D"})
FIVE = [{"label": letter, "text": text} for letter, text in zip("ABCDE", ["bank", "shop", "mall", "sea", "sky"], strict=True)]


def flat(choices: list[dict[str, str]]) -> dict[str, list[str]]:
    return {key: [choice[key] for choice in choices] for key in ("text", "label")}


# Benchmark -> its official files and what to read, the flat copy's records, (prompt, choices, right one) of each.
CASES: dict[str, tuple[dict[str, str], list[dict[str, Any]], list[tuple[str, list[str], int]]]] = {
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
        {"MRPC/dev.tsv": "\ufeff" + table("Quality|#1 ID|#2 ID|#1 String|#2 String", "1|70|71|He ran .|He was running .")},
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
                {"premise": "It rained.", "choice1": "I got wet.", "choice2": "I ate.", "question": "effect", "label": 0},
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
            "physicaliqa-train-dev/dev.jsonl": lines({"id": "x", "goal": "ice box", "sol1": "add soda ", "sol2": "wait"}),
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
        [{"context": "Bo ran.", "question": "Why?", "answerA": "fun", "answerB": "fear", "answerC": "fun", "label": "3"}],
        [("Q: Bo ran. Why?\nA:", ["fun", "fear", "fun"], 2)],
    ),
    "hellaswag": (
        {
            "hellaswag_val.jsonl": lines(
                {"ind": 24, "activity_label": "Roof", "ctx_a": "A man climbs.", "ctx_b": "he", "ctx": "A man climbs. he"}
                | {"split": "val", "label": 3, "endings": ["sits [step] down.", "[title] sings.", "is  gone.", "works."]}
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
                {"answerKey": "C", "id": "q", "question": {"question_concept": "x", "choices": FIVE, "stem": "Where ? "}}
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
            "Data/Main/dev.jsonl": lines({"id": "7", "question": {"stem": "Rust needs", "choices": FOUR}, "answerKey": "D"}),
            "Data/Main/dev.tsv": "x\n",
            "Data/Additional/dev_complete.jsonl": lines({"id": "other"}),
        },
        [{"id": "7", "question_stem": "Rust needs", "choices": flat(FOUR), "answerKey": "D"}],
        [("Rust needs", ["salt", "rain", "iron", "salt"], 3)],
    ),
    "arc-easy": (
        {"ARC-Easy/ARC-Easy-Dev.jsonl": lines({"id": "1", "question": {"stem": "Why?", "choices": FOUR}, "answerKey": "B"})},
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
    return [{key: value for key, value in row.items() if key != "source"} for row in rows]


@pytest.mark.parametrize("name", BENCHMARKS)
def test_official_files_and_flat_copies_give_the_same_rows(prep: Any, name: str, tmp_path: Path) -> None:
    import pyarrow
    from pyarrow import parquet

    official, records, questions = CASES[name]
    put({f"official/{path}": text for path, text in official.items()})
    put({"flat/validation.jsonl": lines(*records), "flat/test.jsonl": "{}\n"})
    Path("shards/data").mkdir(parents=True)
    parquet.write_table(pyarrow.Table.from_pylist(records), "shards/data/validation-00000-of-00001.parquet")
    expected = [
        {"id": f"{name}-{number}", "text": prompt, "delimiter": " ", "choices": choices, "answer": choices[right]}
        | {"answer_index": right, "task": name}
        for number, (prompt, choices, right) in enumerate(questions, start=1)
    ]
    for folder in ("official", "shards", *(() if name.startswith("mnli-") else ("flat",))):
        result = prep(name, folder)
        assert (result.code, without_source(result.rows)) == (0, expected), result.err
        assert result.err.startswith(f"{name}: the validation split, {folder}/")
    named = prep(name, "flat/validation.jsonl")
    assert without_source(named.rows) == expected
    assert named.err.startswith(f"{name}: flat/validation.jsonl\n")
    assert named.rows[0]["source"] == "flat/validation.jsonl:1"
