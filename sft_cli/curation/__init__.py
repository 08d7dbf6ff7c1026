"""The rules by which rows are kept, changed and dropped, and how texts are compared."""
