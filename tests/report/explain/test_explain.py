"""`sft compare --explain --suggest`: what is named, what is not looked at, and what is refused."""

from __future__ import annotations

import json
import shlex
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from sft_cli.cli import build_command
from sft_cli.report.explain.rules import SUGGESTION_RULES

EXPLAIN = ("compare", "base.jsonl", "tuned.jsonl", "--metric", "exact-match", "--explain", "--suggest", "--json", "-q")


def write(name: str, rows: list[dict[str, Any]]) -> None:
    Path(name).write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


def rows_of(count: int, **more: Any) -> list[dict[str, Any]]:
    return [
        {
            "id": f"q{place}",
            "task": "old" if place % 2 else "new",
            "messages": [{"role": "user", "content": f"Say word {place}."}],
            "references": ["It is so."],
            "completion": "It is so.",
            "sample": 0,
            "finish_reason": "stop",
            **more,
        }
        for place in range(count)
    ]


def scored(sft: Any, base: list[dict[str, Any]], tuned: list[dict[str, Any]], *metrics: str) -> None:
    names = [word for metric in ("exact-match", *metrics) for word in ("--metric", metric)]
    for name, rows in (("base", base), ("tuned", tuned)):
        write(f"{name}.gen.jsonl", rows)
        result = sft("score", f"{name}.gen.jsonl", *names, "-q", "--force", "-o", f"{name}.jsonl")
        assert result.code == 0, result.err


def spoiled(count: int, spoil: int, **fault: Any) -> list[dict[str, Any]]:
    return [row | (fault if place < spoil else {}) for place, row in enumerate(rows_of(count))]


def explained(sft: Any, *words: Any) -> tuple[dict[str, Any], list[str]]:
    result = sft(*EXPLAIN, *words)
    assert result.code == 0, result.err
    document = json.loads(result.out)
    return document["explanations"][0], [each["rule"] for each in document["suggestions"]]


def group(explanation: dict[str, Any], cause: str, name: str) -> dict[str, Any]:
    return next(each for each in explanation["groups"] if (each["cause"], each["name"]) == (cause, name))


def test_a_group_counts_its_rows_and_those_of_the_rest(here: Path, sft: Any) -> None:
    tuned = spoiled(40, 8, completion="so so so so so so so so so so so so")
    tuned[20]["completion"] = "no"
    scored(sft, rows_of(40), tuned)
    explanation, _ = explained(sft)
    assert (explanation["rows"], explanation["broken"]) == (40, 9)
    loop = explanation["groups"][0]
    assert (loop["cause"], loop["rows"], loop["broken"], loop["rest_rows"], loop["rest_broken"]) == (
        "loop",
        8,
        8,
        32,
        1,
    )
    assert loop["lift"] == pytest.approx(32)
    assert loop["excess"] == pytest.approx(8 - 8 / 32)
    assert loop["examples"] == [{"id": f"q{place}", "sample": 0, "line": place + 1} for place in range(3)]
    assert explanation["not_looked_at"] == {
        "evidence": "no row was verified in both files",
        "format": "the references have no fixed form",
        "trained": "no --train",
    }


def test_a_fault_that_the_base_has_too_explains_nothing(here: Path, sft: Any) -> None:
    base = spoiled(40, 8, finish_reason="length")
    scored(sft, base, [row | ({"completion": "no"} if place < 8 else {}) for place, row in enumerate(base)])
    explanation, _ = explained(sft)
    assert group(explanation, "cut", "cut at the token limit")["rows"] == 0


