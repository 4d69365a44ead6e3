"""The operator console of a running tracker node."""
