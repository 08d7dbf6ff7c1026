"""What a sequence of tasks has taught and made forget (`sft compare --forgetting`)."""
