"""Train a verifier by the recipe of docs/verification.md and measure it on sets that it has not seen.

    make bench-verifier BENCH='--base smollm2-135m-instruct --wordnet /usr/share/wordnet --nli nli/ --scifact scifact/
        --text wiki.txt --summedits summedits_samsum.json'
    make bench-verifier BENCH='--base all-MiniLM-L6-v2 --head …'

`sft train` trains the upper half of a language model; with `--head`, demo/train_classifier.py trains a classification
head on an encoder.

`--nli` has mnli.train.json and mnli.test.json, and rte.train.json (texts `sentence 1: …`, `sentence 2: …`); of RTE only
the entailments are taken, because its other label does not say whether the claim is contradicted. Changed claims are
made of `--text` and of SciFact's abstracts, but for those that its validation claims cite. Prints the accuracy with a
95 % interval (bootstrap) beside the most frequent label and beside containment: the share of the claim's words that the
evidence has, with thresholds fitted on the training rows. A summary of SummEdits has the smallest score of its claims;
the threshold is fitted on the part `evaluation`.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from verify import report

from sft_cli.data.verifier.stances import STANCES, stance_of
from sft_cli.evidence.claims import Claim, split_claims
from sft_cli.evidence.facts.check import check_claim
from sft_cli.evidence.facts.roots import content_words
from sft_cli.evidence.verification.combined import combined_score
from sft_cli.evidence.verification.model_check import ModelCheck
from sft_cli.evidence.verification.sources import Voices
from sft_cli.evidence.verification.stance_models import ChoiceVerifier, NliVerifier
from sft_cli.run.flags import UsesDevice

HERE = Path(__file__).parent
TRAINING = ("--freeze-bottom", "15", "--learning-rate", "2e-4", "--batch-tokens", "2048")  # 15: half of 30 layers
PAIR = re.compile(r"sentence 1: ?(.*?)\nsentence 2: ?(.*)", re.DOTALL)


class Labelled(NamedTuple):
    """Evidence, a claim, and the number of its stance."""

    evidence: str
    claim: str
    stance: int


def nli(path: Path) -> list[Labelled]:
    """The pairs of a file; those with a hidden label are left out."""
    rows = []
    for record in json.loads(path.read_text(encoding="utf-8")):
        match, stance = PAIR.fullmatch(record["sentence"]), stance_of(record["label"])
        if match is not None and stance is not None:
            rows.append(Labelled(match[1].strip(), match[2].strip(), STANCES.index(stance)))
    return rows


def records(path: Path) -> list[dict[str, str]]:
    """The records of a CSV file."""
    csv.field_size_limit(10**9)
    with path.open(encoding="utf-8", newline="") as source:
        return list(csv.DictReader(source))


def abstracts(folder: Path) -> dict[str, list[str]]:
    """The sentences of each abstract; they are lists as numpy prints them."""
    quoted = re.compile(r"'((?:[^'\\]|\\.)*)'(?=\s*\n|\s*\])|\"((?:[^\"\\]|\\.)*)\"(?=\s*\n|\s*\])")
    return {
        record["doc_id"]: [
            " ".join((one or two).replace("\\'", "'").split()) for one, two in quoted.findall(record["abstract"])
        ]
        for record in records(folder / "corpus_train.csv")
    }


def scifact(folder: Path, part: str, texts: dict[str, list[str]]) -> list[Labelled]:
    """Claims with their evidence; one without evidence with a few sentences of the abstract that it cites."""
    generator, rows = random.Random(0), []
    for record in records(folder / f"claims_{part}.csv"):
        stance = stance_of(record["evidence_label"])
        if stance is not None:
            sentences = texts[record["evidence_doc_id"]]
            places = [int(place) for place in re.findall(r"\d+", record["evidence_sentences"])]
            evidence = " ".join(sentences[place] for place in places if place < len(sentences))
        else:
            sentences = texts[re.findall(r"\d+", record["cited_doc_ids"])[0]]
            size = generator.randint(1, 3)
            start = generator.randrange(max(1, len(sentences) - size + 1))
            evidence, stance = " ".join(sentences[start : start + size]), "not stated"
        if evidence:
            rows.append(Labelled(evidence, record["claim"], STANCES.index(stance)))
    return rows


def train(given: argparse.Namespace, rows: list[Labelled], texts: dict[str, list[str]]) -> None:
    """Run the recipe: prep, changed claims, training."""
    folder = Path(given.folder)
    folder.mkdir(parents=True, exist_ok=True)
    labelled, documents = folder / "labelled.jsonl", folder / "documents.txt"
    with labelled.open("w", encoding="utf-8") as sink:
        for evidence, claim, stance in rows:
            record = {"evidence": evidence, "claim": claim, "label": STANCES[stance]}
            sink.write(json.dumps(record, ensure_ascii=False) + "\n")
    cited = {
        name
        for record in records(Path(given.scifact) / "claims_validation.csv")
        for name in re.findall(r"\d+", record["cited_doc_ids"])
    }
    kept = [" ".join(sentences) for name, sentences in texts.items() if name not in cited]
    documents.write_text("".join(text + "\n" for text in kept), encoding="utf-8")
    demo = HERE.parent / "demo"
    wordnet = ["--wordnet", given.wordnet] if given.wordnet else []
    made = subprocess.run(
        [sys.executable, str(demo / "changed_claims.py"), str(given.changed), str(documents), *given.text, *wordnet],
        check=True,
        stdout=subprocess.PIPE,
    ).stdout
    (folder / "changed.jsonl").write_bytes(made)
    rows_path = folder / "rows.jsonl"
    sft = [sys.executable, "-m", "sft_cli", "prep", "--verifier", str(labelled), str(folder / "changed.jsonl")]
    subprocess.run([*sft, "-o", str(rows_path), "--force"], check=True)
    start, out = time.perf_counter(), str(folder / "model")
    if given.head:
        script = [sys.executable, str(demo / "train_classifier.py"), str(rows_path), given.base, out]
        subprocess.run([*script, str(given.epochs)], check=True)
    else:
        sft = [sys.executable, "-m", "sft_cli", "train", str(rows_path), "--model", given.base, "-o", out]
        subprocess.run([*sft, *TRAINING, "--epochs", f"{given.epochs:g}"], check=True)
    print(f"training: {(time.perf_counter() - start) / 60:.1f} minutes", flush=True)


def containment(rows: list[Labelled]) -> np.ndarray:
    """The share of the content words of each claim that the evidence has."""
    shares = []
    for row in rows:
        words, there = (
            [word.root for word in content_words(row.claim)],
            {word.root for word in content_words(row.evidence)},
        )
        shares.append(sum(word in there for word in words) / len(words) if words else 0.0)
    return np.array(shares)


def by_containment(fitted: list[Labelled], measured: list[Labelled]) -> np.ndarray:
    """Stances by the best of all rules: one stance below a threshold, another from it on."""
    shares, stances = containment(fitted), np.array([row.stance for row in fitted])
    best = max(
        (
            (np.where(shares >= cut, above, below) == stances).mean(),
            float(cut),
            above,
            below,
        )
        for cut in np.unique(np.round(shares, 2))
        for above in range(3)
        for below in range(3)
    )
    return np.where(containment(measured) >= best[1], best[2], best[3])


def accuracy(name: str, right: np.ndarray) -> str:
    """The share that is right, with an interval."""
    generator = np.random.default_rng(0)
    draws = right[generator.integers(0, len(right), (2000, len(right)))].mean(axis=1)
    low, high = np.percentile(draws, [2.5, 97.5])
    return f"{name} {right.mean():.3f} [{low:.3f}, {high:.3f}]"


def stances(check: ModelCheck, rows: list[Labelled]) -> np.ndarray:
    """The stance that the model finds most probable for each row."""
    assert check.model is not None
    return np.asarray(check.model.probabilities([(row.evidence, row.claim) for row in rows]).argmax(axis=1))


def measure(name: str, check: ModelCheck, fitted: list[Labelled], measured: list[Labelled]) -> None:
    """Print the accuracy of the model, of the most frequent stance and of containment."""
    truth = np.array([row.stance for row in measured])
    frequent = np.bincount([row.stance for row in fitted]).argmax()
    parts = [
        accuracy("verifier", stances(check, measured) == truth),
        accuracy("majority", truth == frequent),
        accuracy("containment", by_containment(fitted, measured) == truth),
    ]
    print(f"{name}, {len(measured):,} rows: " + ", ".join(parts), flush=True)


def scores_of(check: ModelCheck, document: str, text: str) -> Iterator[tuple[float, float]]:
    """For each claim of a text the score with the model, and that of the facts alone."""
    claims = split_claims(text) or [Claim(text, tuple(range(len(text))))]
    heard = Voices([{"text": document}])
    for claim, said in zip(claims, check.said(claims, [heard] * len(claims)), strict=True):
        facts = check_claim(claim.text, heard.sources[0].evidence)
        yield combined_score(facts, said.stances[0]), facts.score


def summedits(path: str, check: ModelCheck) -> None:
    """Print the balanced accuracy on a file of SummEdits."""
    parts: dict[str, list[tuple[str, int, float]]] = {"evaluation": [], "test": []}
    for row in json.loads(Path(path).read_text(encoding="utf-8")):
        scores = [score for score, _ in scores_of(check, row["doc"], row["summary"])]
        parts[row["split"]].append((row["doc"], int(row["label"]), min(scores)))
    report(f"{Path(path).stem}, with the verifier", parts["evaluation"], parts["test"])


def main() -> None:
    """Train unless the folder has a model, and print a line for each set."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    for flag in ("--nli", "--scifact"):
        parser.add_argument(flag, required=True)
    parser.add_argument("--base", help="model to train: a language model, or an encoder with --head")
    parser.add_argument("--head", action="store_true", help="train a classification head on an encoder")
    parser.add_argument("--wordnet", metavar="DIR", help="files of WordNet, for claims in other words")
    parser.add_argument("--text", action="append", default=[])
    parser.add_argument("--summedits", action="append", default=[])
    parser.add_argument("--folder", default="build/verifier")
    parser.add_argument("--changed", type=int, default=2800, help="number of changed claims")
    parser.add_argument("--most-nli", type=int, default=1500, help="number of pairs of MNLI")
    parser.add_argument("--epochs", type=float, default=1)
    given = parser.parse_args()
    texts, science = abstracts(Path(given.scifact)), Path(given.scifact)
    mnli, claims = nli(Path(given.nli) / "mnli.train.json"), scifact(science, "train", texts)
    entailed = [row for row in nli(Path(given.nli) / "rte.train.json") if row.stance == 0]
    if not (Path(given.folder) / "model").is_dir():
        if given.base is None:
            parser.error("--base: expected a model to train")
        train(given, [*mnli[: given.most_nli], *entailed, *claims], texts)
    kind = NliVerifier if given.head else ChoiceVerifier
    check = ModelCheck(kind(f"{given.folder}/model", UsesDevice()))
    measure("SciFact, validation", check, claims, scifact(science, "validation", texts))
    for path in given.summedits:
        summedits(path, check)
    measure("MNLI, held out", check, mnli, nli(Path(given.nli) / "mnli.test.json"))


if __name__ == "__main__":
    main()
