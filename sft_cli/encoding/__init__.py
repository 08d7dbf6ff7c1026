"""Text to token ids and target weights: rendering, tokenising, cutting. No torch."""
