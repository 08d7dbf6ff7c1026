"""ReCoRD (Zhang et al. 2018): SuperGLUE's JSONL file, and the fields of Hugging Face's copy."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sft_cli.data.benchmarks.question import Question, text_of
from sft_cli.run.errors import FieldError, shown

PLACEHOLDER = "@placeholder"
HIGHLIGHT = "\n@highlight\n"


def record(record: dict[str, Any]) -> Question:
    """ReCoRD (Zhang et al. 2018): which entity of the passage is missing in a sentence? Several can be right."""
    text, *highlights = text_of(record, "passage").strip().split(HIGHLIGHT)
    prompt = text + "\n\n" + "".join(f"  - {highlight}.\n" for highlight in highlights)
    query = text_of(record, "query")
    if PLACEHOLDER not in query:
        raise FieldError("query", f"expected a sentence with {PLACEHOLDER}, got {shown(query)}")
    entities, answers = _texts(record, "entities"), _texts(record, "answers")
    choices = [f"  - {query}".replace(PLACEHOLDER, entity) for entity in entities]
    return Question(prompt, choices, None, {"entities": entities, "references": answers})


def _texts(record: dict[str, Any], name: str) -> list[str]:
    value = record.get(name)
    if not isinstance(value, list) or not value or not all(isinstance(each, str) and each for each in value):
        hidden = ": test sets hide their labels, and cannot be scored" if name == "answers" and not value else ""
        raise FieldError(name, f"expected a list of texts, got {shown(value)}{hidden}")
    return sorted(set(value))


def record_queries(record: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A flat record for each query of SuperGLUE's nested record: the entities are spans of the passage."""
    passage, queries = record["passage"], record["qas"]
    text, spans = passage.get("text"), passage.get("entities")
    if not isinstance(text, str) or not isinstance(spans, list):
        raise FieldError("passage", f"expected an object with text and entities, got {shown(passage)}")
    entities = [_span_text(text, span, f"passage.entities[{place}]") for place, span in enumerate(spans)]
    if not isinstance(queries, list) or not all(isinstance(each, dict) for each in queries):
        raise FieldError("qas", f"expected a list of objects, got {shown(queries)}")
    for place, each in enumerate(queries):
        answers = each.get("answers", [])
        if not isinstance(answers, list) or not all(isinstance(answer, dict) for answer in answers):
            raise FieldError(f"qas[{place}].answers", f"expected a list of objects, got {shown(answers)}")
        texts = [answer.get("text") for answer in answers]
        yield {"passage": text, "query": each.get("query"), "entities": entities, "answers": texts}


def _span_text(text: str, span: Any, name: str) -> str:
    """The text of a span; its end is the offset of its last character."""
    start, end = (span.get("start"), span.get("end")) if isinstance(span, dict) else (None, None)
    if not isinstance(start, int) or not isinstance(end, int) or not 0 <= start <= end < len(text):
        raise FieldError(name, f"expected start and end within the passage, got {shown(span)}")
    return text[start : end + 1]
