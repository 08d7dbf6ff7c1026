"""Small models with one peculiarity each, made from a seed when a test first asks for one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

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


def plain() -> tuple[Any, Any]:
    """The tiny Llama, its output layer tied to its embedding."""
    tokenizer = make_tokenizer()
    return make_model(len(tokenizer)), tokenizer


def untied() -> tuple[Any, Any]:
    """The same with an output layer of its own."""
    tokenizer = make_tokenizer()
    return make_model(len(tokenizer), seed=3, tied=False), tokenizer


def gemma2() -> tuple[Any, Any]:
    """A tiny Gemma 2: its scores are capped, every other layer sees a window, and transformers has no SDPA for it."""
    import torch
    from transformers import Gemma2Config, Gemma2ForCausalLM

    tokenizer = make_tokenizer()
    torch.manual_seed(0)
    config = Gemma2Config(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=8,
        query_pre_attn_scalar=8,
        sliding_window=8,
        max_position_embeddings=256,
        initializer_range=0.2,
        final_logit_softcapping=5.0,
        attn_logit_softcapping=5.0,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=0,
    )
    return Gemma2ForCausalLM(config), tokenizer


def saying(*words: str, **more: Any) -> tuple[Any, Any]:
    """A model that writes the words, a token each, in turn and for ever, whatever stands before them."""
    import torch

    tokenizer = make_tokenizer()
    if "extra" in more:
        tokenizer.add_special_tokens({"additional_special_tokens": more.pop("extra")})
    model = make_model(len(tokenizer), tied=False)
    ids = [tokenizer(word, add_special_tokens=False).input_ids[-1] for word in words]
    with torch.no_grad():
        for layer in model.model.layers:  # nothing but the last token counts
            layer.self_attn.o_proj.weight.zero_()
            layer.mlp.down_proj.weight.zero_()
        model.lm_head.weight.zero_()
        directions = torch.nn.functional.normalize(model.model.embed_tokens.weight, dim=1)
        model.model.embed_tokens.weight.copy_(directions)
        for before, after in zip(["\n", *words], [*words, words[0]], strict=True):
            last = tokenizer(before, add_special_tokens=False).input_ids[-1]
            model.lm_head.weight[ids[words.index(after)]] += 50 * directions[last]
    return model, tokenizer


def writes_a_special_token() -> tuple[Any, Any]:
    """It writes `The<|eot|> fox<|eot|> dog` again and again; the checkpoint does not stop at <|eot|>."""
    return saying("The", "<|eot|>", " fox", " dog", extra=["<|eot|>"])


def base() -> tuple[Any, Any]:
    """A base model, which stops at <|endoftext|> alone; its template ends turns with <|im_end|>, which it writes."""
    model, tokenizer = saying("The", " fox", "<|im_end|>")
    tokenizer.eos_token = "<|endoftext|>"
    model.config.eos_token_id = model.generation_config.eos_token_id = 0
    return model, tokenizer


def short_embedding() -> tuple[Any, Any]:
    """Its tokenizer has a token more, `brandnew`, than the model has embeddings."""
    model, tokenizer = plain()
    tokenizer.add_tokens(["brandnew"])
    return model, tokenizer


def no_template() -> tuple[Any, Any]:
    """A base model without a chat template."""
    model, tokenizer = plain()
    tokenizer.chat_template = None
    return model, tokenizer


def wide() -> tuple[Any, Any]:
    """The same with other sizes, so that no adapter of `tiny` fits."""
    from transformers import LlamaConfig, LlamaForCausalLM

    _, tokenizer = plain()
    sizes = {"hidden_size": 48, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
    return LlamaForCausalLM(LlamaConfig(vocab_size=len(tokenizer), max_position_embeddings=256, **sizes)), tokenizer


def embedder() -> tuple[Any, Any]:
    """A tiny BERT that embeds texts; `save_embedder` adds the files of sentence-transformers."""
    import torch
    from transformers import BertModel

    tokenizer = word_pieces()
    torch.manual_seed(0)
    return BertModel(_bert_config(len(tokenizer))), tokenizer


def roberta_embedder() -> tuple[Any, Any]:
    """A tiny RoBERTa, whose positions begin after the padding index; its tokenizer has no limit."""
    import torch
    from transformers import RobertaConfig, RobertaModel

    tokenizer = word_pieces()
    tokenizer.model_max_length = int(1e30)
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4}
    more = {"max_position_embeddings": 20, "type_vocab_size": 2, "pad_token_id": 0}
    return RobertaModel(RobertaConfig(vocab_size=len(tokenizer), **sizes, **more)), tokenizer


def relevance() -> tuple[Any, Any]:
    """A tiny BERT that scores pairs of texts with one logit."""
    return _classifier({0: "LABEL_0"})


def entailment() -> tuple[Any, Any]:
    """A tiny BERT with the three labels of natural language inference."""
    return _classifier({0: "contradiction", 1: "neutral", 2: "ENTAILMENT"})


def emotions() -> tuple[Any, Any]:
    """A tiny BERT whose labels say nothing about a pair of texts."""
    return _classifier({0: "joy", 1: "anger"})


def _classifier(labels: dict[int, str]) -> tuple[Any, Any]:
    import torch
    from transformers import BertForSequenceClassification

    tokenizer = word_pieces()
    torch.manual_seed(0)
    config = _bert_config(len(tokenizer), id2label=labels, label2id={label: n for n, label in labels.items()})
    return BertForSequenceClassification(config), tokenizer


def _bert_config(vocabulary: int, **more: Any) -> Any:
    from transformers import BertConfig

    sizes = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4}
    return BertConfig(vocab_size=vocabulary, max_position_embeddings=64, initializer_range=0.2, **sizes, **more)


def word_pieces() -> Any:
    """BERT's tokenizer over the words of a few sentences, and all their letters."""
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    specials = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    words = {word for text in SENTENCES for word in text.lower().replace("?", " ?").replace(".", " .").split()}
    letters = {letter for text in SENTENCES for letter in text.lower() if not letter.isspace()} | set("qz1234567890,")
    pieces = [*specials, *sorted(words | letters), *sorted(f"##{letter}" for letter in letters)]
    core = Tokenizer(models.WordPiece({piece: n for n, piece in enumerate(pieces)}, unk_token="[UNK]"))
    core.normalizer = normalizers.BertNormalizer()
    core.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    core.decoder = decoders.WordPiece()
    core.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    names = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    inputs = ["input_ids", "token_type_ids", "attention_mask"]
    return PreTrainedTokenizerFast(tokenizer_object=core, model_input_names=inputs, model_max_length=64, **names)


