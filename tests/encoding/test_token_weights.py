"""Weights of single tokens: which tokens a rule holds for, how rules combine, and what a bad file is told."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_rows import chat
from tiny_models import make_tokenizer
from training_files import step_lines

from sft_cli.encoding.encoder import Encoder
from sft_cli.encoding.token_rules import Rule, read_rules
from sft_cli.encoding.token_weights import TokenWeights
from sft_cli.run.errors import UserError

TOKENIZER = make_tokenizer()
ENCODER = Encoder(TOKENIZER)
ROOT = Path(__file__).parent.parent.parent


def weighed(row: dict[str, Any], *rules: Rule) -> list[tuple[str, float]]:
    """(token as text, weight) of the row's targets."""
    before = ENCODER.example(row)
    after = TokenWeights(list(rules), TOKENIZER, ENCODER.stop_ids).apply(before)
    assert np.array_equal(after.ids, before.ids)
    assert not after.weights[before.weights == 0].any()
    at = np.flatnonzero(before.weights)
    return [(TOKENIZER.decode([before.ids[i]]), float(after.weights[i])) for i in at]


def hit(row: dict[str, Any], **condition: Any) -> str:
    """The text of the targets that a rule holds for."""
    if "regex" in condition:
        condition = {"pattern": re.compile(condition["regex"])}
    before = ENCODER.example(row)
    after = TokenWeights([Rule(8.0, **condition)], TOKENIZER, ENCODER.stop_ids).apply(before)
    changed = after.weights != before.weights
    assert np.array_equal(after.weights[changed], 8 * before.weights[changed])
    return str(TOKENIZER.decode(before.ids[changed]))


def test_each_condition_holds_for_its_tokens() -> None:
    row = chat("yen 1 {x}", "It is 12 yen.", "x", "The yen, 7.")
    assert hit(row, regex=r"\d+") == "127"
    assert hit(row, special=True) == "<|im_end|><|im_end|>"
    assert hit(row, regex="yen") == " yen yen"
    assert hit(row, last=1) == "<|im_end|>"
    assert hit(row, first=100) == "It is 12 yen.<|im_end|>The yen, 7.<|im_end|>"
    assert hit(row, last=100) == hit(row, first=100)
    assert hit(row, tokens=(TOKENIZER(" yen").input_ids[0],)) == " yen yen"
    assert hit(row, regex="not there") == ""


def test_a_token_counts_if_its_characters_overlap_a_match() -> None:
    assert hit(chat("a", "The yen."), regex="y") == " yen"  # one token
    assert hit(chat("a", "The yen."), regex=r" (?=yen)") == " yen"
    assert hit(chat("a", "The yen."), regex="x*") == ""  # empty matches overlap nothing
    row = chat("a", "x 🙂 y")
    bytes_of_it = [weight for token, weight in weighed(row, Rule(3.0, re.compile("🙂"))) if "\ufffd" in token]
    assert bytes_of_it == [3.0] * 4  # four tokens, each one byte of the character


def test_a_run_that_ends_inside_a_character_still_has_text() -> None:
    example = ENCODER.example(chat("a", "x🙂"))
    example.weights[-3:] = 0  # ids end with the emoji's four bytes, the stop token and a line break
    after = TokenWeights([Rule(2.0, re.compile("\ufffd"))], TOKENIZER, ENCODER.stop_ids).apply(example)
    assert after.weights[-7:].tolist() == [1.0, 2.0, 2.0, 2.0, 0.0, 0.0, 0.0]


def test_the_text_is_that_of_one_turn_without_special_tokens() -> None:
    row = chat("a", "The yen.", "im_end", "The dog.")
    assert hit(row, regex="im_end|user|assistant") == ""
    assert hit(row, regex=r"(?s)\..+The") == ""  # no match runs over two turns
    assert hit(row, regex=r"^The") == "TheThe"
    assert hit(row, regex=r"\.$") == ".."


def test_rules_and_weights_of_row_and_turn_multiply_in_any_order() -> None:
    row = chat("a", "12 yen", "b", "7", weight=0.5)
    row["messages"][1]["weight"] = 3.0
    rules = [Rule(2.0, re.compile(r"\d")), Rule(0.25, last=2), Rule(10.0, special=True), Rule(0.5, re.compile("2"))]
    expected = [("1", 3.0), ("2", 1.5), (" yen", 1.5), ("<|im_end|>", 15.0), ("7", 0.25), ("<|im_end|>", 1.25)]
    assert weighed(row, *rules) == expected
    assert weighed(row, *reversed(rules)) == expected


