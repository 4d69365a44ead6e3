"""Learning from a published tracker: what it says of a training pair, and what a student makes of that."""
