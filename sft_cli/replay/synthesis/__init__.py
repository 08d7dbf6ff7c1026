"""Old-task rows that a model writes: what it is shown, what is read out of what it writes, what is left out."""
