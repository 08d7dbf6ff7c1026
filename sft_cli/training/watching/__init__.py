"""What is measured, shown, tracked and saved after each step."""
