"""What a run keeps so that it can go on: states, and the request that must be the same."""
