"""Prompt templates and examples: what a row is asked, and that no answer is asked with it."""

from __future__ import annotations

import json
import tomllib
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
from small_rows import chat

from sft_cli.data.language import LANGUAGES
from sft_cli.data.prompting import TEMPLATES
from sft_cli.data.prompting.examples import read_examples
from sft_cli.data.prompting.rewrite import PromptRewriter
from sft_cli.data.prompting.template import FOLDER, HIDDEN_FIELDS, PromptTemplate
from sft_cli.data.rows import as_prompt
from sft_cli.decoding.settings import GenerateSettings
from sft_cli.metrics.extract import after_marker
from sft_cli.run.errors import FieldError, UserError
from sft_cli.run.flags import fields_of
from sft_cli.run.manifest import describe

ROOT = Path(__file__).parent.parent.parent
SYSTEM = {"role": "system", "content": "Be brief."}
PASSAGES = "The dog is lazy."


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def asked(
    row: dict[str, Any], template: str | None = None, examples: str | None = None, shots: int | None = None
) -> list[tuple[str, str]]:
    """The turns of a row as it is asked."""
    found = PromptRewriter([template] if template else [], examples, shots).row(as_prompt(row))
    return [(turn["role"], turn["content"]) for turn in found["messages"]]


def own(text: str) -> str:
    Path("t.j2").write_text(text)
    return "t.j2"


def write(*rows: dict[str, Any], path: str = "solved.jsonl") -> str:
    Path(path).write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def solved(count: int) -> str:
    return write(*({**chat(f"Question {i}?", f"Answer {i}"), "id": f"e{i}"} for i in range(count)))


def said(turns: list[tuple[str, str]]) -> list[str]:
    return [text for _, text in turns]


def test_without_flags_a_row_stays_what_it_is() -> None:
    row = chat("Why?")
    assert PromptRewriter([], None, None).row(row) is row
    assert PromptRewriter([], None, None).row({"id": "a", "text": "Once"}) == {"id": "a", "text": "Once"}


def test_a_template_stands_in_place_of_the_last_user_turn() -> None:
    row = chat("First?", "Yes.", "And then?", "No.", task="t")
    row["messages"].insert(0, SYSTEM)
    before = json.dumps(row)
    found = PromptRewriter([own("Q: {{ prompt }} ({{ task }})\n")], None, None).row(as_prompt(row))
    assert [turn["content"] for turn in found["messages"]] == ["Be brief.", "First?", "Yes.", "Q: And then? (t)"]
    assert (found["references"], found["task"], list(found)) == (
        ["No."],
        "t",
        ["id", "messages", "task", "references", "prompt_hash"],
    )
    assert json.dumps(row) == before  # the row that was read is not written to


def test_turns_after_the_last_user_turn_stay() -> None:
    call = {"role": "assistant", "content": None, "tool_calls": [{"function": {"name": "f"}}]}
    tool = {"role": "tool", "content": "3"}
    row = {"id": "r", "messages": [{"role": "user", "content": "How many?"}, call, tool]}
    found = PromptRewriter([own("Q: {{ prompt }}")], None, None).row(row)["messages"]
    assert found == [{"role": "user", "content": "Q: How many?"}, call, tool]


@pytest.mark.parametrize(
    "context", ["one\ntwo", ["one", "two"], [{"text": "one", "doc": 7}, {"content": "two"}]], ids=type
)
def test_a_context_is_shown_as_text(context: Any) -> None:
    assert said(asked(chat("Why?", context=context), own("{{ context }}|{{ prompt }}"))) == ["one\ntwo|Why?"]


def test_choices_and_other_fields_are_shown_by_name() -> None:
    template = own("{% for choice in choices %}{{ loop.index }} {{ choice }} {% endfor %}{{ meta.year }}: {{ prompt }}")
    assert said(asked(chat("Why?", choices=["a", "b"], meta={"year": 1999}), template)) == ["1 a 2 b 1999: Why?"]
    optional = own("{% if choices is defined %}{{ choices }}{% endif %}{{ prompt }}")
    assert said(asked(chat("Why?", choices=None), optional)) == ["Why?"]


