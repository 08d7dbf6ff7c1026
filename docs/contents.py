"""The pages of this folder in groups, for the index, the site (`make site`) and the tests; and where things are."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path

DOCS = Path(__file__).parent
GROUPS = {
    "Start here": "first-model zh commands files other-tools",
    "Train": (
        "formats statistics cleaning turns writing tables domain tuning training losses masks mixtures distillation "
        "sweeps many-gpus speed"
    ),
    "Generate": "evidence retrieval generation prompts verification deploy",
    "Measure": (
        "evaluation contamination comparison explain iterate report human benchmarks harness judges metrics/answers "
        "metrics/classification metrics/choices metrics/glue metrics/calibration metrics/rouge metrics/bleu "
        "metrics/meteor metrics/perplexity metrics/repetition metrics/collapse metrics/training-texts "
        "metrics/samples metrics/safety metrics/groundedness metrics/ranking metrics/verification metrics/format "
        "metrics/instructions metrics/tool-calls metrics/judges metrics/harness metrics/tokens"
    ),
    "Keep what the model knows": "forgetting forgetting-results replay progressive",
    "For contributors": "design style log",
}


def pages() -> dict[str, list[str]]:
    """The pages of each group that exist, by their paths from this folder."""
    named = {group: [f"{name}.md" for name in names.split()] for group, names in GROUPS.items()}
    return {group: [path for path in paths if (DOCS / path).is_file()] for group, paths in named.items()}


def title_and_summary(text: str) -> tuple[str, str]:
    """The title of a page and its first sentence."""
    title, paragraph = text.split("\n\n")[:2]
    sentence = re.split(r"(?<=[.?])\s|(?<=[。？])", " ".join(paragraph.splitlines()))[0]
    return title.removeprefix("# "), sentence


def index() -> str:
    """A list of all pages in groups, one line a page."""
    parts = []
    for group, paths in pages().items():
        lines = [f"## {group}", ""]
        for path in paths:
            title, summary = title_and_summary((DOCS / path).read_text(encoding="utf-8"))
            lines.append(f"- [{title}]({path}): {summary}")
        parts.append("\n".join(lines))
    return "\n\n".join(parts) + "\n"


def menu() -> str:
    """The menu of the site, as TOML."""
    groups = [f'    {{ "{group}" = {json.dumps(paths)} }},' for group, paths in pages().items()]
    return "\n".join(["nav = [", '    "README.md",', *groups, "]"])


def anchor_of(heading: str) -> str:
    """The anchor that GitHub gives a heading."""
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
    return re.sub(r"[^\w\- ]", "", text.strip().lower()).replace(" ", "-")


def anchors(text: str) -> set[str]:
    """The anchors of all headings of a page; a heading that is repeated gets a number."""
    plain = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    seen: Counter[str] = Counter()
    found = set()
    for heading in re.findall(r"^#+ (.*)$", plain, re.MULTILINE):
        anchor = anchor_of(heading)
        found.add(f"{anchor}-{seen[anchor]}" if seen[anchor] else anchor)
        seen[anchor] += 1
    return found


def place(name: str) -> str:
    """Where a table or, at its top level, a name is defined; `A@B`: the file with B, where several define A."""
    root = DOCS.parent
    name, _, beside = name.partition("@")
    files = [path for folder in ("sft_cli", "tests") for path in sorted((root / folder).rglob("*.py"))]
    texts = {path: path.read_text(encoding="utf-8") for path in files}
    wanted = beside or name
    for pattern in (rf"^{wanted} = Table\(", rf"^(?:(?:def|class) {wanted}\b|{wanted}(?:: .+)? = )"):
        found = [path for path, text in texts.items() if re.search(pattern, text, re.MULTILINE)]
        if found:
            break
    assert len(found) == 1, f"{name}: expected one file that defines it, got {found}"
    assert re.search(rf"^(?:def |class )?{name}\b", texts[found[0]], re.MULTILINE), f"{found[0]} does not define {name}"
    return f"`{name}` (`{found[0].relative_to(root)}`)"


def steps(kind: str, *lines: str) -> str:
    """What to do to add something: a list, in which `{name}` becomes the name and the file that defines it."""
    filled = [re.sub(r"\{([\w@]+)\}", lambda match: place(match[1]), line) for line in lines]
    return "\n".join([f"### {kind}", "", *(f"{number}. {line}" for number, line in enumerate(filled, 1)), ""])
