"""`sft train` with what keeps old tasks, as a user runs it."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from processes import sft as sft_alone
from processes import together
from safetensors.torch import load_file
from training_files import before_training, metrics, stop_after, weights

from sft_cli.model.load import load_model
from sft_cli.run.errors import UserError
from sft_cli.training.continual.importance import FILE, read_importance
from sft_cli.training.settings import TrainSettings
from sft_cli.training.settings.checks import check_continual

# 8 rows, 4 a step: 6 steps.
QUICK = ("--batch-size", 4, "--learning-rate", 1e-2, "--epochs", 3, "--dtype", "float32", "--threads", 1)
LORA = ("--adapter", "lora", "--rank", 4, "--lora-dropout", 0.1)
# The regularizers of each, with what they need; and what is tuned.
KINDS: dict[str, tuple[dict[str, tuple[Any, ...]], tuple[Any, ...]]] = {
    "ewc": ({"ewc": ("--importance-rows", 4)}, ()),
    "ewc-lora": ({"ewc": ()}, LORA),
    "si": ({"si": ()}, ()),
    "si-proximal": ({"si": ("--penalty-mode", "proximal")}, ()),
    "l2-sp": ({"l2-sp": ()}, ()),
    "l2-sp-lora": ({"l2-sp": ()}, LORA),
    "kl": ({"kl": ("--anchor-rows", 3)}, ()),
    "kl-lora": ({"kl": ("--anchor-rows", 3)}, LORA),
    "two": ({"l2-sp": (), "kl": ()}, ()),
}


@pytest.fixture(scope="module")
def old(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that has learned an old task, twice recorded: `si` and `ewc`; and the old task's rows beside them."""
    folder = tmp_path_factory.mktemp("old")
    rows = [
        {"id": f"o{n}", "task": "old", "messages": [
            {"role": "user", "content": f"count {n}"}, {"role": "assistant", "content": "the fox " * (1 + n % 3)}]}
        for n in range(8)
    ]  # fmt: skip
    path = folder / "old.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    for kind in ("ewc", "si"):
        command = ("train", path, "--model", tiny, *QUICK, "--record-importance", kind, "-o", folder / kind)
        assert sft_alone(*command)[0] == 0
    return folder


def arguments(kind: str, old: Path, strength: float = 1.0) -> tuple[Any, ...]:
    """Flags of a kind, the model that it starts from, and the old rows where it needs them."""
    regularizers, adapter = KINDS[kind]
    flags: tuple[Any, ...] = ("--model", first_model(kind, old), *adapter)
    for name, more in regularizers.items():
        flags += ("--regularizer", name, "--strength", f"{name}={strength}", *more)
        flags += ("--anchor-data", old / "old.jsonl") if name == "kl" else ()
    return flags


def first_model(kind: str, old: Path) -> Path:
    return old / ("si" if "si" in kind else "ewc")


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_a_run_that_goes_on_gives_the_bytes_of_one_without_a_stop(
    sft: Any, old: Path, rows_file: Path, tmp_path: Path, kind: str
) -> None:
    command = ("train", rows_file, *arguments(kind, old), *QUICK, "--retain", old / "old.jsonl", "--eval-every", 2)
    assert sft(*command, "-o", tmp_path / "whole").code == 0
    with pytest.MonkeyPatch.context() as patch:
        stop_after(patch, 3, lambda: signal.raise_signal(signal.SIGINT))
        assert sft(*command, "-o", tmp_path / "parts").code == 130
    torch.manual_seed(123)
    assert sft(*command, "-o", tmp_path / "parts", "--resume").code == 0
    assert weights(tmp_path / "parts") == weights(tmp_path / "whole")
    assert metrics(tmp_path / "parts") == metrics(tmp_path / "whole")


