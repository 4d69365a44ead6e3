"""What a detector found, as the start of targets and as the way back to lost ones."""
