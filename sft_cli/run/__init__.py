"""What every command needs, with the standard library only."""
