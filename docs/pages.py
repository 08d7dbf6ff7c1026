"""Writes the parts of these pages that come from the code; `make docs` runs it through cog."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from inspect import signature
from pathlib import Path
from types import SimpleNamespace
from typing import Any, get_args, get_type_hints

from sft_cli.cli import build_command
from sft_cli.commands import COMMANDS
from sft_cli.data.benchmarks import BENCHMARKS
from sft_cli.data.formats import FORMATS
from sft_cli.data.prompting import TEMPLATES
from sft_cli.data.prompting.template import PromptTemplate
from sft_cli.decoding.presets import PRESETS
from sft_cli.losses import LOSSES
from sft_cli.metrics import METRICS
from sft_cli.metrics.instructions import INSTRUCTIONS
from sft_cli.metrics.protocol import read_metric
from sft_cli.metrics.tokenizers import TOKENIZERS, load_splitter
from sft_cli.model.adapters import ADAPTERS, TRAITS
from sft_cli.model.column_shape import column_shape, count_weights
from sft_cli.replay import SELECTORS
from sft_cli.run.foreign import EVERYWHERE, FOREIGN
from sft_cli.run.groups import ALL, FIRST
from sft_cli.training.tables import OPTIMIZER_FLAGS, OPTIMIZERS, ORDERS, REGULARIZERS, SCHEDULES, TRACKERS

ROOT = Path(__file__).parent.parent
WIDTH = 100
TABLES = {
    "Formats of `prep --format`": FORMATS,
    "Benchmarks of `prep --benchmark`": BENCHMARKS,
    "Metrics of `score --metric`": METRICS,
    "Tokenizers of `score --tokenizer`": TOKENIZERS,
    "Losses of `train --loss`": LOSSES,
    "Regularizers of `train --regularizer`": REGULARIZERS,
    "Adapters of `train --adapter`": ADAPTERS,
    "Optimizers of `train --optimizer`": OPTIMIZERS,
    "Schedules of `train --schedule`": SCHEDULES,
    "Orders of `train --order`": ORDERS,
    "Trackers of `train --track`": TRACKERS,
    "Ways to choose of `replay-build --select`": SELECTORS,
}


def help_text(command: str) -> str:
    """What `sft COMMAND --help-all` prints, or --help if it refers to another command; at a fixed width."""
    built = build_command(command)
    page = FIRST if built.pages.extends else ALL
    with built.make_context(f"sft {command}", [], resilient_parsing=True, terminal_width=WIDTH) as context:
        return "\n".join(line.rstrip() for line in built.pages.text(built, context, page).splitlines())


def commands() -> str:
    """A table of the commands, and the help of each."""
    rows = [f"| [`sft {name}`](#sft-{name}) | {COMMANDS.summary(name)} |" for name in COMMANDS]
    table = "\n".join(["| command | what it does |", "|---|---|", *rows])
    return table + "\n" + "".join(f"\n## sft {name}\n\n```text\n{help_text(name)}\n```\n" for name in COMMANDS)


def tables() -> str:
    """Every name that a flag can take from a table, with the first line of what it stands for."""
    parts = []
    for title, table in TABLES.items():
        rows = [f"| `{name}` | {table.summary(name)} |" for name in table]
        parts.append("\n".join([f"### {title}", "", "| name | what it is |", "|---|---|", *rows]))
    return "\n\n".join(parts) + "\n"


def other_tools(*commands: str) -> str:
    """The flags of other tools, and what commands of sft have in their place."""
    parts = []
    for command in commands:
        known = EVERYWHERE if command == "every command" else FOREIGN[command]
        rows = [f"| {' '.join(f'`{name}`' for name in names.split())} | {text} |" for names, text in known.items()]
        parts.append("\n".join([f"## {command}", "", "| flag elsewhere | in sft |", "|---|---|", *rows]))
    return "\n\n".join(parts) + "\n"


def metric_options(*names: str) -> str:
    """Every option of some metrics, with its default of each, and what it can be."""
    rows: dict[str, dict[str, Any]] = {}
    for name in names:
        kind = METRICS.load(name)
        hints = get_type_hints(kind)
        for field in dataclasses.fields(kind):
            if field.init:
                known = field.metadata.get("known") or get_args(hints[field.name])
                choices = " ".join(f"`{choice}`" for choice in known if isinstance(choice, str))
                shown = "none" if field.default is None else field.default
                default = f"`{shown}`" if shown != "" else "nothing"
                row = rows.setdefault(field.name, {"defaults": {}, "choices": choices})
                row["defaults"][name] = default
    lines = ["| option | default | can be | of |", "|---|---|---|---|"]
    for option, row in rows.items():
        each = {f"`{name}`": default for name, default in row["defaults"].items()}
        whose = "all" if len(each) == len(names) else " ".join(each)
        default = ", ".join(f"{default} ({name})" for name, default in each.items())
        if len(set(each.values())) == 1:
            default = next(iter(each.values()))
        lines.append(f"| `{option}` | {default} | {row['choices']} | {whose} |")
    return "\n".join([*lines, ""])


def scores(metric: str, completion: str, *references: str) -> str:
    """Precision, recall and F of one row, as `sft score` gives them."""
    named = read_metric(metric)
    values = named.values(named.metric.sums({"completion": completion, "references": list(references)}) or {})
    return " ".join(f"{name.rpartition('.')[2].partition(':')[0]} {value:.3f}" for name, value in values.items())


def score_table(rows: list[tuple[str, str, str]]) -> str:
    """Metrics of pairs of texts."""
    lines = ["| metric | completion | reference | value |", "|---|---|---|---|"]
    lines += [f"| `{metric}` | {left} | {right} | {scores(metric, left, right)} |" for metric, left, right in rows]
    return "\n".join([*lines, ""])


def tokens(*texts: str) -> str:
    """What each tokenizer makes of some texts."""
    lines = ["| text | " + " | ".join(f"`{name}`" for name in TOKENIZERS) + " |", "|---" * (len(TOKENIZERS) + 1) + "|"]
    for text in texts:
        cells = ["\u00b7".join(load_splitter(name)(text)) for name in TOKENIZERS]
        lines.append(f"| {text} | " + " | ".join(cells) + " |")
    return "\n".join([*lines, ""])


def instructions() -> str:
    """Every instruction of the metric, with its arguments."""
    lines = ["| instruction | followed if | arguments |", "|---|---|---|"]
    for name in INSTRUCTIONS:
        arguments = " ".join(f"`{key}`" for key in list(signature(INSTRUCTIONS.load(name)).parameters)[1:])
        lines.append(f"| `{name}` | {INSTRUCTIONS.summary(name)} | {arguments} |")
    return "\n".join([*lines, ""])


def benchmarks() -> str:
    """What `--benchmark` can be."""
    rows = [f"| `{name}` | {BENCHMARKS.summary(name)} |" for name in BENCHMARKS]
    return "\n".join(["| benchmark | what it asks |", "|---|---|", *rows, ""])


def prompt_templates() -> str:
    """The built-in templates of `--prompt-template`, with what each shows of a row."""
    lines = ["| name | asks for | shows |", "|---|---|---|"]
    for name, asks in TEMPLATES.items():
        fields = " ".join(f"`{field}`" for field in sorted(PromptTemplate(name).by_language["en"].used))
        lines.append(f"| `{name}` | {asks} | {fields} |")
    return "\n".join([*lines, ""])


def presets() -> str:
    """What each preset of `sft generate --preset` sets."""
    names = list(next(iter(PRESETS.values())))
    head = [
        "| preset | " + " | ".join(f"`--{name.replace('_', '-')}`" for name in names) + " |",
        "|---" * len(names) + "|---|",
    ]
    rows = [
        f"| `{preset}` | " + " | ".join(f"{values[name]:g}" for name in names) + " |"
        for preset, values in PRESETS.items()
    ]
    return "\n".join([*head, *rows, ""])


def orders() -> str:
    """What `--order` can be."""
    rows = [f"| `{name}` | {ORDERS.summary(name)} |" for name in ORDERS]
    return "\n".join(["| order | how an epoch goes |", "|---|---|", *rows, ""])


def plan_lines(lengths: list[int], tasks: list[str], **flags: Any) -> list[str]:
    """What the plan of a training says of its steps, for rows of these lengths and sources."""
    import numpy as np

    from sft_cli.encoding.encoder import Example
    from sft_cli.training.plan.steps import StepPlan
    from sft_cli.training.rows.corpus import Corpus
    from sft_cli.training.settings import TrainSettings

    examples = [Example(np.zeros(length, np.int32), np.ones(length, np.float32)) for length in lengths]
    corpus = Corpus(examples, [str(number) for number in range(len(lengths))], tasks)
    return StepPlan(corpus, TrainSettings(model="", **flags)).lines()


def mixture(sizes: dict[str, int], **flags: Any) -> str:
    """A command that mixes files of so many rows, and what its plan says of the mixture."""
    tasks = [name for name, rows in sizes.items() for _ in range(rows)]
    words = [f"--mix {share}" for share in flags.get("mix", [])]
    words += [f"--mix-temperature {value:g}" for name, value in flags.items() if name == "mix_temperature"]
    command = f"$ sft train {' '.join(f'{name}.jsonl' for name in sizes)} {' '.join(words)} --model M -o DIR"
    lines = plan_lines([1] * len(tasks), tasks, **flags)[1:]
    return "\n".join(["```console", command, "…", *lines, "…", "```", ""])


def packing(rows: int, **flags: int) -> str:
    """What the plan says of the packing of rows of log-normal length."""
    import numpy as np

    draw = np.random.default_rng(0)
    lengths = np.minimum(draw.lognormal(5, 0.7, rows).astype(int) + 1, 2048).tolist()
    words = " ".join(f"--{name.replace('_', '-')} {value}" for name, value in flags.items())
    command, line = f"$ sft train rows.jsonl {words} --model M -o DIR", plan_lines(lengths, [""] * rows, **flags)[0]
    return "\n".join(["```console", command, "…", line, "…", "```", ""])


def joint_losses(tasks: dict[str, tuple[int, float]], weights: dict[str, float]) -> str:
    """The loss of a step with and without task weights, from the targets and the mean loss of each of its tasks."""
    from sft_cli.training.task_sums import TaskSums

    rows = ["| | how | loss |", "|---|---|---|"]
    for what, used in (("without weights", {}), ("with them", weights)):
        sums = TaskSums([count for count, _ in tasks.values()], list(tasks), used)
        totals = {f"loss:{i}": count * loss for i, (count, loss) in enumerate(tasks.values())}
        factors = {name: used.get(name, 1) if used else count for name, (count, _) in tasks.items()}
        above = " + ".join(f"{factors[name]:g}·{loss:g}" for name, (_, loss) in tasks.items())
        rows.append(f"| {what} | ({above}) / {sum(factors.values()):g} | {sums.means(totals)['loss']:.4f} |")
    return "\n".join([*rows, ""])


def flags(names: tuple[str, ...]) -> str:
    """Settings as flags, in one cell of a table."""
    return " ".join(f"`--{name.replace('_', '-')}`" for name in names)


def adapters() -> str:
    """What there is to train, with the flags and defaults of each."""
    rows = []
    for name in ADAPTERS:
        traits = TRAITS[name]
        rank = "half" if name == "osf" else traits.rank or ""
        alpha = f"{traits.alpha(traits.rank):g}" if traits.rank is not None else ""
        found = [
            f"`{name}`",
            ADAPTERS.summary(name),
            f"{traits.learning_rate:g}",
            str(rank),
            alpha,
            flags(traits.flags),
        ]
        rows.append(f"| {' | '.join(found)} |")
    return (
        "\n".join(["| name | what it is | rate | rank | alpha | its flags |", "|---|---|---|---|---|---|", *rows])
        + "\n"
    )


# Of the models that the costs of columns are told for: their weights in millions, layers, widths and heads.
BASES = {
    "SmolLM2-135M": (134.5, 30, 576, 1536, 9, 3),
    "Llama-3.2-1B": (1235.8, 16, 2048, 8192, 32, 8),
    "Llama-2-7B": (6738.4, 32, 4096, 11008, 32, 32),
}
SIZES = {"SmolLM2-135M": ((4, 1), (8, 1), (8, 2), (16, 2)), "Llama-3.2-1B": ((8, 2),), "Llama-2-7B": ((8, 2),)}


def columns() -> str:
    """What a progressive column costs beside some models, by the arithmetic that builds it."""
    names = ("model", "ratio", "stride", "weights", "of the model's", "each older column read", "cache", "5 tasks")
    rows = [f"| {' | '.join(names)} |", "|---" * len(names) + "|"]
    for name, sizes in SIZES.items():
        total, layers, hidden, inner, heads, groups = BASES[name]
        base = SimpleNamespace(
            hidden_size=hidden,
            num_hidden_layers=layers,
            intermediate_size=inner,
            num_attention_heads=heads,
            num_key_value_heads=groups,
        )
        for ratio, stride in sizes:
            shapes = [column_shape(base, str(number), ratio, stride, range(number)) for number in range(5)]
            weights = [count_weights(shape, hidden, [shape.width] * 5) / 1e6 for shape in shapes]
            cache = shapes[0].cache_numbers / (layers * 2 * groups * hidden // heads)
            found = [name, str(ratio), str(stride), f"{weights[0]:.2f} M", f"{weights[0] / total:.1%}"]
            found += [f"{weights[1] - weights[0]:.2f} M", f"+{cache:.1%}", f"{sum(weights):.1f} M"]
            rows.append(f"| {' | '.join(found)} |")
    return "\n".join(rows) + "\n"


def optimizers() -> str:
    """The optimizers, with the flags of each."""
    rows = [f"| `{name}` | {OPTIMIZERS.summary(name)} | {flags(OPTIMIZER_FLAGS[name])} |" for name in OPTIMIZERS]
    return "\n".join(["| name | what it is | its flags |", "|---|---|---|", *rows]) + "\n"


def shell(line: str) -> str:
    """A line that calls sft, and what it prints to stdout."""
    words = line.split()
    assert words[0] == "sft", line
    done = subprocess.run([sys.executable, "-m", "sft_cli", *words[1:]], cwd=ROOT, capture_output=True, check=True)
    return f"```console\n$ {line}\n{done.stdout.decode('utf-8')}```\n"


def show(path: str, language: str) -> str:
    """A file of docs/, as it is."""
    return f"```{language}\n{(ROOT / path).read_text(encoding='utf-8')}```\n"
