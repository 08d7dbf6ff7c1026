"""`sft generate --engine openai`: a server of the test's own, in this process."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from run_command import run_command

Reply = tuple[int, dict[str, Any], dict[str, str]]


def said(text: str | None, reason: str = "stop", **more: Any) -> Reply:
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": reason}
    return 200, {"choices": [choice], "usage": {"prompt_tokens": 7, "completion_tokens": 3}, **more}, {}


def problem(status: int, message: str, **headers: str) -> Reply:
    return status, {"error": {"message": message, "type": "t", "code": None, "param": None}}, headers


class Server:
    """Answers by a function of the request's body; keeps what came in."""

    def __init__(self, answer: Callable[[dict[str, Any]], Reply]) -> None:
        self.answer, self.bodies, self.paths, self.keys = answer, list[Any](), list[str](), list[str]()
        self.lock = threading.Lock()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with outer.lock:
                    outer.bodies.append(body)
                    outer.paths.append(self.path)
                    outer.keys.append(self.headers["Authorization"])
                status, reply, headers = outer.answer(body)
                content = json.dumps(reply).encode()
                self.send_response(status)
                for name, value in {"Content-Type": "application/json", **headers}.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *words: Any) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.http.serve_forever, daemon=True)
        self.thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.http.server_address[1]}/v1"


@pytest.fixture
def serve() -> Iterator[Callable[[Callable[[dict[str, Any]], Reply]], Server]]:
    servers: list[Server] = []

    def begin(answer: Callable[[dict[str, Any]], Reply]) -> Server:
        servers.append(Server(answer))
        return servers[-1]

    yield begin
    for server in servers:
        server.http.shutdown()
        server.http.server_close()


@pytest.fixture
def sft(monkeypatch: Any, capsys: Any) -> Any:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    return lambda *words, **keys: run_command(monkeypatch, capsys, *words, **keys)


def echo(body: dict[str, Any]) -> Reply:
    return said(f"You said: {body['messages'][-1]['content']}")


def test_every_row_is_asked_and_answered_in_order(
    sft: Any, serve: Any, rows_file: Path, tmp_path: Path, monkeypatch: Any
) -> None:
    server = serve(echo)
    monkeypatch.setenv("OPENAI_API_KEY", "secret-key")
    out = tmp_path / "out.jsonl"
    flags = ("--engine", "openai", "--base-url", server.url, "--max-new-tokens", 9, "--stop", "END")
    result = sft("generate", "some-model", rows_file, *flags, "-o", out)
    assert result.code == 0, result.err
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert [row["id"] for row in rows] == [f"r{i}" for i in range(8)]
    for row in rows:
        assert row["completion"] == f"You said: {row['messages'][-1]['content']}"
        assert (row["finish_reason"], row["prompt_tokens"], row["completion_tokens"]) == ("stop", 7, 3)
    asked = sorted(json.dumps(body["messages"]) for body in server.bodies)
    assert asked == sorted(json.dumps(row["messages"]) for row in rows)
    plain = {"model": "some-model", "max_tokens": 9, "temperature": 0.0, "stop": ["END"]}
    assert all({k: v for k, v in body.items() if k != "messages"} == plain for body in server.bodies)
    assert set(server.paths) == {"/v1/chat/completions"}
    assert set(server.keys) == {"Bearer secret-key"}
    # The key is written nowhere.
    assert all("secret-key" not in path.read_text() for path in tmp_path.glob("out*"))
    assert "secret-key" not in result.err


@pytest.mark.slow
def test_samples_have_seeds_of_their_own_and_the_flags_are_sent(
    sft: Any, serve: Any, rows_file: Path, tmp_path: Path
) -> None:
    server = serve(echo)
    (tmp_path / "s.json").write_text('{"type": "object"}')
    flags = ("--temperature", 0.5, "--top-p", 0.9, "--presence-penalty", 1, "--frequency-penalty", 2, "--samples", 2)
    more = ("--json-schema", tmp_path / "s.json", "--extra-body", '{"top_k": 5, "max_tokens": null}')
    command = ("generate", "m", rows_file, "--engine", "openai", "--base-url", server.url, *flags, *more)
    rows = sft(*command).rows
    assert [(row["id"], row["sample"]) for row in rows] == [(f"r{i}", s) for i in range(8) for s in range(2)]
    seeds = {body.pop("seed") for body in server.bodies}
    assert len(seeds) == 16
    schema = {"type": "json_schema", "json_schema": {"name": "answer", "strict": True, "schema": {"type": "object"}}}
    for body in server.bodies:
        del body["messages"]
        assert body == {
            "model": "m", "temperature": 0.5, "top_p": 0.9, "presence_penalty": 1.0, "frequency_penalty": 2.0,
            "top_k": 5, "response_format": schema,
        }  # fmt: skip
    assert set(server.keys) == {"Bearer none"}
    first = server.bodies[:]
    server.bodies.clear()
    assert sft(*command).rows == rows
    assert {body["seed"] for body in server.bodies} == seeds
    assert len(first) == 16


