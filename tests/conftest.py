"""A tiny Llama and a tokenizer, both made here from a seed: no network, no hub, no home folder."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from run_command import run_command

# A slow machine is no failure.
settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")

# A shell starts background jobs (`make test &` in a script) with Ctrl-C ignored, and the commands that tests interrupt
# would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

CHATML = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' "
    "+ '\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
SENTENCES = [
    "The quick brown fox jumps over the lazy dog.",
    "What is the currency of Japan? The yen.",
    "日本的货币是日元。 你好，世界！",
    "system user assistant tool",
    '{"territory": "JP", "currency": "JPY"}',
]


def make_tokenizer(chat_template: str | None = CHATML) -> Any:
    """A byte-level BPE of about 400 tokens, trained on a few sentences, with ChatML's special tokens."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    specials = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=[AddedToken(s, special=True) for s in specials],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    core.train_from_iterator(SENTENCES * 3, trainer)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=core, eos_token="<|im_end|>", pad_token="<|endoftext|>", bos_token="<|im_start|>"
    )
    tokenizer.chat_template = chat_template
    return tokenizer


def sentencepiece_like() -> Any:
    """A Unigram tokenizer with word-boundary marks, whose special tokens begin and end a turn."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    pieces = ["<unk>", "<s>", "</s>", "▁", "▁a", "a", "b", "<", "/", "s", ">", "\n", ":"]
    core = Tokenizer(models.Unigram([(piece, -float(i)) for i, piece in enumerate(pieces)], unk_id=0))
    core.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first")
    core.decoder = decoders.Metaspace()
    core.add_special_tokens([AddedToken(t, special=True, normalized=False) for t in ("<unk>", "<s>", "</s>")])
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=core, eos_token="</s>", bos_token="<s>", unk_token="<unk>")
    tokenizer.chat_template = (
        "{% for m in messages %}<s>{{ m['role'][0] }}:{{ m['content'] }}</s>{% endfor %}"
        "{% if add_generation_prompt %}<s>a:{% endif %}"
    )
    return tokenizer


def make_model(vocabulary: int, seed: int = 0, tied: bool = True) -> Any:
    """A seeded Llama of 2 layers; its weights are large enough that its outputs differ clearly."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=256,
        tie_word_embeddings=tied,
        initializer_range=0.2,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=0,
    )
    return LlamaForCausalLM(config)


@pytest.fixture
def sft(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """`sft("score", path, stdin=b"…")`: the command in this process, its exit code and both streams."""
    return lambda *words, **keys: run_command(monkeypatch, capsys, *words, **keys)


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The test's own folder, which is the current one meanwhile."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="session")
def tokenizer() -> Any:
    return make_tokenizer()


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint directory of the tiny model."""
    folder = tmp_path_factory.mktemp("models") / "tiny"
    tokenizer = make_tokenizer()
    make_model(len(tokenizer)).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_teacher(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Another one, of the same vocabulary and other weights."""
    folder = tmp_path_factory.mktemp("models") / "teacher"
    tokenizer = make_tokenizer()
    make_model(len(tokenizer), seed=1, tied=False).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def step_lines(folder: Path) -> list[dict[str, Any]]:
    """The lines of a run's metrics.jsonl, but for that of step 0, which says how it was before training."""
    import json

    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    return [line for line in lines if line["step"] > 0]


def chat(*turns: str, **keys: Any) -> dict[str, Any]:
    """A row of alternating user and assistant turns."""
    roles = ("user", "assistant")
    return {"id": "r", "messages": [{"role": roles[i % 2], "content": text} for i, text in enumerate(turns)], **keys}


@pytest.fixture
def rows_file(tmp_path: Path) -> Path:
    """Eight rows of different lengths, one of them with two assistant turns, one in Chinese."""
    import json

    turns = [
        ("What is the currency of Japan?", "The yen."),
        ("日本的货币是什么？", "日元。"),
        ("Hello", "The quick brown fox jumps over the lazy dog."),
        ("The dog?", "Lazy.", "And the fox?", "Quick and brown."),
        ("a", "b"),
        ("What is what?", "That is that, and this is this."),
        ("JP", '{"territory": "JP", "currency": "JPY"}'),
        ("The fox and the dog and the yen", "The yen."),
    ]
    path = tmp_path / "rows.jsonl"
    rows = [{**chat(*words), "id": f"r{i}", "task": "even" if i % 2 == 0 else "odd"} for i, words in enumerate(turns)]
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path
