"""What must not be trained on: test sets, and videos of training sets that a test set holds too.

ALOV and OTB. The SRT paper (section 3.1) leaves out "the 12 videos that are also in OTB" and names none. The twelve
here are those of the SINT tracker, made in the laboratory that made ALOV: taotaoorange/SINT
scripts_prepare_training_data/prepare4hdf5gen.m. That they are also SRT's twelve is a judgement: same number, same
reason. A second public list, of a training set made from ALOV without OTB-100, agrees in eleven and has
09-Confusion_video00001 in place of 09-Confusion_video00028; both stay out.

ALOV and VOT. davheld/GOTURN README.md lists seven videos of ALOV that VOT-2014 holds; they stay out too. VOT-2015 and
later drew on ALOV as well, and no list of those videos is known: what was trained on ALOV should not be compared on
VOT.

Deform-SOT and OTB. The SRT paper leaves out four videos of Deform-SOT and names none. The names of its videos are known
from a public reader (see ``deform_sot``). Eight are names of OTB's targets. Taken as the paper's four are the ones that
OTB-2013, on which SRT is evaluated, has under the same unusual names: bolt, carscale, lemming and trellis. For
football, which OTB-2013 has as well, for dancer, diving and jump, which only OTB-2015 has, and for gymnastics and
helicopter, which VOT-2015 has, nothing but the common name is known; they stay out for safety.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from siam_tracker_core.datasets.benchmark_files import read_table
from siam_tracker_core.datasets.skipped import Skipped
from siam_tracker_core.datasets.types import Sequence
from siam_tracker_core.errors import DatasetError

IN_OTB = "the video is in OTB too"
PERHAPS_IN_OTB = "the video is perhaps in OTB too"
IN_VOT = "the video is in VOT too"
SAME_NAME = "a target of OTB or VOT has this name, and it may be the same video"
IN_LASOT_TEST = "the video is in LaSOT's test set"

_ALOV = {
    **dict.fromkeys(
        (
            "01-Light_video00007",
            "01-Light_video00015",
            "01-Light_video00016",
            "01-Light_video00021",
            "02-SurfaceCover_video00012",
            "06-MotionSmoothness_video00016",
            "06-MotionSmoothness_video00019",
            "08-Clutter_video00011",
            "09-Confusion_video00028",
            "11-Occlusion_video00010",
            "11-Occlusion_video00024",
            "11-Occlusion_video00025",
        ),
        IN_OTB,
    ),
    "09-Confusion_video00001": PERHAPS_IN_OTB,
    # VOT-2014 also has 01-Light_video00016 and 02-SurfaceCover_video00012.
    **dict.fromkeys(
        (
            "01-Light_video00022",
            "01-Light_video00023",
            "03-Specularity_video00003",
            "03-Specularity_video00012",
            "10-LowContrast_video00013",
        ),
        IN_VOT,
    ),
}
_DEFORM_SOT = {
    **dict.fromkeys(("bolt", "carscale", "lemming", "trellis"), IN_OTB),
    **dict.fromkeys(("dancer", "diving", "football", "gymnastics", "helicopter", "jump"), SAME_NAME),
}
_TEST_SETS = ("otb", "vot", "uav123", "uav20l", "dtb70")  # and whatever begins so, e.g. otb2015
_TEST_SPLITS = {
    ("lasot", "test"): "train",
    ("got10k", "test"): "train",
    ("davis", "2016-val"): "2016-train",
    ("davis", "2017-val"): "2017-train",
}


def is_excluded(data_set: str, video: str) -> str | None:
    """Why a video of a training set must not be trained on.

    Args:
        data_set: its name, as in ``registry``.
        video: the video's name within it.

    Returns:
        The reason, or None if the video may be used.
    """
    if data_set == "alov":
        return _ALOV.get(video)
    if data_set == "deform-sot":
        return _DEFORM_SOT.get(video.lower().rstrip("0123456789"))
    if data_set == "lasot":
        return IN_LASOT_TEST if video in read_table("lasot") else None
    return None


def refuse_test_data(data_set: str, split: str = "", videos: Iterable[str] = ()) -> None:
    """Stop training on test data.

    GOT-10k's ``val`` is not refused: it is there to choose settings by.

    Args:
        data_set: the name of the set that is to be trained on.
        split: the part of it.
        videos: videos that were asked for by name.

    Raises:
        DatasetError: if it is a test set, or a test split, or one of the videos is excluded.
    """
    if data_set.startswith(_TEST_SETS):
        raise DatasetError(f"{data_set} is a test set; trained on it, a tracker's score there would mean nothing")
    if (data_set, split) in _TEST_SPLITS:
        right = _TEST_SPLITS[data_set, split]
        raise DatasetError(f"the split {split} of {data_set} is a test set; train on the split {right}")
    for video in videos:
        reason = is_excluded(data_set, video)
        if reason is not None:
            raise DatasetError(f"{video} of {data_set} must not be trained on: {reason}")


def allowed_sequences(
    data_set: str, videos: Iterable[str], read: Callable[[str], list[Sequence]], skipped: Skipped
) -> Iterator[Sequence]:
    """The sequences of all videos that may be trained on and can be read.

    Args:
        data_set: its name, as in ``registry``.
        videos: the names of the videos.
        read: reads one of them; raises ``DatasetError`` if it is malformed.
        skipped: takes the excluded and the malformed ones, each with the reason.
    """
    for video in videos:
        reason = is_excluded(data_set, video)
        if reason is not None:
            skipped.add(reason, video)
            continue
        try:
            sequences = read(video)
        except DatasetError as error:
            skipped.add("malformed sequence", f"{video}: {error}")
            continue
        yield from sequences