def test_what_a_row_says_is_no_template() -> None:
    assert said(asked(chat("{{ 1 + 1 }}"), own("{{ prompt }}"))) == ["{{ 1 + 1 }}"]


def test_a_template_can_write_a_system_turn() -> None:
    template = own("{% set system %}Speak {{ tone }}.{% endset %}{{ prompt }}")
    assert asked(chat("Why?", tone="softly"), template) == [("system", "Speak softly."), ("user", "Why?")]
    row = chat("Why?", tone="softly")
    row["messages"].insert(0, SYSTEM)
    assert asked(row, template) == [("system", "Speak softly.\n\nBe brief."), ("user", "Why?")]
    perhaps = own("{% if tone is defined %}{% set system %}Speak {{ tone }}.{% endset %}{% endif %}{{ prompt }}")
    assert asked(chat("Why?", system="a field of this name"), perhaps) == [("user", "Why?")]


@pytest.mark.parametrize("name", TEMPLATES)
@pytest.mark.parametrize("question", ["Why is it lazy?", "它为什么懒？"])
def test_no_template_shows_the_answer(name: str, question: str) -> None:
    row = chat(question, "SECRET", context=PASSAGES, role="vet", answer="SECRET", answer_index=0)
    assert "SECRET" not in json.dumps(asked(row, name))
    row = chat(question, context=PASSAGES, role="vet", references=["SECRET"])
    assert "SECRET" not in json.dumps(asked(row, name))


@pytest.mark.parametrize("name", HIDDEN_FIELDS)
def test_a_template_that_asks_for_the_answer_is_refused(name: str) -> None:
    with pytest.raises(UserError, match=rf"^t.j2:2: {name}: a prompt template must not show the right answer$"):
        PromptTemplate(own(f"{{{{ prompt }}}}\n{{% for x in {name} %}}{{{{ x }}}}{{% endfor %}}"))
    # Every field is given by its name: there is no other way to it.
    row = chat("Why?", "SECRET", answer="SECRET")
    assert "SECRET" not in said(asked(row, own("{{ messages }} {{ self }} {{ prompt }}")))[0]


def test_every_built_in_template_is_there_in_every_language_and_shipped() -> None:
    files = {path.name for path in FOLDER.glob("*.j2")}
    assert files == {f"{name}.{language}.j2" for name in TEMPLATES for language in LANGUAGES}
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    shipped = settings["package-data"]["sft_cli"]
    assert all(any(fnmatch(f"data/prompting/{name}", pattern) for pattern in shipped) for name in files)
    help_text = next(field.flag.help for field in fields_of(GenerateSettings) if field.name == "prompt_template")
    assert f": {', '.join(TEMPLATES)}, or a Jinja FILE.j2" in help_text


@pytest.mark.parametrize(
    ("name", "english", "chinese"),
    [
        (
            "context-only",
            "write exactly: I don't know\n\n[Passages]\nThe dog is lazy.\n\n[Question]\n",
            "只写：不知道\n",
        ),
        ("evidence", '{"answer": "I don\'t know", "evidence": []}', '{"answer": "不知道", "evidence": []}'),
        ("role", "Your role: vet. ", "你的身份：vet。"),
        ("chain-of-thought", "Think step by step", "请逐步思考"),
        ("direct", "Write the answer alone", "只写答案"),
    ],
)
def test_a_built_in_template_asks_in_the_language_of_the_prompt(name: str, english: str, chinese: str) -> None:
    for question, text, other in (("Is it lazy?", english, chinese), ("它懒吗？", chinese, english)):
        turns = asked(chat(question, context=PASSAGES, role="vet"), name)
        assert text in "\n".join(said(turns))
        assert other not in "\n".join(said(turns))
        assert question in turns[-1][1]
        assert [role for role, _ in turns] == (["system", "user"] if name == "role" else ["user"])


