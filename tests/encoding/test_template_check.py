"""What --check-template says of templates like the well-known ones, and of broken ones."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import example_templates
import pytest
from example_templates import CHATML_WITH_BLOCKS, LLAMA, tokenizer_for
from run_command import run_command
from small_rows import chat
from tiny_models import CHATML, make_model, make_tokenizer

from sft_cli.encoding.encoder import Encoder
from sft_cli.encoding.template_check import TemplateCheck, default_system

THOUGHTS = ("What?", "<think>hm</think>The yen.", "And?", "<think>so</think>Quick.")


def with_system(row: dict[str, Any]) -> dict[str, Any]:
    return {**row, "messages": [{"role": "system", "content": "Be brief."}, *row["messages"]]}


ROWS = [
    chat("What is it?", "The yen.", "And?", "Quick."),
    chat("日本的货币是什么？", "日元。"),
    with_system(chat("a", "b")),
    chat(*THOUGHTS),
]


def report(tokenizer: Any, rows: list[dict[str, Any]] = ROWS, targets: str = "all") -> str:
    check = TemplateCheck(Encoder(tokenizer), targets)
    for number, row in enumerate(rows, 1):
        check.add(f"r.jsonl:{number}", row)
    return "".join(f"{finding}\n" for finding in check.findings())


FINE = """\
ok    rows       the template accepts every row
ok    prompt     every training text begins with the prompt that `sft generate` builds
ok    stop       every target turn ends with a stop token ({stop}) that is learned
"""
ALIKE = "ok    drift      the text of target turns does not change if more turns follow\n"
DRIFT = (
    "WRONG drift      1 of 4 rows have a target turn whose text changes if more turns follow (--targets last "
    "learns only the last turn): r.jsonl:4: messages[1]: the text of this turn, if it is the last one, has "
    '"<think>hm</think>The yen" where the training text has "The yen.<|im_end|>\\n<|im_"\n'
)
ADDED = (
    "ok    begin      no row begins with {begin} twice\n"
    "note  begin      the template writes {begin}, and the tokenizer adds it again: tokenise the "
    "rendered chat without adding special tokens (as sft does)\n"
)
CHATML_BEGIN = "ok    begin      no row begins with <|im_start|> twice\n"

GOLDEN = {
    "chatml_with_blocks": FINE.format(stop="<|im_end|>")
    + ALIKE
    + CHATML_BEGIN
    + "ok    blocks     {% generation %} marks the same targets in 4 rows\n"
    + 'note  system     3 rows without a system turn get the template\'s own: "You are kind."\n',
    "llama": FINE.format(stop="<|eot_id|>") + ALIKE + ADDED.format(begin="<|begin_of_text|>"),
    "thinking": FINE.format(stop="<|im_end|>") + DRIFT + CHATML_BEGIN,
    "opening": """\
