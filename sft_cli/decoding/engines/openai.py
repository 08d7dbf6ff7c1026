"""Completions from a server with OpenAI's API, or from the result file of a batch."""

from __future__ import annotations

import json
import os
import re
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import Any

from sft_cli.decoding.constraints import read_schema
from sft_cli.decoding.engines.protocol import Done, Engine, LogProbs
from sft_cli.decoding.items import Completion, Item, failed
from sft_cli.decoding.settings import GenerateSettings
from sft_cli.decoding.values import Decoding, check_controls
from sft_cli.run.errors import FieldError, UserError, require, shown
from sft_cli.run.jsonl import loads, read_jsonl
from sft_cli.run.ranks import Ranks
from sft_cli.run.seed import stable_hash

KEY = "OPENAI_API_KEY"
PATHS = {True: "/v1/chat/completions", False: "/v1/completions"}  # whether the row has messages
SPECIAL = re.compile(r"<[|｜]?\w[^<>]*>|\[/?[A-Z]+\]")  # typical names of special tokens
REASONS = {"stop": "stop", "length": "length"}  # any other reason is a failure


class Requests:
    """Rows as the bodies of requests; raises UserError for flags that a request cannot express."""

    has_template = True  # the server's

    def __init__(self, settings: GenerateSettings, values: Decoding) -> None:
        self.fixed = {"model": settings.model, **fixed_fields(values)}
        self.extra = extra_fields(settings.extra_body)
        self.seed = values.seed if values.temperature > 0 else None

    def ids(self, row: dict[str, Any]) -> list[int]:
        """None: the server has the tokenizer."""
        return []

    def spells_specials(self, row: dict[str, Any]) -> bool:
        """False: the server decides how to read raw text."""
        return False

    def with_references(self, row: dict[str, Any]) -> dict[str, Any]:
        """The row: the server has the chat template."""
        return row

    def shown(self, item: Item) -> str:
        """The body."""
        return json.dumps(self.body(item.row, item.sample), ensure_ascii=False, indent=1)

    def body(self, row: dict[str, Any], sample: int) -> dict[str, Any]:
        """The body of one sample's request."""
        body = {**self.fixed}
        if "messages" in row:
            body["messages"] = [api_turn(turn) for turn in row["messages"]]
            if row.get("tools"):
                body["tools"] = row["tools"]
        else:
            body["prompt"] = row["text"]
        if self.seed is not None:
            body["seed"] = stable_hash(self.seed, row["id"], sample) % 2**31
        return {key: value for key, value in {**body, **self.extra}.items() if value is not None}

    def batch_line(self, item: Item) -> dict[str, Any]:
        """The line of an item in a batch file; its custom_id depends on the request, so no other result can match."""
        body = self.body(item.row, item.sample)
        name = f"{item.index}-{item.sample}-{stable_hash(body):016x}"
        return {"custom_id": name, "method": "POST", "url": PATHS["messages" in item.row], "body": body}


