"""How much the answers to different prompts are alike."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from sft_cli.metrics.answers import answer_of
from sft_cli.metrics.arithmetic import ratio, share
from sft_cli.metrics.exact_match import NORMALIZERS
from sft_cli.metrics.near_sets import near_another
from sft_cli.metrics.ngram_hashes import ngram_numbers, places_in
from sft_cli.metrics.overlap import references_of
from sft_cli.metrics.protocol import Metric, Sums
from sft_cli.metrics.tokenizers import TokenizerName
from sft_cli.metrics.words import words_of
from sft_cli.run.errors import UserError
from sft_cli.run.seed import stable_hash

if TYPE_CHECKING:
    import numpy as np

NEAR_ORDER = 2  # near equality compares pairs of tokens


@dataclass
class Survey:
    """All rows of a file: about 100 bytes for each token of its answers."""

    ids: dict[Any, int] = field(default_factory=dict)  # the number of each prompt
    prompts: set[int] = field(default_factory=set)  # hashes of the ids
    given: dict[int, set[int]] = field(default_factory=lambda: defaultdict(set))  # answer: prompts that got it
    right: dict[int, set[int]] = field(default_factory=lambda: defaultdict(set))  # reference: prompts that have it
    owners: list[int] = field(default_factory=list)  # the prompt of each answer
    keys: list[int] = field(default_factory=list)  # id and sample of each answer, as a hash
    pairs: list[np.ndarray] = field(default_factory=list)  # different pairs of tokens of each answer
    ngrams: list[np.ndarray] = field(default_factory=list)  # all n-grams of each answer

    @cached_property
    def all_ngrams(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The different n-grams, in order; their number in all answers; the number of prompts with them."""
        import numpy as np

        together = np.concatenate([np.zeros(0, dtype=np.uint64), *self.ngrams])
        different, counts = np.unique(together, return_counts=True)
        of_prompt: dict[int, list[np.ndarray]] = defaultdict(list)
        for owner, numbers in zip(self.owners, self.ngrams, strict=True):
            of_prompt[owner].append(numbers)
        prompts = np.zeros(len(different), dtype=np.int64)
        for parts in of_prompt.values():
            places, _ = places_in(different, np.unique(np.concatenate(parts)))
            prompts[places] += 1
        return different, counts, prompts

    def near(self, least: float) -> set[int]:
        """The keys of the answers that are nearly equal to an answer to another prompt."""
        flags = near_another(self.pairs, self.owners, least)
        return {key for key, is_near in zip(self.keys, flags, strict=True) if is_near}


@dataclass(kw_only=True)
class Collapse(Metric):
    """How much the answers to different prompts are alike, over all rows of the file; lower is better.

    `excess` (an answer that n prompts got and r prompts have as a reference counts as n − max(1, r) too many) is 0 for
    a classifier that is always right. `repeated`: the answer is equal, after `normalize`, to that of another prompt.
    `near`: it is equal, or the Jaccard index of their pairs of tokens is at least `near`. `shared_ngrams`: n-grams that
    the answer to another prompt also has. `repeated_ngrams`: 1 − distinct-n of the file. Samples of one prompt are not
    compared. Rows without an answer are left out.
    """

    name: ClassVar[str] = "collapse"
    primary: ClassVar[str] = "collapse.excess"
    primary_sums: ClassVar[tuple[str, ...]] = ("excess", "count")
    higher_is_better: ClassVar[bool] = False
    missing: ClassVar[str] = "no_completion"
    of_file: ClassVar[bool] = True
    n: int = 4
    near: float = 0.8
    normalize: Literal["space", "answer", "value", "none"] = "answer"
    tokenizer: TokenizerName = "mixed"
    seen: Survey = field(default_factory=Survey, init=False)

    def __post_init__(self) -> None:
        if self.near > 1:
            raise UserError(f"collapse: near: expected at most 1, got {self.near:g}")

    def survey(self, row: Mapping[str, Any]) -> None:
        """Count the row's answer, its n-grams and its references."""
        self.__dict__.pop("_near_keys", None)
        seen = self.seen
        prompt = seen.ids.setdefault(row["id"], len(seen.ids))
        seen.prompts.add(stable_hash(row["id"]))
        for reference in references_of(row):
            seen.right[self._number(reference)].add(prompt)
        answer = answer_of(row)
        if answer is None:
            return
        import numpy as np

        tokens = words_of(answer, self.tokenizer)
        seen.given[self._number(answer)].add(prompt)
        seen.owners.append(prompt)
        seen.keys.append(_key(row))
        seen.pairs.append(np.unique(ngram_numbers(tokens, min(NEAR_ORDER, max(len(tokens), 1)))))
        seen.ngrams.append(ngram_numbers(tokens, self.n))

    def _number(self, text: str) -> int:
        return stable_hash(NORMALIZERS[self.normalize](text))

    @cached_property
    def _near_keys(self) -> set[int]:
        self.seen.__dict__.pop("all_ngrams", None)
        return self.seen.near(self.near)

    def sums(self, row: Mapping[str, Any]) -> Sums | None:
        """What of the row's answer other prompts also got. The file was surveyed before."""
        answer = answer_of(row)
        if answer is None:
            return None
        near, number = self._near_keys, self._number(answer)
        got, right = len(self.seen.given.get(number, ())), len(self.seen.right.get(number, ()))
        if not got:
            raise RuntimeError(f"row {row['id']!r} was not counted when the file was read for the first time")
        numbers = ngram_numbers(words_of(answer, self.tokenizer), self.n)
        different, counts, prompts = self.seen.all_ngrams
        places, _ = places_in(different, numbers)
        return {
            "excess": max(0, got - max(1, right)) / got,
            "repeated": int(got > 1),
            "near": int(got > 1 or _key(row) in near),
            "shared": int((prompts[places] > 1).sum()) if len(numbers) else 0,
            "distinct": float((1 / counts[places]).sum()) if len(numbers) else 0.0,
            "ngrams": len(numbers),
            "count": 1,
        }

    def values(self, sums: Mapping[str, Any]) -> dict[str, Any]:
        """Shares of the answers, and of their n-grams; NaN if no answer has n tokens."""
        parts = ("excess", "repeated", "near")
        values = {f"collapse.{part}": ratio(sums[part], sums["count"]) for part in parts if part in sums}
        if "ngrams" in sums:
            values["collapse.shared_ngrams"] = share(sums["shared"], sums["ngrams"])
            values["collapse.repeated_ngrams"] = share(sums["ngrams"] - sums["distinct"], sums["ngrams"])
        return values

    def row_values(self, sums: Mapping[str, Any]) -> dict[str, float]:
        """The row's part of each value."""
        return {name: value for name, value in self.values(sums).items() if value == value}

    def signature_parts(self) -> dict[str, str]:
        """What counts as equal, and the prompts of the file: with other prompts the values differ."""
        prompts = f"{len(self.seen.prompts)}@{stable_hash(sorted(self.seen.prompts)) >> 32:08x}"
        return {
            "norm": self.normalize,
            "near": f"{self.near:g}",
            "order": str(self.n),
            "tok": self.tokenizer,
            "prompts": prompts,
        }


def _key(row: Mapping[str, Any]) -> int:
    return stable_hash(row["id"], row.get("sample", 0))
