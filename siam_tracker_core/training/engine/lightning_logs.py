"""Keeps from a training's output what Lightning says of itself and of other products."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

# Loggers through which Lightning speaks, and how the lines begin that tell a user nothing about the run.
_LOGGERS = ("pytorch_lightning.utilities.rank_zero", "lightning_fabric.utilities.rank_zero")
_NEEDLESS = ("GPU available:", "TPU available:", "💡 Tip:", "`Trainer.fit` stopped:")
_WARNINGS = (
    # The folder holds the run's configuration, and of a resumed run its checkpoints and logs.
    ".*exists and is not empty",
    # Shards are shared out among the workers.
    "Your `IterableDataset` has `__len__` defined",
    # Of Lightning's own use of PyTorch.
    r".*isinstance\(treespec, LeafSpec\).*",
    # One worker keeps up; `loading` in the log says so if it does not.
    ".*does not have many workers",
)


def _is_worth_reading(record: logging.LogRecord) -> bool:
    return not record.getMessage().startswith(_NEEDLESS)


@contextmanager
def quiet_lightning() -> Iterator[None]:
    """Within it, only what tells of the run is printed."""
    loggers = [logging.getLogger(name) for name in _LOGGERS]
    for logger in loggers:
        logger.addFilter(_is_worth_reading)
    try:
        with warnings.catch_warnings():
            for message in _WARNINGS:
                warnings.filterwarnings("ignore", message=message)
            yield
    finally:
        for logger in loggers:
            logger.removeFilter(_is_worth_reading)
