"""N-Triples, one statement a line (W3C recommendation, 2014)."""

from __future__ import annotations

import re

from sft_cli.run.errors import FieldError, shown

TERM = re.compile(
    r"[ \t]*(?:<(?P<iri>[^\x00-\x20<>\"{}|^`\\]*(?:\\u[0-9A-Fa-f]{4}[^\x00-\x20<>\"{}|^`\\]*|"
    r"\\U[0-9A-Fa-f]{8}[^\x00-\x20<>\"{}|^`\\]*)*)>"
    r"|(?P<blank>_:[\w:](?:[\w:.·-]*[\w:·-])?)"
    r"|\"(?P<literal>(?:[^\"\\\n\r]|\\.)*)\"(?:@(?P<language>[A-Za-z]+(?:-[A-Za-z0-9]+)*)|\^\^<[^<>\"\s]*>)?)"
)
LINE_REST = re.compile(r"[ \t]*\.[ \t]*(?:#.*)?")
ESCAPE = re.compile(r"\\(?:u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|(.))")
CONTROLS = {"t": "\t", "b": "\b", "n": "\n", "r": "\r", "f": "\f", '"': '"', "'": "'", "\\": "\\"}


def parse_statement(line: str) -> tuple[str, str, str, str] | None:
    """The subject, predicate, object and language of a line; None for an empty line or a comment.

    An IRI is without its angle brackets, a blank node begins with `_:`, a literal is its text without its type; the
    language is empty, except of a literal with one. Raises FieldError for a line that is not a statement.
    """
    if not line.strip() or line.lstrip().startswith("#"):
        return None
    position, terms, language = 0, [], ""
    for place in ("subject", "relation", "object"):
        match = TERM.match(line, position)
        kinds = {"subject": ("iri", "blank"), "relation": ("iri",)}.get(place, ("iri", "blank", "literal"))
        kind = next((name for name in kinds if match and match[name] is not None), "")
        if match is None or not kind:
            raise FieldError(place, f"expected {_kinds_in_words(kinds)}, got {shown(line[position:].strip())}")
        terms.append(_unescaped(match[kind], place))
        position, language = match.end(), match["language"] or ""
    if not LINE_REST.fullmatch(line, position):
        raise FieldError("", f"expected a full stop at the end of the statement, got {shown(line[position:].strip())}")
    return terms[0], terms[1], terms[2], language


def _kinds_in_words(kinds: tuple[str, ...]) -> str:
    names = {"iri": "<IRI>", "blank": "_:node", "literal": '"literal"'}
    return " or ".join(names[kind] for kind in kinds)


def _unescaped(text: str, place: str) -> str:
    def character(match: re.Match[str]) -> str:
        if match[3] is not None:
            if match[3] not in CONTROLS:
                raise FieldError(place, f"expected an escape of N-Triples, got {shown(match[0])}")
            return CONTROLS[match[3]]
        code = int(match[1] or match[2], 16)
        if code > 0x10FFFF or 0xD800 <= code <= 0xDFFF:
            raise FieldError(place, f"expected the code of a character, got {shown(match[0])}")
        return chr(code)

    return ESCAPE.sub(character, text) if "\\" in text else text
