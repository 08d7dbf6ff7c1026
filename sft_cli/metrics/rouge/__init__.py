"""ROUGE (Lin 2004): one file per formula, all on token lists; `metric.py` turns them into metrics."""
