"""Rows to encoded examples: reading, encoding, what is too long, and the arrays that hold them."""
