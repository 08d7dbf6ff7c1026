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
             sft prep chats.jsonl.gz --split train=0.9,test=0.1 -o data/
             sft prep gsm8k.csv --map prompt=question --map completion=answer --eval | sft generate runs/a
             sft prep --benchmark rte glue/RTE | sft generate runs/a --choices --max-new-tokens 0
             sft prep samples.gen.jsonl --keep 'exact_match == 1' --keep-best rouge-l -o better.jsonl
             sft prep raw.jsonl --filter length:min=3 --dedup near --decontaminate test.jsonl -o train.jsonl
             sft prep --verifier nli.jsonl -o verifier.jsonl

    If there are bad rows, the command reads all rows, prints every error as file:line: field: problem, and writes
    nothing to -o. --on-error skip continues without bad rows. The memory depends on the longest row. A row without
    an id gets one made from its prompt; each such row needs about 100 bytes more.

    \b
    Formats (other fields are kept without change):
      alpaca             instruction, input, output (system, history)
      sharegpt           conversations of from and value (system, tools, function_call, observation)
      messages           messages of role and content (tools, tool_calls)
      prompt-completion  prompt and completion, question and answer, …: strings or lists of messages
      triples            subject, relation, object: a question whose answer is the object
      text               text; every token is learned
      generations        what sft generate wrote: the completion becomes the answer (--keep, --keep-best choose)

    \b
    Files:
      txt, md            one document per file, without changes; --lines: one document per line
      html               the text that the page shows, one document per file
      csv, tsv           with a header; separator and byte order mark are detected and reported
      parquet            binary fields are left out, dates become text
      folders            all files of known types, sorted by path; other files are reported

    --benchmark reads the files of a benchmark or Hugging Face's copies of them, and writes the prompts of EleutherAI's
    evaluation harness. From a directory it reads the validation split, and prints which file that is. --judge pairwise
    reads two files of generations, BASE and OTHER, and writes each pair of answers in both orders for a judge model;
    sft score --metric judge-pairwise reads its verdicts. The file BASE is kept in memory.

    --verifier reads records of evidence, claim and label (or premise and hypothesis), and writes rows that ask whether
    the evidence supports the claim. sft train makes a verifier of these rows, and sft verify --model uses it.

    --where, --filter, --decontaminate and --dedup drop rows, in this order; --ledger names each of them and the reason.
    --dedup (except exact), --filter conflict and --rows read the inputs once more.

    --rows, --words, --mix and --most-per-task choose among the rows that are left: the same rows in any order.
    --stats writes what the rows look like, and what that means for training, instead of the rows.

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
    ledger = cleaned_rows(settings, run, shares, keeps_of(settings), open_embedder)
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
        document, ledger = statistics_of_rows(settings, run, keeps_of(settings), open_embedder, count)
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


def keeps_of(settings: PrepSettings) -> Keeps | None:
    """Which generations --keep and --keep-best choose; None for all records."""
    if not (settings.keep or settings.keep_best):
        return None
    from sft_cli.scoring.keeping import keeper_of

    return keeper_of(settings.keep, settings.keep_best).kept
