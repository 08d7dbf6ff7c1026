"""Models that read short texts: they embed a text, or say how well a passage fits a query."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from sft_cli.model.device import dtype_note, pick_device, pick_dtype, use_threads
from sft_cli.model.embed import batches_of
from sft_cli.model.libraries import quiet_libraries
from sft_cli.model.load import load_tokenizer, loading
from sft_cli.model.text_model_files import EmbeddingPlan, embedding_plan
from sft_cli.run.errors import UserError
from sft_cli.run.flags import UsesDevice

TEXT_BATCH_TOKENS = 8192  # of a batch, its padding not counted
UNLIMITED = 1 << 30


class TextReader:
    """A loaded encoder and its tokenizer; it cuts texts at `max_tokens`, and counts the cut texts."""

    def __init__(self, flag: str, folder: Path, model_class: str, settings: UsesDevice) -> None:
        use_threads(settings.threads)
        self.device = pick_device(settings.device)
        self.dtype = pick_dtype(settings.dtype, self.device)
        self.note = dtype_note(settings.dtype, self.dtype)
        self.tokenizer = load_tokenizer(str(folder))
        self.tokenizer.padding_side = "right"
        self.model = _load_encoder(flag, folder, model_class, self.dtype).to(self.device).eval()
        self.max_tokens = _most_positions(self.model, self.tokenizer)
        self.cut = 0

    def encode(self, *texts: list[str]) -> list[Any]:
        """The tokens of each text, or of each pair of texts; the longer text of a pair is cut."""
        encoded = self.tokenizer(*texts, truncation="longest_first", max_length=self.max_tokens)
        self.cut += sum(bool(each.overflowing) for each in encoded.encodings)
        names = ("input_ids", "token_type_ids")
        return [{name: encoded[name][i] for name in names if name in encoded} for i in range(len(texts[0]))]

    def each(self, inputs: list[Any], compute: Callable[[dict[str, Tensor]], Tensor]) -> list[np.ndarray]:
        """The result of `compute` for each input, (…,) float32, in their order; the longest are read first."""
        values: list[np.ndarray] = [np.empty(0)] * len(inputs)
        with torch.no_grad():
            for members in batches_of([len(each["input_ids"]) for each in inputs], TEXT_BATCH_TOKENS):
                result = compute(self._batch([inputs[i] for i in members])).float().cpu().numpy()
                for i, value in zip(members, result, strict=True):
                    values[i] = value
        return values

    def _batch(self, inputs: list[Any]) -> dict[str, Tensor]:
        """Texts side by side, padded at their ends."""
        lengths = [len(each["input_ids"]) for each in inputs]
        padding = {"input_ids": self.tokenizer.pad_token_id or 0, "token_type_ids": 0}
        batch = {}
        for name in inputs[0]:
            rows = [each[name] + [padding[name]] * (max(lengths) - len(each[name])) for each in inputs]
            batch[name] = torch.tensor(rows, device=self.device)
        places = torch.arange(max(lengths), device=self.device)
        batch["attention_mask"] = (places < torch.tensor(lengths, device=self.device)[:, None]).long()
        return batch


class TextEmbedder(TextReader):
    """Embeds queries and passages as the files of an embedding checkpoint say."""

    def __init__(self, name: str, settings: UsesDevice, flag: str = "--embedding") -> None:
        self.plan: EmbeddingPlan = embedding_plan(name, flag)
        super().__init__(flag, self.plan.folder, "AutoModel", settings)
        self.max_tokens = min(self.max_tokens, self.plan.max_tokens or UNLIMITED)
        self.layers = [_load_layer(folder, activation).to(self.device) for folder, activation in self.plan.layers]

    @property
    def about(self) -> str:
        """The pooling, the longest text and the prompts, for a message."""
        plan = self.plan
        most = f", texts up to {self.max_tokens:,} tokens" if self.max_tokens < UNLIMITED else ""
        pooling = plan.pooling if plan.is_known else f"{plan.pooling} (the checkpoint does not name one)"
        prompts = f", prompts {plan.query_prompt!r} and {plan.passage_prompt!r}"
        return f"pooling {pooling}{most}{prompts if plan.query_prompt or plan.passage_prompt else ''}"

    def passages(self, texts: Sequence[str]) -> np.ndarray:
        """The vectors of passages, (N, width) float32, of length 1 if the checkpoint normalises them."""
        return self._embed([self.plan.passage_prompt + text for text in texts])

    def queries(self, texts: Sequence[str]) -> np.ndarray:
        """The vectors of queries, (N, width) float32; a text without tokens has zeros."""
        cut = self.cut
        vectors = self._embed([self.plan.query_prompt + text for text in texts])
        self.cut = cut  # counts passages
        return vectors

    def _embed(self, texts: list[str]) -> np.ndarray:
        def vectors(batch: dict[str, Tensor]) -> Tensor:
            states = self.model(**batch).last_hidden_state.float()
            pooled = pool(states, batch["attention_mask"], self.plan.pooling)
            for layer in self.layers:
                pooled = layer(pooled)
            return functional.normalize(pooled, dim=1) if self.plan.normalizes else pooled

        inputs = self.encode([text.lower() for text in texts] if self.plan.lowers else texts)
        filled = [i for i, each in enumerate(inputs) if each["input_ids"]]
        rows = self.each([inputs[i] for i in filled], vectors)
        width = len(rows[0]) if rows else int(self.model.config.hidden_size)
        result = np.zeros((len(texts), width), dtype=np.float32)
        if filled:
            result[filled] = rows
        return result


class PairClassifier(TextReader):
    """A sequence classifier that reads two texts together."""

    def __init__(self, flag: str, name: str, settings: UsesDevice) -> None:
        super().__init__(flag, Path(name), "AutoModelForSequenceClassification", settings)

    def logits(self, firsts: list[str], seconds: list[str]) -> np.ndarray:
        """The logits of each pair, (N, labels) float32."""
        rows = self.each(self.encode(firsts, seconds), lambda batch: self.model(**batch).logits)
        return np.array(rows, np.float32).reshape(len(firsts), -1)


class PairScorer(PairClassifier):
    """Scores how well passages fit a query. label: the number of the label that says yes, or None for one logit.

    has_premise: whether the passage is the premise of the query.
    """

    def __init__(self, name: str, settings: UsesDevice, label: int | None, has_premise: bool) -> None:
        self.label, self.has_premise = label, has_premise
        super().__init__("--rerank", name, settings)

    def scores(self, query: str, passages: list[str]) -> list[float]:
        """A score of each passage, higher is better: the logit, or the probability of the label that supports.

        A classifier with one logit, or with the label `relevant`, reads (query, passage). One with the label
        `entailment` or `supported` reads the passage as the premise and the query as the hypothesis.
        """
        queries = [query] * len(passages)
        logits = self.logits(passages, queries) if self.has_premise else self.logits(queries, passages)
        return [float(each) for each in (logits[:, 0] if self.label is None else softmax(logits)[:, self.label])]


def softmax(logits: np.ndarray) -> np.ndarray:
    """The probabilities of rows of logits, (N, K)."""
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=1, keepdims=True))


def pool(states: Tensor, mask: Tensor, pooling: str) -> Tensor:
    """One vector of the states of a text: their mean or largest values, or the first or last state.

    states: (B, T, d). mask: (B, T), 1 for tokens and 0 for padding, which is at the end. Returns (B, d). Source:
    sentence-transformers, `Pooling.forward`.
    """
    if pooling == "cls":
        return states[:, 0]
    if pooling == "last":
        return states[torch.arange(len(states), device=states.device), mask.sum(dim=1) - 1]
    weights = mask.unsqueeze(-1)
    if pooling == "max":
        return states.masked_fill(weights == 0, float("-inf")).amax(dim=1)
    return (states * weights).sum(dim=1) / weights.sum(dim=1)


def _load_layer(folder: Path, activation: str) -> torch.nn.Module:
    """A linear layer with its activation, float32; raises UserError if its weights are not safetensors.

    Source: sentence-transformers, `Dense`.
    """
    from safetensors.torch import load_file

    try:
        weights = load_file(folder / "model.safetensors")
        weight, bias = weights["linear.weight"].float(), weights.get("linear.bias")
    except (OSError, KeyError) as error:
        raise UserError(
            f"--embedding: {folder / 'model.safetensors'}: expected the weights of a layer, got {error}"
        ) from error
    layer = torch.nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None)
    layer.load_state_dict({"weight": weight, **({"bias": bias.float()} if bias is not None else {})})
    return torch.nn.Sequential(layer, getattr(torch.nn, activation)())


def _load_encoder(flag: str, folder: Path, model_class: str, dtype: str) -> Any:
    """The model of a folder; raises UserError if the weights are not safetensors, or if some are missing."""
    quiet_libraries()
    import transformers

    if not any(folder.glob("*.safetensors")):
        hint = "hint: save_pretrained of transformers writes model.safetensors"
        raise UserError(f"{flag}: {folder}: expected weights in safetensors, got none\n{hint}")
    with loading(str(folder)):
        model, facts = getattr(transformers, model_class).from_pretrained(
            folder,
            dtype=getattr(torch, dtype),
            use_safetensors=True,
            trust_remote_code=False,
            output_loading_info=True,
        )
    missing = sorted(name for name in facts["missing_keys"] if model_class != "AutoModel" or "pooler." not in name)
    model.config.use_cache = False  # of decoders, which would keep keys and values
    if missing:
        raise UserError(
            f"{flag}: {folder}: expected weights for {type(model).__name__}, got none for {', '.join(missing[:3])}"
        )
    return model


def _most_positions(model: Any, tokenizer: Any) -> int:
    """The largest number of tokens that a model and its tokenizer allow."""
    config = model.config
    most = min(int(getattr(config, "max_position_embeddings", None) or UNLIMITED), tokenizer.model_max_length)
    for name, module in model.named_modules():
        # RoBERTa and its like number positions from the padding index on, so fewer are left.
        if name.endswith("position_embeddings") and getattr(module, "padding_idx", None) is not None:
            most = min(most, module.num_embeddings - module.padding_idx - 1)
    return min(most, UNLIMITED)
