"""`--check-template`: is the model's chat template right for these rows?"""

from __future__ import annotations

import os

from sft_cli.encoding.encoder import Encoder
from sft_cli.encoding.template_check import TemplateCheck
from sft_cli.model.load import load_tokenizer, stop_ids_at
from sft_cli.run.context import Run
from sft_cli.run.errors import AnswerIsNo, UserError
from sft_cli.run.text import counted
from sft_cli.training.processes.torchrun import world_of
from sft_cli.training.rows.entries import training_rows
from sft_cli.training.settings import TrainSettings


def check_template(settings: TrainSettings, run: Run) -> None:
    """Print the results of the checks to stderr; loads only the tokenizer. Raises AnswerIsNo if a check fails.

    With several processes only the main process does this.
    """
    if not world_of(os.environ).is_main:
        return
    tokenizer = load_tokenizer(settings.model, settings.chat_template)
    encoder = Encoder(tokenizer, stop_ids_at(settings.model), settings.special_tokens_in_text)
    check = TemplateCheck(encoder, settings.targets)
    with run.ledger() as ledger:
        for where, row in training_rows(settings.data, ledger, settings.limit):
            check.add(where, row)
    if not check.rows and not check.noted:
        raise UserError("--check-template: expected rows with messages, got none")
    findings = check.findings()
    run.say(
        "\n".join(
            [f"chat template of {settings.model}, {counted(check.rows + check.texts, 'row')}", *map(str, findings)]
        )
    )
    wrong = [finding.check for finding in findings if finding.verdict == "WRONG"]
    if wrong:
        raise AnswerIsNo(f"the chat template fails {counted(len(wrong), 'check')}: {', '.join(wrong)}")