def test_without_rules_nothing_changes() -> None:
    example = ENCODER.example(chat("a", "b"))
    assert TokenWeights.read(None, ENCODER).apply(example) is example


def test_has_stop_tells_whether_a_turn_that_is_left_still_learns_to_stop() -> None:
    row = chat("a", "The yen.", "b", "The dog.")

    def has_stop(*rules: Rule) -> bool:
        return TokenWeights(list(rules), TOKENIZER, ENCODER.stop_ids).apply(ENCODER.example(row)).has_stop

    assert has_stop(Rule(0.5, special=True))
    assert not has_stop(Rule(0.0, special=True))
    assert not has_stop(Rule(0.0, last=1))
    assert not has_stop(Rule(0.0, tokens=ENCODER.stop_ids))
    count = ENCODER.example(row).target_count
    assert has_stop(Rule(0.0, first=count // 2))  # the first turn is gone, and its stop token with it
    assert not has_stop(Rule(0.0, first=count // 2), Rule(0.0, last=1))
    text = ENCODER.example({"id": "t", "text": "The yen."})
    assert TokenWeights([Rule(0.0, last=1)], TOKENIZER, ENCODER.stop_ids).apply(text).is_text


def test_how_often_each_rule_held_is_counted() -> None:
    weights = TokenWeights([Rule(0.5, re.compile(r"\d")), Rule(2.0, special=True)], TOKENIZER, ENCODER.stop_ids)
    weights.apply(ENCODER.example(chat("a", "12 and 3")))
    weights.apply(ENCODER.example(chat("a", "no")))
    assert weights.counts == {"target tokens with weight 0.5 by rule 1": 3, "target tokens with weight 2 by rule 2": 2}


pieces = st.lists(st.sampled_from(["The yen", " ", "12", "日元", "🙂", "é", "<|im_end|>", "\n", "x"]), max_size=12)


@settings(max_examples=80, deadline=None)
@given(pieces.map("".join), st.sampled_from([r"\d+", "元", "e", r"\s", "🙂|x", "日.", "(?s)."]))
def test_a_regex_finds_what_it_finds_in_the_answer(answer: str, pattern: str) -> None:
    """The characters of the tokens that a rule holds for cover every match, and every such token touches one."""
    row = chat("a", answer)
    example = ENCODER.example(row)
    weights = TokenWeights([Rule(2.0, re.compile(pattern))], TOKENIZER, ENCODER.stop_ids)
    parts = list(weights._texts(example.ids, np.flatnonzero(example.weights)))
    text = "".join(part.text for part in parts)
    assert text == answer  # a special token's name in a message is plain text
    found = {i for m in re.finditer(pattern, answer) for i in range(*m.span())}
    after = weights.apply(example).weights
    covered = set()
    for part in parts:
        for position, (start, end) in zip(part.positions, part.spans, strict=True):
            assert (after[position] == 2.0) == bool(found & set(range(start, end)))
            covered |= set(range(start, end)) if after[position] == 2.0 else set()
    assert found <= covered


def rules_of(tmp_path: Path, text: str) -> list[Rule]:
    path = tmp_path / "w.toml"
    path.write_text(text, encoding="utf-8")
    return read_rules(str(path), TOKENIZER)


def test_tokens_are_given_as_text_as_spelled_or_by_id(tmp_path: Path) -> None:
    (rule,) = rules_of(tmp_path, '[[rule]]\nweight = 2\ntokens = ["<|im_end|>", " yen", "Ġyen", "\\n", 7]\n')
    yen = TOKENIZER(" yen").input_ids[0]
    assert rule == Rule(2.0, tokens=(TOKENIZER.eos_token_id, yen, yen, TOKENIZER("\n").input_ids[0], 7))


BAD = {
    "rules = 1": "rules: unknown key. Did you mean 'rule'? Known: rule",
    "": "rule: expected at least one [[rule]], got none",
    "rule = []": "rule: expected at least one [[rule]], got none",
    "[rule]\nweight = 1": 'rule: expected at least one [[rule]], got {"weight": 1}',
    "[[rule]]\nweigth = 1\ndigits = true": "rule 1: weigth: unknown key. Did you mean 'weight'? Known: weight, regex, ",
    "[[rule]]\nweight = 1\ndigits = true\n[[rule]]\nregx = 'a'": "rule 2: regx: unknown key. Did you mean 'regex'?",
    "[[rule]]\ndigits = true": "rule 1: weight: expected a number of at least 0, got none",
    "[[rule]]\nweight = -1\ndigits = true": "rule 1: weight: expected a number of at least 0, got -1",
    "[[rule]]\nweight = inf\ndigits = true": "rule 1: weight: expected a number of at least 0, got Infinity",
    "[[rule]]\nweight = nan\ndigits = true": "rule 1: weight: expected a number of at least 0, got NaN",
    "[[rule]]\nweight = true\ndigits = true": "rule 1: weight: expected a number of at least 0, got true",
    "[[rule]]\nweight = '2'\ndigits = true": 'rule 1: weight: expected a number of at least 0, got "2"',
    "[[rule]]\nweight = 1": "rule 1: expected one of regex, digits, special, first, last, tokens, got none",
    "[[rule]]\nweight = 1\nlast = 2\nregex = 'a'": "tokens, got last and regex\nhint: write one rule for each",
    "[[rule]]\nweight = 1\nregex = '('": 'rule 1: regex: expected a regular expression, got "(": missing )',
    "[[rule]]\nweight = 1\nregex = 3": "rule 1: regex: expected a regular expression, got 3",
    "[[rule]]\nweight = 1\nregex = ''": 'rule 1: regex: expected a regular expression, got ""',
    "[[rule]]\nweight = 1\ndigits = false": "rule 1: digits: expected true, got false",
    "[[rule]]\nweight = 1\nspecial = 1": "rule 1: special: expected true, got 1",
    "[[rule]]\nweight = 1\nlast = 0": "rule 1: last: expected a whole number of at least 1, got 0",
    "[[rule]]\nweight = 1\nfirst = true": "rule 1: first: expected a whole number of at least 1, got true",
    "[[rule]]\nweight = 1\nlast = 1.5": "rule 1: last: expected a whole number of at least 1, got 1.5",
    "[[rule]]\nweight = 1\ntokens = 'a'": 'tokens: expected a list of tokens or ids, such as ["yes", 17], got "a"',
    "[[rule]]\nweight = "
    "1\ntokens = []": 'rule 1: tokens: expected a list of tokens or ids, such as ["yes", 17], got []',
    "[[rule]]\nweight = 1\ntokens = [1.5]": "rule 1: tokens: expected a token or an id, got 1.5",
    "[[rule]]\nweight = 1\ntokens = [true]": "rule 1: tokens: expected a token or an id, got true",
    "[[rule]]\nweight = 1\ntokens = ['']": 'rule 1: tokens: expected a token or an id, got ""',
    "[[rule]]\nweight = 1\ntokens = [100000]": f"tokens: expected a token id below {len(TOKENIZER)}, got 100000",
    "[[rule]]\nweight = 1\ntokens = ['The yen']": 'one token, got "The yen", which is 2 tokens: "The", "Ġyen"\nhint: ',
    "[[rule]": "not TOML: ",
}


@pytest.mark.parametrize("text", BAD)
def test_a_bad_file_is_told_where_and_what(tmp_path: Path, text: str) -> None:
    with pytest.raises(UserError) as caught:
        rules_of(tmp_path, text)
    message = str(caught.value)
    assert message.startswith(f"{tmp_path / 'w.toml'}: ")
    assert BAD[text] in message
    assert message.count("\n") == ("hint: " in message)


def test_the_example_of_the_manual_does_what_its_comments_say() -> None:
    weights = TokenWeights.read(str(ROOT / "docs/examples/token-weights.toml"), ENCODER)
    example = ENCODER.example(chat("a", "Sure, 12\nyen is it."))
    found = [
        (TOKENIZER.decode([i]), float(w)) for i, w in zip(example.ids, weights.apply(example).weights, strict=True)
    ]
    targets = [pair for pair, weight in zip(found, example.weights, strict=True) if weight]
    opening = [weight for token, weight in targets if token.strip() in ("S", "u", "r", "e", ",", "re", "ur", "Su")]
    assert opening
    assert set(opening) == {0.0}
    assert [weight for token, weight in targets if token in ("1", "2")] == [3.0, 3.0]
    assert [weight for token, weight in targets if token == "\n"] == [0.25]
    assert targets[-1] == ("<|im_end|>", 2.0)
    plain = ENCODER.example(chat("a", "yen is it and so on."))
    assert weights.apply(plain).weights[plain.weights > 0].tolist()[:4] == [1.5, 1.5, 1.5, 1.0]


@pytest.mark.slow
def test_the_command_weighs_training_rows_and_leaves_the_held_out_ones(
    sft: Any, tiny: Path, rows_file: Path, tmp_path: Path
) -> None:
    """One step at a rate of all but 0: the logged loss is Σw·nll/Σw, the held-out loss the plain mean."""
    rules = tmp_path / "w.toml"
    rules.write_text("[[rule]]\nspecial = true\nweight = 0.5\n[[rule]]\nregex = 'yen'\nweight = 4\n")
    steps = ("--batch-size", 8, "--learning-rate", 1e-12, "--dtype", "float32", "--eval-data", rows_file)

    def losses(name: str, *flags: Any) -> dict[str, float]:
        result = sft("train", rows_file, "--model", tiny, "-o", tmp_path / name, *steps, *flags)
        assert result.code == 0, result.err
        if flags:
            assert "9  target tokens with weight 0.5 by rule 1" in result.err
            assert "2  target tokens with weight 4 by rule 2" in result.err
        return step_lines(tmp_path / name)[0]

    plain, ours = losses("plain"), losses("rules", "--token-weights", rules)
    assert ours["eval_loss"] == plain["eval_loss"]
    total = weight = 0.0
    for line in rows_file.read_text(encoding="utf-8").splitlines():
        example = ENCODER.example(json.loads(line))
        example = TokenWeights(read_rules(str(rules), TOKENIZER), TOKENIZER, ENCODER.stop_ids).apply(example)
        total += nll(tiny, example.ids) @ example.weights[1:].astype(np.float64)
        weight += float(example.weights.sum())
    assert ours["loss"] == pytest.approx(total / weight, rel=1e-5)
    assert ours["loss"] != pytest.approx(plain["loss"], rel=1e-3)
    fingerprints = [json.loads((tmp_path / name / "manifest.json").read_text())["fingerprint"] for name in ("rules",)]
    rules.write_text(rules.read_text() + "# another comment\n")
    command = ("train", rows_file, "--model", tiny, "-o", tmp_path / "rules", *steps, "--token-weights", rules)
    assert sft(*command, "--skip-if-current").code == 0  # its content enters the fingerprint: it is made again
    assert json.loads((tmp_path / "rules" / "manifest.json").read_text())["fingerprint"] not in fingerprints


def nll(model: Path, ids: np.ndarray) -> np.ndarray:
    import torch

    from sft_cli.model.load import load_model

    row = torch.from_numpy(ids.astype(np.int64))[None]
    with torch.no_grad():
        logits = load_model(str(model))(input_ids=row).logits[0, :-1].double()
    return torch.nn.functional.cross_entropy(logits, row[0, 1:], reduction="none").numpy()


def test_rules_that_leave_nothing_or_no_stop_are_errors(sft: Any, tiny: Path, tmp_path: Path) -> None:
    rules, data = tmp_path / "w.toml", tmp_path / "d.jsonl"
    data.write_text(json.dumps(chat("a", "The yen.")) + "\n" + json.dumps(chat("a", "12")) + "\n")
    command = ("train", data, "--model", tiny, "-o", tmp_path / "run", "--token-weights", rules)
    rules.write_text("[[rule]]\nregex = 'yen|[ .]|The'\nweight = 0\n[[rule]]\nspecial = true\nweight = 0")
    result = sft(*command)
    assert (result.code, f"{data}:1: messages: expected at least one target token, got none" in result.err) == (2, True)
    rules.write_text("[[rule]]\nspecial = true\nweight = 0")
    result = sft(*command)
    assert result.code == 2
    assert "the stop token (<|im_end|>) is never a target" in result.err
    assert "perhaps a rule of --token-weights sets its weight to 0" in result.err
    rules.write_text("[[rule]]\nspecial = true\nweigth = 0")
    assert f"{rules}: rule 1: weigth: unknown key. Did you mean 'weight'?" in sft(*command).err
    missing = sft(*command[:-1], tmp_path / "no.toml")
    assert (missing.code, "no.toml: cannot read: No such file" in missing.err) == (2, True)
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_the_token_cache_knows_rules_by_their_content(
    sft: Any, tiny: Path, rows_file: Path, tmp_path: Path, monkeypatch: Any
) -> None:
    from sft_cli.training.rows import token_cache

    monkeypatch.setattr(token_cache, "SMALL", 0)
    monkeypatch.setenv("SFT_CACHE", str(tmp_path / "cache"))
    rules = tmp_path / "w.toml"
    losses = []
    for number, (weight, is_read) in enumerate([(4, False), (4, True), (9, False), (4, True)]):
        rules.write_text(f"[[rule]]\nregex = 'yen'\nweight = {weight}\n")
        out = tmp_path / f"run{number}"
        result = sft("train", rows_file, "--model", tiny, "-o", out, "--token-weights", rules, "--max-steps", 1)
        assert (result.code, "read from the token cache" in result.err) == (0, is_read)
        assert f"2  target tokens with weight {weight} by rule 1" in result.err
        losses.append(json.loads((out / "metrics.jsonl").read_text())["loss"])
    assert losses[0] == losses[1] == losses[3] != losses[2]
