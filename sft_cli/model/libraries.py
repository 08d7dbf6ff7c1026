"""What the libraries under us may say."""

from __future__ import annotations


def quiet_libraries() -> None:
    """Keep transformers' warnings and progress bars off stderr, which is ours."""
    import logging
    import warnings

    import transformers

    for module in ("transformers", "peft"):
        warnings.filterwarnings("ignore", category=FutureWarning, module=module)
    # An adapter on a head that is tied to the embedding is what was asked for; peft warns of merging it.
    warnings.filterwarnings("ignore", message="Model (has|with) .*tie_word_embeddings=True")

    transformers.logging.set_verbosity_error()
    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)
    transformers.logging.disable_progress_bar()