@pytest.mark.parametrize(("question", "expert"), [("Why?", "an expert in the field"), ("为什么？", "资深专家")])
def test_a_role_is_an_expert_if_the_row_names_none(question: str, expert: str) -> None:
    for more in ({}, {"role": None}):
        assert expert in asked(chat(question, **more), "role")[0][1]


@pytest.mark.parametrize("question", ["How many?", "有多少？"])
def test_the_last_line_that_is_asked_for_is_what_the_metric_reads(question: str) -> None:
    form = asked(chat(question), "chain-of-thought")[-1][1].splitlines()[-1]
    assert form.endswith("…")
    assert after_marker("2 + 2 = 4\n" + form.replace("…", "42")) == "42"


@pytest.mark.parametrize("question", ["Is it lazy?", "它懒吗？"])
def test_the_evidence_that_is_asked_for_follows_the_schema(question: str) -> None:
    from jsonschema import Draft202012Validator

    schema = json.loads((ROOT / "docs" / "examples" / "evidence.schema.json").read_text())
    Draft202012Validator.check_schema(schema)
    text = asked(chat(question, context=PASSAGES), "evidence")[-1][1]
    decoder, starts = (
        json.JSONDecoder(),
        [place for place, sign in enumerate(text) if text.startswith('{"answer"', place)],
    )
    forms = [decoder.raw_decode(text, start)[0] for start in starts]
    assert len(forms) == 2
    for form in forms:
        assert Draft202012Validator(schema).is_valid(form)


def test_examples_come_before_the_question_in_its_own_form() -> None:
    row = chat("First?", "Yes.", "And then?")
    row["messages"].insert(0, SYSTEM)
    assert asked(row, own("Q: {{ prompt }}"), solved(3), 2) == [
        ("system", "Be brief."),
        ("user", "Q: Question 0?"),
        ("assistant", "Answer 0"),
        ("user", "Q: Question 1?"),
        ("assistant", "Answer 1"),
        ("user", "First?"),
        ("assistant", "Yes."),
        ("user", "Q: And then?"),
    ]
    assert said(asked(chat("Why?"), None, solved(2)))[:4] == ["Question 0?", "Answer 0", "Question 1?", "Answer 1"]
    assert asked(chat("Why?"), None, solved(2), 0) == [("user", "Why?")]


def test_examples_are_asked_in_the_language_of_the_row_and_have_its_system_turn_alone() -> None:
    turns = asked(chat("为什么？", role="vet"), "role", solved(1))
    assert [role for role, _ in turns] == ["system", "user", "assistant", "user"]
    assert "你的身份：vet。" in turns[0][1]
    rewriter = PromptRewriter(["direct"], solved(1), None)
    for question, text in (("Why?", "Write the answer alone"), ("为什么？", "只写答案"), ("Who?", "Write the answer")):
        assert text in rewriter.row(chat(question))["messages"][0]["content"]


def test_an_answer_is_the_last_turn_or_the_first_reference() -> None:
    rows = (
        chat("A?", "turn", references=["reference"], id="e1"),
        chat("B?", references=["first", "second"], id="e2"),
        chat("C?", answer=4, id="e3"),
    )
    rows[0]["messages"].insert(0, SYSTEM)  # an example's own system turn has no place between turns
    turns = said(asked(chat("Why?"), None, write(*rows)))
    assert turns == ["A?", "turn", "B?", "first", "C?", "4", "Why?"]


