"""What computes a step: the model, where it runs, the processes that share the work, and how much goes in at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from sft_cli.encoding.encoder import Example
from sft_cli.model.forward import make_batch
from sft_cli.training.objective import Objective
from sft_cli.training.place import Place
from sft_cli.training.plan.sharing import share_documents
from sft_cli.training.processes.data_parallel import through
from sft_cli.training.processes.world import World
from sft_cli.training.rows.corpus import Corpus
from sft_cli.training.task_sums import TaskSums


@dataclass
class Compute:
    """A model and all that its forward and backward passes depend on."""

    model: Any
    place: Place = field(default_factory=Place)
    world: World = field(default_factory=World)
    microbatch_tokens: int = 2048

    def backward(
        self,
        examples: list[Example],
        objective: Objective,
        tasks: Sequence[str] = (),
        task_weights: Mapping[str, float] | None = None,
    ) -> dict[str, Any]:
        """Gradients of one optimizer step, of Σ w·loss / Σ w over all of its micro-batches; returns the means by name.

        Weights are divided before the first backward pass, so how the step is cut does not change its gradient.
        `tasks`, one for each example, adds "task_loss"; with `task_weights` the loss is the weighted mean of the tasks'
        own.
        """
        weight_sums = [float(example.weights.sum(dtype="float64")) for example in examples]
        sums = TaskSums(weight_sums, tasks or [""] * len(examples), task_weights)
        lengths = [len(example.ids) for example in examples]
        shared = through(self.world, objective)
        turns = self._share(lengths)
        for turn, members in enumerate(turns, 1):
            # A process without work computes the shortest document for nothing, because others wait for its call.
            rows = members or [lengths.index(min(lengths))]
            chosen = [examples[i] for i in rows]
            batch = make_batch(chosen, self.place.device, sums.scales(rows))
            with self.world.accumulating(is_last=turn == len(turns)):
                with self.place.autocast():
                    total, parts = shared(self.model, batch)
                (total if members else total * 0.0).backward()
            if members:
                sums.add(members, chosen, batch, parts)
        means = sums.means(self.world.sum(sums.totals()))
        if not tasks:
            del means["task_loss"]
        return means

    def mean_loss(self, corpus: Corpus, objective: Objective) -> dict[str, Any]:
        """The loss of rows without gradients: {"loss": Σ w·loss / Σ w over all rows}.

        If they are of more than one task, "task_loss" as well: {task: the same over the task's rows}.
        """
        was_training = self.model.training
        self.model.eval()
        sums = TaskSums(corpus.weight_sums, corpus.tasks)
        shared = through(self.world, objective)
        with torch.no_grad(), self.place.autocast():
            for members in self._share(corpus.lengths.tolist()):
                rows = members or [int(corpus.lengths.argmin())]
                chosen = [corpus[i] for i in rows]
                batch = make_batch(chosen, self.place.device)
                _, parts = shared(self.model, batch)
                if members:
                    sums.add(members, chosen, batch, parts)
        self.model.train(was_training)
        means = sums.means(self.world.sum(sums.totals()))
        names = ["loss"] if len(sums.names) < 2 else ["loss", "task_loss"]
        return {name: means[name] for name in names}

    def _share(self, lengths: Sequence[int]) -> list[list[int]]:
        return share_documents(lengths, self.microbatch_tokens, self.world.rank, self.world.size)
