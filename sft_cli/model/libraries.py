"""What the libraries under us may say."""

from __future__ import annotations


def quiet_libraries() -> None:
    """Keep transformers' warnings and progress bars off stderr, which is ours."""
    import transformers

    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
