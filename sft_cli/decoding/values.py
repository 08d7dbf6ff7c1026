"""The values for decoding: from the flags, or else a preset, or else the checkpoint's `generation_config`."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sft_cli.decoding.engines.flags import FLAGS
from sft_cli.decoding.presets import PRESETS
from sft_cli.decoding.settings import GenerateSettings
from sft_cli.run.errors import UserError

TAKEN = (
    "max_new_tokens",
    "num_beams",
    "length_penalty",
    "early_stopping",
    "temperature",
    "top_k",
    "top_p",
    "min_p",
    "repetition_penalty",
    "no_repeat_ngram_size",
)  # from a checkpoint, with the names of transformers
SAMPLING = ("top_k", "top_p", "min_p")
BEAMS = ("length_penalty", "early_stopping")
EARLY = {True: "yes", False: "no", "never": "never"}  # values of transformers and of our flag


@dataclass(frozen=True, kw_only=True)
class Decoding:
    """Every value that an engine needs to write completions; those in `TAKEN` may come from the checkpoint."""

    max_new_tokens: int = 256
    num_beams: int = 1
    length_penalty: float = 1.0
    early_stopping: str = "no"
    temperature: float = 0.0
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0
    repetition_penalty: float = 1.0
    no_repeat_ngram_size: int = 0
    presence_penalty: float
    frequency_penalty: float
    ngram_scope: str
    bad_words: list[str]
    stop: list[str]
    forced_prefix: str
    batch_tokens: int
    seed: int
    json_schema: str | None = None
    regex: str | None = None
    completion_logprobs: bool = False
    from_preset: dict[str, Any] = field(default_factory=dict)  # the values that come from --preset
    from_checkpoint: dict[str, Any] = field(default_factory=dict)  # the values that come from the checkpoint

    @classmethod
    def of(cls, settings: GenerateSettings, config: Mapping[str, Any] | None = None) -> Decoding:
        """The values of the flags; otherwise of the preset, of `config`, a generation_config, or the default.

        Sampling values of the checkpoint count only with its `do_sample`. Values that have no effect with the flags do
        not count: the checkpoint's top_k at --temperature 0, its beams at a temperature.
        """
        names = [each.name for each in dataclasses.fields(cls) if not each.name.startswith("from_")]
        given = {name: getattr(settings, name) for name in names if getattr(settings, name) is not None}
        if settings.echo_logprobs:
            given["max_new_tokens"] = 0
        preset_values = {
            name: value for name, value in PRESETS.get(settings.preset or "", {}).items() if name not in given
        }
        chosen = {**preset_values, **given}
        checkpoint_values = {name: value for name, value in asked_of(config or {}).items() if name not in chosen}
        if chosen.get("num_beams", 1) > 1:
            checkpoint_values.pop("temperature", None)
        if chosen.get("temperature") or settings.json_schema is not None or settings.regex is not None:
            checkpoint_values.pop("num_beams", None)
        together = {**checkpoint_values, **chosen}
        idle: tuple[str, ...] = () if together.get("temperature") else SAMPLING
        idle += () if together.get("num_beams", 1) > 1 else BEAMS
        checkpoint_values = {name: value for name, value in checkpoint_values.items() if name not in idle}
        preset_values = {name: value for name, value in preset_values.items() if name not in idle}
        values = {**checkpoint_values, **preset_values, **given}
        return cls(**values, from_preset=preset_values, from_checkpoint=checkpoint_values)


def asked_of(config: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a generation_config, by our names, without values that have no effect."""
    known = {each.name: each.default for each in dataclasses.fields(Decoding) if each.name in TAKEN}
    values = {name: config[name] for name in known if config.get(name) is not None}
    if "early_stopping" in values:
        values["early_stopping"] = EARLY[values["early_stopping"]]
    if not config.get("do_sample") or values.get("num_beams", 1) > 1:  # beam sampling is not supported
        values = {name: value for name, value in values.items() if name not in (*SAMPLING, "temperature")}
    else:
        values = {"temperature": 1.0, **values}  # the default of transformers for sampling
    return {name: value for name, value in values.items() if value != known[name]}