def test_each_prompt_counts_once_by_its_worst_sample(here: Path, sft: Any) -> None:
    base = [row | {"sample": sample} for row in rows_of(20) for sample in range(3)]
    tuned = [dict(row) for row in base]
    for row in tuned:
        if row["sample"] == 1 and row["task"] == "old":
            row["completion"] = "no"
    scored(sft, base, tuned)
    explanation, rules = explained(sft)
    assert (explanation["rows"], explanation["broken"], explanation["other_samples"]) == (20, 10, 40)
    assert explanation["groups"][0]["name"] == "task: old"
    assert {row["sample"] for row in explanation["groups"][0]["examples"]} == {1}
    assert rules[0] == "lost-task"
    text = sft(*EXPLAIN[:-2]).out
    assert "each prompt counts once, by its row with the largest drop; 40 rows not counted.\n" in text


def test_what_other_groups_explain_is_marked_and_suggests_nothing(here: Path, sft: Any) -> None:
    tuned = rows_of(60)
    for row in tuned[:40]:
        if row["task"] == "old":
            row |= {"completion": "It is", "finish_reason": "length"}
    scored(sft, rows_of(60), tuned)
    explanation, rules = explained(sft)
    assert group(explanation, "by", "task: old")["is_shown"]
    assert not group(explanation, "by", "task: old")["is_own"]
    assert "cut" in rules
    assert "lost-task" not in rules
    text = sft(*EXPLAIN[:-2]).out
    assert "\n· task: old " in text
    assert "\n·: without the rows of the groups above, it is not significantly worse.\n" in text


def test_without_texts_the_task_and_the_cut_rows_are_still_looked_at(here: Path, sft: Any) -> None:
    scored(sft, rows_of(40), spoiled(40, 12, completion="It", finish_reason="length"))
    Path("tuned.gen.jsonl").unlink()
    write("train.jsonl", [row | {"completion": "x"} for row in rows_of(40)[:6]])
    result = sft(*EXPLAIN[:-1], "--train", "train.jsonl")
    assert result.code == 0
    assert "warning: the explanation has no texts: " in result.err
    explanation = json.loads(result.out)["explanations"][0]
    assert explanation["groups"][0]["cause"] == "cut"
    assert group(explanation, "trained", "also a training row")["rows"] == 6
    missing = explanation["not_looked_at"]
    assert {cause for cause, reason in missing.items() if reason == "no texts"} == {
        *("failed", "loop", "format", "evidence", "language", "prompt-length", "reference-length")
    }


def test_rows_without_texts_and_finish_reasons_say_so(here: Path, sft: Any) -> None:
    rows = [{name: value for name, value in row.items() if name not in ("finish_reason", "task")} for row in rows_of(9)]
    scored(sft, rows, rows)
    explanation, rules = explained(sft)
    assert explanation["not_looked_at"]["cut"] == "no finish_reason in the rows"
    assert explanation["not_looked_at"]["by"] == "no row has the field task"
    assert rules == []
    text = sft(*EXPLAIN[:-2]).out
    assert "no row to explain.\n" in text
    assert f"what to try, tuned against base: no rule fired, of {len(SUGGESTION_RULES)}.\n" in text
    assert (
        "rules that could not be judged: lost-task (no row has the field task); copies, leaked (no --train); " in text
    )
    assert "over-confidence (no metric calibration in the scores)" in text


def test_no_group_is_named_if_none_is_worse_than_the_rest(here: Path, sft: Any) -> None:
    tuned = rows_of(40)
    tuned[3]["completion"] = tuned[10]["completion"] = "no"
    scored(sft, rows_of(40), tuned)
    text = sft(*EXPLAIN[:-2]).out
    assert "no group became worse significantly more often than the other rows; " in text
    assert "what to try, tuned against base\n\n1 too-little-data: " in text


def test_all_rows_alike_and_no_groups_are_said(here: Path, sft: Any) -> None:
    scored(sft, rows_of(40), spoiled(40, 3, completion="no"))
    text = sft(*EXPLAIN[:-2], "--by", "none").out
    assert "all rows are alike: language: other; " in text
    assert "by (--by none)" in text


