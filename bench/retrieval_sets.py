"""`sft retrieve` on sets with relevance judgements, scored by `sft score`; and bm25s with its own words.

    make bench-retrieval-sets BENCH='--scifact scifact/ --drcd DRCD_dev.json --cranfield cranfield/ --embedding DIR'

SciFact: `corpus_train.csv` and `claims_validation.csv` of AllenAI's release (its 300 claims are BEIR's test); DRCD: a
file of SQuAD's form, question to paragraph; Cranfield: `cran.all.1400`, `cran.qry`, `cranqrel`, graded.
"""

from __future__ import annotations

import argparse
import csv
import json
import re
import subprocess
import tempfile
from pathlib import Path
from typing import Any

Rows = list[dict[str, Any]]


def scifact(folder: str) -> tuple[Rows, Rows]:
    """Abstracts, and claims with the ids of the abstracts that they cite."""
    csv.field_size_limit(1 << 30)
    join = re.compile(r"['\"]\s*\n?\s*['\"]")  # the sentences of an abstract are a list of numpy's form
    with open(f"{folder}/corpus_train.csv", encoding="utf-8", newline="") as file:
        corpus = [
            {"id": row["doc_id"], "title": row["title"], "text": join.sub(" ", row["abstract"]).strip("[]'\"")}
            for row in csv.DictReader(file)
        ]
    claims: dict[str, dict[str, Any]] = {}
    with open(f"{folder}/claims_validation.csv", encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            gold = claims.setdefault(row["id"], prompt(row["id"], row["claim"], []))["gold"]
            gold += [each for each in re.findall(r"\d+", row["cited_doc_ids"]) if each not in gold]
    return corpus, list(claims.values())


def drcd(path: str) -> tuple[Rows, Rows]:
    """Paragraphs, and questions with the paragraph that has the answer."""
    paragraphs = [each for entry in json.loads(Path(path).read_text("utf-8"))["data"] for each in entry["paragraphs"]]
    corpus = [{"id": each["id"], "text": each["context"]} for each in paragraphs]
    return corpus, [prompt(qa["id"], qa["question"], [each["id"]]) for each in paragraphs for qa in each["qas"]]


def cranfield(folder: str) -> tuple[Rows, Rows]:
    """Abstracts, and queries with grades from 1 to 4; queries are numbered by their order, as in the judgements."""

    def parts(name: str) -> list[str]:
        return re.split(r"^\.I (?=\d)", Path(folder, name).read_text("utf-8"), flags=re.MULTILINE)[1:]

    corpus = []
    for part in parts("cran.all.1400"):
        title = " ".join(re.search(r"^\.T\n(.*?)^\.A", part, re.MULTILINE | re.DOTALL)[1].split())  # type: ignore[index]
        text = part.partition("\n.W\n")[2].strip() or title or "empty"
        corpus.append({"id": part.split("\n", 1)[0].strip(), "title": title, "text": text})
    gold: dict[str, dict[str, int]] = {}
    for line in Path(folder, "cranqrel").read_text("utf-8").splitlines():
        query, document, grade = line.split()[:3]
        gold.setdefault(query, {})[document] = 5 - int(grade) if int(grade) > 0 else 0  # 1 is the best
    queries = [" ".join(part.split("\n.W\n", 1)[1].split()) for part in parts("cran.qry")]
    return corpus, [prompt(str(number), text, gold.get(str(number), {})) for number, text in enumerate(queries, 1)]


def prompt(name: str, text: str, gold: Any) -> dict[str, Any]:
    """A row to search for."""
    return {"id": name, "messages": [{"role": "user", "content": text}], "gold": gold}


def write(path: Path, rows: Rows) -> None:
    """Write rows as JSON lines."""
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


def scored(found: Path) -> str:
    """The values of `sft score`, as one line."""
    metrics = [word for name in ("ndcg@10", "recall@100", "recall@1") for word in ("--metric", name)]
    summary = found.with_suffix(".summary.json")
    command = ["sft", "score", found, *metrics, "-o", found.with_suffix(".scores.jsonl"), "--summary", summary, "-q"]
    subprocess.run([*map(str, command), "--force"], check=True)
    values = json.loads(summary.read_text("utf-8"))["metrics"]
    return ", ".join(f"{name} {next(iter(entry['values'].values())):.4f}" for name, entry in values.items())


def with_own_words(corpus: Rows, queries: Rows) -> Rows:
    """The rankings of bm25s with its defaults: words of two letters and more, English stop words left out."""
    import bm25s

    def words(texts: list[str]) -> Any:
        return bm25s.tokenize(texts, show_progress=False)

    searcher = bm25s.BM25()
    searcher.index(words([f"{row.get('title', '')}\n{row['text']}" for row in corpus]), show_progress=False)
    found, _ = searcher.retrieve(words([row["messages"][0]["content"] for row in queries]), k=100, show_progress=False)
    return [
        {**row, "context": [{"id": corpus[place]["id"], "text": "-"} for place in ranking]}
        for row, ranking in zip(queries, found, strict=True)
    ]


def main() -> None:
    """Print a line for each set and method."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    for flag in ("--scifact", "--drcd", "--cranfield", "--embedding"):
        parser.add_argument(flag)
    given = parser.parse_args()
    for name, read, path in (
        ("scifact", scifact, given.scifact),
        ("drcd", drcd, given.drcd),
        ("cranfield", cranfield, given.cranfield),
    ):
        if path is None:
            continue
        corpus, queries = read(path)
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary)
            write(folder / "corpus.jsonl", corpus)
            write(folder / "queries.jsonl", queries)
            command = ["sft", "retrieve", "--corpus", folder / "corpus.jsonl", folder / "queries.jsonl", "--top-k", 100]
            command += ["--chunk-tokens", 0, "--overlap-tokens", 0, "--index", folder / "index", "-q", "--force"]
            methods = ["bm25"] + (["dense", "fusion"] if given.embedding and name == "scifact" else [])
            for method in methods:
                more = [] if method == "bm25" else ["--embedding", given.embedding]
                out = folder / f"{method}.jsonl"
                subprocess.run([*map(str, [*command, "--method", method, *more, "-o", out])], check=True)
                print(
                    f"{name}, {method}: {len(corpus):,} documents, {len(queries):,} queries: {scored(out)}", flush=True
                )
            write(folder / "own.jsonl", with_own_words(corpus, queries))
            print(f"{name}, bm25s with its own words: {scored(folder / 'own.jsonl')}", flush=True)


if __name__ == "__main__":
    main()