def check_controls(settings: GenerateSettings, values: Decoding) -> None:
    """Raise UserError for flags that have no effect together with others, or contradict them."""
    if settings.echo_logprobs and (settings.max_new_tokens or settings.samples > 1):
        flag = "--max-new-tokens" if settings.max_new_tokens else "--samples"
        raise UserError(f"{flag}: has no effect with --echo-logprobs, which writes no completions")
    for flag, is_given in (("--completion-logprobs", settings.completion_logprobs), ("--preset", settings.preset)):
        if is_given and values.max_new_tokens == 0:
            reason = "--echo-logprobs" if settings.echo_logprobs else "--max-new-tokens 0"
            raise UserError(f"{flag}: has no effect with {reason}, which writes no completions")
    if settings.preset and not values.from_preset:
        raise UserError(f"--preset {settings.preset}: has no effect, because other flags set all its values")
    check_preset(settings, values)
    if settings.window_stride is not None and not settings.echo_logprobs:
        raise UserError("--window-stride: has an effect only with --echo-logprobs")
    if values.num_beams > 1:
        if values.temperature > 0:
            raise UserError("--num-beams: expected --temperature 0 for beam search, got a temperature above 0")
        for flag, value in (("--json-schema", values.json_schema), ("--regex", values.regex)):
            if value is not None:
                raise UserError(f"{flag}: does not work with beam search\nhint: --num-beams 1")
    elif values.length_penalty != 1 or values.early_stopping != "no":
        flag = "--length-penalty" if values.length_penalty != 1 else "--early-stopping"
        raise UserError(f"{flag}: has an effect only in beam search\nhint: --num-beams 4")
    if values.temperature == 0:
        for flag, given in (("--top-k", values.top_k), ("--top-p", values.top_p < 1), ("--min-p", values.min_p)):
            if given:
                raise UserError(f"{flag}: has no effect at --temperature 0, which takes the most likely token")
        if settings.samples > 1:
            raise UserError("--samples: at --temperature 0 all samples are the same")
    if values.ngram_scope != "completion" and not values.no_repeat_ngram_size:
        raise UserError("--ngram-scope: has an effect only with --no-repeat-ngram-size")
    if values.json_schema is not None and values.regex is not None:
        raise UserError("--json-schema: expected one of --json-schema and --regex, got both")
    if values.forced_prefix and (values.json_schema is not None or values.regex is not None):
        raise UserError(
            "--forced-prefix: does not work with --json-schema or --regex, which decide how completions begin"
        )


def check_preset(settings: GenerateSettings, values: Decoding) -> None:
    """Raise UserError if the preset sets a value, other than the default, that the engine does not read."""
    defaults = {each.name: each.default for each in dataclasses.fields(Decoding)}
    for name, value in values.from_preset.items():
        readers = [engine for engine, names in FLAGS.items() if name in names]
        if value != defaults[name] and readers and settings.engine not in readers:
            raise UserError(
                f"--preset {settings.preset}: sets --{name.replace('_', '-')} {value:g}, which needs --engine "
                f"{' or '.join(readers)}\nhint: set other values by flags, without --preset"
            )


def rewards(values: Decoding) -> list[str]:
    """A line for each penalty that has the opposite effect."""
    lines = []
    if values.repetition_penalty < 1:
        lines.append(
            f"--repetition-penalty {values.repetition_penalty:g} is below 1 and rewards repetition, because sft "
            f"divides scores by it; if the value is from a tool that multiplies scores, use "
            f"{1 / values.repetition_penalty:.3g}"
        )
    for flag, value, often in (
        ("--presence-penalty", values.presence_penalty, ""),
        ("--frequency-penalty", values.frequency_penalty, ", once for each occurrence"),
    ):
        if value < 0:
            lines.append(
                f"{flag} {value:g} is below 0 and rewards repetition: {-value:g} is added to the score of each token "
                f"that the completion has{often}"
            )
    if values.num_beams > 1 and values.length_penalty < 0:
        lines.append(f"--length-penalty {values.length_penalty:g} is below 0 and favours short texts")
    return lines
