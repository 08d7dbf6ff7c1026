"""What `sft verify` finds without a model, on sets that people labelled, and on facts of CLDR.

    make bench-verify                                     # currencies of CLDR, in English and Chinese
    make bench-verify BENCH='--summedits summedits_samsum.json --stance subtask3.jsonl --factool factool.jsonl'
    make bench-verify BENCH='--english wiki.txt --chinese DRCD_dev.json --codex codex-s'

A text's score is the mean of its claims' scores. A threshold is fitted on a part of each set (SummEdits' `evaluation`;
half of the claims or prompts of the others, by a hash) and measured on the rest: balanced accuracy, with a 95 %
interval over documents, claims or prompts. `--english` and `--chinese` take true sentences, change one number, date,
name or negation in each, and ask whether the change is seen (recall), and whether true sentences are left alone
(precision).
"""

from __future__ import annotations

import argparse
import json
import random
import re
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from sft_cli.evidence.claims import split_claims
from sft_cli.evidence.facts.alignment import Evidence
from sft_cli.evidence.facts.check import check_claim
from sft_cli.evidence.graph.check import FunctionalRule, GraphChecker
from sft_cli.evidence.graph.link import EntityLinker
from sft_cli.evidence.graph.patterns import PatternMatcher
from sft_cli.evidence.graph.propose import propose_patterns
from sft_cli.evidence.graph.store import build_store
from sft_cli.evidence.graph.triples import Triple
from sft_cli.run.ledger import Ledger

Scored = tuple[str, int, float]  # group, label, score
SENTENCES = {
    "en": ("The currency of {} is the {}.", "People in {} pay with the {}.", "{} uses the {}."),
    "zh": ("{}的货币是{}。", "{}使用{}。", "在{}，人们用{}付款。"),
}
SWAPS = (("is", "is not"), ("was", "was not"), ("are", "are not"), ("were", "were not"), ("had", "had not"))


def score_of(text: str, evidence: Evidence) -> float:
    """The mean score of the claims of a text; 0 without claims."""
    scores = [check_claim(claim.text, evidence).score for claim in split_claims(text)]
    return float(np.mean(scores)) if scores else 0.0


def balanced(labels: Any, said: Any) -> float:
    """Balanced accuracy: the mean of the shares that are right among the positive and among the negative."""
    return float((said[labels == 1].mean() + (1 - said[labels == 0]).mean()) / 2)


def report(name: str, fitted: list[Scored], measured: list[Scored]) -> None:
    """Fit a threshold on some rows, print the balanced accuracy on the others."""
    labels, scores = (np.array([row[i] for row in fitted]) for i in (1, 2))
    cuts = np.unique(scores)
    best = max(cuts, key=lambda cut: balanced(labels, (scores >= cut).astype(float)))
    groups, labels = np.array([row[0] for row in measured]), np.array([row[1] for row in measured])
    said = np.array([float(row[2] >= best) for row in measured])
    names = sorted(set(groups))
    members = {group: np.flatnonzero(groups == group) for group in names}
    generator = np.random.default_rng(0)
    draws = []
    for _ in range(2000):
        drawn = np.concatenate([members[names[i]] for i in generator.integers(0, len(names), len(names))])
        if 0 < labels[drawn].sum() < len(drawn):
            draws.append(balanced(labels[drawn], said[drawn]))
    low, high = np.percentile(draws, [2.5, 97.5])
    print(f"{name}: balanced accuracy {balanced(labels, said):.3f} [{low:.3f}, {high:.3f}], {len(measured):,} rows")


def half(text: str) -> int:
    """0 or 1, by a hash of a text."""
    return zlib.crc32(text.encode()) % 2


def summedits(path: str) -> None:
    """Whether a summary agrees with its document."""
    rows = json.loads(Path(path).read_text(encoding="utf-8"))
    evidence = {row["doc"]: Evidence([row["doc"]]) for row in rows}
    parts: dict[str, list[Scored]] = {"evaluation": [], "test": []}
    for row in rows:
        parts[row["split"]].append((row["doc"], row["label"], score_of(row["summary"], evidence[row["doc"]])))
    report(Path(path).stem, parts["evaluation"], parts["test"])


