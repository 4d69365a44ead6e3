"""What trains: one file a paper, and the samplers, augmentation and losses that they share."""