ok    rows       the template accepts every row
WRONG prompt     4 of 4 rows have a training text that does not begin with the prompt of `sft generate`: \
r.jsonl:1: messages[1]: the prompt has "<think>\\n" where the training text has "The yen.<|im_end|>\\n<|im_"; \
r.jsonl:2: messages[1]: the prompt has "<think>\\n" where the training text has "日元。<|im_end|>\\n"; \
r.jsonl:3: messages[2]: the prompt has "<think>\\n" where the training text has "b<|im_end|>\\n"; … and 1 more
ok    stop       every target turn ends with a stop token (<|im_end|>) that is learned
"""
    + ALIKE
    + CHATML_BEGIN,
    "gemma": FINE.format(stop="<end_of_turn>").replace(
        "ok    rows       the template accepts every row",
        "WRONG rows       1 of 4 rows are refused: r.jsonl:3: messages: the chat template refuses this row: System "
        "role not supported",
    )
    + ALIKE
    + ADDED.format(begin="<bos>"),
    "mistral": FINE.format(stop="</s>") + ALIKE + ADDED.format(begin="<s>"),
}


@pytest.mark.parametrize("name", GOLDEN)
def test_well_known_kinds_of_templates_get_this_report(name: str) -> None:
    assert report(getattr(example_templates, name)()) == GOLDEN[name]


def test_with_the_last_turn_alone_as_target_there_is_no_drift() -> None:
    assert report(example_templates.thinking(), targets="last") == GOLDEN["thinking"].replace(DRIFT, ALIKE)


def test_a_turn_of_weight_0_cannot_drift() -> None:
    row = chat(*THOUGHTS)
    row["messages"][1]["weight"] = 0
    assert ALIKE in report(example_templates.thinking(), [row])


def problem(tokenizer: Any, check: str, rows: list[dict[str, Any]] = ROWS) -> str:
    (line,) = [line for line in report(tokenizer, rows).splitlines() if line.split()[1] == check]
    return line


def test_two_begin_tokens_are_wrong_and_none_at_all_is_noted() -> None:
    more = ("<|begin_of_text|>", "<|eot_id|>", ("<|start_header_id|>", "<|end_header_id|>"))
    double = tokenizer_for("{{- bos_token -}}" + LLAMA, *more)
    assert problem(double, "begin") == (
        "WRONG begin      4 of 4 rows begin with <|begin_of_text|> twice: r.jsonl:1; r.jsonl:2; r.jsonl:3; … and 1 more"
    )
    none = report(tokenizer_for(LLAMA.replace("{{- bos_token -}}", ""), *more))
    assert "note  begin      the tokenizer begins plain text with <|begin_of_text|>, the template does not\n" in none


def test_a_turn_without_a_learned_stop_token_is_wrong() -> None:
    stopless = make_tokenizer(CHATML.replace("+ '<|im_end|>' + '\n'", "+ '\n'"))
    assert problem(stopless, "stop", ROWS[1:2]) == (
        "WRONG stop       1 of 1 row have a target turn that does not end with a learned stop token (<|im_end|>): "
        "r.jsonl:1"
    )


def test_a_stop_token_after_the_last_turn_alone_is_drift() -> None:
    only_last = "{% for m in messages %}{{ m.role + ': ' + m.content }}{% if loop.last and m.role == 'assistant' %}"
    only_last += "{{ eos_token }}{% endif %}{{ '\n' }}{% endfor %}{% if add_generation_prompt %}assistant: {% endif %}"
    line = problem(make_tokenizer(only_last), "drift", ROWS[:1])
    assert line.startswith("WRONG drift      1 of 1 row")
    shown = '"<|im_end|>" where the training text has "\\nuser: And?\\nassistant'
    assert f"the text of this turn, if it is the last one, has {shown}" in line


def test_generation_blocks_that_mark_other_tokens_are_wrong_and_named() -> None:
    wider = CHATML_WITH_BLOCKS.replace(
        "{%- generation -%}{{- m.content", "{%- generation -%}{{- '\n' + m.content"
    ).replace("'<|im_start|>' + m.role + '\n' -}}", "'<|im_start|>' + m.role + ('' if m.role[0] == 'a' else '\n') -}}")
    assert problem(tokenizer_for(wider), "blocks", [ROWS[1]]).startswith(
        "note  blocks     1 of 1 row differ from {% gen"
    )
    shorter = CHATML_WITH_BLOCKS.replace(
        "m.content + '<|im_end|>' -}}{%- endgeneration -%}{{- '\n'",
        "m.content -}}{%- endgeneration -%}{{- '<|im_end|>\n'",
    )
    at = len(Encoder(tokenizer_for(shorter)).example(ROWS[1]).ids) - 2  # the last but one: a line end follows
    assert problem(tokenizer_for(shorter), "blocks", [ROWS[1]]) == (
        "WRONG blocks     1 of 1 row where sft learns other tokens than {% generation %} marks: r.jsonl:1: tokens "
        "that sft learns, but {% generation %} does not mark: 1 token "
        f'"<|im_end|>" (at {at})'
    )


def test_generation_blocks_are_compared_with_the_turns_not_with_their_weights() -> None:
    row = chat("a", "b", "c", "d", weight=0.5)
    row["messages"][1]["weight"] = 0
    assert problem(example_templates.chatml_with_blocks(), "blocks", [row]).startswith("ok")
    forged = [chat("say <|im_end|>", "ok"), row]  # transformers would take the text for the token
    assert problem(example_templates.chatml_with_blocks(), "blocks", forged).endswith("the same targets in 1 row")


@pytest.mark.parametrize(
    ("make", "default"),
    [
        (example_templates.chatml_with_blocks, "You are kind."),
        (example_templates.llama, ""),
        (example_templates.gemma, ""),
        (example_templates.mistral, ""),
    ],
)
def test_a_default_system_turn_is_found(make: Callable[[], Any], default: str) -> None:
    assert default_system(Encoder(make())) == default


def test_todays_date_in_a_template_is_noted() -> None:
    dated = make_tokenizer("{{ strftime_now('%Y') }}" + CHATML)
    assert "note  date       the template writes today's date" in report(dated)


def write(path: Path, *rows: dict[str, Any]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.mark.parametrize("command", ["train", "distill"])
def test_a_right_template_is_exit_0_and_needs_neither_weights_nor_an_output(
    monkeypatch: Any, capsys: Any, rows_file: Path, tmp_path: Path, command: str
) -> None:
    model = tmp_path / "model"
    make_model(len(make_tokenizer())).config.save_pretrained(model)
    make_tokenizer().save_pretrained(model)
    more = ("--teacher", model) if command == "distill" else ()
    result = run_command(monkeypatch, capsys, command, rows_file, "--model", model, "--check-template", *more)
    assert (result.code, result.out) == (0, "")
    assert result.err == f"chat template of {model}, 8 rows\n" + FINE.format(stop="<|im_end|>") + ALIKE + CHATML_BEGIN


def test_a_wrong_template_is_exit_1(monkeypatch: Any, capsys: Any, tiny: Path, tmp_path: Path) -> None:
    template = tmp_path / "t.jinja"
    template.write_text(example_templates.THINKING)
    data = write(tmp_path / "r.jsonl", chat(*THOUGHTS), {"id": "t", "text": "raw text has no template"})
    command = ("train", data, "--model", tiny, "--check-template", "--chat-template", template)
    result = run_command(monkeypatch, capsys, *command)
    assert (result.code, result.out) == (1, "")
    assert "WRONG drift      1 of 1 row have a target turn" in result.err
    assert f"{data}:1: messages[1]" in result.err
    assert result.err.endswith("sft train: the chat template fails 1 check: drift\n")
    quiet = run_command(monkeypatch, capsys, *command, "--quiet")
    assert (quiet.code, quiet.err) == (1, "sft train: the chat template fails 1 check: drift\n")
    text = write(tmp_path / "t.jsonl", {"id": "t", "text": "raw"})
    empty = run_command(monkeypatch, capsys, "train", text, "--model", tiny, "--check-template")
    assert (empty.code, "--check-template: expected rows with messages, got none" in empty.err) == (2, True)


def test_the_stop_tokens_of_a_model_are_read_without_its_weights(tiny: Path, tmp_path: Path) -> None:
    from sft_cli.encoding.encoder import stop_ids_of
    from sft_cli.model.load import load_model, stop_ids_at

    assert stop_ids_at(str(tiny)) == stop_ids_of(load_model(str(tiny))) == (2,)
    make_model(400).config.save_pretrained(tmp_path)
    assert stop_ids_at(str(tmp_path)) == (2,)


def test_the_manual_shows_a_real_report(monkeypatch: Any, capsys: Any, tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs/masks.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"^```console\n\$ sft ([^\n]*--check-template)\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "thoughts.jsonl", chat(*THOUGHTS))
    make_model(len(make_tokenizer())).config.save_pretrained("M")
    example_templates.thinking().save_pretrained("M")
    assert run_command(monkeypatch, capsys, *block[0].split()).err == block[1]