def test_small_groups_are_named_and_not_tested(here: Path, sft: Any) -> None:
    scored(sft, rows_of(40), spoiled(40, 3, completion=None, finish_reason="error"))
    text = sft(*EXPLAIN[:-2]).out
    assert "not tested, fewer than 5 rows in the group or in the rest: no answer (failed) (3/3 worse)" in text


def test_leaked_rows_are_found_by_prompt_and_by_normalised_prompt(here: Path, sft: Any) -> None:
    scored(sft, rows_of(40), rows_of(40))
    train = [row["messages"] for row in rows_of(40)[:6]]
    train[0] = [{"role": "system", "content": "Be brief."}, *train[0], {"role": "assistant", "content": "No."}]
    train[1] = [{"role": "user", "content": "say WORD 1"}]
    write("train.jsonl", [{"messages": turns} for turns in train])
    result = sft(*EXPLAIN, "--train", "train.jsonl")
    (leaked,) = (each for each in json.loads(result.out)["suggestions"] if each["rule"] == "leaked")
    assert leaked["figure"] == "6 of 40 test rows are also training rows"


def test_copies_among_the_training_rows_are_named_if_answers_loop(here: Path, sft: Any) -> None:
    scored(sft, rows_of(40), spoiled(40, 12, completion="so so so so so so so so so so so so"))
    turns = [{"role": "user", "content": "Say another word."}, {"role": "assistant", "content": "so"}]
    write("train.jsonl", [{"messages": turns}] * 4)
    result = sft(*EXPLAIN, "--train", "train.jsonl")
    figures = {each["rule"]: each["figure"] for each in json.loads(result.out)["suggestions"]}
    assert list(figures)[:1] == ["loops"]
    assert figures["copies"] == "3 of 4 training rows have the prompt of an earlier one"


def test_claims_without_support_suggest_passages(here: Path, sft: Any) -> None:
    def counts(supported: int) -> dict[str, Any]:
        return {"verification": {"claims": 2, "supported": supported}}

    base = rows_of(40, **counts(2))
    scored(
        sft, base, [row | ({"completion": "no", **counts(0)} if place < 10 else {}) for place, row in enumerate(base)]
    )
    explanation, rules = explained(sft)
    assert explanation["groups"][0]["name"] == "more unsupported claims"
    assert rules[0] == "unsupported"


def test_over_confidence_suggests_label_smoothing(here: Path, sft: Any) -> None:
    sure = {"completion_logprob": {"sum": -0.01, "tokens": 3}}
    base = rows_of(40, **sure)
    scored(
        sft,
        base,
        [row | ({"completion": "no"} if place % 4 == 0 else {}) for place, row in enumerate(base)],
        "calibration",
    )
    result = sft(*EXPLAIN)
    figures = {each["rule"]: each["figure"] for each in json.loads(result.out)["suggestions"]}
    assert figures["over-confidence"] == "mean confidence 0.9900, share of right answers 0.7500"


def test_too_little_data_names_the_rows_that_are_needed(here: Path, sft: Any) -> None:
    scored(sft, rows_of(40), spoiled(40, 2, completion="no"))
    result = sft(*EXPLAIN)
    figures = {each["rule"]: each["figure"] for each in json.loads(result.out)["suggestions"]}
    assert figures["too-little-data"].startswith("40 rows; ")
    assert "rows to detect -0.0500" in figures["too-little-data"]


@pytest.mark.parametrize(
    ("fault", "rule"),
    [
        ({"completion": "", "finish_reason": "stop"}, "failed"),
        ({"completion": None, "finish_reason": "error"}, "failed"),
        ({"completion": "It is", "finish_reason": "length"}, "cut"),
    ],
)
def test_each_fault_of_an_answer_has_its_rule(here: Path, sft: Any, fault: dict[str, Any], rule: str) -> None:
    scored(sft, rows_of(40), spoiled(40, 12, **fault))
    assert explained(sft)[1][0] == rule