def test_raw_text_and_tools_are_sent_as_they_are(sft: Any, serve: Any, tmp_path: Path) -> None:
    tools = [{"type": "function", "function": {"name": "f", "parameters": {}}}]
    rows = [
        {"id": "t", "text": "The quick"},
        {"id": "m", "messages": [{"role": "user", "content": "a", "weight": 1}], "tools": tools},
    ]
    (tmp_path / "p.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))

    def answer(body: dict[str, Any]) -> Reply:
        return (
            (200, {"choices": [{"text": " brown", "finish_reason": "length"}]}, {}) if "prompt" in body else said("b")
        )

    server = serve(answer)
    found = sft("generate", "m", tmp_path / "p.jsonl", "--engine", "openai", "--base-url", server.url).rows
    assert [(row["completion"], row["finish_reason"]) for row in found] == [(" brown", "length"), ("b", "stop")]
    by_path = dict(zip(server.paths, server.bodies, strict=True))
    assert by_path["/v1/completions"]["prompt"] == "The quick"
    chat = by_path["/v1/chat/completions"]
    assert (chat["messages"], chat["tools"]) == ([{"role": "user", "content": "a"}], tools)


def test_a_busy_server_is_asked_again_and_what_fails_is_kept(
    sft: Any, serve: Any, rows_file: Path, monkeypatch: Any
) -> None:
    pauses: list[float] = []
    monkeypatch.setattr("openai._base_client.SyncAPIClient._sleep_for_retry", lambda self, **keys: pauses.append(1))
    seen: dict[str, int] = {}

    def answer(body: dict[str, Any]) -> Reply:
        text = body["messages"][-1]["content"]
        seen[text] = seen.get(text, 0) + 1
        if text == "a" and seen[text] < 3:
            return problem(429 if seen[text] == 1 else 503, "busy")
        if text == "JP":
            return problem(400, "too long for this model")
        if text == "Hello":
            return said("half", "content_filter")
        if text == "What is what?":
            return problem(500, "broken")
        if text == "日本的货币是什么？":
            return 200, {"odd": True}, {}
        return said("fine")

    server = serve(answer)
    flags = ("--engine", "openai", "--base-url", server.url, "--retries", 2, "--concurrency", 3)
    result = sft("generate", "m", rows_file, *flags)
    assert result.code == 0, result.err
    errors = {row["id"]: row["error"] for row in result.rows}
    assert ("500" in (broken := errors.pop("r5")), "broken" in broken) == (True, True)
    assert ("400" in (refused := errors.pop("r6")), "too long for this model" in refused) == (True, True)
    assert errors == {
        **{f"r{i}": None for i in (0, 3, 4, 7)},
        "r1": 'expected a completion, got {"odd": true}',
        "r2": "the server ended this completion with the reason content_filter",
    }
    assert (seen["a"], seen["What is what?"], seen["JP"]) == (3, 3, 1)
    assert len(pauses) == 4
    assert ", 4 errors" in result.err


def test_a_server_that_is_gone_stops_the_run_and_the_same_command_goes_on(
    sft: Any, serve: Any, rows_file: Path, tmp_path: Path
) -> None:
    count = iter(range(100))
    server = serve(lambda body: problem(401, "bad key") if next(count) == 5 else echo(body))
    out = tmp_path / "out.jsonl"
    flags = ("--engine", "openai", "--base-url", server.url, "--concurrency", 1, "-o", out)
    result = sft("generate", "m", rows_file, *flags)
    assert (result.code, "--engine openai: Error code: 401" in result.err) == (2, True), result.err
    assert not out.exists()
    server.bodies.clear()
    result = sft("generate", "m", rows_file, *flags)
    assert "resuming: 5 of 8 completions already exist" in result.err
    assert len(server.bodies) == 3
    assert len(out.read_text().splitlines()) == 8
    away = ("--engine", "openai", "--base-url", "http://127.0.0.1:9/v1", "--retries", 0)
    assert "--base-url: cannot reach http://127.0.0.1:9/v1/: " in sft("generate", "m", rows_file, *away).err


def test_requests_begin_no_faster_than_asked(sft: Any, serve: Any, rows_file: Path, monkeypatch: Any) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(time, "monotonic", lambda: 100.0)
    monkeypatch.setattr("sft_cli.decoding.engines.openai.time.sleep", pauses.append)
    server = serve(echo)
    flags = ("--engine", "openai", "--base-url", server.url, "--requests-per-minute", 30)
    assert sft("generate", "m", rows_file, *flags).code == 0
    assert sorted(pauses) == [2.0 * at for at in range(8)]


def test_a_batch_file_goes_out_and_its_results_come_in(sft: Any, rows_file: Path, tmp_path: Path) -> None:
    requests, results = tmp_path / "requests.jsonl", tmp_path / "results.jsonl"
    command = ("generate", "m", rows_file, "--engine", "openai", "--max-new-tokens", 9)
    result = sft(*command, "--write-batch", "-o", requests)
    assert "8 requests written; --read-batch reads their results" in result.err
    lines = [json.loads(line) for line in requests.read_text().splitlines()]
    assert [(line["method"], line["url"]) for line in lines] == [("POST", "/v1/chat/completions")] * 8
    assert lines[0]["body"]["messages"] == [{"role": "user", "content": "What is the currency of Japan?"}]
    answers = [
        {"custom_id": line["custom_id"], "response": {"status_code": 200, "body": echo(line["body"])[1]}, "error": None}
        for line in lines
    ]
    answers[1] |= {"response": None, "error": {"code": "expired"}}
    answers[2]["response"] = {"status_code": 400, "body": {"error": "bad"}}
    del answers[3]
    results.write_text("".join(json.dumps(line) + "\n" for line in reversed(answers)))
    rows = sft(*command, "--read-batch", results).rows
    assert [row["id"] for row in rows] == [f"r{i}" for i in range(8)]
    assert [row["error"] for row in rows] == [
        None, '{"code": "expired"}', 'status 400: {"error": "bad"}', f"{results}: has no result for this request",
        *[None] * 4,
    ]  # fmt: skip
    assert rows[0]["completion"] == "You said: What is the currency of Japan?"
    # Results of other requests are not taken for these.
    other = sft("generate", "m", rows_file, "--engine", "openai", "--max-new-tokens", 8, "--read-batch", results)
    assert (other.code, "every row failed; first error: " in other.err) == (2, True)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "--engine openai: expected a key in OPENAI_API_KEY, got none\nhint: --base-url http://localhost:8000/v1"),
        (("--top-k", 5, "--temperature", 1), "--top-k: expected --engine transformers or vllm, got --engine openai"),
        (("--num-beams", 5), "--num-beams: expected --engine transformers, got --engine openai"),
        (("--logprobs",), "--logprobs: expected --engine transformers, got"),
        (("--max-new-tokens", 0), "--max-new-tokens: expected at least 1 with --engine openai, got 0"),
        (("--extra-body", "{"), "--extra-body: expected a JSON object, got '{': "),
        (("--extra-body", "[]"), "--extra-body: expected a JSON object, got '[]'"),
        (("--write-batch", "--concurrency", 2), "--concurrency: has no effect: batch files send no requests"),
        (("--read-batch", "no.jsonl"), "--read-batch: no.jsonl: cannot read: No such file"),
        (("--read-batch", "bad.jsonl"), "bad.jsonl:1: custom_id: expected a line of the results of a batch"),
        (("--read-batch", "bad.jsonl", "--write-batch"), "--read-batch: does not work with --write-batch"),
        (("--engine", "transformers", "--base-url", "u"), "--base-url: expected --engine openai, got"),
    ],
)  # fmt: skip
def test_what_this_engine_does_not_do_is_said(
    sft: Any, rows_file: Path, tmp_path: Path, monkeypatch: Any, words: Any, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bad.jsonl").write_text("{}\n")
    result = sft("generate", "m", rows_file, "--engine", "openai", *words)
    assert (result.code, message in result.err) == (2, True), result.err


def test_several_processes_are_refused_and_a_missing_package_is_named(
    sft: Any, rows_file: Path, tmp_path: Path, monkeypatch: Any
) -> None:
    command = ("generate", "m", rows_file, "--engine", "openai", "--base-url", "http://127.0.0.1:9/v1")
    with monkeypatch.context() as patch:
        patch.setattr("importlib.util.find_spec", lambda name, *more: None)
        assert "--engine openai: needs the package openai\nhint: pip install" in sft(*command).err
    for name in ("RANK", "LOCAL_RANK"):
        monkeypatch.setenv(name, "0")
    monkeypatch.setenv("WORLD_SIZE", "2")
    result = sft(*command, "-o", tmp_path / "o.jsonl")
    assert "--engine openai: expected one process, got several\nhint: --concurrency 64" in result.err


def test_a_stop_string_that_looks_like_a_special_token_is_told(sft: Any, serve: Any, rows_file: Path) -> None:
    server = serve(echo)
    command = ("generate", "m", rows_file, "--engine", "openai", "--base-url", server.url, "--dry-run")
    told = "--stop <|eot_id|>: if this is a special token, most servers do not find it; with a vLLM server use"
    assert told in sft(*command, "--stop", "END", "--stop", "<|eot_id|>").err
    assert told not in sft(*command, "--stop", "END").err
    asked = ("--extra-body", '{"skip_special_tokens": false}')
    assert told not in sft(*command, "--stop", "<|eot_id|>", *asked).err


def test_arguments_of_tool_calls_are_sent_as_json_text() -> None:
    from sft_cli.decoding.engines.openai import api_turn

    def turn(arguments: Any) -> dict[str, Any]:
        return {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"function": {"name": "f", "arguments": arguments}}],
        }

    assert api_turn(turn({"city": "Zürich"})) == turn('{"city": "Zürich"}')
    assert api_turn(turn('{"a":1}')) == turn('{"a":1}')
