"""What the files of an embedding model or a classifier say of its use. No torch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

from sft_cli.run.errors import FieldError, UserError, shown

# The flags of 1_Pooling/config.json, and what we call them.
POOLING_FLAGS = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_lasttoken": "last",
}
POOLING_NAMES = {"cls": "cls", "mean": "mean", "max": "max", "lasttoken": "last"}  # values of `pooling_mode`
PASSAGE_PROMPTS = ("document", "passage", "corpus")  # their names, in the order in which they are looked up


class EmbeddingPlan(NamedTuple):
    """How a text becomes a vector.

    folder: where the transformer is. pooling: mean, cls, max or last. max_tokens: of the files, None if they have none.
    query_prompt, passage_prompt: text before each query and passage. is_known: whether the files name the pooling.
    layers: folders of the linear layers after the pooling, and their activations (Tanh or Identity).
    """

    folder: Path
    pooling: str = "mean"
    normalizes: bool = True
    max_tokens: int | None = None
    lowers: bool = False
    query_prompt: str = ""
    passage_prompt: str = ""
    is_known: bool = False
    layers: tuple[tuple[Path, str], ...] = ()


def check_local_checkpoint(flag: str, name: str) -> None:
    """Raise UserError if a folder has no config.json, and no modules.json that says where it is."""
    folder = Path(name)
    if not folder.is_dir():
        raise UserError(f"{flag}: {name}: expected a folder with a model, got a file")
    if not (folder / "config.json").is_file() and not (folder / "modules.json").is_file():
        raise UserError(f"{flag}: {name}: expected a checkpoint directory, got one without config.json")


def embedding_plan(name: str, flag: str = "--embedding") -> EmbeddingPlan:
    """The plan of a checkpoint directory, from the files that sentence-transformers writes.

    They are modules.json, the config.json of each module, sentence_bert_config.json and
    config_sentence_transformers.json. Without modules.json it is the mean over all tokens, divided by its length.
    Raises UserError for a module, a pooling or a similarity that we do not have. Source: sentence-transformers,
    `Pooling`, and `encode_query` and `encode_document` of `SentenceTransformer`.
    """
    check_local_checkpoint(flag, name)
    root = Path(name)
    modules = _read_modules(root)
    own = read_object(root / "config_sentence_transformers.json")
    query, passage = _prompts_of(own, root / "config_sentence_transformers.json")
    similarity = own.get("similarity_fn_name") or "cosine"
    if similarity not in ("cosine", "dot"):
        raise _unsupported(
            root / "config_sentence_transformers.json", "similarity_fn_name", "cosine or dot", similarity
        )
    settings: dict[str, Any] = {}
    for path in sorted(modules.folder.glob("sentence_*_config.json")):
        settings |= read_object(path)
    most = settings.get("max_seq_length")
    return modules._replace(
        normalizes=modules.normalizes or similarity == "cosine",
        max_tokens=most if isinstance(most, int) and most > 0 else None,
        lowers=settings.get("do_lower_case") is True,
        query_prompt=query,
        passage_prompt=passage,
    )


def classifier_labels(flag: str, name: str) -> list[str]:
    """The labels of a classifier, in the order of its logits, by `id2label` in the config.json of a folder."""
    check_local_checkpoint(flag, name)
    # transformers leaves out the names of two labels that have none.
    labels = read_object(Path(name) / "config.json").get("id2label") or {"0": "LABEL_0", "1": "LABEL_1"}
    return [str(labels[number]) for number in sorted(labels, key=int)]


def is_classifier(name: str) -> bool:
    """Whether the config.json of a folder names a sequence classifier."""
    architectures = read_object(Path(name) / "config.json").get("architectures") or []
    return any(str(each).endswith("ForSequenceClassification") for each in architectures)


def _read_modules(root: Path) -> EmbeddingPlan:
    """What modules.json says: where the transformer is, the pooling, the layers, and whether vectors get length 1."""
    path = root / "modules.json"
    plan = EmbeddingPlan(root, normalizes=False)
    if not path.is_file():
        return plan
    modules = _read_json(path)
    if not isinstance(modules, list) or not all(isinstance(module, dict) for module in modules):
        raise _unsupported(path, "", "a list of modules", modules)
    for module in modules:
        kind = str(module.get("type", "")).rpartition(".")[2]
        place = root / str(module.get("path", ""))
        if kind == "Transformer":
            plan = plan._replace(folder=place)
        elif kind == "Pooling":
            plan = plan._replace(pooling=_pooling_of(place / "config.json"), is_known=True)
        elif kind == "Normalize":
            plan = plan._replace(normalizes=True)
        elif kind == "Dense" and not plan.normalizes:
            plan = plan._replace(layers=(*plan.layers, (place, _activation_of(place / "config.json"))))
        else:
            raise _unsupported(path, "type", "Transformer, Pooling, Dense and then Normalize", kind)
    return plan


def _activation_of(path: Path) -> str:
    """Tanh or Identity, as a Dense module names it."""
    name = str(read_object(path).get("activation_function", "torch.nn.modules.activation.Tanh"))
    activation = name.rpartition(".")[2]
    if activation not in ("Tanh", "Identity"):
        raise _unsupported(path, "activation_function", "Tanh or Identity", name)
    return activation


def _pooling_of(path: Path) -> str:
    config = read_object(path)
    if isinstance(config.get("pooling_mode"), str):
        chosen = [config["pooling_mode"]]
        known = [POOLING_NAMES[name] for name in chosen if name in POOLING_NAMES]
    else:
        chosen = [name for name, value in config.items() if name.startswith("pooling_mode_") and value is True]
        known = [POOLING_FLAGS[name] for name in chosen if name in POOLING_FLAGS]
    if len(chosen) != 1 or not known:
        expected = "one of mean, cls, max and last token"
        raise _unsupported(path, "pooling_mode", expected, ", ".join(chosen) or "none")
    if config.get("include_prompt") is False:
        raise _unsupported(path, "include_prompt", "true", False)
    return known[0]


def _prompts_of(config: dict[str, Any], path: Path) -> tuple[str, str]:
    """The text before a query, and before a passage."""
    prompts = config.get("prompts") or {}
    if not isinstance(prompts, dict) or not all(isinstance(text, str) for text in prompts.values()):
        raise _unsupported(path, "prompts", "an object of texts", prompts)
    texts: dict[str, str] = prompts
    default = texts.get(config.get("default_prompt_name") or "", "")
    passage = next((texts[name] for name in PASSAGE_PROMPTS if name in texts), default)
    return texts.get("query", default), passage


def _unsupported(path: Path, field: str, expected: str, got: object) -> UserError:
    text = got if isinstance(got, str) else shown(got)
    return UserError(f"--embedding: {path}: {FieldError(field, f'expected {expected}, got {text}')}")


def read_object(path: Path) -> dict[str, Any]:
    """The object in a file; empty if there is no file."""
    value = _read_json(path) if path.is_file() else {}
    if not isinstance(value, dict):
        raise _unsupported(path, "", "a JSON object", value)
    return value


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: not JSON: {error}") from error