class OpenAIEngine:
    """A server with OpenAI's API, for example vLLM or a provider; the key comes from the environment.

    Requests are sent in parallel. If the server is busy (408, 409, 429, 5xx), a request is sent again after a growing
    pause, or after the time that the server names.
    """

    def __init__(self, settings: GenerateSettings, values: Decoding) -> None:
        self.settings, self.values = settings, values
        self.context = 1 << 30  # only the server knows it
        self.described: dict[str, Any] = {}
        self.prompts = Requests(settings, values)
        self.notes = [] if "skip_special_tokens" in self.prompts.extra else stop_notes(values.stop)
        self.fatal: UserError | None = None  # the error that ends the run; no more requests are sent after it
        self.pace = Pace(settings.requests_per_minute)
        self.results = read_results(settings.read_batch) if settings.read_batch else None
        is_file = settings.write_batch or self.results is not None
        self.client = None if is_file else open_client(settings)

    @classmethod
    def open(cls, settings: GenerateSettings, ranks: Ranks) -> OpenAIEngine:
        """Raises UserError for flags that contradict each other, and if a needed key is missing."""
        if ranks.size > 1:
            raise UserError("--engine openai: expected one process, got several\nhint: --concurrency 64")
        if settings.write_batch and settings.read_batch:
            raise UserError(
                "--read-batch: does not work with --write-batch: write the batch first, then read its results "
                "in a second run"
            )
        values = Decoding.of(settings)
        check_controls(settings, values)
        return cls(settings, values)

    def complete(self, items: Sequence[Item], of: Sequence[Item]) -> Iterator[Done]:
        """Completions of the items in the order of arrival; an item that fails has its own error.

        Raises UserError if the server cannot be reached, or refuses the key or the model, because every row would fail.
        """
        if self.results is not None:
            yield [(item, self._result(item)) for item in items]
            return
        pool = ThreadPoolExecutor(self.settings.concurrency)
        try:
            asked = {pool.submit(self._ask, item): item for item in items}
            for answer in as_completed(asked):
                yield [(asked.pop(answer), answer.result())]
        finally:
            if self.client is not None:
                self.client.close()  # ends the requests that are running
            pool.shutdown(wait=False, cancel_futures=True)

    def _ask(self, item: Item) -> Completion:
        import openai

        assert self.client is not None
        self.pace.wait()
        if self.fatal is not None:
            raise self.fatal
        path = PATHS["messages" in item.row].removeprefix("/v1")
        try:
            answer = self.client.post(path, body=self.prompts.body(item.row, item.sample), cast_to=object)
        except openai.APIStatusError as error:
            if error.status_code in (401, 403, 404):
                self.fatal = UserError(f"--engine openai: {error.message}")
                raise self.fatal from None
            return failed(error.message)
        except openai.APITimeoutError:
            return failed(f"no answer within {self.settings.request_timeout:g} s")
        except openai.APIConnectionError as error:
            self.fatal = UserError(f"--base-url: cannot reach {self.client.base_url}: {error.__cause__ or error}")
            raise self.fatal from None
        except Exception as error:  # not a valid answer: the row has the error
            return failed(error)
        return completion_of(answer)

    def _result(self, item: Item) -> Completion:
        assert self.results is not None
        line = self.results.get(self.prompts.batch_line(item)["custom_id"])
        if line is None:
            return failed(f"{self.settings.read_batch}: has no result for this request")
        response = line.get("response") or {}
        if line.get("error"):
            return failed(json.dumps(line["error"], ensure_ascii=False))
        if response.get("status_code") != 200:
            return failed(f"status {response.get('status_code')}: {json.dumps(response.get('body'))[:300]}")
        return completion_of(response.get("body"))

    def logprobs(self, rows: Mapping[int, dict[str, Any]], settings: GenerateSettings) -> dict[int, LogProbs]:
        """None: the API returns no log-probabilities of texts that it did not write."""
        return {index: {} for index in rows}


def batch_lines(engine: Engine, items: Sequence[Item]) -> Iterator[dict[str, Any]]:
    """The lines of a batch file, one for each item."""
    assert isinstance(engine, OpenAIEngine)  # no other engine reads --write-batch
    return (engine.prompts.batch_line(item) for item in items)


class Pace:
    """Starts at most this many requests per minute, evenly; any number if None."""

    def __init__(self, per_minute: float | None) -> None:
        self.seconds = 60 / per_minute if per_minute else 0.0
        self.lock, self.free = threading.Lock(), 0.0

    def wait(self) -> None:
        """Sleep until it is this request's turn."""
        if not self.seconds:
            return
        with self.lock:
            now = time.monotonic()
            turn = max(now, self.free)
            self.free = turn + self.seconds
        time.sleep(turn - now)


