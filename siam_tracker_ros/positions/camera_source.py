"""The camera's calibration, as camera_info tells it, made into a model once and not with every message."""

from __future__ import annotations

from sensor_msgs.msg import CameraInfo

from siam_tracker_core.camera import CameraCalibration, CameraModel, Region
from siam_tracker_core.errors import CameraError


def calibration_of(message: CameraInfo) -> CameraCalibration:
    """The calibration that a message carries."""
    region = message.roi
    return CameraCalibration(
        width=message.width,
        height=message.height,
        distortion_model=message.distortion_model,
        distortion=tuple(message.d),
        camera_matrix=tuple(message.k.tolist()),
        rectification=tuple(message.r.tolist()),
        projection=tuple(message.p.tolist()),
        binning_x=message.binning_x,
        binning_y=message.binning_y,
        region=Region(region.x_offset, region.y_offset, region.width, region.height),
    )


def is_rectified(setting: str, image_topic: str) -> bool:
    """Whether images are rectified, by the parameter ``image_rectified`` and the name of their topic."""
    name = image_topic.removesuffix("/compressed").rpartition("/")[2]
    return name.startswith("image_rect") if setting == "auto" else setting == "yes"


class CameraSource:
    """The camera model of the newest calibration. Written and read from different threads; a read is one reference.

    Args:
        topic: of camera_info, for people.
        rectified: whether the images are.
    """

    def __init__(self, topic: str, rectified: bool) -> None:
        self._topic = topic
        self._rectified = rectified
        self._calibration: CameraCalibration | None = None
        self._model: CameraModel | str = f"no camera_info has come on {topic}"
        self._frame_id = ""

    def take(self, message: CameraInfo) -> None:
        """Take over a message; one that says the same as the last costs next to nothing."""
        calibration = calibration_of(message)
        self._frame_id = message.header.frame_id
        if calibration == self._calibration:
            return
        try:
            self._model = CameraModel(calibration, self._rectified)
        except CameraError as error:
            self._model = f"{self._topic}: {error}"
        self._calibration = calibration

    def model(self, image_size: tuple[int, int], frame_id: str) -> CameraModel:
        """The model for images of a size and frame.

        Raises:
            CameraError: if there is none, or the newest calibration is for other images.
        """
        model, of_frame = self._model, self._frame_id
        if isinstance(model, str):
            raise CameraError(model)
        if model.image_size != image_size:
            raise CameraError(
                "{} is for images of {}x{}, but they have {}x{}".format(self._topic, *model.image_size, *image_size)
            )
        if of_frame and frame_id and of_frame != frame_id:
            raise CameraError(f"{self._topic} is of the frame '{of_frame}', but the images are of '{frame_id}'")
        return model
