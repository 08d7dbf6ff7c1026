"""`sft compare --forgetting`, and the figures it is made of."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from sft_cli.report.comparison import Draws
from sft_cli.report.forgetting import matrix
from sft_cli.report.forgetting.matrix import p_of_swapped_prompts, p_of_swapped_seeds
from sft_cli.report.forgetting.sequence import picked
from sft_cli.report.intervals import resampled_interval

# Three tasks; the second got better after a task was learned, the first was forgotten and came back in part.
R = np.array([[0.1, 0.2, 0.3], [0.9, 0.3, 0.3], [0.2, 0.7, 0.5], [0.4, 0.8, 0.6]])
LEARNED = (0, 1, 2)


def test_figures_equal_their_formulas_by_hand() -> None:
    assert matrix.average(R, LEARNED) == pytest.approx((0.4 + 0.8 + 0.6) / 3)
    assert matrix.learning(R, LEARNED) == pytest.approx((0.9 + 0.7 + 0.6) / 3)
    assert matrix.newest(R, LEARNED) == 0.6
    assert matrix.backward_transfer(R, LEARNED) == pytest.approx(((0.4 - 0.9) + (0.8 - 0.7)) / 2)
    assert matrix.forgetting(R, LEARNED) == pytest.approx(((0.9 - 0.4) + (0.7 - 0.8)) / 2)  # the second is negative
    assert matrix.forward_transfer(R, LEARNED) == pytest.approx(((0.3 - 0.2) + (0.5 - 0.3)) / 2)
    assert matrix.below_base(R, [0, 2]) == pytest.approx(((0.1 - 0.4) + (0.3 - 0.6)) / 2)
    joint = np.array([0.95, 0.75, 0.5])
    assert matrix.intransigence(R, joint, LEARNED) == pytest.approx(((0.95 - 0.9) + (0.75 - 0.7) + (0.5 - 0.6)) / 3)


def test_figures_take_any_number_of_draws_and_seeds() -> None:
    many = np.broadcast_to(R, (5, 2, 4, 3))
    for formula in (
        matrix.average,
        matrix.learning,
        matrix.newest,
        matrix.backward_transfer,
        matrix.forgetting,
    ):
        assert np.allclose(formula(many, LEARNED), formula(R, LEARNED))
        assert formula(many, LEARNED).shape == (5, 2)


def test_the_best_stage_since_a_task_was_learned_counts_and_none_before_it() -> None:
    scores = np.array([[1.0, 1.0], [0.5, 0.9], [0.6, 0.2]])
    assert matrix.forgetting(scores, (0, 1)) == pytest.approx(0.5 - 0.6)  # not the base's 1.0
    later = np.array([[0.0, 0, 0], [0.5, 0, 0], [0.8, 0.4, 0], [0.1, 0.4, 0.2]])
    assert matrix.forgetting(later, (0, 1, 2)) == pytest.approx((0.8 - 0.1 + 0.0) / 2)


HASHES = {"prompt_hash": "00000000000000aa", "references_hash": "00000000000000bb"}


def scores(path: Path, shares: dict[str, list[int]], nats: dict[str, list[float]] | None = None) -> Path:
    """A score file: right (1) or wrong (0) by task, and the loss of ten tokens for rows of text."""
    rows = []
    for task, values in shares.items():
        for place, value in enumerate(values):
            stats = {"exact-match": {"correct": value, "count": 1}}
            head = {"id": f"{task}{place}", "task": task, **HASHES}
            rows.append({**head, "metrics": {"exact_match": value}, "stats": stats})
    for task, losses in (nats or {}).items():
        for place, loss in enumerate(losses):
            stats = {"perplexity:of=text": {"nats": loss, "tokens": 10, "count": 1}}  # type: ignore[dict-item]
            rows.append({"id": f"{task}{place}", "task": task, **HASHES, "metrics": {}, "stats": stats})
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.fixture
def stages(tmp_path: Path) -> list[Path]:
    """Two tasks of ten rows, one that was not trained, and text."""
    before = [1, 0, 0, 0, 0, 0, 0, 0, 0, 0]
    return [
        scores(tmp_path / "base.jsonl", {"A": before, "B": [0] * 10, "G": [1, 1, 0, 1]}, {"T": [20.0, 30.0]}),
        scores(tmp_path / "a.jsonl", {"A": [1] * 9 + [0], "B": [0] * 10, "G": [1, 1, 0, 0]}, {"T": [21.0, 31.0]}),
        scores(
            tmp_path / "b.jsonl", {"A": [1] * 3 + [0] * 7, "B": [1] * 8 + [0] * 2, "G": [0] * 4}, {"T": [22.0, 36.0]}
        ),
    ]


def test_golden(sft: Any, stages: list[Path]) -> None:
    command = ("compare", "--forgetting", *stages, "--learned", "A", "--learned", "B", "--general-text", "T")
    result = sft(*command)
    assert (result.code, result.err) == (0, "")
    assert result.out.startswith(
        "exact_match ↑       A       B       G\n"
        "base           0.1000  0.0000  0.7500\n"
        "after A        0.9000  0.0000  0.5000\n"
        "after B        0.3000  0.8000  0.0000\n"
        "rows               10      10       4\n"
        "\n"
        "                     value        95% interval  meaning\n"
        "average             0.5500    [0.3000, 0.7500]  mean score of"
    )
    assert "backward transfer  -0.6000  [-0.9000, -0.2000]  score now" in result.out
    assert "forgetting         +0.6000  [+0.2000, +0.9000]  best score since" in result.out
    assert "general change     -0.7500                   -  tasks that were not trained" in result.out
    assert "delta nll:T        +0.4000                   -  loss of general text" in result.out
    assert "interval -: all resamples are equal, or fewer than 5 prompts.\n" in result.out
    assert result.out.splitlines()[-1].startswith("settings of sft generate: not compared, no manifest for the answers")
    assert (
        "interval: expanded percentiles of 10,000 resamples of the rows; all stages use the same resamples.\n"
        in result.out
    )
    assert "below base         -0.2000  [-" in result.out
    document = json.loads(sft(*command, "--json").out)
    assert document["matrix"] == [[0.1, 0.0, 0.75], [0.9, 0.0, 0.5], [0.3, 0.8, 0.0]]
    assert document["figures"]["forgetting"]["value"] == pytest.approx(0.6)
    assert document["tasks"] == ["A", "B", "G"]
    assert "| forgetting | +0.6000 |" in sft(*command, "--markdown").out


def test_seeds_and_a_joint_run(sft: Any, stages: list[Path], tmp_path: Path) -> None:
    other = scores(tmp_path / "b2.jsonl", {"A": [1] * 9 + [0], "B": [1] * 10, "G": [0] * 4}, {"T": [22.0, 36.0]})
    joint = scores(tmp_path / "j.jsonl", {"A": [1] * 10, "B": [1] * 10, "G": [0] * 4}, {"T": [22.0, 36.0]})
    learned = ("--learned", "A", "--learned", "B", "--base-samples", "T", "--json")
    command = ("compare", "--forgetting", *stages[:2], f"{stages[2]},{other}", *learned, "--joint", joint)
    found = json.loads(sft(*command).out)
    assert found["seeds"] == 2
    assert found["figures"]["forgetting"]["seeds"] == pytest.approx([0.6, 0.0])
    assert found["figures"]["forgetting"]["value"] == pytest.approx(0.3)
    low, high = found["figures"]["forgetting"]["interval"]
    assert low <= 0.01  # the seed that forgot nothing may be drawn twice
    assert high >= 0.6
    assert found["figures"]["intransigence"]["value"] == pytest.approx(((1 - 0.9) + (1 - 0.9)) / 2)
    assert found["figures"]["kl_to_base:T"]["value"] == pytest.approx(0.4)


def test_a_report_is_current_only_while_every_file_is(sft: Any, stages: list[Path], tmp_path: Path) -> None:
    joint = tmp_path / "joint.jsonl"
    joint.write_text(stages[2].read_text())
    command = ["compare", "--forgetting", *stages[:2], f"{stages[2]},{stages[1]}", "--learned", "A", "--learned", "B"]
    command += ["--general-text", "T", "--joint", joint, "-o", tmp_path / "out", "--skip-if-current"]
    for changed in (None, stages[2], stages[1], joint):
        if changed is not None:
            changed.write_text(changed.read_text().replace('"correct": 1', '"correct": 0', 1))
        assert "is up to date" not in sft(*command).err
        assert "is up to date" in sft(*command).err


def test_rows_that_a_stage_lacks_are_left_out_everywhere_and_told(sft: Any, stages: list[Path]) -> None:
    lines = stages[1].read_text().splitlines(keepends=True)
    stages[1].write_text("".join(line for line in lines if '"A9"' not in line))
    learned = ("--learned", "A", "--learned", "B", "--general-text", "T")
    result = sft("compare", "--forgetting", *stages, *learned, "--json")
    assert "warning: A: 1 of 10 rows are not in every file and are left out\n" in result.err
    assert json.loads(result.out)["matrix"][1][0] == 1.0
    assert json.loads(result.out)["rows"]["A"] == 9


def test_a_metric_of_which_less_is_better_forgets_upwards(sft: Any, tmp_path: Path) -> None:
    def errors(name: str, of_a: float, of_b: float) -> Path:
        rows = [
            {
                "id": f"{task}{n}",
                "task": task,
                "metrics": {},
                "stats": {"ter": {"edits": edits, "reference_length": 10, "count": 1}},
            }
            for task, edits in (("A", of_a), ("B", of_b))
            for n in range(3)
        ]
        (tmp_path / name).write_text("".join(json.dumps(row) + "\n" for row in rows))
        return tmp_path / name

    files = (errors("0.jsonl", 9, 9), errors("1.jsonl", 1, 9), errors("2.jsonl", 6, 2))
    found = json.loads(sft("compare", "--forgetting", *files, "--learned", "A", "--learned", "B", "--json").out)
    assert not found["higher_is_better"]
    scale = found["matrix"][0][0] / 9  # per edit, whatever the metric's unit is
    assert found["figures"]["forgetting"]["value"] == pytest.approx(5 * scale)
    assert found["figures"]["backward_transfer"]["value"] == pytest.approx(-5 * scale)


def test_what_is_wrong_is_told(sft: Any, stages: list[Path], tmp_path: Path) -> None:
    def refusal(*words: Any) -> str:
        result = sft("compare", *words)
        assert (result.code, result.out) == (2, "")
        return str(result.err)

    both = ("--learned", "A", "--learned", "B")
    assert "--learned: has an effect only with --forgetting" in refusal(*stages, *both)
    assert "--joint: has an effect only with --forgetting" in refusal(*stages, "--joint", stages[0])
    few = refusal("--forgetting", *stages, "--learned", "A")
    assert (
        "--learned: expected one task for each file after the first, in order, and at least two; got 1 task and 3"
        in few
    )
    assert "--learned: expected each task once" in refusal("--forgetting", *stages, "--learned", "A", "--learned", "A")
    near = refusal("--forgetting", *stages, "--learned", "A", "--learned", "b")
    assert "--learned: no row has the task 'b'." in near
    assert "--fail-if-worse bleu: expected exact-match, the metric of --forgetting" in refusal(
        "--forgetting", *stages, *both, "--general-text", "T", "--fail-if-worse", "bleu"
    )
    assert "--metric: expected one with --forgetting, got 2" in refusal(
        "--forgetting", *stages, *both, "--metric", "a", "--metric", "b"
    )
    seeds = refusal("--forgetting", stages[0], f"{stages[1]},{stages[1]}", ",".join([str(stages[2])] * 3), *both)
    assert "expected 3 files, one for each seed, or one for all; got 2" in seeds
    nothing = scores(tmp_path / "n.jsonl", {"A": [1], "X": [1]})
    assert "B: no row is in all files\nhint: score the same rows" in refusal(
        "--forgetting", *stages[:2], nothing, *both
    )
    texts = refusal("--forgetting", *stages, *both, "--general-text", "G", "--base-samples", "T")
    assert "has no perplexity\nhint: sft generate --logprobs" in texts
    unlike = refusal("--forgetting", *stages, *both)
    assert (
        "--metric: the rows of the tasks have no metric in common\nhint: score all "
        "tasks with one metric; name tasks of raw" in unlike
    )
    bare = tmp_path / "bare.jsonl"
    bare.write_text('{"id": 1, "metrics": {}, "stats": {}}\n')
    assert f"{bare}:1: task: expected text, because" in refusal("--forgetting", *stages[:2], bare, *both)


def test_an_interval_covers_what_it_should() -> None:
    """95 % of intervals of the mean of 60 coins, of three stages that are one, hold the truth."""
    generator, held = np.random.default_rng(0), 0
    for trial in range(200):
        right = generator.random((1, 1, 60)) < 0.6
        sums = np.stack([right, np.ones_like(right)], -1).astype(float)
        task = matrix.StageSums("t", sums, lambda totals: totals[:, 0] / totals[:, 1])
        drawn = matrix.resampled_scores([task], 500, trial)[:, :, 0, 0]
        bounds = resampled_interval(picked(drawn, matrix.seed_draws(500, 1, trial)), 0.95, 60).bounds
        assert bounds is not None
        held += bounds[0] - 1e-9 <= 0.6 <= bounds[1] + 1e-9
    assert abs(held / 200 - 0.95) < 3 * math.sqrt(0.05 * 0.95 / 200) + 0.01


@st.composite
def matrices(draw: Any) -> Any:
    tasks = draw(st.integers(2, 5))
    size = (tasks + 1) * tasks
    numbers = draw(st.lists(st.integers(0, 20), min_size=size, max_size=size))
    return np.array(numbers).reshape(tasks + 1, tasks) / 20


@given(matrices(), st.integers(0, 4))
def test_forgetting_is_at_least_what_was_lost_since_the_task_was_learned(scores: Any, task: int) -> None:
    learned = range(scores.shape[1])
    lost = -matrix.backward_transfer(scores, learned)
    assert matrix.forgetting(scores, learned) >= lost - 1e-12
    if len(learned) == 2:  # between the first stage and the last there is none
        assert matrix.forgetting(scores, learned) == pytest.approx(lost)
    easier = scores.copy()
    easier[:, task % len(learned)] += 3  # how hard a task is plays no part
    for formula in (matrix.forgetting, matrix.backward_transfer, matrix.forward_transfer, matrix.below_base):
        assert formula(easier, learned) == pytest.approx(formula(scores, learned))


def drawn(path: Path, chances: dict[str, float], seed: int, rows: int = 150) -> Path:
    generator = np.random.default_rng(seed)
    return scores(
        path, {task: (generator.random(rows) < chance).astype(int).tolist() for task, chance in chances.items()}
    )


TWO = ("--learned", "A", "--learned", "B")


def test_the_interval_of_forgetting_is_that_of_a_paired_difference(sft: Any, tmp_path: Path) -> None:
    base = drawn(tmp_path / "base.jsonl", {"A": 0.1, "B": 0.1}, 0)
    one = drawn(tmp_path / "one.jsonl", {"A": 0.9, "B": 0.2}, 1)
    two = drawn(tmp_path / "two.jsonl", {"A": 0.6, "B": 0.9}, 2)
    found = json.loads(sft("compare", "--forgetting", base, one, two, *TWO, "--json").out)["figures"]["forgetting"]
    pairs = json.loads(sft("compare", one, two, "--json").out)["comparisons"]
    (pair,) = [each for each in pairs if each["group"] == "A"]
    low, high = pair["interval"]
    assert found["value"] == pytest.approx(-pair["difference"])
    assert found["interval"] == pytest.approx([-high, -low], abs=0.015)  # other draws of one distribution


def right(count: int) -> list[int]:
    return [1] * count + [0] * (10 - count)


def method(folder: Path, name: str, kept: list[int]) -> list[str]:
    """Two stages of a method, the seeds of each joined; `kept`: of ten rows of A, by seed, after B was learned."""
    first = [scores(folder / f"{name}.1.{n}.jsonl", {"A": right(9), "B": right(1)}) for n in range(len(kept))]
    second = [scores(folder / f"{name}.2.{n}.jsonl", {"A": right(a), "B": right(8)}) for n, a in enumerate(kept)]
    return [",".join(map(str, files)) for files in (first, second)]


def against(stages: list[Any]) -> list[Any]:
    return [word for stage in stages for word in ("--against", stage)]


def test_the_difference_to_another_method_is_paired_by_seed(sft: Any, tmp_path: Path) -> None:
    base = scores(tmp_path / "base.jsonl", {"A": right(1), "B": right(1)})
    old, new = [4, 2, 5, 3, 4, 1], [6, 5, 5, 7, 6, 2]
    naive, replay = method(tmp_path, "naive", old), method(tmp_path, "replay", new)
    command = ("compare", "--forgetting", base, *replay, *TWO, *against(naive))
    document = json.loads(sft(*command, "--json").out)
    found = document["figures"]["forgetting"]
    exact = stats.permutation_test(
        (new, old), lambda x, y: np.mean(x) - np.mean(y), permutation_type="samples", n_resamples=np.inf
    )
    assert found["p"] == pytest.approx(exact.pvalue)
    assert found["against"] == pytest.approx(0.9 - sum(old) / 60)
    assert found["difference"] == pytest.approx(sum(old) / 60 - sum(new) / 60)
    low, high = found["difference_interval"]
    assert low < found["difference"] < high <= 0
    alone = json.loads(sft("compare", "--forgetting", base, *replay, *TWO, "--json").out)
    same = ("value", "interval", "no_interval", "seeds")
    assert {"methods": [], **{key: found[key] for key in same}} == alone["figures"]["forgetting"]
    newest = document["figures"]["newest"]
    assert (newest["value"], newest["against"]) == pytest.approx((0.8, 0.8))
    assert document["figures"]["learning"]["p"] == 1.0  # both have learned the same
    assert document["against"][-1] == pytest.approx([sum(old) / 60, 0.8])
    assert document["files_against"] == [stage.split(",") for stage in naive]
    text = sft(*command).out
    assert "against: after B  0.3167  0.8000\n" in text
    assert "forgetting         +0.3833" in text
    assert "random swaps of the two runs of a seed" in text
    assert "; with 6 seeds p is at least 0.03125.\n" in text


def test_with_one_seed_prompts_are_swapped_as_compare_swaps_them(sft: Any, tmp_path: Path) -> None:
    base = scores(tmp_path / "base.jsonl", {"A": right(1), "B": [0] * 10}, {"T": [20.0, 30.0]})
    first = scores(tmp_path / "first.jsonl", {"A": right(9), "B": right(1)}, {"T": [21.0, 30.0]})
    one = scores(tmp_path / "one.jsonl", {"A": [1, 1, 1, 0, 0, 0, 1, 0, 1, 0], "B": right(8)}, {"T": [21.0, 31.0]})
    two = scores(tmp_path / "two.jsonl", {"A": [1, 0, 1, 1, 1, 1, 1, 1, 1, 1], "B": right(8)}, {"T": [22.0, 33.0]})
    joint = ("--joint", first)
    words = (*TWO, "--general-text", "T", *joint, *against([first, one]))
    document = json.loads(sft("compare", "--forgetting", base, first, two, *words, "--json").out)
    pairs = json.loads(sft("compare", one, two, "--json").out)["comparisons"]
    (pair,) = [each for each in pairs if each["group"] == "A"]
    found = document["figures"]
    assert pair["p"] == stats.binomtest(1, 6).pvalue  # 1 answer was lost, 5 were won
    assert found["forgetting"]["p"] == found["backward_transfer"]["p"] == found["average"]["p"] == pair["p"]
    assert found["forgetting"]["difference"] == pytest.approx(-pair["difference"])
    assert (found["learning"]["p"], found["learning"]["difference"]) == (1.0, 0.0)
    assert found["intransigence"]["p"] == 1.0
    assert found["delta_nll:T"]["difference"] == pytest.approx(3 / 20)
    assert found["delta_nll:T"]["p"] == 0.5  # two texts, both worse: 2 of the 4 swaps
    text = sft("compare", "--forgetting", base, first, two, *words, "--markdown").out
    assert "| against: after B | 0.5000 | 0.8000 |" in text
    assert "random swaps of the two answers to a prompt (in all stages at once)" in text


def test_a_method_does_not_differ_from_itself(sft: Any, tmp_path: Path) -> None:
    base = scores(tmp_path / "base.jsonl", {"A": right(1), "B": right(1)})
    for kept in ([4], [4, 2, 5]):
        stages = method(tmp_path, "naive", kept)
        document = json.loads(sft("compare", "--forgetting", base, *stages, *TWO, *against(stages), "--json").out)
        for found in document["figures"].values():
            assert (found["difference"], found["difference_interval"], found["p"]) == (0.0, None, 1.0)
            assert found["no_difference_interval"] == "all resamples are equal"  # which proves no equality


def test_p_values_are_uniform_where_methods_are_alike() -> None:
    generator, draws = np.random.default_rng(0), Draws(count=200, confidence=0.95, seed=0)
    formulas = {"average": lambda scores: matrix.average(scores, (0, 1)), "last": lambda scores: scores[..., -1, 1]}

    def side() -> list[matrix.StageSums]:
        right = generator.random((2, 1, 3, 30)) < 0.5
        sums = np.stack([right, np.ones_like(right)], -1).astype(float)
        return [matrix.StageSums("t", each, lambda totals: totals[:, 0] / totals[:, 1]) for each in sums]

    found = np.array([p_of_swapped_prompts(side(), side(), formulas, draws) for _ in range(150)])
    assert found.shape == (150, 2)
    assert (abs((found <= 0.2).mean(0) - 0.2) < 0.1).all()
    runs = generator.normal(size=(150, 2, 1, 7))
    by_seed = [p_of_swapped_seeds(list(ours), list(theirs), draws)[0] for ours, theirs in runs]
    assert abs((np.array(by_seed) <= 0.2).mean() - 0.2) < 0.1


def test_what_is_wrong_with_another_method_is_told(sft: Any, stages: list[Path], tmp_path: Path) -> None:
    def refusal(*words: Any) -> str:
        result = sft("compare", *words)
        assert (result.code, result.out) == (2, "")
        return str(result.err)

    both = ("--forgetting", *stages, *TWO, "--general-text", "T")
    assert "--against: has an effect only with --forgetting" in refusal(*stages, "--against", stages[1])
    assert "base, 2 times for each other method; got 1\nhint: join the seeds" in refusal(*both, "--against", stages[1])
    many = refusal(*both, *against([stages[1], f"{stages[2]},{stages[2]}"]))
    assert f"--against {stages[2]},{stages[2]}: expected 1 file, one for each seed of the first method; got 2" in many
    assert "--general-text: no row has the task 'X'. Known: A, B, G, T" in refusal(*both, "--general-text", "X")
    assert "--base-samples: no row has the task 'X'." in refusal(*both, "--base-samples", "X")


def test_texts_that_were_measured_differently_are_refused(sft: Any, stages: list[Path]) -> None:
    for path, signature in zip(stages, ("window:512", "window:512", "window:256"), strict=True):
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        for row in rows:
            if "perplexity:of=text" in row["stats"]:
                row["signatures"] = {"perplexity:of=text": f"perplexity|{signature}|v:0.1.0"}
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    result = sft("compare", "--forgetting", *stages, *TWO, "--general-text", "T")
    assert result.code == 2
    assert "perplexity:of=text: cannot compare scores with different options" in result.err


def test_several_metrics_ask_for_one(sft: Any, stages: list[Path]) -> None:
    for path in stages:
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        for row in rows:
            row["stats"]["token-f1"] = {"f": 0.5, "precision": 0.5, "recall": 0.5, "count": 1}
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    command = ("compare", "--forgetting", *stages, *TWO, "--general-text", "T")
    result = sft(*command)
    assert (result.code, result.out) == (2, "")
    assert "--metric: expected one of exact-match, token-f1, which all rows have\n" in result.err
    assert sft(*command, "--metric", "exact-match").out.startswith("exact_match ↑")


def test_texts_too_long_for_a_model_are_left_out_and_told(sft: Any, stages: list[Path]) -> None:
    for path, count in zip(stages, (0, 1, 1), strict=True):
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        if not count:  # what sft score writes of a reference that is longer than the model's window
            rows[-1]["stats"] = {"perplexity:of=text": {"count": 0, "too_long": 1}}
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    command = ("compare", "--forgetting", *stages, *TWO, "--general-text", "T", "--json")
    result = sft(*command)
    assert "warning: T: 1 of 2 rows are too long for a model and are left out\n" in result.err
    assert json.loads(result.out)["figures"]["delta_nll:T"]["value"] == pytest.approx(0.2)
    text = stages[1].read_text().replace('"nats": 21.0, "tokens": 10, "count": 1', '"count": 0, "too_long": 1')
    stages[1].write_text(text)
    result = sft(*command)
    assert (result.code, result.out) == (2, "")
    assert "T: no row is short enough for all models\nhint: --echo-logprobs reads long texts in windows\n" in result.err


def test_a_gate_looks_at_each_task_after_the_last_stage(sft: Any, tmp_path: Path) -> None:
    base = scores(tmp_path / "base.jsonl", {"A": right(8), "B": right(1), "G": right(9)})
    one = scores(tmp_path / "one.jsonl", {"A": right(10), "B": right(1), "G": right(9)})
    good = scores(tmp_path / "good.jsonl", {"A": right(10), "B": right(8), "G": right(8)})
    bad = scores(tmp_path / "bad.jsonl", {"A": right(10), "B": right(8), "G": right(0)})
    gate = ("--fail-if-worse", "exact-match")
    passed = sft("compare", "--forgetting", base, one, good, *TWO, *gate)
    assert passed.code == 0
    assert (
        "sft compare: PASS: exact_match is not significantly worse in 3 tests (A, B, G); not excluded: a drop of up "
        "to 0.4000 in G (95% interval, n 10)" in passed.err
    )
    failed = sft("compare", "--forgetting", base, one, bad, *TWO, *gate, "--json")
    assert failed.code == 1
    assert "FAIL: exact_match: the last stage is worse than the base by 0.9000 in G (interval [" in failed.err
    found = json.loads(failed.out)["gate"]
    assert [(test["group"], test["verdict"]) for test in found["tests"]] == [
        ("A", "pass"),
        ("B", "pass"),
        ("G", "fail"),
    ]
    other = sft("compare", "--forgetting", base, one, good, *TWO, "--fail-if-worse", "exact_match:0.05")
    assert "is worse than the base by 0.1000 in G (more than 0.05)" in other.err
    method = sft("compare", "--forgetting", base, one, bad, *TWO, *gate, *against([one, good]))
    assert "the last stage is worse than the other method by 0.8000 in G" in method.err
    assert "in B" not in method.err


def test_a_gate_counts_all_seeds_and_missing_rows_fail_it(sft: Any, tmp_path: Path) -> None:
    base = scores(tmp_path / "base.jsonl", {"A": right(9), "B": right(1)})
    one = scores(tmp_path / "one.jsonl", {"A": right(9), "B": right(1)})
    two = ",".join(str(scores(tmp_path / f"{n}.jsonl", {"A": right(n), "B": right(8)})) for n in (0, 1))
    gate = ("--fail-if-worse", "exact-match")
    failed = sft("compare", "--forgetting", base, one, two, *TWO, *gate)
    assert "FAIL: exact_match: the last stage is worse than the base by 0.8500 in A (interval [" in failed.err
    less = scores(tmp_path / "less.jsonl", {"A": right(9)[:9], "B": right(8)})
    failed = sft("compare", "--forgetting", base, one, less, *TWO, *gate)
    assert (failed.code, f"FAIL: 1 of 20 rows of {base}, 1 of 20 rows of {one} are not in" in failed.err) == (1, True)
    assert sft("compare", "--forgetting", base, one, less, *TWO, *gate, "--allow-missing").code == 0


def test_many_methods_stand_in_one_table_with_holm_over_them(sft: Any, tmp_path: Path) -> None:
    def method(name: str, *stages: dict[str, list[int]]) -> list[Path]:
        return [scores(tmp_path / f"{name}.{place}.jsonl", stage) for place, stage in enumerate(stages, 1)]

    base = scores(tmp_path / "base.jsonl", {"A": right(1), "B": right(1)})
    replay = method("replay", {"A": right(9), "B": right(1)}, {"A": right(8), "B": right(9)})
    naive = method("naive", {"A": right(9), "B": right(1)}, {"A": right(0), "B": right(9)})
    frozen = method("frozen", {"A": right(1), "B": right(1)}, {"A": right(1), "B": right(1)})
    command = ("compare", "--forgetting", base, *replay, *TWO, *against(naive), *against(frozen))
    result = sft(*command)
    assert result.code == 0, result.err
    assert "forgetting: best score since a task was learned" in result.out
    lost = result.out[result.out.index("forgetting: best") :].splitlines()[1:4]
    assert [line.split()[:2] for line in lost] == [
        ["replay.2", "+0.1000"],
        ["naive.2", "+0.9000"],
        ["frozen.2", "+0.0000"],
    ]
    assert (
        "frozen.2: forgetting +0.0000 does not count here, because this method learned nothing (learning gain "
        "+0.0000 -).\n" in result.out
    )
    found = json.loads(sft(*command, "--json").out)
    methods = found["figures"]["forgetting"]["methods"]
    assert found["methods"] == ["replay.2", "naive.2", "frozen.2"]
    assert methods[0]["p_holm"] == pytest.approx(2 * methods[0]["p"])
    assert found["figures"]["forgetting"]["difference"] == methods[0]["difference"] == pytest.approx(-0.8)
    uneven = sft("compare", "--forgetting", base, *replay, *TWO, *against(naive), "--against", frozen[0])
    assert (
        "--against: expected it once for each stage after the base, 2 times for each other method; got 3" in uneven.err
    )