def fixed_fields(values: Decoding) -> dict[str, Any]:
    """The decoding settings of every request."""
    if values.max_new_tokens == 0:
        raise UserError("--max-new-tokens: expected at least 1 with --engine openai, got 0")
    fields: dict[str, Any] = {"max_tokens": values.max_new_tokens, "temperature": values.temperature}
    if values.top_p < 1:
        fields["top_p"] = values.top_p
    for name in ("presence_penalty", "frequency_penalty"):
        if getattr(values, name):
            fields[name] = getattr(values, name)
    if values.stop:
        fields["stop"] = values.stop
    if values.json_schema is not None:
        schema = {"name": "answer", "strict": True, "schema": json.loads(read_schema(values.json_schema))}
        fields["response_format"] = {"type": "json_schema", "json_schema": schema}
    return fields


def api_turn(turn: dict[str, Any]) -> dict[str, Any]:
    """A turn for the API: without our keys, with the arguments of tool calls as JSON text."""
    plain = {key: value for key, value in turn.items() if key != "weight"}
    if turn.get("tool_calls"):
        plain["tool_calls"] = [
            {**call, "function": {**call["function"], "arguments": _as_text(call["function"].get("arguments", {}))}}
            for call in turn["tool_calls"]
        ]
    return plain


def _as_text(arguments: Any) -> str:
    return arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)


def stop_notes(stops: Sequence[str]) -> list[str]:
    """A note about stop strings that look like special tokens: only the server knows its tokenizer."""
    special = [text for text in stops if SPECIAL.search(text)]
    if not special:
        return []
    return [
        f"--stop {special[0]}: if this is a special token, most servers do not find it; with a vLLM server use "
        "--extra-body '{\"skip_special_tokens\": false}'"
    ]


def extra_fields(text: str | None) -> dict[str, Any]:
    """The object of --extra-body; raises UserError if it is not a JSON object."""
    problem = ""
    try:
        fields = loads(text or "{}")
    except ValueError as error:
        fields, problem = None, f": {error}"
    if not isinstance(fields, dict):
        raise UserError(f"--extra-body: expected a JSON object, got {text!r}{problem}")
    return fields


def open_client(settings: GenerateSettings) -> Any:
    """The client, with the key from the environment; your own server may not need a key."""
    require("openai", "--engine openai", "openai>=2")
    import openai

    base_url = settings.base_url or os.environ.get("OPENAI_BASE_URL")
    key = os.environ.get(KEY)
    if not key and not base_url:
        raise UserError(
            f"--engine openai: expected a key in {KEY}, got none\nhint: --base-url http://localhost:8000/v1"
        )
    return openai.OpenAI(
        api_key=key or "none",
        base_url=base_url,
        max_retries=settings.retries,
        timeout=settings.request_timeout,
    )


def completion_of(body: Any) -> Completion:
    """The completion in a response; a failure if a filter cut it, or if it has no text."""
    try:
        choice = body["choices"][0]
        text = choice["message"]["content"] if "message" in choice else choice["text"]
        reason, usage = str(choice["finish_reason"]), body.get("usage") or {}
        if not isinstance(text, (str, type(None))) or not isinstance(usage, dict):
            raise TypeError
    except (KeyError, IndexError, TypeError):
        return failed(f"expected a completion, got {shown(body, 300)}")
    if reason not in REASONS:
        return failed(f"the server ended this completion with the reason {reason}")
    return Completion(
        text or "", REASONS[reason], usage.get("completion_tokens") or 0, prompt_tokens=usage.get("prompt_tokens")
    )


def read_results(path: str) -> dict[str, dict[str, Any]]:
    """The lines of a batch's result file by custom_id; they come in any order."""
    lines = {}
    try:
        for number, result in read_jsonl(path):
            if isinstance(result, FieldError) or not isinstance(result.get("custom_id"), str):
                raise UserError(f"{path}:{number}: custom_id: expected a line of the results of a batch")
            lines[result["custom_id"]] = result
    except UserError as error:
        raise UserError(f"--read-batch: {error}") from None
    return lines