@pytest.mark.parametrize(
    "row",
    [
        chat("Reworded?", "Answer 1", id="e1"),
        chat("Question 1?", "Answer 1", id="another"),
        chat(" Question  1?\n", id="another"),
    ],
)
@pytest.mark.parametrize("template", [None, "direct"])
def test_a_row_is_never_its_own_example(row: dict[str, Any], template: str | None) -> None:
    for shots in (None, 2):
        turns = said(asked(row, template, solved(3), shots))
        assert [text for text in turns if text.startswith("Answer")] == ["Answer 0", "Answer 2"]
    with pytest.raises(
        FieldError, match=r"^messages: expected at least 3 --examples other than this row itself, got 2$"
    ):
        asked(row, template, solved(3), 3)
    write({**chat("Question 1?", "Answer 1"), "id": "e1"})
    with pytest.raises(
        FieldError, match=r"^messages: expected at least 1 --examples other than this row itself, got 0$"
    ):
        asked(row, template, "solved.jsonl")


def test_an_id_that_is_shown_makes_no_other_question() -> None:
    template = own("{{ id }}. {{ prompt }}")
    turns = said(asked(chat("Question  1?", "Answer 1", id="another"), template, solved(3), 2))
    assert [text for text in turns if text.startswith("Answer")] == ["Answer 0", "Answer 2"]


def test_questions_that_differ_in_a_field_that_is_shown_are_others() -> None:
    path = write({**chat("Sum it up.", "fox", story="The fox runs."), "id": "e0"})
    turns = said(asked(chat("Sum it up.", story="The dog is lazy."), own("{{ id }} {{ prompt }} {{ story }}"), path))
    assert turns == ["e0 Sum it up. The fox runs.", "fox", "r Sum it up. The dog is lazy."]


def test_the_same_question_about_other_passages_is_another_example() -> None:
    path = write(
        {**chat("Is it lazy?", "no", context="The fox runs."), "id": "e0"},
        {**chat("Is it lazy?", "yes", context=[PASSAGES]), "id": "e1"},
    )
    turns = asked(chat("Is it lazy?", context=PASSAGES), "context-only", path)
    assert [text for role, text in turns if role == "assistant"] == ["no"]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (
            {"id": "a", "text": "Once"},
            "text: expected messages for --prompt-template and --examples, got raw",
        ),
        (
            {"id": "a", "messages": [SYSTEM]},
            "messages: expected a user turn for --prompt-template and --examples, got none",
        ),
        (chat("Why?"), "context: expected this field, because context-only.en.j2:4 uses it, got nothing"),
        (chat("Why?", context=[]), "context: expected this field, because context-only.en.j2:4 uses it, got nothing"),
        (chat("Why?", context=[1]), "context[0]: expected text, or an object with text or content, got 1"),
    ],
)
def test_what_a_row_lacks_is_told(row: dict[str, Any], message: str) -> None:
    with pytest.raises(FieldError) as failure:
        asked(row, "context-only")
    assert str(failure.value).startswith(message)


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("{{ prompt }}\n{{ place }}", "place: expected this field, because t.j2:2 uses it, got nothing"),
        (
            "{{ prompt }}\n\n{{ prompt + 1 }}",
            'prompt: the template fails at t.j2:3: can only concatenate str (not "int")',
        ),
        ("{{ prompt.__class__ }}", "prompt: the template fails at t.j2:1: access to attribute '__class__' of 'str'"),
        ("{{ meta.day }}", "prompt: the template fails at t.j2:1: 'dict object' has no attribute 'day'"),
        (
            "{% if not prompt %}{% endif %}",
            "prompt: the template fails at t.j2:1: expected a prompt, got an empty text",
        ),
        ("{% set system %}\n{{ tone }}{% endset %}", "tone: expected this field, because t.j2:2 uses it, got nothing"),
    ],
)
def test_where_a_template_fails_is_told(template: str, message: str) -> None:
    with pytest.raises(FieldError) as failure:
        asked(chat("Why?", meta={}), own(template))
    assert str(failure.value).startswith(message)


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        (
            "context_only",
            "--prompt-template: unknown template 'context_only'. Did you mean 'context-only'? Known: "
            f"{', '.join(TEMPLATES)}\nhint: names of template files end in .j2",
        ),
        ("none.j2", "--prompt-template: none.j2: cannot read: No such file or directory"),
        ("latin.j2", "--prompt-template: latin.j2: cannot read: not UTF-8"),
        ("open.j2", "open.j2:2: unexpected end of template"),
        ("bare.j2", "bare.j2:1: expected {{ prompt }} or another field of a row in a prompt template, got none"),
    ],
)
def test_a_template_that_cannot_be_used_is_told(choice: str, message: str) -> None:
    Path("latin.j2").write_bytes(b"\xe9")
    Path("open.j2").write_text("line\n{{ prompt")
    Path("bare.j2").write_text("{% for i in range(3) %}{{ i }}{% endfor %}")
    with pytest.raises(UserError) as failure:
        PromptTemplate(choice)
    assert str(failure.value).startswith(message)


