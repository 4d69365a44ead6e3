"""Result files of OTB's benchmark in MATLAB's form.

A file holds ``results``: one struct, or a cell of structs of which a one-pass evaluation has one, with ``type``,
``res`` and, for trackers that warp a template, ``tmplsize``. The types and their meaning are those of the benchmark's
``calcSeqErrRobust.m`` (Wu, Lim, Yang, CVPR 2013):

- ``rect``: ``x, y, width, height`` a row;
- ``ivtAff``: six numbers of an affine map a row, as IVT and ASLA have them, of a template ``tmplsize``;
- ``4corner`` and ``affine``: two rows a frame, the abscissas and the ordinates of four corners.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from siam_tracker_core.errors import ConfigError, DatasetError

TYPES = ("rect", "ivtAff", "4corner", "affine")
FloatArray = NDArray[np.float64]


def read_mat(path: Path) -> FloatArray:
    """The boxes of a result file: float64 (n, 4), ``x, y, width, height`` in one-based pixels, as the file has them.

    Raises:
        ConfigError: if scipy is not installed.
        DatasetError: if the file cannot be read, or is of a type not in ``TYPES``.
    """
    result = _first_result(path)
    kind = str(_field(path, result, "type")).strip()
    values = np.atleast_2d(np.asarray(_field(path, result, "res"), dtype=np.float64))
    if kind == "rect":
        return _columns(path, values, 4)
    if kind == "ivtAff":
        size = np.asarray(_field(path, result, "tmplsize"), dtype=np.float64).ravel()
        return _bounds(_warped(_columns(path, values, 6), size[0], size[-1]))
    if kind in ("4corner", "affine"):
        corners = _columns(path, values, 4)
        if len(corners) % 2:
            raise DatasetError(f"{path}: {len(corners)} rows of corners; expected two a frame")
        return _bounds(np.stack([corners[0::2], corners[1::2]], axis=-1))
    raise DatasetError(f"{path}: results of type {kind!r} are not known; known are {', '.join(TYPES)}")


def _first_result(path: Path) -> Any:
    try:
        from scipy.io import loadmat
    except ModuleNotFoundError:
        raise ConfigError(f"{path}: results in MATLAB's form need scipy: pip install scipy") from None
    try:
        content = loadmat(str(path), squeeze_me=True, struct_as_record=False)
    except (
        Exception
    ) as error:  # scipy raises what it meets: ValueError, TypeError, zlib.error, NotImplementedError, ...
        raise DatasetError(f"{path} cannot be read as a MATLAB file ({' '.join(str(error).split())})") from None
    if "results" not in content:
        raise DatasetError(f"{path} holds no variable results; expected a result file of OTB's benchmark")
    found = np.atleast_1d(content["results"]).ravel()
    if found.size != 1:
        raise DatasetError(f"{path} holds {found.size} runs; a one-pass evaluation has one, other experiments more")
    return found[0]


def _field(path: Path, result: Any, name: str) -> Any:
    if not hasattr(result, name):
        raise DatasetError(f"{path}: results has no field {name}; expected type and res")
    return getattr(result, name)


def _columns(path: Path, values: FloatArray, count: int) -> FloatArray:
    if values.ndim != 2 or values.shape[1] != count:
        raise DatasetError(f"{path}: res has shape {values.shape}, expected {count} numbers a row")
    return values


def _warped(maps: FloatArray, width: float, height: float) -> FloatArray:
    """The corners (n, 4, 2) of a template around the origin under the affine maps (n, 6)."""
    template = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * np.array([width, height]) / 2
    shift, linear = maps[:, None, :2], maps[:, 2:].reshape(-1, 2, 2)
    # A row p1..p6 is the matrix [p1 p3 p4; p2 p5 p6], applied to (1, x, y).
    warped: FloatArray = shift + np.einsum("nij,cj->nci", linear, template)
    return warped


def _bounds(corners: FloatArray) -> FloatArray:
    """The upright boxes (n, 4) around corners (n, 4, 2)."""
    low, high = corners.min(axis=1), corners.max(axis=1)
    return np.concatenate([low, high - low], axis=1)
