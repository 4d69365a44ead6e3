"""One file a command of ``siam-tracker``: a typed function whose docstring is its help."""
