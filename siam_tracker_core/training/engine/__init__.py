"""The training loop around a tracker's loss: recipe, schedule, checkpoints, validation and export."""