def test_a_built_in_name_is_never_a_file() -> None:
    Path("direct").write_text("{{ nothing")
    assert "Write the answer alone" in asked(chat("Why?"), "direct")[0][1]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"text": "Once"}, "text: expected messages in an example, got raw text"),
        (chat("Why?"), "messages: expected an answer in an example: an assistant turn at its end, or references"),
        (chat("Why?", " "), "messages: expected an answer in an example"),
        (
            chat("A?", "b", "C?", "d"),
            'messages: expected an example of one user turn and its answer, got ["user", "assistant", "user"]',
        ),
        ({"messages": []}, "messages: expected a list with at least one message, got []"),
    ],
)
def test_an_example_that_is_none_is_told_with_its_line(row: dict[str, Any], message: str) -> None:
    path = write(chat("Why?", "So."), row)
    with pytest.raises(UserError) as failure:
        read_examples(path, None)
    lines = str(failure.value).splitlines()
    assert lines[0].startswith(f"solved.jsonl:2: {message}")
    assert lines[1:] == ["1 bad row", "hint: each line of --examples is a row with one user turn and its answer"]


def test_an_example_that_lacks_what_the_template_shows_is_told_with_its_line() -> None:
    with pytest.raises(
        UserError, match=r"^solved.jsonl:1: context: expected this field, because context-only.en.j2:4 uses it"
    ):
        asked(chat("Why?", context=PASSAGES), "context-only", solved(1))


@pytest.mark.parametrize(
    ("count", "shots", "wanted"), [(2, 3, "3 examples"), (0, None, "1 example"), (0, 0, "1 example")]
)
def test_too_few_examples_are_told(count: int, shots: int | None, wanted: str) -> None:
    path = solved(count)
    with pytest.raises(UserError, match=rf"^--examples: solved.jsonl: expected at least {wanted}, got {count}$"):
        read_examples(path, shots)


def test_shots_without_examples_are_refused() -> None:
    with pytest.raises(UserError, match=r"^--shots: has an effect only with --examples$"):
        PromptRewriter(["direct"], None, 2)


def test_several_templates_are_applied_one_after_another() -> None:
    row = as_prompt(chat("Who?", context="Ann Lee.", role="a historian"))
    found = PromptRewriter(["role", "context-only"], None, None).row(row)["messages"]
    assert found[0]["role"] == "system"
    assert found[0]["content"].startswith("Your role: a historian.")
    assert "[Passages]\nAnn Lee." in found[1]["content"]
    assert found[1]["content"].endswith("Who?")


def test_the_names_of_templates_and_their_order_are_in_the_fingerprint(tmp_path: Path, sft: Any) -> None:
    (tmp_path / "own.j2").write_text("{{ prompt }}")
    own = str(tmp_path / "own.j2")
    prints = set()
    for names in (["role"], ["direct"], ["role", own], [own, "role"], [own]):
        settings = GenerateSettings(model="none", prompt_template=names)
        prints.add(describe("generate", settings)["fingerprint"])
    assert len(prints) == 5
