"""What runs online: one file a paper, and what they share."""
