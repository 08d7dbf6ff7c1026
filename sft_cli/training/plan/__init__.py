"""Which rows make each optimizer step, and how the learning rate changes over the steps."""
