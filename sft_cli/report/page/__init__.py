"""The page of `sft compare --html`, and the figures of --figures. `data.py` has the numbers, the other files draw."""
