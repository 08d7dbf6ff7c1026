"""`sft verify`: what the sources say of each claim of an answer."""
