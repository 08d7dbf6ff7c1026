"""OpenAI batches: outputs are joined with their requests, and a request that failed is named."""

import functools
import json

import pytest

ASKED = [{"role": "user", "content": "q"}]
ANSWER = {"role": "assistant", "content": "a", "refusal": None, "annotations": []}


def request(name):
    body = {"model": "m", "messages": ASKED}
    return {"custom_id": name, "method": "POST", "url": "/v1/chat/completions", "body": body}


def output(name, **changes):
    body = {"model": "m-1", "choices": [{"index": 0, "message": ANSWER, "finish_reason": "stop"}]}
    return {
        "id": f"batch_{name}",
        "custom_id": name,
        "response": {"status_code": 200, "body": body},
        "error": None,
    } | changes


def write(path, *records):
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path.name


@pytest.fixture
def prep(sft, here):
    return functools.partial(sft, "prep")


def test_outputs_become_answers_to_their_requests(prep, here):
    asked = write(here / "requests.jsonl", request("r1"), request("r2"))
    result = prep(write(here / "out.jsonl", output("r2"), output("r1")), "--requests", asked)
    assert [row["id"] for row in result.rows] == ["r2", "r1"]
    row = result.rows[0]
    assert row["messages"][0] == ASKED[0]
    assert row["messages"][1]["content"] == "a"
    assert (row["body"], row["response"]["body"]) == ({"model": "m"}, {"model": "m-1"})
    assert "format: openai" in result.err


def test_requests_alone_are_prompts(prep, here):
    result = prep(write(here / "requests.jsonl", request("r1")), "--prompts")
    assert (result.rows[0]["id"], result.rows[0]["messages"]) == ("r1", ASKED)
    assert "expected an answer, got only a question" in prep("requests.jsonl").err


def test_a_failed_request_is_a_bad_row(prep, here):
    asked = write(here / "requests.jsonl", request("r1"), request("r2"), request("r3"))
    failed = output("r2", response=None, error={"code": "expired"})
    cut = output("r3", response={"body": {"choices": [{"message": ANSWER, "finish_reason": "length"}]}})
    result = prep(write(here / "out.jsonl", output("r1"), failed, cut, output("r4")), "--requests", asked)
    assert result.code == 2
    assert 'out.jsonl:2: error: expected an answer, got {"code": "expired"}\n' in result.err
    assert "out.jsonl:3: response.body.choices[0].finish_reason: expected a whole answer" in result.err
    assert 'out.jsonl:4: custom_id: expected one of requests.jsonl, got "r4"\n' in result.err


def test_outputs_alone_say_where_the_question_is(prep, here):
    result = prep(write(here / "out.jsonl", output("r1")))
    assert "out.jsonl:1: body: expected the request beside its answer, got only the answer\n" in result.err
    assert "hint: --requests FILE names the file of the requests\n" in result.err


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([{"prompt": "q"}], 'requests.jsonl:1: expected a request with custom_id and body, got {"prompt": "q"}'),
        ([request("r1"), request("r1")], 'requests.jsonl:2: custom_id: expected each once, got "r1" again'),
        ([3], "requests.jsonl:1: expected a JSON object, got int"),
    ],
)
def test_a_file_that_has_no_requests_is_refused(prep, here, lines, message):
    asked = write(here / "requests.jsonl", *lines)
    result = prep(write(here / "out.jsonl", output("r1")), "--requests", asked)
    assert (result.code, result.out) == (2, "")
    assert message in result.err


def test_requests_without_outputs_have_no_effect_and_are_refused(prep, here):
    asked = write(here / "requests.jsonl", request("r1"))
    result = prep(write(here / "a.jsonl", {"prompt": "q", "completion": "a"}), "--requests", asked)
    assert result.code == 2
    assert "--requests: has an effect only on outputs of OpenAI batches, with custom_id and response" in result.err
    result = prep("a.jsonl", "--requests", asked, "--verifier")
    assert "--requests: has no effect with --verifier" in result.err