def test_twice_the_token_limit_of_the_manifest_is_suggested(here: Path, sft: Any) -> None:
    scored(sft, rows_of(40), spoiled(40, 12, completion="It is", finish_reason="length"))
    assert "--max-new-tokens 1024 " in sft(*EXPLAIN).out
    generated = {"command": "generate", "config": {"max_new_tokens": 700}}
    for name in ("base", "tuned"):
        content = Path(f"{name}.gen.jsonl").read_bytes()
        manifest = {**generated, "outputs": [{"path": f"{name}.gen.jsonl", "sha256": sha256(content).hexdigest()}]}
        Path(f"{name}.gen.jsonl.meta.json").write_text(json.dumps(manifest), encoding="utf-8")
    assert "--max-new-tokens 1400 " in sft(*EXPLAIN).out


def test_a_metric_of_which_less_is_better_is_explained_by_its_rises(here: Path, sft: Any) -> None:
    base = rows_of(40, completion="This is an answer of seven words.")
    fault = {"completion": "so so so so so so so so so so so so"}
    scored(sft, base, [row | (fault if place < 12 else {}) for place, row in enumerate(base)], "repetition")
    result = sft("compare", "base.jsonl", "tuned.jsonl", "--metric", "repetition", "--explain", "--json", "-q")
    explanation = json.loads(result.out)["explanations"][0]
    assert explanation["broken"] == 12


def test_suggestions_alone_say_what_could_not_be_judged(here: Path, sft: Any) -> None:
    scored(sft, rows_of(40), spoiled(40, 12, completion="It is", finish_reason="length"))
    for name in ("base", "tuned"):
        words = ("--metric", "exact-match", "--by", "sample", "-q", "--force", "-o", f"{name}.jsonl")
        assert sft("score", f"{name}.gen.jsonl", *words).code == 0
    text = sft("compare", "base.jsonl", "tuned.jsonl", "--suggest", "--by", "sample").out
    assert "what went wrong" not in text
    assert "1 cut: " in text
    assert "lost-task (--by sample)" in text


def test_a_label_that_is_none_suggests_a_pattern(here: Path, sft: Any) -> None:
    base = [
        row | {"references": [word], "completion": word}
        for place, row in enumerate(rows_of(40))
        for word in (["yes", "no"][place // 2 % 2],)
    ]
    scored(sft, base, [row | ({"completion": "Well, perhaps"} if place < 12 else {}) for place, row in enumerate(base)])
    explanation, rules = explained(sft)
    assert explanation["groups"][0]["name"] == "answer not a label"
    assert rules[0] == "format-form"


def test_one_language_that_became_worse_is_named(here: Path, sft: Any) -> None:
    base = rows_of(40)
    for row in base[:12]:
        row["messages"] = [{"role": "user", "content": f"请说一个词 {row['id'][1:]}"}]
    scored(sft, base, [row | ({"completion": "no"} if place < 12 else {}) for place, row in enumerate(base)])
    explanation, rules = explained(sft)
    assert "language: CJK" in [each["name"] for each in explanation["groups"] if each["is_shown"]]
    assert rules[0] == "language"


def test_every_rule_names_commands_and_flags_that_exist() -> None:
    for name, rule in SUGGESTION_RULES.items():
        for command in rule.commands:
            program, which, *words = shlex.split(command.replace("TOKENS", "512"))
            assert program == "sft"
            with build_command(which).make_context(f"sft {which}", list(words)) as context:  # raises for a bad flag
                assert context.params["out"] != "-", name
        assert rule.commands


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["a", "b", "--train", "t.jsonl"], "--train: has an effect only with --explain or --suggest"),
        (["a", "b", "--forgetting", "--explain"], "--explain: has no effect with --forgetting"),
        (["a", "b", "--forgetting", "--suggest"], "--suggest: has no effect with --forgetting"),
        (["a", "b", "--explain", "--blind-page", "p", "--key", "k"], "--explain: has no effect with --blind-page"),
        (["a", "b", "--suggest", "--ratings", "--key", "k"], "--suggest: has no effect with --ratings"),
        (["a", "-", "--explain", "--train", "-"], "--train -: expected a file, because the scores are read from stdin"),
    ],
)
def test_flags_without_effect_are_refused(here: Path, sft: Any, words: list[str], message: str) -> None:
    for name in ("a", "b", "k", "t.jsonl"):
        Path(name).touch()
    result = sft("compare", *words)
    assert result.code == 2
    assert message in result.err


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"id": "q0"}', "train.jsonl:1: messages: expected the turns of a row, got nothing\nhint: --train reads rows"),
        ('{"messages": [7]}', "train.jsonl:1: messages[0]: expected an object with role and content, got 7"),
        ('{"messages": ', "train.jsonl:1: "),
        ("", "--train train.jsonl: expected rows, got none"),
    ],
)
def test_bad_training_rows_are_named(here: Path, sft: Any, line: str, message: str) -> None:
    scored(sft, rows_of(6), rows_of(6))
    Path("train.jsonl").write_text(line, encoding="utf-8")
    result = sft(*EXPLAIN, "--train", "train.jsonl")
    assert (result.code, result.out) == (2, "")
    assert message in result.err


