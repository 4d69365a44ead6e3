"""Errors that a user can cause, each carrying one clear sentence: what, where, and what would be right."""


class SiamTrackerError(ValueError):
    """Base of every error that is caused by what the caller handed in, never by a defect of this package."""


class BoxError(SiamTrackerError):
    """A target box that cannot be tracked: NaN, empty, or outside the image."""


class ImageError(SiamTrackerError):
    """An image of a wrong type, shape or size."""


class WeightsError(SiamTrackerError):
    """A weights file that is missing, truncated, or belongs to another network."""


class ConfigError(SiamTrackerError):
    """A configuration with an unknown key, a wrong type or an impossible value."""


class DatasetError(SiamTrackerError):
    """A data set or sequence folder that is missing, incomplete or malformed."""


class BagError(SiamTrackerError):
    """A bag that is missing, truncated, or lacks the topics that were asked for."""


class RuntimeMissingError(SiamTrackerError):
    """A runtime that is not installed, or that this machine cannot run."""


class ExportError(SiamTrackerError):
    """A network that cannot be exported, or an exported one that is not what it should be."""


class OutputError(SiamTrackerError):
    """A result that cannot be written, or that would destroy what it is made of."""


class CameraError(SiamTrackerError):
    """A camera's calibration that tells no directions, or a place in its picture that shows none."""
