"""Tool calls: the forms in which models write them, and what counts as right."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sft_cli.data.rows import as_prompt
from sft_cli.metrics.protocol import read_metric
from sft_cli.metrics.tool_calls.reading import CallsRead, ToolCall, calls_in_text
from sft_cli.run.errors import FieldError
from sft_cli.scoring.generations import check_generation

PARIS = ToolCall("weather", {"city": "Paris", "days": 2})
ROME = ToolCall("weather", {"city": "Rome", "days": 2})
NAMES = st.from_regex(r"[a-z_][a-z0-9_]{0,8}(\.[a-z_]{1,5})?", fullmatch=True).filter(lambda name: name[:2] != "__")
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.floats(-1e6, 1e6) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
CALLS = st.lists(
    st.builds(ToolCall, NAMES, st.dictionaries(st.sampled_from(["a", "b_1", "city"]), VALUES, max_size=3)),
    min_size=1,
    max_size=3,
)


def as_json(call: ToolCall) -> dict[str, Any]:
    return {"name": call.name, "arguments": call.arguments}


def values(completion: str | None, **fields: Any) -> dict[str, float]:
    named = read_metric("tool-calls")
    sums = named.sums(check_generation({"id": "r", "completion": completion, **fields}))
    return named.values(sums) if sums else {}


def calls_wanted(*calls: ToolCall) -> dict[str, Any]:
    """A reference as `sft prep --eval` writes it."""
    turn = {"role": "assistant", "content": "", "tool_calls": [{"function": as_json(call)} for call in calls]}
    return {"references": as_prompt({"messages": [{"role": "user", "content": "?"}, turn]})["references"]}


@pytest.mark.parametrize(
    ("text", "calls"),
    [
        ('{"name": "weather", "arguments": {"city": "Paris", "days": 2}}', [PARIS]),
        ('{"name": "weather", "parameters": {"city": "Paris", "days": 2}}', [PARIS]),
        ('{"name": "weather", "arguments": "{\\"city\\": \\"Paris\\", \\"days\\": 2}"}', [PARIS]),
        ('[{"function": {"name": "weather", "arguments": {"city": "Paris", "days": 2}}}]', [PARIS]),
        ('I look.\n```json\n{"name": "weather", "arguments": {"city": "Paris", "days": 2}}\n```\nDone.', [PARIS]),
        ('I call {"name": "weather", "arguments": {"city": "Paris", "days": 2}} now.', [PARIS]),
        ('<tool_call>\n{"name": "weather", "arguments": {"city": "Paris", "days": 2}}\n</tool_call>', [PARIS]),
        ('<tool_call>{"name": "weather", "arguments": {"city": "Rome", "days": 2}}', [ROME]),
        ("weather(city='Paris', days=2)", [PARIS]),
        ("[weather(city='Paris', days=2), weather(city='Rome', days=4/2)]", [PARIS, ROME]),
        ("weather(city='Paris', days=2)\nweather(city='Rome', days=2)", [PARIS, ROME]),
        ("```python\nmath.hypot(x=-3, y=[1, (2, 3)])\n```", [ToolCall("math.hypot", {"x": -3, "y": [1, (2, 3)]})]),
        ("f(x=lambda y: y, z=name)", [ToolCall("f", {"x": "lambda y: y", "z": "name"})]),
        ("now()", [ToolCall("now", {})]),
        ("The weather (today) is fine.", []),
        ('{"name": "Bob", "age": 3}', []),
        ("", []),
    ],
)
def test_each_form_of_a_call_is_read(text: str, calls: list[ToolCall]) -> None:
    assert calls_in_text(text) == CallsRead(calls)


@pytest.mark.parametrize(
    "text",
    [
        "<tool_call>weather in Paris</tool_call>",
        '<tool_call>{"name": "weather"}</tool_call>',
        '{"name": "weather", "arguments": "{city: Paris}"}',
        '{"name": "weather", "arguments": [1]}',
        "weather('Paris')",
        "weather(**words)",
    ],
)
def test_a_broken_call_is_not_valid_and_not_right(text: str) -> None:
    assert calls_in_text(text).is_broken
    assert values(text, **calls_wanted(PARIS))["tool_calls.valid"] == 0
    assert values(text, ground_truth=[])["tool_calls.exact"] == 0


@settings(max_examples=60, deadline=None)
@given(calls=CALLS, data=st.data())
def test_the_calls_of_the_reference_are_right_in_each_form_and_order(calls: list[ToolCall], data: Any) -> None:
    wanted, mixed = calls_wanted(*calls), data.draw(st.permutations(calls))
    blocks = "\n".join(f"<tool_call>\n{json.dumps(as_json(call))}\n</tool_call>" for call in mixed)
    field = [{"id": "1", "function": {"name": c.name, "arguments": json.dumps(c.arguments)}} for c in mixed]
    for each in (
        values(json.dumps([as_json(call) for call in mixed]), **wanted),
        values(f"<think>Which?</think>{blocks}", **wanted),
        values("", tool_calls=field, **wanted),
        values(None, tool_calls=field, finish_reason="tool_calls", **wanted),
    ):
        assert set(each.values()) == {1.0}


@settings(max_examples=60, deadline=None)
@given(text=st.text(alphabet="{}[]()<>/\"'=,:.\n aftool_call1\\", max_size=60))
def test_no_text_breaks_the_reader(text: str) -> None:
    assert all(0 <= value <= 1 for value in values(text, **calls_wanted(PARIS)).values())


def test_calls_and_arguments_are_counted_one_by_one() -> None:
    wrong_day = json.dumps([as_json(ROME), {"name": "weather", "arguments": {"city": "Paris", "days": 3, "x": 1}}])
    assert values(wrong_day, **calls_wanted(PARIS, ROME)) == {
        "tool_calls.exact": 0.0,
        "tool_calls.name": 1.0,
        "tool_calls.arguments": pytest.approx(3 / 5),
        "tool_calls.valid": 1.0,
    }
    one_more = json.dumps([as_json(PARIS), as_json(ROME)])
    assert values(one_more, **calls_wanted(PARIS))["tool_calls.exact"] == 0
    assert values(one_more, **calls_wanted(PARIS))["tool_calls.name"] == 0.5
    assert values("I cannot.", **calls_wanted(PARIS)) == dict.fromkeys(values(one_more, **calls_wanted(PARIS)), 0.0)
    assert values(None, **calls_wanted(PARIS))["tool_calls.exact"] == 0
    failed = values("", tool_calls=[as_json(PARIS)], finish_reason="error", **calls_wanted(PARIS))
    assert failed["tool_calls.exact"] == 0


@pytest.mark.parametrize(
    ("arguments", "is_right"),
    [
        ('{"city": "Paris", "days": 2.0}', True),
        ('{"days": 2, "city": "Paris"}', True),
        ('{"city": "paris", "days": 2}', False),
        ('{"city": "Paris", "days": true}', False),
        ('{"city": "Paris", "days": "2"}', False),
        ('{"city": "Paris"}', False),
    ],
)
def test_arguments_are_compared_by_value(arguments: str, is_right: bool) -> None:
    text = f'{{"name": "weather", "arguments": {arguments}}}'
    assert values(text, **calls_wanted(PARIS))["tool_calls.exact"] == is_right


def test_a_row_without_a_call_in_its_references_does_not_count() -> None:
    assert values("weather(city='Paris')", references=["It is sunny."]) == {}
    assert values("It is sunny.", ground_truth=[])["tool_calls.exact"] == 1
    assert values("weather(city='Paris')", ground_truth=[])["tool_calls.exact"] == 0


# Hand-made cases in the form of the files of the Berkeley leaderboard (function, possible_answer); the verdicts are
# those of simple_function_checker in bfcl_eval 2026.3.23.
AREA = {
    "name": "geometry.area",
    "parameters": {
        "type": "dict",
        "properties": {
            "base": {"type": "integer"},
            "height": {"type": "float"},
            "unit": {"type": "string"},
            "points": {"type": "array", "items": {"type": "float"}},
            "style": {"type": "dict"},
            "rows": {"type": "array", "items": {"type": "dict"}},
        },
        "required": ["base", "height"],
    },
}
TRUTH = [
    {
        "geometry.area": {
            "base": [10],
            "height": [5.0],
            "unit": ["square units", ""],
            "points": ["", [1.0, 2.5]],
            "style": ["", {"colour": ["red", "dark red"], "width": [1, ""]}],
            "rows": ["", [{"n": [1]}, {"n": [2]}]],
        }
    }
]


@pytest.mark.parametrize(
    ("arguments", "is_right"),
    [
        ("base=10, height=5.0", True),
        ("base=10, height=5", True),
        ("base=10.0, height=5", False),
        ("base='10', height=5", False),
        ("base=True, height=5", False),
        ("base=10", False),
        ("base=10, height=6", False),
        ("base=10, height=5, unit='Square-Units'", True),
        ("base=10, height=5, unit='metres'", False),
        ("base=10, height=5, unit=''", True),
        ("base=10, height=5, depth=1", False),
        ("base=10, height=5, points=[1.0, 2.5]", True),
        ("base=10, height=5, points=[1, 2.5]", True),
        ("base=10, height=5, points=(1.0, 2.5)", False),
        ("base=10, height=5, points=[2.5, 1.0]", False),
        ("base=10, height=5, style={'colour': 'Dark Red'}", True),
        ("base=10, height=5, style={'colour': 'red', 'width': 1}", True),
        ("base=10, height=5, style={'width': 1}", False),
        ("base=10, height=5, style={'colour': 'red', 'depth': 1}", False),
        ("base=10, height=5, rows=[{'n': 1}, {'n': 2}]", True),
        ("base=10, height=5, rows=[{'n': 1}]", False),
    ],
)
def test_allowed_values_follow_the_leaderboard(arguments: str, is_right: bool) -> None:
    fields = {"tools": [{"type": "function", "function": AREA}]}
    text = f"[geometry.area({arguments})]"
    assert values(text, ground_truth=TRUTH, **fields)["tool_calls.exact"] == is_right
    assert values(text, references=[json.dumps(TRUTH)], **fields)["tool_calls.exact"] == is_right


@pytest.mark.parametrize(
    "truth", ["weather", [{"weather": {"city": "Paris"}}], [{"a": {}, "b": {}}], {"a": {"b": [1]}}]
)
def test_a_bad_ground_truth_is_a_bad_row(truth: Any) -> None:
    with pytest.raises(
        FieldError, match=r'ground_truth: expected a list of {"tool": {"argument": \[allowed values\]}}'
    ):
        values("x", ground_truth=truth)
