"""`sft export`: from a checkpoint to a full model, or to a model between two."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar

from sft_cli.model.names import check_models
from sft_cli.run.context import Run
from sft_cli.run.errors import UserError
from sft_cli.run.flags import Common, Flag
from sft_cli.run.jsonl import MOST_LINE_BYTES
from sft_cli.run.process import wait_politely


@dataclass(frozen=True, kw_only=True)
class ExportSettings(Common):
    """Flags of `sft export`."""

    group: ClassVar[str] = "Model and adapter"

    prints_path: ClassVar[bool] = True

    checkpoint: Annotated[
        str,
        Flag(
            "checkpoint that sft train or sft distill wrote",
            positional=True,
            reads=True,
            is_model=True,
            metavar="CHECKPOINT",
        ),
    ]
    interpolate: Annotated[
        float | None,
        Flag(
            "weights between the base (0) and the tuned model (1): (1 − A)·base + A·tuned",
            minimum=0,
            maximum=1,
            metavar="A",
        ),
    ] = None
    base: Annotated[
        str | None,
        Flag(
            "base of --interpolate [default: the model that the checkpoint was trained from]",
            reads=True,
            is_model=True,
        ),
    ] = None
    dtype: Annotated[
        str, Flag("number format of the weights; auto keeps the stored format", choices=("auto", "float32", "bfloat16"))
    ] = "auto"


def export(settings: ExportSettings, run: Run) -> None:
    """Merge an adapter into its base, or interpolate between the base and a tuned model; prints the path.

    \b
    Example:
      sft export runs/lora -o runs/merged
      sft export runs/new --interpolate 0.5 -o runs/half
      sft export runs/full --dtype bfloat16 -o runs/small

    Writes a full checkpoint, which transformers, vLLM and sft train can load. --interpolate A mixes the weights of the
    base (A = 0) and the tuned model (A = 1): a smaller A keeps more old and less new knowledge; try several values.
    If merging changes the logits, the command stops and writes nothing.
    """
    check_export_flags(settings)
    check_models(settings)
    run.check_output_directory()
    wait_politely()
    from sft_cli.model.checkpoint import disk_errors, model_card, save_checkpoint
    from sft_cli.model.formats import round_weights, stored_dtype
    from sft_cli.model.load import load_model, load_tokenizer
    from sft_cli.model.merge import check_same_model, logits_of, merge_checked, probes

    checkpoint = settings.checkpoint
    model = load_model(checkpoint, "float32")  # sums are computed in float32, in any output format
    is_adapter = hasattr(model, "peft_config")
    if settings.interpolate is None and settings.dtype == "auto" and not is_adapter:
        raise UserError(
            f"{checkpoint}: expected an adapter to merge, got a full model\n"
            "hint: --interpolate A mixes it with its base, --dtype changes the number format"
        )
    ids = probes(model)
    differences: dict[str, float] = {}
    if is_adapter:
        model, differences["merging"] = merge_checked(model, checkpoint)
    if settings.interpolate is not None:
        move_to_base(model, settings)
    dtype = stored_dtype(checkpoint) if settings.dtype == "auto" else settings.dtype
    whole = rounded = logits_of(model, ids)
    top = float(whole.abs().max())
    if dtype != "float32":
        round_weights(model, dtype)
        rounded = logits_of(model, ids)
        differences[f"rounding to {dtype}"] = float((rounded - whole).abs().max())
    facts: dict[str, Any] = {"base": checkpoint, "number format": dtype}
    facts |= {} if settings.interpolate is None else {"share of the tuned weights": settings.interpolate}
    facts |= {f"largest change of a logit ({what})": float(f"{much:.3g}") for what, much in differences.items()}
    with run.output_directory() as folder, disk_errors(folder, lambda: "free some disk space"):
        save_checkpoint(model, load_tokenizer(checkpoint), folder, dtype=dtype)
        del model
        check_same_model(rounded, logits_of(load_model(str(folder), "float32"), ids), checkpoint, "the written model")
        kept = Path(checkpoint) / "continual"
        if kept.is_dir() and settings.interpolate in (None, 1.0):  # measured at exactly these weights
            shutil.copytree(kept, folder / "continual")
        run.record |= facts
        card = model_card(f"{checkpoint}, exported", run.described["config"], facts, checkpoint, "none")
        (folder / "README.md").write_text(card, encoding="utf-8")
    shown = "".join(f"; {what} changes logits by at most {much:.2g}" for what, much in differences.items())
    run.say(f"written in {dtype}{shown}" + (f" (largest logit: {top:.3g})" if shown else ""))
    print(settings.out)


def check_export_flags(settings: ExportSettings) -> None:
    """Raise UserError for a flag that nothing reads."""
    if settings.limit is not None:
        raise UserError("--limit: has no effect: export reads no rows")
    if settings.max_line_bytes != MOST_LINE_BYTES:
        raise UserError("--max-line-bytes: has no effect: export reads no rows")
    if settings.base is not None and settings.interpolate is None:
        raise UserError("--base: has an effect only with --interpolate A")


def move_to_base(model: Any, settings: ExportSettings) -> None:
    """Interpolate the model's weights, in place."""
    from sft_cli.model.interpolate import interpolate
    from sft_cli.model.load import load_model
    from sft_cli.model.merge import merge_adapter
    from sft_cli.model.tied import is_tied

    assert settings.interpolate is not None
    name = settings.base or base_of(settings.checkpoint)
    base = load_model(name, "float32")
    if hasattr(base, "peft_config"):
        base = merge_adapter(base)
    try:
        # The merge may have made a separate head for the tuned model; the head of the base is then its embedding.
        start = dict(base.named_parameters(remove_duplicate=is_tied(model)))
        interpolate(start, dict(model.named_parameters()), settings.interpolate)
    except ValueError as error:
        raise UserError(f"--base: {name} and {settings.checkpoint} have different weights: {error}") from error


def base_of(checkpoint: str) -> str:
    """The model that a checkpoint was trained from, by its adapter's configuration or its manifest.

    Raises UserError if neither names it.
    """
    from sft_cli.model.names import adapter_base

    base = adapter_base(checkpoint)
    manifest = Path(checkpoint) / "manifest.json"
    if base is None and manifest.is_file():
        base = json.loads(manifest.read_text(encoding="utf-8")).get("config", {}).get("model")
    if not base:
        raise UserError(f"{checkpoint}: expected the name of its base in its manifest, got none\nhint: --base MODEL")
    return str(base)
