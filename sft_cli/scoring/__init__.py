"""The work of `sft score`: rows to sums, sums to values with intervals, and what the summary says of them."""
