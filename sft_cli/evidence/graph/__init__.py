"""Knowledge graphs: triples on disk, the entities and relations of a sentence, and its verdict by the graph."""
