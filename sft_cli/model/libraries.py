"""Settings for the output of other libraries."""

from __future__ import annotations


def quiet_libraries() -> None:
    """Keep warnings and progress bars of transformers off stderr, which sft uses."""
    import logging
    import warnings

    import transformers

    for module in ("transformers", "peft"):
        warnings.filterwarnings("ignore", category=FutureWarning, module=module)
    # An adapter on a head that is tied to the embedding is intended; peft warns about its merge.
    warnings.filterwarnings("ignore", message="Model (has|with) .*tie_word_embeddings=True")

    transformers.logging.set_verbosity_error()
    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)
    transformers.logging.disable_progress_bar()
