"""docs/formats.md: each example is detected as the format of its part, and becomes a row."""

import json
import re
from pathlib import Path

from sft_cli.data.formats import FORMATS, detect
from sft_cli.data.kinds import FILE_KINDS
from sft_cli.data.rows import check_row

PAGE = (Path(__file__).parents[2] / "docs" / "formats.md").read_text(encoding="utf-8")


def examples():
    """The records of each part, by its heading."""
    for part in re.split(r"^### ", PAGE.partition("\n## Thoughts")[0], flags=re.MULTILINE)[1:]:
        for block in re.findall(r"^```json\n(.*?)^```", part, re.MULTILINE | re.DOTALL):
            yield from ((part.split("\n")[0], json.loads(line)) for line in block.splitlines())


def test_each_example_has_the_format_of_its_part():
    found = list(examples())
    assert {name for name, _ in found} == set(FORMATS)
    for name, record in found:
        assert detect(record) == name
        check_row(FORMATS.load(name)(record))


def test_each_kind_of_file_is_described():
    table = PAGE.partition("\n## Files")[2]
    assert not [ending for ending in FILE_KINDS if f"`{ending}`" not in table and ending != ".markdown"]