@pytest.mark.slow
def test_a_recorder_goes_on_too(sft: Any, old: Path, rows_file: Path, tmp_path: Path) -> None:
    command = ("train", rows_file, "--model", old / "si", "--regularizer", "si", "--record-importance", "si", *QUICK)
    assert sft(*command, "-o", tmp_path / "whole").code == 0
    with pytest.MonkeyPatch.context() as patch:
        stop_after(patch, 3, lambda: signal.raise_signal(signal.SIGINT))
        assert sft(*command, "-o", tmp_path / "parts").code == 130
    assert sft(*command, "-o", tmp_path / "parts", "--resume").code == 0
    assert (tmp_path / "parts" / FILE).read_bytes() == (tmp_path / "whole" / FILE).read_bytes()
    found = read_importance(str(tmp_path / "whole"))
    assert found is not None
    assert len(found.tasks) == 2  # that of the old task, and this one's


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_strength_0_changes_nothing_and_a_strength_holds_the_weights_back(
    sft: Any, old: Path, rows_file: Path, tmp_path: Path, kind: str
) -> None:
    plain = ("train", rows_file, "--model", first_model(kind, old), *KINDS[kind][1], *QUICK)
    assert sft(*plain, "-o", tmp_path / "plain").code == 0
    for strength in (0, 30):
        command = ("train", rows_file, *arguments(kind, old, strength), *QUICK)
        assert sft(*command, "-o", tmp_path / str(strength)).code == 0
    assert weights(tmp_path / "0") == weights(tmp_path / "plain")
    first = first_model(kind, old)
    assert drift(tmp_path / "30", first) < 0.9 * drift(tmp_path / "plain", first)


def drift(folder: Path, first: Path) -> float:
    """How far what a checkpoint says has moved from what the model said that it began with."""
    ids = torch.tensor([[1, 50, 60, 70, 80, 90, 100, 110]])
    with torch.no_grad():
        now, then = (load_model(str(path), "float32")(input_ids=ids).logits.log_softmax(-1) for path in (folder, first))
    return float((then.exp() * (then - now)).sum(-1).mean())


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["ewc", "l2-sp-lora", "kl"])
def test_how_a_step_is_cut_does_not_matter(sft: Any, old: Path, rows_file: Path, tmp_path: Path, kind: str) -> None:
    still = ("--lora-dropout", 0) if "lora" in kind else ()
    command = ("train", rows_file, *arguments(kind, old), *QUICK, "--optimizer", "sgd", "--learning-rate", 0.1, *still)
    assert sft(*command, "-o", tmp_path / "one").code == 0
    assert sft(*command, "-o", tmp_path / "many", "--microbatch-tokens", 16).code == 0
    (file,) = (tmp_path / "one").glob("*model.safetensors")
    one, many = load_file(file), load_file(tmp_path / "many" / file.name)
    for name, value in one.items():
        assert torch.allclose(value, many[name], rtol=1e-4, atol=1e-6), name


@pytest.mark.slow
@pytest.mark.parametrize("how", [(), ("--shard",)])
@pytest.mark.parametrize("kind", ["ewc", "si-proximal", "kl"])
def test_two_processes_do_as_one(old: Path, rows_file: Path, tmp_path: Path, kind: str, how: tuple[str, ...]) -> None:
    command = ("train", rows_file, *arguments(kind, old), *QUICK, "--optimizer", "sgd", "--learning-rate", 0.1)
    assert sft_alone(*command, "-o", tmp_path / "one")[0] == 0
    main, other = together(sft_alone, *command, "-o", tmp_path / "two", *how)
    assert (main[0], other) == (0, (0, "", "")), main
    one, two = (load_file(tmp_path / name / "model.safetensors") for name in ("one", "two"))
    for name, value in one.items():
        assert torch.allclose(value, two[name], rtol=1e-4, atol=1e-6), name
    for line, again in zip(metrics(tmp_path / "one"), metrics(tmp_path / "two"), strict=True):
        del again["task_loss"], line["task_loss"]  # approx knows no nested ones
        assert again == pytest.approx(line, rel=1e-3, abs=1e-6)


@pytest.mark.slow
def test_two_processes_measure_importance_as_one(tiny: Path, rows_file: Path, tmp_path: Path) -> None:
    command = ("train", rows_file, "--model", tiny, *QUICK, "--optimizer", "sgd", "--record-importance", "ewc")
    assert sft_alone(*command, "-o", tmp_path / "one")[0] == 0
    main, _ = together(sft_alone, *command, "-o", tmp_path / "two")
    assert main[0] == 0, main
    one, two = (read_importance(str(tmp_path / name)) for name in ("one", "two"))
    assert one is not None
    assert two is not None
    for name, value in one.values.items():
        assert torch.allclose(value, two.values[name], rtol=1e-2, atol=1e-3), name


