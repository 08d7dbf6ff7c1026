"""ROUGE (Lin 2004): one file per formula, all on token lists; `metric.py` makes metrics of them."""
