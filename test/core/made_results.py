"""Results of trackers that were never run, and pictures to show beside them."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from siam_tracker_core.evaluation.results import SequenceResult


def made_result(
    name: str, offset: float, count: int = 30, states: bool = False, frames: tuple[Path, ...] | None = None
) -> SequenceResult:
    truth = np.column_stack([np.arange(count) * 2.0, np.full(count, 30.0), np.full(count, 40.0), np.full(count, 30.0)])
    truth[count // 2] = np.nan
    predicted = np.nan_to_num(truth, nan=5.0) + np.array([offset, 0, 0, 0]) * np.linspace(0, 1, count)[:, None]
    predicted[-1] = np.nan
    return SequenceResult(
        name,
        truth,
        predicted,
        states=tuple("lost" if index > 20 else "uncertain" if index > 15 else "tracking" for index in range(count))
        if states
        else None,  # type: ignore[arg-type]
        seconds=np.linspace(0.002, 0.02, count),
        frames=frames,
        missed=np.arange(count) == count - 1,
    )


def write_frames(folder: Path, count: int = 30) -> tuple[Path, ...]:
    frames = tuple(folder / f"{index:04d}.png" for index in range(1, count + 1))
    for frame in frames:
        cv2.imwrite(str(frame), np.full((120, 160, 3), 90, np.uint8))
    return frames