def test_the_importance_of_a_lora_is_that_of_the_weights_it_changes(
    sft: Any, tiny: Path, rows_file: Path, tmp_path: Path
) -> None:
    command = ("train", rows_file, "--model", tiny, *QUICK, "--adapter", "lora", "--rank", 4)
    assert sft(*command, "--record-importance", "ewc", "-o", tmp_path / "run").code == 0
    found = read_importance(str(tmp_path / "run"))
    assert found is not None
    assert set(found.values) == {
        name for name, weight in load_model(str(tiny), "float32").named_parameters() if name.endswith("_proj.weight")
    }
    assert sum(float(value.mean()) * value.numel() for value in found.values.values()) == pytest.approx(
        sum(value.numel() for value in found.values.values()), rel=1e-4
    )


@pytest.mark.slow
def test_old_rows_measure_the_importance_where_the_checkpoint_has_none(
    sft: Any, tiny: Path, old: Path, rows_file: Path, tmp_path: Path
) -> None:
    command = ("train", rows_file, "--model", tiny, *QUICK, "--regularizer", "ewc")
    missing = sft(*command, "-o", tmp_path / "run")
    assert missing.code == 2
    assert f"--regularizer ewc: {tiny} has no importance (continual/importance.safetensors)\n" in missing.err
    assert "hint: --importance-data FILE measures it now, on old or similar rows" in missing.err
    done = sft(*command, "--importance-data", old / "old.jsonl", "--fisher-temperature", 2, "-o", tmp_path / "run")
    assert done.code == 0
    assert "importance (ewc): Fisher information of 8 rows," in done.err
    assert "at temperature 2, most of the estimate comes from about " in done.err
    lines = metrics(tmp_path / "run")
    assert lines[0]["penalty_ewc"] == lines[0]["predicted_kl"] == 0.0
    assert lines[1]["penalty_ewc"] > 0
    assert lines[1]["predicted_kl"] > 0


