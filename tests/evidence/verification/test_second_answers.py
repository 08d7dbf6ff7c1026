"""Answers that are asked again, samples that disagree, and answers of which the model is not sure."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import tiny_models

from sft_cli.evidence.verification.answer import AnswerVerifier
from sft_cli.evidence.verification.correction import Corrector
from sft_cli.evidence.verification.samples import compare_samples
from sft_cli.evidence.verification.settings import VerifySettings

YEN, LATE = "The yen was introduced in 1871.", "The yen was introduced in 1901."


def answered(completion: str | None, **more: Any) -> dict[str, Any]:
    asked = [{"role": "user", "content": "When was the yen introduced?"}]
    return {"id": "q", "messages": asked, "context": [YEN], "completion": completion, **more}


class Again(Corrector):
    """A corrector whose model says a given text; it keeps what it was asked."""

    def __init__(self, *answers: dict[str, Any], least: float = 1.0) -> None:
        settings = VerifySettings(policy="correct", correct_with="m", least_supported=least)
        super().__init__(settings, None, AnswerVerifier())  # type: ignore[arg-type]
        self.answers, self.asked = list(answers), []  # type: ignore[var-annotated]

    def _answers(self, rows: list[dict[str, Any]]) -> Any:
        self.asked += [self._question(row) for row in rows]
        yield from self.answers[: len(rows)]


def said(text: str) -> dict[str, Any]:
    return {"completion": text, "error": None}


def corrected(again: Again, row: dict[str, Any]) -> dict[str, Any]:
    return again.correct([again.verifier.verify(row)])[0]


def test_a_better_second_answer_is_taken_and_the_first_kept_beside_it() -> None:
    again = Again(said(YEN))
    row = corrected(again, answered(LATE, prediction="1901"))
    assert row["completion"] == YEN
    assert row["verification"]["supported_share"] == 1
    assert row["original_completion"] == LATE
    assert row["original_claims"][0]["verdict"] == "contradicted"
    assert row["correction"] == {"completion": YEN, "taken": True}
    assert "prediction" not in row
    turns = again.asked[0]["messages"]
    assert [turn["role"] for turn in turns] == ["user", "assistant", "user"]
    assert f"[1] {YEN}" in turns[-1]["content"]
    assert f"- {LATE}" in turns[-1]["content"]


def test_a_second_answer_that_is_no_better_is_shown_and_not_taken() -> None:
    row = corrected(Again(said("The yen was introduced in 1950.")), answered(LATE))
    assert row["completion"] == LATE
    assert row["correction"]["taken"] is False
    assert row["correction"]["verification"]["contradicted"] == 1


def test_a_second_answer_that_does_not_know_is_taken() -> None:
    row = corrected(Again(said("I don't know.")), answered(LATE))
    assert row["verification"]["abstained"]


def test_a_second_answer_that_failed_changes_nothing() -> None:
    row = corrected(Again({"completion": "", "error": "too long"}), answered(LATE))
    assert (row["completion"], row["correction"]) == (LATE, {"error": "too long", "taken": False})


def test_only_answers_that_failed_are_asked_again() -> None:
    again = Again(said(YEN))
    rows = again.correct([again.verifier.verify(answered(text)) for text in (YEN, LATE, None, "I don't know")])
    assert len(again.asked) == 1
    assert ["correction" in row for row in rows] == [False, True, False, False]


def test_the_command_asks_a_model_again(here: Path, tmp_path: Path, sft: Any) -> None:
    folder = tiny_models.save("tiny", tmp_path)
    rows = [answered(LATE), {**answered(LATE), "id": "raw"}]
    del rows[1]["messages"]
    Path("gen.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    flags = ("--policy", "correct", "--correct-with", folder, "--dtype", "float32")
    refused = sft("verify", "gen.jsonl", *flags)
    assert refused.code == 2
    assert "gen.jsonl:2: messages: expected a chat, in which --policy correct can ask again, got none" in refused.err
    result = sft("verify", "gen.jsonl", *flags, "--limit", "1")
    assert result.code == 0, result.err
    assert "1 answer written again by --policy correct" in result.err
    assert "correction" in json.loads(result.out)


def test_correct_needs_a_model_and_a_model_needs_correct(here: Path, sft: Any) -> None:
    Path("gen.jsonl").write_text(json.dumps(answered(LATE)) + "\n")
    expected = "--policy correct, --correct-with: expected both or neither"
    assert expected in sft("verify", "gen.jsonl", "--policy", "correct").err
    assert expected in sft("verify", "gen.jsonl", "--correct-with", "gen.jsonl").err


def test_samples_are_compared_with_the_others() -> None:
    verifier = AnswerVerifier()
    rows = [verifier.verify(answered(text, sample=n)) for n, text in enumerate((YEN, LATE, YEN, None))]
    compared = compare_samples(rows)
    assert compared[0]["claims"][0]["samples"] == {"of": 3, "supported": 1, "contradicted": 1}
    assert compared[1]["claims"][0]["samples"] == {"of": 3, "supported": 0, "contradicted": 2}
    assert [row["verification"]["kinds"]["samples"] for row in compared] == [0, 1, 0, 0]


def test_the_command_says_what_samples_contradict(here: Path, sft: Any) -> None:
    rows = [answered(text, sample=n) for n, text in enumerate((YEN, LATE, YEN))] + [{**answered(YEN), "id": "other"}]
    Path("gen.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    result = sft("verify", "gen.jsonl")
    assert "1 claim contradicted by more samples of the same prompt than support it" in result.err
    assert ["samples" in json.loads(line)["claims"][0] for line in result.out.splitlines()] == [True] * 3 + [False]


def test_an_answer_of_which_the_model_is_not_sure_abstains(here: Path, sft: Any) -> None:
    rows = [
        answered(YEN, completion_logprob={"sum": 10 * math.log(probability), "tokens": 10})
        for probability in (0.9, 0.3)
    ]
    Path("gen.jsonl").write_text("".join(json.dumps({**row, "id": n}) + "\n" for n, row in enumerate(rows)))
    result = sft("verify", "gen.jsonl", "--abstain-below", "0.5")
    first, second = map(json.loads, result.out.splitlines())
    assert first["completion"] == YEN
    assert (second["completion"], second["original_completion"]) == ("I don't know", YEN)
    assert second["verification"]["abstained"]


@pytest.mark.parametrize("facts", [None, {"sum": -1}, {"sum": -1, "tokens": 0}, 3])
def test_an_answer_without_its_log_probability_is_refused(here: Path, sft: Any, facts: Any) -> None:
    more = {} if facts is None else {"completion_logprob": facts}
    Path("gen.jsonl").write_text(json.dumps(answered(YEN, **more)) + "\n")
    result = sft("verify", "gen.jsonl", "--abstain-below", "0.5")
    assert result.code == 2
    assert "gen.jsonl:1: completion_logprob: expected sum and tokens, got" in result.err
    assert "sft generate --completion-logprobs writes it" in result.err


def test_answers_without_ids_are_no_samples_of_one_another(here: Path, sft: Any) -> None:
    rows = [{name: value for name, value in answered(text).items() if name != "id"} for text in (YEN, LATE)]
    Path("gen.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    result = sft("verify", "gen.jsonl")
    assert result.code == 0, result.err
    assert not any("samples" in json.loads(line)["claims"][0] for line in result.out.splitlines())


@pytest.mark.parametrize("policy", ["drop", "correct"])
def test_a_policy_that_changes_the_completion_refuses_claims_of_a_field(policy: str, here: Path, sft: Any) -> None:
    Path("gen.jsonl").write_text(json.dumps(answered(LATE)) + "\n")
    more = ("--correct-with", "gen.jsonl") if policy == "correct" else ()
    result = sft("verify", "gen.jsonl", "--claims", "c", "--policy", policy, *more)
    assert f"--policy {policy}: does not work with --claims" in result.err
