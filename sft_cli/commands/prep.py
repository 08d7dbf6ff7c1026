"""`sft prep`: raw data in, rows out."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from sft_cli.curation.settings import PrepSettings, check_cleaning
from sft_cli.data.settings import check_prep_flags
from sft_cli.run.context import Run
from sft_cli.run.errors import AnswerIsNo

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sft_cli.data.preparation import Keeps


def prep(settings: PrepSettings, run: Run) -> None:
    """Turn raw data into rows, the JSONL that every other command reads.

    \b
    Example: sft prep alpaca.json -o train.jsonl
             sft prep alpaca.json --stats --html look.html
             sft prep gsm8k.csv --map prompt=question --map completion=answer --eval | sft generate runs/a
             sft prep --benchmark rte glue/RTE | sft generate runs/a --choices --max-new-tokens 0
             sft prep samples.gen.jsonl --keep 'exact_match == 1' --keep-best rouge-l -o better.jsonl
             sft prep raw.jsonl --filter length:min=3 --dedup near --decontaminate test.jsonl -o train.jsonl
             sft prep chats.jsonl --expand-turns --reasoning last --to messages -o train.jsonl
             sft prep reviews.csv --template classification --labels 0=negative,1=positive -o rows.jsonl
             sft prep handbook/ --chunk-tokens 400 --overlap-tokens 40 -o texts.jsonl

    If there are bad rows, the command reads all rows, prints every error as file:line: field: problem, and writes
    nothing to -o. --on-error skip continues without bad rows. A row without an id gets one made from its prompt.

    \b
    Formats (other fields are kept without change):
      alpaca             instruction, input, output (system, history)
      sharegpt           conversations of from and value, or of input and output (system, tools, function_call)
      messages           messages of role and content (tools, tool_calls, typed parts)
      openai             lines of an OpenAI batch: body, response (--requests)
      prompt-completion  prompt and completion, question and answer, …: strings or lists of messages
      triples            subject, relation, object: a question whose answer is the object
      text               text; every token is learned
      generations        what sft generate wrote: the completion becomes the answer (--keep, --keep-best choose)

    \b
    Files:
      txt, md, html      one document per file; --lines: one document per line of text
      csv, tsv, xlsx     with a header; separator and byte order mark are detected and reported
      parquet, arrow     binary fields are left out, dates become text
      folders, patterns  all files of known types, sorted by path; other files are reported

    --benchmark reads the files of a benchmark or Hugging Face's copies of them, and writes the prompts of EleutherAI's
    evaluation harness. --judge pairwise reads two files of generations, BASE and OTHER, and writes each pair of answers
    in both orders for a judge model; sft score --metric judge-pairwise reads its verdicts.

    --verifier reads records of evidence, claim and label (or premise and hypothesis), and writes rows that ask whether
    the evidence supports the claim. sft train makes a verifier of these rows, and sft verify --model uses it.

    --template makes instructions of a table: a Jinja template writes the question, and the answer is a field.
    --chunk-tokens cuts documents as sft retrieve does. --ask-questions asks a model for questions about documents;
    --read-questions makes rows of its completions, and leaves out answers that the document does not have.

    --reasoning, --where, --filter, --decontaminate, --dedup and the choice of rows (--rows, --mix, …) act in this
    order, --expand-turns after them; --ledger names each row that they drop or change. --to writes the rows for another
    tool. --stats writes what the rows look like, and what that means for training, instead of the rows.

    --split uses a hash of the row's content: the parts stay the same when rows are added or reordered, and
    equal rows are never in two parts. Rows of all parts keep their last assistant turn, the answer; `sft generate`
    does not show it to the model. With --eval, sft prep moves the answers to `references`.
    """
    check_prep_flags(settings)
    check_cleaning(settings)
    if settings.stats:
        look(settings, run)
    else:
        convert(settings, run)


def convert(settings: PrepSettings, run: Run) -> None:
    """Write the rows."""
    from sft_cli.curation.cleaning import cleaned_rows
    from sft_cli.data.split import read_split

    shares = read_split(settings.split) if settings.split is not None else {}
    ledger = cleaned_rows(settings, run, shares, keeps_of(settings, run), open_embedder)
    for line in ledger.lines():
        run.say(line)
    if settings.check and ledger.rejected:
        raise AnswerIsNo("\n".join([*ledger.error_lines(), ledger.total()]))


def look(settings: PrepSettings, run: Run) -> None:
    """Write the figures of the rows that the other flags keep."""
    from sft_cli.curation.statistics.measure import statistics_of_rows
    from sft_cli.report.data_text import data_text

    count = None
    if settings.model:
        from sft_cli.replay.asking import token_counter

        count = token_counter(settings.model)
    with run.publishing():
        document, ledger = statistics_of_rows(settings, run, keeps_of(settings, run), open_embedder, count)
        with run.output() as sink:
            sink.write(
                json.dumps(document, ensure_ascii=False, indent=1) + "\n" if settings.json else data_text(document)
            )
        if settings.html:
            from sft_cli.report.page.data_page import data_html

            with run.output(settings.html, has_manifest=settings.out == "-") as sink:
                sink.write(data_html(document))
    for line in ledger.lines():
        run.say(line)


def open_embedder(name: str) -> Callable[[Sequence[str]], Any]:
    """The model of --dedup semantic: from texts to vectors."""
    from sft_cli.model.text_models import TextEmbedder
    from sft_cli.run.flags import UsesDevice

    return TextEmbedder(name, UsesDevice(), "--dedup semantic").passages


def keeps_of(settings: PrepSettings, run: Run) -> Keeps | None:
    """What --keep, --keep-best and --read-questions make of the records; None for all records as they are."""
    kept = read = None
    if settings.keep or settings.keep_best:
        from sft_cli.scoring.keeping import keeper_of

        kept = keeper_of(settings.keep, settings.keep_best).kept
    if settings.read_questions:
        from sft_cli.curation.question_pairs import QuestionReader

        read = QuestionReader(run.warn).records
    if kept and read:
        return lambda records, leave_out: read(kept(records, leave_out), leave_out)
    return kept or read
