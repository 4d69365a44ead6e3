"""One reader of pixels for nodes, bags and files, with all that can be set about it."""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from siam_tracker_core.errors import ConfigError
from siam_tracker_core.pixels.contrast import Contrast, Stretch
from siam_tracker_core.pixels.encodings import (
    ENCODINGS,
    Packed,
    RawImage,
    layout_of,
    packed_pixels,
    planes,
)
from siam_tracker_core.pixels.files import ORIENTATIONS, Orientation, decode_file
from siam_tracker_core.pixels.yuv import Matrix, Planes, Range, planes_to_bgr

BgrImage = NDArray[np.uint8]

# A picture whose 1st and 99th percentile are nearer than this has nothing to track in it.
_FLAT = 4
_SAMPLES = 10_000


@dataclass(frozen=True)
class PixelSettings:
    """How images become pixels.

    Attributes:
        contrast: of images with more than eight bits.
        yuv_matrix: the standard by which YUV becomes RGB: ``bt601``, or ``bt709`` for most HD cameras.
        yuv_range: ``video`` (luma 16 to 235) or ``full`` (0 to 255, as in JPEG).
        encoding: read every image as this encoding, whatever its message says; empty to believe the message.
        orientation: ``exif`` turns compressed images as their EXIF says, ``stored`` leaves them as they lie.
    """

    contrast: Contrast = field(default_factory=Contrast)
    yuv_matrix: Matrix = "bt601"
    yuv_range: Range = "video"
    encoding: str = ""
    orientation: Orientation = "exif"

    def __post_init__(self) -> None:
        choices = {
            "yuv_matrix": ("bt601", "bt709"),
            "yuv_range": ("video", "full"),
            "encoding": ("", *ENCODINGS),
            "orientation": ORIENTATIONS,
        }
        for name, known in choices.items():
            if getattr(self, name) not in known:
                raise ConfigError(f"{name} is {getattr(self, name)!r}; expected one of {', '.join(known)}")


DEFAULT = PixelSettings()


class PixelReader:
    """Makes uint8 BGR pixels of the images of one camera, one after the other.

    Args:
        settings: how.
    """

    def __init__(self, settings: PixelSettings = DEFAULT) -> None:
        self.settings = settings
        self._stretch = Stretch(settings.contrast)

    def raw(self, image: RawImage, learn: bool = True) -> BgrImage:
        """The pixels of an image as a message carries it.

        Args:
            image: of any encoding in ``ENCODINGS``, with any row padding.
            learn: let the contrast's limits follow this image; False for one of a moment ago.

        Returns:
            uint8 (H, W, 3) BGR; for bgr8 a view of the data, so neither may be changed while the other is used.

        Raises:
            ImageError: for an unknown encoding, an empty image, or too few bytes.
        """
        if self.settings.encoding:
            image = image._replace(encoding=self.settings.encoding)
        layout = layout_of(image)
        if not isinstance(layout, Packed):
            return self._planar(planes(image, layout))
        pixels = packed_pixels(image, layout)
        if layout.pairs and not self.usual_yuv:
            return self._planar(_pairs(np.asarray(pixels, dtype=np.uint8), layout.code))
        if layout.code is not None and layout.channels == 1 and layout.code == cv2.COLOR_GRAY2BGR:
            return _grey(self.narrow(pixels, learn))
        if layout.code is not None:
            pixels = cv2.cvtColor(np.ascontiguousarray(pixels), layout.code)  # type: ignore[assignment]
        return self.narrow(pixels, learn)

    def file(self, data: NDArray[np.uint8], learn: bool = True) -> BgrImage:
        """The pixels of an image file's contents, uint8 (H, W, 3) BGR.

        Raises:
            ValueError: if it cannot be decoded.
        """
        return self.narrow(decode_file(data, self.settings.orientation), learn)

    def narrow(
        self, pixels: NDArray[np.uint8] | NDArray[np.uint16] | NDArray[np.float32], learn: bool = True
    ) -> BgrImage:
        """Pixels in eight bits: as they are, or stretched where they have more."""
        if pixels.dtype == np.uint8:
            return pixels  # type: ignore[return-value]
        return self._stretch(pixels, learn)  # type: ignore[arg-type]

    @property
    def usual_yuv(self) -> bool:
        """Whether YUV is taken for BT.601 in video range, for which OpenCV has fast conversions."""
        return self.settings.yuv_matrix == "bt601" and self.settings.yuv_range == "video"

    def _planar(self, found: Planes) -> BgrImage:
        return planes_to_bgr(found, self.settings.yuv_matrix, self.settings.yuv_range)


def flatness(pixels: BgrImage) -> str:
    """A sentence if a picture is almost of one brightness, so that nothing in it can be tracked; empty otherwise.

    Args:
        pixels: uint8 (H, W, 3) BGR.
    """
    step = max(1, round((pixels.shape[0] * pixels.shape[1] / _SAMPLES) ** 0.5))
    low, high = np.percentile(pixels[::step, ::step, 1], (1, 99))
    if high - low >= _FLAT:
        return ""
    return (
        f"the picture is flat: nearly all of it has brightness {low:.0f} to {high:.0f} of 255, so there is nothing to "
        "track; look at lens, exposure and, for images of more than 8 bits, the setting contrast"
    )


def _grey(pixels: NDArray[np.uint8]) -> BgrImage:
    return np.asarray(cv2.cvtColor(np.ascontiguousarray(pixels), cv2.COLOR_GRAY2BGR), dtype=np.uint8)


def _pairs(pixels: NDArray[np.uint8], code: int | None) -> Planes:
    """The planes of packed pairs (H, W, 2): ``U Y V Y`` or ``Y U Y V``."""
    luma = 1 if code == cv2.COLOR_YUV2BGR_UYVY else 0
    colours = pixels[..., 1 - luma]
    return Planes(pixels[..., luma], colours[:, ::2], colours[:, 1::2])
