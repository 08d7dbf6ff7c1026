"""The flags that say how documents are cut: `sft prep` and `sft retrieve` have them."""

from __future__ import annotations

from sft_cli.run.flags import Flag

CHUNK_TOKENS = Flag(
    "longest passage in words; a Chinese character is a word; 0: each document is one passage",
    minimum=0,
    metavar="N",
)
OVERLAP_TOKENS = Flag(
    "number of words at the end of a passage that the next passage repeats; only whole sentences are repeated",
    minimum=0,
    metavar="N",
)