def test_an_estimate_that_few_rows_carry_is_made_again_at_a_higher_temperature(
    sft: Any, tiny: Path, old: Path, rows_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sft_cli.training import importances

    monkeypatch.setattr(importances, "COLLAPSE_SHARE", 2.0)  # no estimate rests on twice the rows there are
    command = ("train", rows_file, "--model", tiny, *QUICK, "--regularizer", "ewc", "--importance-data")
    done = sft(*command, old / "old.jsonl", "-o", tmp_path / "run")
    assert done.code == 0
    assert "at temperature 4, most of the estimate comes from about " in done.err
    assert " at temperature 1); these are few" in done.err


def test_si_needs_a_record(sft: Any, tiny: Path, old: Path, rows_file: Path, tmp_path: Path) -> None:
    result = sft("train", rows_file, "--model", tiny, *QUICK, "--regularizer", "si", "-o", tmp_path / "run")
    assert result.code == 2
    assert (
        "has no importance (continual/importance.safetensors); SI can only record it while the old task is trained"
        in result.err
    )
    assert "hint: --regularizer ewc can measure it on old rows, --regularizer l2-sp needs no importance" in result.err
    other = sft("train", rows_file, "--model", old / "ewc", *QUICK, "--regularizer", "si", "-o", tmp_path / "run")
    assert f"--regularizer si: {old / 'ewc'} has an importance of kind ewc; SI" in other.err


@pytest.mark.slow
def test_old_rows_are_watched_and_can_stop_the_run(sft: Any, old: Path, rows_file: Path, tmp_path: Path) -> None:
    command = ("train", rows_file, "--model", old / "ewc", *QUICK, "--retain", old / "old.jsonl", "--eval-every", 1)
    assert sft(*command, "-o", tmp_path / "run", "--regularizer", "l2-sp", "--strength", 1e-9).code == 0
    lines = metrics(tmp_path / "run")
    assert len(lines) == 6
    assert all(line["retain_loss"] > 0 and line["retain_kl"] > 0 for line in lines)
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_text())
    before, after = (manifest["run"]["loss of old rows"][when] for when in ("before", "after"))
    assert before == before_training(tmp_path / "run")["retain_loss"]
    assert after == lines[-1]["retain_loss"]
    assert "loss of old rows" in (tmp_path / "run" / "loss.svg").read_text()
    assert after - before > 0.5  # it does forget
    watched = (*command, "--eval-data", rows_file, "--retain-limit", (after - before) / 3, "--best")
    result = sft(*watched, "-o", tmp_path / "stopped")
    assert result.code == 0
    assert "stopped early: retain_loss has risen by" in result.err
    kept = metrics(tmp_path / "stopped")
    assert len(kept) < 6
    assert f"weights of step: eval_loss {kept[-2]['eval_loss']:.4f} at step {kept[-2]['step']}\n" in result.err
    assert kept[-2]["retain_loss"] <= before + (after - before) / 3 < kept[-1]["retain_loss"]


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_the_kl_of_the_old_rows_is_that_between_the_two_checkpoints(
    sft: Any, old: Path, rows_file: Path, tmp_path: Path, dtype: str
) -> None:
    """Measured through the first weights that a penalty keeps, and through a copy."""
    found = []
    for kind in (("l2-sp",), ("kl", "--anchor-data", old / "old.jsonl")):
        command = ("train", rows_file, "--model", old / "ewc", *QUICK, "--regularizer", *kind, "--strength", 1e-12)
        done = sft(*command, "--dtype", dtype, "--retain", old / "old.jsonl", "-o", tmp_path / kind[0])
        assert done.code == 0
        found.append(metrics(tmp_path / kind[0])[-1]["retain_kl"])
    near = 1e-3 if dtype == "float32" else 0.05
    assert found[0] == pytest.approx(found[1], rel=near)
    from sft_cli.encoding.encoder import Encoder, stop_ids_of
    from sft_cli.model.forward import make_batch, target_logits
    from sft_cli.model.load import load_tokenizer

    first, last = load_model(str(old / "ewc"), "float32"), load_model(str(tmp_path / "l2-sp"), "float32")
    encoder = Encoder(load_tokenizer(str(old / "ewc")), stop_ids_of(first))
    rows = [json.loads(line) for line in (old / "old.jsonl").read_text().splitlines()]
    total, tokens = 0.0, 0
    with torch.no_grad():
        for row in rows:
            batch = make_batch([encoder.example(row)])
            then, now = (target_logits(model, batch).log_softmax(-1) for model in (first, last))
            total, tokens = total + float((then.exp() * (then - now)).sum()), tokens + len(batch.labels)
    assert found[0] == pytest.approx(total / tokens, rel=near)


def test_importance_is_recorded_on_the_rows_that_are_named(
    sft: Any, tiny: Path, old: Path, rows_file: Path, tmp_path: Path
) -> None:
    few = tmp_path / "few.jsonl"
    few.write_text("".join((old / "old.jsonl").read_text().splitlines(keepends=True)[:3]))
    command = ("train", rows_file, "--model", tiny, *QUICK, "--record-importance", "ewc")
    assert sft(*command, "-o", tmp_path / "own").code == 0
    assert sft(*command, "--importance-data", few, "-o", tmp_path / "named").code == 0
    own, named = (read_importance(str(tmp_path / name)) for name in ("own", "named"))
    assert own is not None
    assert named is not None
    assert (own.tasks[0]["rows"], named.tasks[0]["rows"]) == (8, 3)


def test_a_best_evaluation_that_is_none_is_told(sft: Any, old: Path, rows_file: Path, tmp_path: Path) -> None:
    command = ("train", rows_file, "--model", old / "ewc", *QUICK, "--retain", old / "old.jsonl", "--eval-every", 1)
    result = sft(*command, "--eval-data", rows_file, "--retain-limit", 1e-9, "--best", "-o", tmp_path / "run")
    assert result.code == 0
    assert (
        "--best: no evaluation is within --retain-limit, so the weights of the last step are the output" in result.err
    )
    assert len(metrics(tmp_path / "run")) == 1


