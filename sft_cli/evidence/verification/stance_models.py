"""Models that say what evidence says of a claim: a language model with choices, or a sequence classifier."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sft_cli.data.verifier.convert import verifier_row
from sft_cli.data.verifier.stances import NOT_STATED, STANCES
from sft_cli.decoding.choices import choice_logprobs
from sft_cli.encoding.encoder import Encoder, stop_ids_of
from sft_cli.evidence.classifier_labels import label_stances
from sft_cli.evidence.verification.model_check import Pair
from sft_cli.model.bf16_linears import pack_linears
from sft_cli.model.device import dtype_note, pick_device, pick_dtype, use_threads
from sft_cli.model.load import load_model, load_tokenizer
from sft_cli.model.text_model_files import is_classifier
from sft_cli.model.text_models import PairClassifier, softmax
from sft_cli.run.errors import UserError
from sft_cli.run.flags import UsesDevice

if TYPE_CHECKING:
    import numpy as np

BATCH_TOKENS = 8192  # in the language model at once


class ChoiceVerifier:
    """A language model that was trained on the rows of `sft prep --verifier`.

    The probabilities are those of the three answers, divided by their sum: the softmax of their log-probabilities.
    """

    about_cut = "not stated"

    def __init__(self, name: str, settings: UsesDevice) -> None:
        if is_classifier(name):
            raise UserError(f"--model: {name}: expected a language model, got a classifier\nhint: --nli {name}")
        tokenizer = load_tokenizer(name)
        if not tokenizer.chat_template:
            raise UserError(f"--model: {name}: its tokenizer has no chat template; the questions about claims need one")
        use_threads(settings.threads)
        device = pick_device(settings.device)
        dtype = pick_dtype(settings.dtype, device)
        self.note, self.cut = dtype_note(settings.dtype, dtype), 0
        self.model = load_model(name, dtype, device)
        pack_linears(self.model)
        self.encoder = Encoder(tokenizer, stop_ids_of(self.model), False)
        self.longest = int(getattr(self.model.config, "max_position_embeddings", None) or 1 << 30)

    def probabilities(self, pairs: Sequence[Pair]) -> np.ndarray:
        """As of `StanceModel`; a pair that is longer than the context of the model is not stated, and is counted."""
        import numpy as np

        rows = [verifier_row(*pair) for pair in pairs]
        result = np.zeros((len(rows), len(STANCES)))
        scores = choice_logprobs(self.model, self.encoder, rows, self.longest, BATCH_TOKENS)
        for place, choices in enumerate(scores):
            sums = [choice["sum"] for choice in choices if choice is not None]
            if len(sums) < len(STANCES):
                self.cut += 1
                result[place, STANCES.index(NOT_STATED)] = 1
            else:
                result[place] = softmax(np.array([sums]))[0]
        return result


class NliVerifier:
    """A sequence classifier for natural language inference: the evidence is its premise, the claim its hypothesis."""

    about_cut = "the end of the longer text left out"

    def __init__(self, name: str, settings: UsesDevice) -> None:
        self.stances = [STANCES.index(stance) for stance in label_stances(name)]
        self.reader = PairClassifier("--nli", name, settings)
        self.note = self.reader.note

    @property
    def cut(self) -> int:
        """How many pairs were too long: the end of the longer text was left out."""
        return self.reader.cut

    def probabilities(self, pairs: Sequence[Pair]) -> np.ndarray:
        """As of `StanceModel`; labels that mean the same add up."""
        import numpy as np

        result = np.zeros((len(pairs), len(STANCES)))
        if pairs:
            firsts, seconds = map(list, zip(*pairs, strict=True))
            for place, column in zip(self.stances, softmax(self.reader.logits(firsts, seconds)).T, strict=True):
                result[:, place] += column
        return result