def stance(path: str) -> None:
    """Whether a text supports a claim wholly, against the rest, and against texts that refute it."""
    rows = [json.loads(line) for line in Path(path).read_text(encoding="utf-8").splitlines()]
    for row in rows:
        row["score"] = check_claim(row["claim"], Evidence([row["evidence"]])).score
    for name, others in (("rest", {"partially-support", "refute", "irrelevant"}), ("refute", {"refute"})):
        kept = [row for row in rows if row["stance"] == "completely-support" or row["stance"] in others]
        scored = [(row["claim"], int(row["stance"] == "completely-support"), row["score"]) for row in kept]
        report(f"stance, support / {name}", *([row for row in scored if half(row[0]) == part] for part in (0, 1)))


def factool(path: str) -> None:
    """Whether an answer is right, from what other models answered: the best of them is its source."""
    parts: list[list[Scored]] = [[], []]
    for number, line in enumerate(Path(path).read_text(encoding="utf-8").splitlines()):
        answers = json.loads(line)["responses_and_factuality"]
        texts = [str(answer["response"]) for answer in answers]
        sources = [Evidence([text]) for text in texts]
        for place, answer in enumerate(answers):
            others = [score_of(texts[place], each) for i, each in enumerate(sources) if i != place]
            parts[number % 2].append((str(number), int(bool(answer["factuality"])), max(others, default=0.0)))
    report("factool, Chinese", *parts)


def sentences_of(path: str) -> list[tuple[str, str]]:
    """(sentence, its paragraph) of a text with a document on each line, or of a file of SQuAD's form."""
    text = Path(path).read_text(encoding="utf-8")
    if path.endswith(".json"):
        paragraphs = [each["context"] for entry in json.loads(text)["data"] for each in entry["paragraphs"]]
    else:
        paragraphs = [line[start : start + 1500] for line in text.splitlines() for start in range(0, len(line), 1500)]
    return [(claim.text, paragraph) for paragraph in paragraphs for claim in split_claims(paragraph)[1:-1]]


def changed(sentence: str, kind: str, names: list[str], random: random.Random) -> str | None:
    """The sentence with one fact of a kind changed; None if it has none of the kind."""
    if kind == "negation":
        for old, new in SWAPS:
            if f" {old} " in sentence and f" {new}" not in sentence:
                return sentence.replace(f" {old} ", f" {new} ", 1)
        place = re.search(r"(?<![不未沒没])(?:是|有|在|會|能|可以)", sentence)
        return sentence[: place.start()] + "不" + sentence[place.start() :] if place and "不" not in sentence else None
    pattern = {
        "number": r"(?<![\d.,-])\d{1,3}(?![\d.,年月日-]|(?:st|nd|rd|th)\b)",
        "date": r"(?<!\d)1[5-9]\d\d(?!\d)",
    }.get(kind)
    if pattern is None:
        found = [name for name in names if name in sentence]
        others = [name for name in names if name not in sentence]
        return sentence.replace(found[0], random.choice(others), 1) if found and others else None
    match = re.search(pattern, sentence)
    if match is None:
        return None
    return sentence[: match.start()] + str(int(match[0]) + random.randint(2, 9)) + sentence[match.end() :]


def one_fact(path: str, names: list[str], count: int) -> None:
    """Of `count` true sentences, each with one change: how many changes are seen, and how many true ones are left."""
    generator = random.Random(0)
    rows = sentences_of(path)
    generator.shuffle(rows)
    seen = {"changed": 0, "true": 0}
    made: dict[str, list[int]] = {kind: [0, 0] for kind in ("number", "date", "name", "negation")}
    for sentence, paragraph in rows:
        kind = min(made, key=lambda each: made[each][0])
        other = changed(sentence, kind, names, generator)
        if other is None or sum(each[0] for each in made.values()) >= count:
            continue
        evidence = Evidence([paragraph])
        made[kind][0] += 1
        made[kind][1] += _is_seen(other, evidence)
        seen["true"] += _is_seen(sentence, evidence)
    found, total = sum(each[1] for each in made.values()), sum(each[0] for each in made.values())
    by_kind = ", ".join(f"{kind} {right}/{number}" for kind, (number, right) in made.items())
    precision = found / max(found + seen["true"], 1)
    print(
        f"{Path(path).name}: {total} changed, recall {found / max(total, 1):.3f} ({by_kind}), precision {precision:.3f}"
    )