# The files of sentence-transformers beside those of transformers, and the pooling that they name.
MEAN = {"pooling_mode_cls_token": False, "pooling_mode_mean_tokens": True, "pooling_mode_max_tokens": False}


def save_embedder(
    target: Path, pooling: dict[str, Any] | None = None, made: tuple[Any, Any] | None = None, **files: Any
) -> Path:
    """The tiny BERT, or a made model, as sentence-transformers saves one; `files` are objects by their names."""
    import json

    model, tokenizer = made or embedder()
    model.save_pretrained(target)
    tokenizer.save_pretrained(target)
    modules = {"": "sentence_transformers.models.Transformer", "1_Pooling": "sentence_transformers.models.Pooling"}
    listed = [{"idx": n, "name": str(n), "path": path, "type": kind} for n, (path, kind) in enumerate(modules.items())]
    (target / "1_Pooling").mkdir(exist_ok=True)
    written = {"modules": listed, "1_Pooling/config": pooling or MEAN, **files}
    for name, value in written.items():
        (target / f"{name}.json").write_text(json.dumps(value), encoding="utf-8")
    return target


# What a case may write as `{NAME}` in its command.
MODELS: dict[str, Callable[[], tuple[Any, Any]]] = {
    "tiny": plain,
    "untied": untied,
    "gemma2": gemma2,
    "writes-a-special-token": writes_a_special_token,
    "base": base,
    "no-template": no_template,
    "wide": wide,
    "short-embedding": short_embedding,
    "embedder": embedder,
    "relevance": relevance,
    "entailment": entailment,
    "emotions": emotions,
}


def save(name: str, folder: Path) -> Path:
    """The checkpoint directory of a model of the table, below `folder`; made if it is not there."""
    target = folder / name
    if not target.is_dir():
        model, tokenizer = MODELS[name]()
        model.save_pretrained(target)
        tokenizer.save_pretrained(target)
    return target


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
