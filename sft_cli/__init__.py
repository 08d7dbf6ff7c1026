"""`sft`: supervised fine-tuning of language models, from raw data to a verdict, as Unix commands."""

__version__ = "0.1.0"
