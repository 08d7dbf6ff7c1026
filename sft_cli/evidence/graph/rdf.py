"""RDF in Turtle, TriG, N-Quads and RDF/XML, one statement at a time, through pyoxigraph."""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import IO, Any, cast

from sft_cli.data.kinds import rdf_kind_of
from sft_cli.data.readers import opened
from sft_cli.run.errors import FieldError, UserError, require

PYOXIGRAPH = "pyoxigraph>=0.5"
MARK = b"\xef\xbb\xbf"  # the byte order mark of UTF-8
# The names that pyoxigraph gives to nodes without a name: 128 random bits.
RANDOM_NODE = re.compile(r"[0-9a-f]{20,32}")
PARSER_PLACE = re.compile(r"^Parser error at line \d+ .*?: | \(line \d+\)$")


class LineReader:
    """Passes a stream on line by line, so that the number of lines that were read is the place of a statement."""

    def __init__(self, source: IO[bytes]) -> None:
        self.source, self.line = source, 1
        self.is_at_start, self.has_ended = True, False

    def read(self, size: int = -1) -> bytes:
        """The next line, or at most `size` bytes of it; empty at the end."""
        self.line += self.has_ended
        data = self.source.readline(size)
        if self.is_at_start:
            data, self.is_at_start = data.removeprefix(MARK) or self.source.readline(size), False
        self.has_ended = data.endswith(b"\n")
        return data


def read_quads(path: str) -> Iterator[tuple[str, Any]]:
    """(`file:line`, quad of pyoxigraph or FieldError) for each statement of an RDF file, in constant memory.

    IRIs are not checked, because large graphs have wrong ones. Nodes without a name get one that depends on the path
    and on their order: the same file has the same nodes. After a wrong line of N-Triples or N-Quads the next one is
    read. Raises UserError, naming the line, if another syntax is wrong, and if pyoxigraph is missing.
    """
    kind = rdf_kind_of(path)
    require("pyoxigraph", path, PYOXIGRAPH)
    import pyoxigraph

    named = _node_namer(path)
    with opened(path) as source:
        reader = LineReader(source)
        form = getattr(pyoxigraph.RdfFormat, kind.upper().replace("-", "_").replace("/", "_"))
        quads = iter(pyoxigraph.parse(input=cast(IO[bytes], reader), format=form, lenient=True))
        while True:
            try:
                quad = next(quads, None)
            except SyntaxError as error:
                where = f"{path}:{error.lineno or reader.line}"
                problem = f"expected {kind}, got an error: {PARSER_PLACE.sub('', str(error))}"
                if kind not in ("N-Triples", "N-Quads"):
                    raise UserError(f"{where}: {problem}") from error
                yield where, FieldError("", problem)
                continue
            if quad is None:
                return
            yield f"{path}:{reader.line}", named(quad)


def read_statements(path: str) -> Iterator[tuple[str, dict[str, str] | FieldError]]:
    """(`file:line`, statement or error) for each statement of an RDF file, of all its named graphs."""
    for where, quad in read_quads(path):
        yield where, quad if isinstance(quad, FieldError) else statement_of(quad.subject, quad.predicate, quad.object)


def statement_of(subject: Any, relation: Any, object: Any) -> dict[str, str] | FieldError:
    """Terms of pyoxigraph as text: an IRI and a literal as they are, a blank node with `_:` before its name."""
    parts = {}
    for field, term in (("subject", subject), ("relation", relation), ("object", object)):
        text = term_text(term)
        if text is None:
            return FieldError(field, "expected an IRI, a literal or a blank node, got a triple")
        parts[field] = text
    return {**parts, "language": getattr(object, "language", None) or ""}


def term_text(term: Any) -> str | None:
    """The text of a term; None for a triple, which has none."""
    from pyoxigraph import BlankNode, Triple

    if isinstance(term, Triple):
        return None
    return f"_:{term.value}" if isinstance(term, BlankNode) else str(term.value)


def _node_namer(path: str) -> Callable[[Any], Any]:
    """Replaces the random names of nodes in a quad; it keeps about 200 bytes for each node without a name."""
    from pyoxigraph import BlankNode, Quad

    numbers: defaultdict[str, int] = defaultdict(lambda: len(numbers))

    def node(term: Any) -> Any:
        if not (isinstance(term, BlankNode) and RANDOM_NODE.fullmatch(term.value)):
            return term
        return BlankNode(hashlib.blake2b(f"{path}#{numbers[term.value]}".encode(), digest_size=16).hexdigest())

    def named(quad: Any) -> Any:
        if isinstance(quad.subject, BlankNode) or isinstance(quad.object, BlankNode):
            return Quad(node(quad.subject), quad.predicate, node(quad.object), quad.graph_name)
        return quad

    return named