def test_training_rows_that_ask_nothing_are_read(here: Path, sft: Any) -> None:
    scored(sft, rows_of(6), rows_of(6))
    write("train.jsonl", [{"messages": [{"role": "assistant", "content": "so"}]}, {"text": "It is so."}])
    assert sft(*EXPLAIN, "--train", "train.jsonl").code == 0


def test_rows_without_a_value_of_their_own_cannot_be_explained(here: Path, sft: Any) -> None:
    scored(sft, rows_of(6), rows_of(6))
    for name in ("base.jsonl", "tuned.jsonl"):
        rows = [json.loads(line) for line in Path(name).read_text(encoding="utf-8").splitlines()]
        write(name, [{**row, "metrics": {}} for row in rows])
    result = sft("compare", "base.jsonl", "tuned.jsonl", "--explain")
    assert result.code == 2
    assert "--explain, --suggest: single rows have no value exact_match\nhint: --metric NAME" in result.err


def test_a_metric_that_counts_no_row_is_refused(here: Path, sft: Any) -> None:
    scored(sft, rows_of(6), rows_of(6), "repetition")  # too short, all of them
    result = sft("compare", "base.jsonl", "tuned.jsonl", "--metric", "repetition", "--suggest")
    assert result.code == 2
    assert "--explain, --suggest: single rows have no value repetition.seq_rep" in result.err


def test_every_file_after_the_base_is_explained(here: Path, sft: Any) -> None:
    scored(sft, rows_of(40), spoiled(40, 12, completion="It is", finish_reason="length"))
    write("third.gen.jsonl", spoiled(40, 12, completion="so so so so so so so so so so so so"))
    assert sft("score", "third.gen.jsonl", "--metric", "exact-match", "-q", "-o", "third.jsonl").code == 0
    result = sft("compare", "base.jsonl", "tuned.jsonl", "third.jsonl", "--explain", "--json", "-q")
    found = json.loads(result.out)["explanations"]
    assert [(each["other"], each["groups"][0]["cause"]) for each in found] == [("tuned", "cut"), ("third", "loop")]


def test_a_page_and_an_explanation_without_texts_are_one_warning(here: Path, sft: Any) -> None:
    scored(sft, rows_of(40), spoiled(40, 12, completion="It", finish_reason="length"))
    Path("tuned.gen.jsonl").unlink()
    result = sft("compare", "base.jsonl", "tuned.jsonl", "--explain", "--html", "page.html", "--all-pairs")
    assert result.code == 0
    assert "warning: the page and the explanation have no texts: " in result.err
    assert "\ncut at the token limit  12/12 " in result.out
