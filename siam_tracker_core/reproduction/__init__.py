"""The experiments of the papers as they are declared under config/experiments, their plans and their reports."""