def test_a_factor_that_is_frozen_is_not_pulled(sft: Any, old: Path, rows_file: Path, tmp_path: Path) -> None:
    command = ("train", rows_file, "--model", old / "ewc", *QUICK, *LORA[:4], "--regularizer", "l2-sp")
    assert sft(*command, "--freeze", "lora_A", "-o", tmp_path / "run").code == 0
    trained = load_file(tmp_path / "run" / "adapter_model.safetensors")
    assert sft(*command, "--freeze", "lora_A", "--strength", 100, "-o", tmp_path / "held").code == 0
    held = load_file(tmp_path / "held" / "adapter_model.safetensors")
    for name, value in trained.items():
        if "lora_A" in name:
            assert torch.equal(held[name], value)


REFUSALS = {
    ("--strength", 2): "--strength: has an effect only with --regularizer",
    ("--penalty-mode", "loss"): "--penalty-mode: has an effect only with --regularizer ewc, si or l2-sp",
    ("--importance-rows", 5): "--importance-rows: has an effect only with --regularizer ewc or --record-importance ewc",
    ("--fisher-temperature", 2): "--fisher-temperature: has an effect only with --regularizer ewc or",
    (
        "--importance-data",
        "x",
    ): "--importance-data: has an effect only with --regularizer ewc or --record-importance ewc",
    ("--importance-decay", 0): "--importance-decay: has an effect only with --record-importance",
    ("--anchor-data", "x"): "--anchor-data: has an effect only with --regularizer kl",
    ("--anchor-rows", 2): "--anchor-rows: has an effect only with --regularizer kl",
    ("--retain-limit", 1): "--retain-limit: has an effect only with --retain FILE",
    ("--regularizer", "kl"): "--regularizer kl: expected --anchor-data FILE, rows on which predictions stay the same",
    ("--regularizer", "l2-sp", "--strength", "ewc=1"): "--strength: expected a name of --regularizer, got 'ewc'.",
    ("--regularizer", "l2-sp", "--strength", "-1"): "--strength: l2-sp: expected at least 0, got -1",
    ("--regularizer", "l2-sp", "--strength", "much"): "--strength: expected NAME=NUMBER, got 'l2-sp=much'",
    ("--regularizer", "l2-sp", "--strength", "1", "--strength", "2"): "--strength: l2-sp: given twice",
    ("--regularizer", "l2-sp", "--regularizer", "ewc", "--strength", "1"): (
        "--strength: expected NAME=1 with 2 regularizers, got '1'"
    ),
    ("--regularizer", "l2-sp", "--adapter", "pissa"): (
        "--regularizer l2-sp: expected --adapter none, lora, rslora, lora-plus, qlora, got pissa"
    ),
    ("--regularizer", "l2-sp", "--adapter", "lora", "--penalty-mode", "proximal"): (
        "--penalty-mode proximal: with --regularizer l2-sp expected --adapter none, got lora"
    ),
    ("--record-importance", "si", "--adapter", "lora"): "--record-importance si: expected --adapter none, got lora",
    ("--record-importance", "ewc", "--adapter", "dora"): (
        "--record-importance ewc: expected --adapter none, lora, rslora, lora-plus, got dora"
    ),
    ("--record-importance", "ewc", "--best", "--eval-data", "x"): "--record-importance: does not work with --best",
}


@pytest.mark.parametrize("flags", REFUSALS)
def test_what_does_not_go_together_is_told_before_anything_is_read(
    sft: Any, tiny: Path, rows_file: Path, here: Path, tmp_path: Path, flags: tuple[Any, ...]
) -> None:
    Path("x").touch()
    result = sft("train", rows_file, "--model", tiny, *QUICK, *flags, "-o", tmp_path / "run")
    assert (result.code, REFUSALS[flags] in result.err) == (2, True), result.err
    assert not (tmp_path / "run").exists()


def test_four_bit_weights_have_no_importance() -> None:
    for flags in ({"regularizer": ["ewc"]}, {"regularizer": ["si"]}, {"record_importance": "ewc"}):
        settings = TrainSettings(model="m", adapter="qlora", **flags)  # type: ignore[arg-type]
        with pytest.raises(UserError, match=r"expected --adapter none, lora, rslora, lora-plus, got qlora"):
            check_continual(settings)
    check_continual(TrainSettings(model="m", adapter="qlora", regularizer=["l2-sp"]))
