"""`sft compare --blind-page`: generation files in, a page for raters and its key out."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

from sft_cli.report.human.answers import read_answers
from sft_cli.report.human.blind import blind_document, key_document, page_kind, showings
from sft_cli.report.human.criteria import read_criteria
from sft_cli.report.inert_html import inert_page_json, policy_hash
from sft_cli.report.settings import CompareSettings
from sft_cli.run.context import Run
from sft_cli.run.errors import UserError
from sft_cli.run.text import counted

PAGE_PARTS = Path(__file__).parent / "page"


def write_blind_page(settings: CompareSettings, run: Run) -> None:
    """Write the page of --blind-page and the file of --key."""
    assert settings.blind_page is not None
    assert settings.key is not None
    _check_places(settings)
    # The key is an output here: the manifest and its fingerprint do not have it among the inputs.
    run.settings = dataclasses.replace(settings, key=None)
    run.hash_inputs_again()
    prompts, lines = read_answers(settings.scores, settings.limit)
    for line in lines:
        run.say(line)
    task = read_criteria(settings.criteria, page_kind(2 if settings.page_pairs else len(settings.scores)))
    rows = showings(prompts, settings.seed, settings.repeats, settings.page_pairs)
    page = blind_document(rows, task, settings.page_language)
    key = key_document(rows, page, settings.scores, settings.seed)
    run.check_output(settings.blind_page)
    run.check_output(settings.key)
    with run.publishing():
        # The page has no manifest: it is what is mailed, and a manifest beside it would name the systems.
        with run.output(settings.blind_page, has_manifest=False) as sink:
            sink.write(blind_html(page))
        with run.output(settings.key) as sink:
            sink.write(json.dumps(key, ensure_ascii=False, indent=1) + "\n")
    repeats = sum(row.is_repeat for row in rows)
    run.say(
        f"{counted(len(rows), 'row')} on {settings.blind_page}, {repeats} of them a repeat\n"
        f"send only {settings.blind_page}; keep {settings.key}: it names the systems\n"
        f"then: sft compare --ratings ratings.*.jsonl --key {settings.key}"
    )


def _check_places(settings: CompareSettings) -> None:
    """Raise UserError if the page and the key are one file, an input or stdout, and for inputs that make no page."""
    places = {"--blind-page": settings.blind_page or "", "--key": settings.key or ""}
    inputs = [*settings.scores, *([settings.criteria] if settings.criteria else [])]
    for flag, path in places.items():
        if path == "-":
            raise UserError(f"{flag}: expected a file, got stdout")
        if Path(path).resolve() in [Path(each).resolve() for each in inputs if each != "-"]:
            raise UserError(f"{flag}: {path}: not replaced: it is an input")
    if Path(places["--blind-page"]).resolve() == Path(places["--key"]).resolve():
        raise UserError(f"--blind-page, --key: expected two files, got {places['--key']} for both")
    if settings.page_pairs and len(settings.scores) < 3:
        raise UserError(f"--page-pairs: has an effect only with three or more files, got {len(settings.scores)}")
    if settings.limit == 0:
        raise UserError("--limit: expected at least 1 with --blind-page, got 0")
    if settings.scores.count("-") > 1:
        raise UserError("FILE: expected stdin at most once")


def blind_html(document: dict[str, Any]) -> str:
    """The page as one HTML file without any request: its script and its style are allowed by their hashes only."""
    from jinja2 import Environment, StrictUndefined

    words = json.loads(_page_part("words.json"))
    script, style = _page_part("page.js"), _page_part("page.css")
    template = Environment(undefined=StrictUndefined, keep_trailing_newline=True).from_string(
        _page_part("page.html.j2")
    )
    return template.render(
        language=document["language"],
        script=script,
        style=style,
        script_hash=policy_hash(script),
        style_hash=policy_hash(style),
        data=inert_page_json({**document, "words": words}),
    )


def _page_part(name: str) -> str:
    return (PAGE_PARTS / name).read_text(encoding="utf-8")
