"""The rows that several score files share, paired by id and sample, and whether the rows of a pair ask the same."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sft_cli.report.score_files import HASHES, ScoreFile, labels_of, read_score_file
from sft_cli.report.settings import CompareSettings, check_groups
from sft_cli.run.errors import UserError, shown


@dataclass(frozen=True)
class Pairs:
    """Rows of several files side by side: for each file, the numbers of its rows, int (pairs,).

    clusters: for each pair the number of its prompt, (pairs,); all samples of a prompt have the same number.
    """

    files: list[ScoreFile]
    rows: list[Any]
    clusters: Any

    def __len__(self) -> int:
        return len(self.clusters)

    def having(self, metric: str, counts: bool = True) -> Any:
        """Which pairs have sums of a metric in every file and, with `counts`, count in at least one, bool (pairs,)."""
        have, count = True, not counts
        for file, rows in zip(self.files, self.rows, strict=True):
            have = have & file.has(metric)[rows]
            if counts and metric in file.sums:
                count = count | (file.sums[metric].table(["count"], len(file.rows))[rows, 0] != 0)
        return have & count

    def of(self, chosen: list[int]) -> Pairs:
        """Some of the pairs, by their numbers."""
        return Pairs(self.files, [rows[chosen] for rows in self.rows], self.clusters[chosen])

    def all_count(self, name: str) -> Any:
        """Which pairs count in every file, for every metric of this name that they have, bool (pairs,)."""
        import numpy

        is_counted = numpy.ones(len(self), dtype=bool)
        for file, rows in zip(self.files, self.rows, strict=True):
            for metric in (metric for metric in file.sums if metric.partition(":")[0] == name):
                counts = file.sums[metric].table(["count"], len(file.rows), missing=1.0)[rows, 0]
                is_counted &= counts != 0
        return is_counted

    def names(self, places: list[int]) -> list[dict[str, Any]]:
        """The id and sample of some pairs, by their numbers."""
        wanted = {int(self.rows[0][place]): position for position, place in enumerate(places)}
        found: list[dict[str, Any]] = [{}] * len(places)
        for (row_id, sample), row in self.files[0].rows.items():
            if row in wanted:
                found[wanted[row]] = {"id": row_id, "sample": sample}
        return found

    def total(self, metric: str) -> dict[str, float]:
        """The sums of a metric over all pairs and files."""
        total: dict[str, float] = {}
        for file, rows in zip(self.files, self.rows, strict=True):
            columns = file.sums[metric]
            added = columns.table(columns.names, len(file.rows))[rows].sum(axis=0).tolist()
            for name, value in zip(columns.names, added, strict=True):
                total[name] = total.get(name, 0) + value
        return total

    def groups(self) -> dict[str, Any]:
        """The pairs of each value of the field that --by names, in the first file, int arrays."""
        import numpy

        members: dict[str, list[int]] = {}
        groups = self.files[0].groups
        for place, row in enumerate(self.rows[0].tolist()):
            name = groups[row]
            if name is not None:
                members.setdefault(name, []).append(place)
        return {name: numpy.array(places) for name, places in members.items()}


def read_pairs(settings: CompareSettings) -> Pairs:
    """The paired rows of all score files; raises UserError if there is only one file."""
    if len(settings.scores) < 2:
        raise UserError("FILE: expected two or more score files, the base first; got one")
    files = [
        read_score_file(path, label, settings.by, settings.limit, settings.cluster)
        for path, label in zip(settings.scores, labels_of(settings.scores), strict=True)
    ]
    check_groups(files[0], settings.by)
    return pair_rows(files)


def pair_rows(files: list[ScoreFile]) -> Pairs:
    """The rows whose id and sample every file has, in the order of the first.

    Rows of one prompt, or with one value of the field that --cluster names, are one unit of evidence.
    Raises UserError if there are no such rows.
    """
    import numpy

    others = [file.rows for file in files[1:]]
    keys = [key for key in files[0].rows if all(key in rows for rows in others)]
    if not keys:
        raise UserError(
            f"no row (id and sample) is in all of {', '.join(file.path for file in files)}\n"
            "hint: the files must come from generations of the same rows"
        )
    units = files[0].units
    if units or any(sample for _, sample in keys):
        places: dict[Any, int] = {}
        names = ((units[files[0].rows[key]] if units else key[0]) for key in keys)
        clusters = numpy.array([places.setdefault(name, len(places)) for name in names])
    else:
        clusters = numpy.arange(len(keys))
    rows = [numpy.fromiter((file.rows[key] for key in keys), dtype=numpy.int64, count=len(keys)) for file in files]
    return Pairs(files, rows, clusters)


def check_pairs(pairs: Pairs) -> list[str]:
    """Warnings about files without hashes; raises UserError if the rows of a pair ask different things.

    The hashes are of the prompts and of the references.
    """
    base = {name: _hashes(pairs, 0, name) for name in HASHES}
    silent: dict[str, list[str]] = {}
    for place, file in enumerate(pairs.files):
        own = {name: _hashes(pairs, place, name) for name in HASHES}
        differ = {name: (own[name] != base[name]) & (own[name] != 0) & (base[name] != 0) for name in HASHES}
        if any(mask.any() for mask in differ.values()):
            raise UserError(_difference(pairs, place, differ))
        missing = [name for name in HASHES if not own[name].all()]
        if missing:
            silent.setdefault(" or ".join(missing), []).append(file.path)
    return [
        f"warning: {', '.join(paths)}: rows without {names}; sft cannot check that their pairs have the same prompt"
        for names, paths in silent.items()
    ]


def _hashes(pairs: Pairs, place: int, name: str) -> Any:
    import numpy

    return numpy.array(pairs.files[place].hashes[name], dtype=numpy.uint64)[pairs.rows[place]]


def _difference(pairs: Pairs, place: int, differ: dict[str, Any]) -> str:
    """The first pair of the first file and another file that differs, its difference, and the number of such pairs."""
    name = next(name for name, mask in differ.items() if mask.any())
    first = int(differ[name].argmax())
    base, other = pairs.files[0], pairs.files[place]
    row = int(pairs.rows[place][first])
    row_id = next(key[0] for key, number in other.rows.items() if number == row)
    counts = [f"{int(mask.sum()):,} in {name.removesuffix('_hash')}" for name, mask in differ.items() if mask.any()]
    return (
        f"{other.where(row)}: {name}: differs from {base.where(int(pairs.rows[0][first]))}, which has the same id "
        f"{shown(row_id)}; differences in {len(pairs):,} pairs: {' and '.join(counts)}\n"
        "hint: generate and score both files from the same rows; ids from sft prep depend on the prompts"
    )


def unpaired_lines(pairs: Pairs) -> list[str]:
    """One line for each file with rows that another file does not have."""
    return [
        f"warning: {file.path}: {len(file.rows) - len(pairs):,} of {len(file.rows):,} rows are not in every file; "
        f"{len(pairs):,} rows are compared"
        for file in pairs.files
        if len(file.rows) > len(pairs)
    ]