def _is_seen(sentence: str, evidence: Evidence) -> bool:
    return any(check_claim(claim.text, evidence).verdict != "supported" for claim in split_claims(sentence))


def checker_of(
    triples: Iterable[Triple], names: list[tuple[str, str]], patterns: list[Any], rule: FunctionalRule
) -> GraphChecker:
    """A checker of triples in memory."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        graph, aliases = Path(folder) / "graph.tsv", Path(folder) / "names.tsv"
        graph.write_text("".join("\t".join(triple) + "\n" for triple in triples), encoding="utf-8")
        aliases.write_text("".join(f"{identity}\t{name}\n" for name, identity in names), encoding="utf-8")
        store = build_store([str(graph)], [str(aliases)] if names else [], None, Ledger())
    return GraphChecker(store, EntityLinker(store.entity_names()), PatternMatcher(patterns), rule)


def currencies(language: str) -> None:
    """Sentences of CLDR's currencies: patterns from half of the territories, verdicts on the other half."""
    from babel import Locale
    from babel.numbers import get_territory_currencies

    locale = Locale(language)
    owned = {code: get_territory_currencies(code) for code in locale.territories if len(code) == 2}
    triples = [Triple(code, "currency", money) for code, monies in owned.items() for money in monies]
    names = [(locale.territories[code], code) for code in owned]
    names += [
        (locale.currencies[money], money) for money in {each.object for each in triples} if money in locale.currencies
    ]
    linker = EntityLinker(names)
    known = [each for each in triples if each.object in locale.currencies and len(owned[each.subject]) == 1]

    def said(each: Triple, money: str, number: int) -> str:
        return SENTENCES[language][number].format(locale.territories[each.subject], locale.currencies[money])

    train = [(said(each, each.object, i), each) for each in known if not half(each.subject) for i in range(3)]
    patterns = [proposal.pattern for proposal in propose_patterns(train, linker)]
    checker = checker_of(triples, names, patterns, FunctionalRule(functional=frozenset({"currency"})))
    generator, right, wrong, total = random.Random(0), 0, 0, 0
    monies = sorted({each.object for each in known})
    for each in known:
        for number in range(3) if half(each.subject) else ():
            other = generator.choice([money for money in monies if money != each.object])
            total += 1
            right += _contradicts(checker, said(each, other, number))
            wrong += _contradicts(checker, said(each, each.object, number))
    precision = right / max(right + wrong, 1)
    print(f"currencies, {language}: {total} wrong sentences, recall {right / total:.3f}, precision {precision:.3f}")


def _contradicts(checker: GraphChecker, sentence: str) -> bool:
    return any(triple.verdict == "contradicted" for triple in checker.check(sentence))


def codex(folder: str) -> None:
    """True and false triples of CoDEx-S that the graph of its training part does not have."""
    read: Callable[[str], list[Triple]] = lambda name: [  # noqa: E731
        Triple(*line.split("\t")) for line in Path(folder, name).read_text(encoding="utf-8").splitlines()
    ]
    checker = checker_of(read("train.txt"), [], [], FunctionalRule())
    for name in ("test.txt", "test_negatives.txt"):
        triples = read(name)
        count = sum(bool(checker.instead_of(triple)) for triple in triples if not checker.store.has(triple))
        print(f"CoDEx-S {name}: {count} of {len(triples):,} contradicted")


def main() -> None:
    """Print a line for each set that is given."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    for flag in ("--summedits", "--stance", "--factool", "--english", "--chinese", "--codex"):
        parser.add_argument(flag, action="append", default=[])
    parser.add_argument("--sentences", type=int, default=250, help="changed sentences in each language")
    given = parser.parse_args()
    from babel import Locale

    for language in SENTENCES:
        currencies(language)
    for measure, paths in (
        (codex, given.codex),
        (summedits, given.summedits),
        (stance, given.stance),
        (factool, given.factool),
    ):
        for path in paths:
            measure(path)
    for locale, paths in (("en", given.english), ("zh_Hant", given.chinese)):
        places = [name for code, name in Locale.parse(locale).territories.items() if len(code) == 2]
        for path in paths:
            one_fact(path, places, given.sentences)


if __name__ == "__main__":
    main()
