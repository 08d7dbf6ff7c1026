"""Instructions from tables: templates turn the fields of a record into a question, another field is the answer."""

# What each built-in template asks for. Its phrasings are in NAME.LANGUAGE.j2 beside this file, separated by `---`.
TABLE_TEMPLATES = {
    "classification": "the class of a text; `--labels` names the classes",
    "pair-classification": "the relation between two texts, such as premise and hypothesis",
    "extraction": "the values of the answer fields in a text, as JSON",
    "summary": "a summary of a text",
    "title": "a title for a text",
    "question-answering": "the answer to a question about a text",
    "triples": "the object of a triple of a knowledge graph",
}
