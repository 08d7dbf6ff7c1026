"""A verifier model reads the right pairs, its probabilities are those of its own library, and facts go before it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_models
import torch

from sft_cli.data.verifier.convert import verifier_row
from sft_cli.evidence.claims import Claim
from sft_cli.evidence.facts.alignment import Evidence
from sft_cli.evidence.facts.check import check_claim
from sft_cli.evidence.verification.answer import AnswerVerifier
from sft_cli.evidence.verification.combined import Stance, Thresholds, combined_verdict
from sft_cli.evidence.verification.model_check import ModelCheck
from sft_cli.evidence.verification.sources import Voices
from sft_cli.evidence.verification.stance_models import ChoiceVerifier, NliVerifier
from sft_cli.evidence.verification.windows import windows_for
from sft_cli.run.errors import UserError
from sft_cli.run.flags import UsesDevice

FLAGS = UsesDevice(dtype="float32", device="cpu", threads=1)
PAIRS = [("The yen.", "the currency of Japan"), ("日本的货币是日元。", "日元"), ("fox", "The lazy dog jumps.")]
YES, AGAINST, SILENT = Stance(0.9, 0.05, 0.05), Stance(0.05, 0.9, 0.05), Stance(0.1, 0.1, 0.8)


class Told:
    """A verifier whose answers are in a table: the first entry whose words are in the evidence."""

    note, about_cut, cut = "", "", 0

    def __init__(self, table: dict[str, Stance]) -> None:
        self.table, self.read = table, []  # type: ignore[var-annotated]

    def probabilities(self, pairs: Sequence[tuple[str, str]]) -> np.ndarray:
        self.read += pairs
        stances = [next((s for words, s in self.table.items() if words in evidence), SILENT) for evidence, _ in pairs]
        return np.array(stances)


def test_a_classifier_gives_the_probabilities_of_transformers(tmp_path: Path) -> None:
    folder = tiny_models.save("entailment", tmp_path)
    model, tokenizer = tiny_models.entailment()
    got = NliVerifier(str(folder), FLAGS).probabilities(PAIRS)
    for pair, row in zip(PAIRS, got, strict=True):
        with torch.no_grad():
            logits = model.eval()(**tokenizer(*pair, return_tensors="pt")).logits[0]
        contradiction, neutral, entailment = logits.softmax(dim=0).tolist()
        np.testing.assert_allclose(row, [entailment, contradiction, neutral], atol=1e-5)


def with_labels(folder: Path, labels: dict[str, str]) -> str:
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "id2label": labels}))
    return str(folder)


@pytest.mark.parametrize(
    "labels", [{"0": "joy", "1": "anger"}, {"0": "neutral", "1": "contradiction"}, {"0": "LABEL_0"}, {}]
)
def test_labels_that_name_no_stance_are_refused(tmp_path: Path, labels: dict[str, str]) -> None:
    folder = with_labels(tiny_models.save("entailment", tmp_path), labels)
    with pytest.raises(UserError, match="id2label: expected entailment, neutral and contradiction"):
        NliVerifier(folder, FLAGS)


def test_of_two_labels_the_other_one_is_not_stated(tmp_path: Path) -> None:
    folder = with_labels(tiny_models.save("emotions", tmp_path), {"0": "not_entailment", "1": "entailment"})
    got = NliVerifier(folder, FLAGS).probabilities(PAIRS)
    np.testing.assert_allclose(got.sum(axis=1), 1, atol=1e-5)
    assert (got[:, 1] == 0).all()


def test_a_language_model_gives_the_probabilities_of_its_choices(tmp_path: Path, here: Path, sft: Any) -> None:
    folder = tiny_models.save("tiny", tmp_path)
    Path("rows.jsonl").write_text(
        "".join(json.dumps({"id": str(n), **verifier_row(*p)}) + "\n" for n, p in enumerate(PAIRS))
    )
    flags = ("--choices", "--max-new-tokens", "0", "--dtype", "float32", "-q")
    result = sft("generate", folder, "rows.jsonl", *flags)
    assert result.code == 0, result.err
    said = result.out.splitlines()
    got = ChoiceVerifier(str(folder), FLAGS).probabilities(PAIRS)
    for line, row in zip(said, got, strict=True):
        sums = np.array([choice["sum"] for choice in json.loads(line)["choice_logprobs"]])
        np.testing.assert_allclose(row, np.exp(sums) / np.exp(sums).sum(), atol=1e-4)


def test_a_pair_longer_than_the_context_is_not_stated_and_counted(tmp_path: Path) -> None:
    verifier = ChoiceVerifier(str(tiny_models.save("tiny", tmp_path)), FLAGS)
    got = verifier.probabilities([("fox " * 2000, "dog"), PAIRS[0]])
    assert got[0].tolist() == [0, 0, 1]
    assert verifier.cut == 1


def test_each_kind_of_model_names_the_flag_of_the_other(tmp_path: Path) -> None:
    language, classifier = (str(tiny_models.save(name, tmp_path)) for name in ("tiny", "entailment"))
    with pytest.raises(UserError, match=f"expected a language model, got a classifier\nhint: --nli {classifier}"):
        ChoiceVerifier(classifier, FLAGS)
    with pytest.raises(UserError, match=f"expected a sequence classifier.*\nhint: --model {language}"):
        NliVerifier(language, FLAGS)
    with pytest.raises(UserError, match="has no chat template"):
        ChoiceVerifier(str(tiny_models.save("no-template", tmp_path)), FLAGS)


@pytest.mark.parametrize(
    ("claim", "stance", "verdict"),
    [
        ("The yen was introduced in 1871.", YES, "supported"),
        ("The yen was introduced in 1871.", AGAINST, "contradicted"),
        ("The yen was introduced in 1871.", SILENT, "not stated"),
        ("The yen was introduced in 1901.", YES, "contradicted"),  # the model reads over digits
        ("The currency began long ago.", YES, "supported"),  # other words: facts alone say not stated
        ("The yen was introduced in 1871 by Robert Smith.", YES, "not stated"),  # a name that no passage has
    ],
)
def test_facts_go_before_the_model(claim: str, stance: Stance, verdict: str) -> None:
    check = check_claim(claim, Evidence(["The yen was introduced in 1871."]))
    assert combined_verdict(check, stance, None) == verdict


def test_thresholds_move_the_verdicts() -> None:
    check = check_claim("The yen is old.", Evidence(["The yen was introduced in 1871."]))
    assert combined_verdict(check, Stance(0.6, 0.2, 0.2), Thresholds(0.5, 0.5)) == "supported"
    assert combined_verdict(check, Stance(0.6, 0.2, 0.2), Thresholds(0.7, 0.5)) == "not stated"
    assert combined_verdict(check, Stance(0.6, 0.2, 0.2), Thresholds(0.7, 0.2)) == "contradicted"


def test_a_long_source_is_read_in_the_windows_that_fit_the_claim() -> None:
    about = ["The harbour of Bergen froze in 1871.", "Nobody could sell fish that winter."]
    rest = [f"Sheet {n} lists wages, prices and rents of an ordinary market town." for n in range(200)]
    windows = windows_for("Bergen's harbour froze.", Evidence([" ".join([*rest[:100], *about, *rest[100:]])]))
    assert len(windows) <= 3
    assert any(about[0] in window for window in windows)
    assert all(len(window.split()) <= 150 for window in windows)
    assert windows_for("Nothing.", Evidence([])) == []


def test_the_window_that_says_most_decides_and_the_entry_says_it_was_the_model() -> None:
    passages = [{"id": "a#1", "source": "a", "text": "The wall is red."}, {"id": "b#1", "source": "b", "text": "Fog."}]
    verifier = AnswerVerifier(model=ModelCheck(Told({"red": AGAINST})))
    row = verifier.verify({"id": "q", "context": passages, "completion": "The wall is nice and green."})
    [entry] = row["claims"]
    assert (entry["verdict"], entry["check"], entry["contradicted_by"]) == ("contradicted", "model", ["a"])
    assert entry["model"] == {"supported": 0.05, "contradicted": 0.9, "not_stated": 0.05}


def test_the_model_reads_each_claim_with_each_source_once() -> None:
    told = Told({})
    heard = Voices([{"id": "a#1", "text": "The wall is red."}, {"id": "b#1", "text": "A dog sleeps here."}])
    claims = [Claim(text, tuple(range(len(text)))) for text in ("The wall is red.", "A dog sleeps.")]
    said = ModelCheck(told).said(claims, [heard, heard])
    assert len(told.read) == 4
    assert [len(each.stances) for each in said] == [2, 2]


def test_an_answer_without_passages_needs_no_model() -> None:
    row = AnswerVerifier(model=ModelCheck(Told({}))).verify({"id": "q", "completion": "The wall is red."})
    assert row["claims"][0]["check"] == "none"


def test_verify_with_a_classifier_writes_what_it_says(tmp_path: Path, here: Path, sft: Any) -> None:
    folder = tiny_models.save("entailment", tmp_path)
    Path("gen.jsonl").write_text(
        json.dumps({"id": "q", "completion": "The fox jumps.", "context": ["The quick brown fox jumps."]}) + "\n"
    )
    result = sft("verify", "gen.jsonl", "--nli", folder, "--dtype", "float32")
    assert result.code == 0, result.err
    said = json.loads(result.out)["claims"][0]["model"]
    assert sum(said.values()) == pytest.approx(1, abs=1e-3)
    wrong = sft("verify", "gen.jsonl", "--model", folder)
    assert wrong.code == 2
    assert "hint: --nli" in wrong.err
    both = sft("verify", "gen.jsonl", "--nli", folder, "--model", folder)
    assert "--model, --nli: expected only one of them" in both.err
    alone = sft("verify", "gen.jsonl", "--dtype", "float32")
    assert "--dtype: has an effect only with --model, --nli or --correct-with" in alone.err
    shutil.rmtree(folder)
