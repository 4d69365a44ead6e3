"""What a person should know of the pictures that come: that one is flat, or that their size has changed."""

from __future__ import annotations

from siam_tracker_core.trackers.rescaling import scale_between
from siam_tracker_ros.image_conversion import BgrImage, ImageReader


class PictureWatch:
    """Looks at each picture of a topic, in their order."""

    def __init__(self) -> None:
        self._size: tuple[int, int] | None = None

    def sentences(self, pixels: BgrImage, targets: int) -> list[tuple[str, str]]:
        """What is to be reported of a picture: each time the kind of trouble and a sentence.

        Args:
            pixels: uint8 (H, W, 3) BGR.
            targets: how many are followed.
        """
        size = (pixels.shape[1], pixels.shape[0])
        before, self._size = self._size, size
        found = []
        if before not in (None, size):
            found.append(("another size of images", self._changed(before, size, targets)))
        if flat := ImageReader.complaint(pixels):
            found.append(("flat picture", flat))
        return found

    @staticmethod
    def _changed(before: tuple[int, int] | None, size: tuple[int, int], targets: int) -> str:
        assert before is not None
        said = "the images change their size from {}x{} to {}x{}".format(*before, *size)
        if not targets:
            return said
        if scale_between(before, size) is not None:
            return f"{said}, which is the same picture at another scale: the {targets} target(s) are followed on"
        return (
            f"{said}, another part of the scene: the {targets} target(s) set on the former size are LOST; set them "
            "again on an image of the new size"
        )
