"""The best weights are published, a run that no longer gets better stops, and a metric of answers can be the judge."""

from __future__ import annotations

import copy
import json
import math
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from training_files import metrics, states, stop_after, weights

from sft_cli.training.best import Best

# A learning rate at which the held-out loss falls and then rises again.
WILD = ("--batch-size", 4, "--learning-rate", 0.3, "--schedule", "constant", "--dtype", "float32", "--clip", 0)


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Replaces the held-out losses by given ones; the first is that before training."""

    def use(*losses: float) -> None:
        from sft_cli.training.compute import Compute

        left = list(losses)
        monkeypatch.setattr(Compute, "mean_loss", lambda *_: {"loss": left.pop(0)})

    return use


@given(
    st.lists(st.floats(allow_infinity=True, allow_nan=True, width=32), max_size=12),
    st.booleans(),
    st.integers(1, 4) | st.none(),
)
def test_the_best_is_the_first_of_the_best_numbers(values: list[float], higher: bool, patience: int | None) -> None:
    best = Best("eval_loss", higher, patience)
    stopped = None
    for step, value in enumerate(values, 1):
        best.add(step, {"eval_loss": value, "loss": 1.0})
        if best.is_exhausted and stopped is None:
            stopped = step
    numbers = [value for value in values if math.isfinite(value)]
    if not numbers:
        assert best.step == 0
    else:
        wanted = (max if higher else min)(numbers)
        assert best.step == values.index(wanted) + 1
        assert best.measured == {"eval_loss": wanted}
    assert best.waited == len(values) - best.step
    if stopped is not None and patience is not None:
        assert stopped >= patience


COMMON = ("--epochs", 6, "--batch-size", 8, "--learning-rate", 1e-2, "--dtype", "float32")


@pytest.mark.slow
def test_the_best_weights_are_published_instead_of_the_last(
    sft: Any, scripted: Any, tiny: Path, rows_file: Path, tmp_path: Path
) -> None:
    command = ("train", rows_file, "--model", tiny, "--eval-data", rows_file, *COMMON, "--schedule", "constant")
    losses = (9.0, 3.0, 2.0, math.nan, 2.5, 2.0, 4.0)
    scripted(*losses)
    result = sft(*command, "-o", tmp_path / "best", "--best", "--warmup", 0)
    assert result.code == 0
    assert "weights of step: eval_loss 2.0000 at step 2\nheld-out loss: 9.0000 before, 2.0000 after\n" in result.err
    assert states(tmp_path / "best") == []
    assert len(metrics(tmp_path / "best")) == 6
    scripted(*losses)
    assert sft(*command, "-o", tmp_path / "last", "--warmup", 0).code == 0
    scripted(*losses)
    assert sft(*command, "-o", tmp_path / "two", "--warmup", 0, "--max-steps", 2).code == 0
    assert weights(tmp_path / "best") == weights(tmp_path / "two")
    assert weights(tmp_path / "best") != weights(tmp_path / "last")
    assert {path.name for path in (tmp_path / "best").iterdir()} == {
        path.name for path in (tmp_path / "last").iterdir()
    }


def test_a_run_that_no_longer_gets_better_stops(
    sft: Any, scripted: Any, tiny: Path, rows_file: Path, tmp_path: Path
) -> None:
    command = ("train", rows_file, "--model", tiny, "--eval-data", rows_file, *COMMON, "-o", tmp_path / "run")
    scripted(9.0, 3.0, 2.0, 2.5, 2.0, 1.0, 0.5)
    result = sft(*command, "--patience", 2)
    assert result.code == 0
    assert "stopped early: 2 evaluations were not better than eval_loss 2.0000 at step 2\n" in result.err
    assert [line["eval_loss"] for line in metrics(tmp_path / "run")] == [3.0, 2.0, 2.5, 2.0]
    assert "stopped early" in (tmp_path / "run" / "README.md").read_text()
    assert json.loads((tmp_path / "run" / "manifest.json").read_text())["run"]["steps"] == 4


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["full", "lora"])
def test_the_best_and_the_patience_survive_a_stop(
    sft: Any, tiny: Path, rows_file: Path, tmp_path: Path, kind: str
) -> None:
    lora = ("--adapter", "lora", "--rank", 4, "--lora-dropout", 0.1) if kind == "lora" else ()
    command = ("train", rows_file, "--model", tiny, "--eval-data", rows_file, *WILD, *lora, "--epochs", 8)
    command += ("--eval-every", 1, "--best", "--patience", 4)
    whole = sft(*command, "-o", tmp_path / "whole")
    assert (whole.code, "weights of step: eval_loss" in whole.err) == (0, True)
    steps = len(metrics(tmp_path / "whole"))
    for stop in range(1, steps):
        with pytest.MonkeyPatch.context() as patch:
            stop_after(patch, stop, lambda: signal.raise_signal(signal.SIGINT))
            assert sft(*command, "-o", tmp_path / "parts", "--force").code == 130
        folders = states(tmp_path / "parts.partial")
        assert (len(folders), folders[0].startswith("best-"), folders[1]) == (2, True, f"step-{stop:06d}")
        assert sft(*command, "-o", tmp_path / "parts", "--resume", "--force").code == 0
        assert weights(tmp_path / "parts") == weights(tmp_path / "whole")
        assert metrics(tmp_path / "parts") == metrics(tmp_path / "whole")


def test_an_older_state_still_finds_the_best_weights_of_its_time(
    sft: Any, scripted: Any, tiny: Path, rows_file: Path, tmp_path: Path
) -> None:
    command = ("train", rows_file, "--model", tiny, "--eval-data", rows_file, *COMMON, "--best", "--save-every", 3)
    scripted(9.0, 5.0, 6.0, 6.0, 4.0, 3.0)
    with pytest.MonkeyPatch.context() as patch:
        stop_after(patch, 5, lambda: 1 / 0)
        assert sft(*command, "-o", tmp_path / "run").code == 70
    assert states(tmp_path / "run.partial") == ["best-000001", "best-000005", "step-000003"]
    scripted(8.0, 8.0, 8.0)  # as on a machine that does not repeat itself
    result = sft(*command, "-o", tmp_path / "run", "--resume")
    assert (result.code, "weights of step: eval_loss 5.0000 at step 1\n" in result.err) == (0, True)


@pytest.mark.slow
def test_answers_to_held_out_rows_can_be_the_judge(sft: Any, tiny: Path, rows_file: Path, tmp_path: Path) -> None:
    command = ("train", rows_file, "--model", tiny, "--eval-data", rows_file, "--batch-size", 8, "--dtype", "float32")
    command += ("--learning-rate", 2e-2, "--epochs", 30, "--eval-metric", "token-f1", "--best")
    result = sft(*command, "-o", tmp_path / "run")
    assert result.code == 0
    values = [line["eval_metric"]["token_f1.f"] for line in metrics(tmp_path / "run")]
    assert len(values) == 30
    assert max(values) > 0.5 > values[0]  # it has learned its rows by heart
    best = values.index(max(values)) + 1
    assert f"weights of step: token_f1.f {max(values):.4f} at step {best}\n" in result.err
    # It is what the commands give: sft generate, then sft score.
    answers = tmp_path / "a.gen.jsonl"
    longest = 256
    generate = ("generate", tmp_path / "run", rows_file, "-o", answers, "--max-new-tokens", longest - 60)
    assert sft(*generate, "--dtype", "float32").code == 0
    assert sft("score", answers, "--metric", "token-f1", "-o", tmp_path / "scores.jsonl").code == 0
    summary = json.loads((tmp_path / "scores.jsonl.summary.json").read_text())
    assert summary["metrics"]["token-f1"]["value"] == pytest.approx(max(values), abs=0.02)


@pytest.mark.slow
def test_judging_answers_changes_nothing_of_the_training(sft: Any, tiny: Path, rows_file: Path, tmp_path: Path) -> None:
    command = ("train", rows_file, "--model", tiny, "--batch-size", 4, "--dtype", "float32", "--epochs", 2)
    command += ("--adapter", "lora", "--lora-dropout", 0.3)
    assert sft(*command, "-o", tmp_path / "plain").code == 0
    judged = ("--eval-data", rows_file, "--eval-every", 1, "--eval-metric", "rouge-l:beta=2", "--eval-rows", 3)
    assert sft(*command, *judged, "-o", tmp_path / "judged").code == 0
    assert weights(tmp_path / "judged") == weights(tmp_path / "plain")
    config = "generation_config.json"
    assert (tmp_path / "judged" / config).read_text() == (tmp_path / "plain" / config).read_text()
    (line, *_) = metrics(tmp_path / "judged")
    assert list(line["eval_metric"]) == ["rouge_l.f:beta=2"]
    assert set(line["eval_task_loss"]) == {"even", "odd"}


def test_answering_leaves_the_model_as_it_was(tiny: Path, rows_file: Path) -> None:
    from sft_cli.decoding.answers import answer_rows
    from sft_cli.encoding.encoder import Encoder, stop_ids_of
    from sft_cli.model.load import load_model, load_tokenizer

    model = load_model(str(tiny)).train()
    encoder = Encoder(load_tokenizer(str(tiny)), stop_ids_of(model))
    before, random = copy.deepcopy(model.generation_config), torch.get_rng_state()
    rows = [{"id": "a", "messages": [{"role": "user", "content": "Hello"}], "references": ["The dog."]}] * 2
    found = answer_rows(model, encoder, rows)
    assert [row["completion"] for row in found] == [found[0]["completion"]] * 2
    assert all(row["completion_tokens"] <= len(encoder.tokenizer("The dog.").input_ids) + 16 for row in found)
    assert model.training
    assert model.generation_config.to_dict() == before.to_dict()
    assert torch.equal(torch.get_rng_state(), random)


def test_flags_that_cannot_be_followed_are_refused(sft: Any, tiny: Path, rows_file: Path, tmp_path: Path) -> None:
    def error(*more: Any) -> str:
        result = sft("train", rows_file, "--model", tiny, "-o", tmp_path / "run", *more)
        assert result.code == 2
        return str(result.err)

    for option in (("--best",), ("--patience", 2), ("--eval-metric", "rouge-l"), ("--eval-every", 3)):
        expected = f"{option[0]}: needs held-out rows\nhint: --eval-data FILE\n"
        assert expected in error(*option)
    held_out = ("--eval-data", rows_file)
    assert "--eval-rows: has an effect only with --eval-metric" in error(*held_out, "--eval-rows", 3)
    assert "--eval-metric: unknown metric 'exact-mach'. Did you mean 'exact-match'?" in error(
        "--eval-metric", "exact-mach"
    )
    assert "--eval-metric rouge-l:x=1: unknown option 'x'" in error("--eval-metric", "rouge-l:x=1")
    assert "--eval-metric: expected a metric of the answers, got perplexity" in error("--eval-metric", "perplexity")
    ranking = "--eval-metric: expected a metric of the answers, got ndcg@5, which reads a ranking\nhint: sft score"
    assert ranking.replace("ndcg@5", "ndcg:k=5") in error("--eval-metric", "ndcg@5")
    samples = "--eval-metric: expected a metric of single answers, got diversity, which compares samples"
    assert samples in error("--eval-metric", "diversity")
    rows = "--eval-metric: expected a metric of single answers, got collapse, which compares rows\nhint: sft score"
    assert rows in error("--eval-metric", "collapse")
    stdin = error("--eval-data", "-", "--eval-metric", "rouge-l")
    assert "--eval-data: expected files, because --eval-metric reads the rows twice, got stdin" in stdin
    text = tmp_path / "text.jsonl"
    text.write_text('{"id": "t", "text": "The quick brown fox."}\n')
    nothing = error("--eval-data", text, "--eval-metric", "rouge-l")
    assert "--eval-metric: rouge-l does not apply to any of 1 held-out rows (no reference)" in nothing
    assert "--keep: expected at least 1, got 0" in error("--keep", 0)
    assert not (tmp_path / "run.partial").exists()
