"""Progressive columns: a frozen model, and beside it a small network for each task.

After the import, transformers' Auto classes can load the models of `sft train --adapter progressive`.
"""

from transformers import AutoConfig, AutoModelForCausalLM

from sft_cli.model.progressive.config import ProgressiveConfig
from sft_cli.model.progressive.model import ProgressiveForCausalLM

AutoConfig.register(ProgressiveConfig.model_type, ProgressiveConfig, exist_ok=True)
AutoModelForCausalLM.register(ProgressiveConfig, ProgressiveForCausalLM, exist_ok=True)
