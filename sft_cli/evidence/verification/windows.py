"""The parts of a source that a verifier model reads for a claim."""

from __future__ import annotations

from collections.abc import Iterator

from sft_cli.evidence.facts.alignment import Evidence, EvidenceSentence
from sft_cli.evidence.facts.roots import content_words
from sft_cli.metrics.tokenizers import mixed

WINDOW_WORDS = 150  # with a claim, they fit into the 256 tokens of small classifiers
MOST_WINDOWS = 3  # of a source, for each claim


def windows_for(claim: str, evidence: Evidence) -> list[str]:
    """The windows of whole sentences with the largest share of the claim's content, in the order of the text.

    A window is a run of sentences of one passage, of at most 150 words (a Chinese character is a word) or of one
    sentence. A sentence at the end of a window is also the first of the next one.
    """
    windows = list(_windows(evidence))
    words = content_words(claim)
    shares = [evidence.share(words, frozenset().union(*(each.roots for each in window))) for window in windows]
    best = sorted(sorted(range(len(windows)), key=lambda place: (-shares[place], place))[:MOST_WINDOWS])
    return [
        evidence.passages[windows[place][0].passage][windows[place][0].start : windows[place][-1].end] for place in best
    ]


def _windows(evidence: Evidence) -> Iterator[list[EvidenceSentence]]:
    window: list[EvidenceSentence] = []
    size = 0
    for sentence in evidence.sentences:
        words = len(mixed(sentence.text))
        if window and (sentence.passage != window[0].passage or size + words > WINDOW_WORDS):
            yield window
            last = window[-1]
            is_next = sentence.passage == last.passage and len(window) > 1
            window = [last] if is_next else []
            size = len(mixed(last.text)) if is_next else 0
        window.append(sentence)
        size += words
    if window:
        yield window
