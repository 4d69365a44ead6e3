"""What must not be trained on."""

from __future__ import annotations

from collections import Counter

import pytest

from siam_tracker_core.datasets import exclusions
from siam_tracker_core.datasets.benchmark_files import read_table
from siam_tracker_core.datasets.benchmarks import BENCHMARKS
from siam_tracker_core.datasets.exclusions import is_excluded, refuse_test_data
from siam_tracker_core.datasets.otb import targets
from siam_tracker_core.errors import DatasetError


def _words(text: str) -> list[str]:
    return text.split()


# davheld/GOTURN README.md: the videos of ALOV that VOT-2014 holds.
GOTURN = {
    *("01-Light_video00016", "01-Light_video00022", "01-Light_video00023", "02-SurfaceCover_video00012"),
    *("03-Specularity_video00003", "03-Specularity_video00012", "10-LowContrast_video00013"),
}
# The videos of Deform-SOT without their numbers, as its public reader names them.
DEFORM_SOT = _words("""
airbattle aquaplane avatar backkom bike bluecar boarding bolt carcorder carscale circle cliff-dive dancer diving drift
eagle fighters flying football game gymnastics helicopter horse horsemanship jump kwan larva lemming lipinski lola mario
monkey neymar pole-dance rcplane roboone robotgoogle run suneo torus trampoline transformer trellis uneven-bars up
waterski yunakim
""")
KINDS = _words("""
01-Light 02-SurfaceCover 03-Specularity 04-Transparency 05-Shape 06-MotionSmoothness 07-MotionCoherence 08-Clutter
09-Confusion 10-LowContrast 11-Occlusion 12-MovingCamera 13-ZoomingCamera 14-LongDuration
""")


def test_alov_leaves_out_what_otb_and_vot_hold() -> None:
    videos = [f"{kind}_video{number:05d}" for kind in KINDS for number in range(1, 100)]
    reasons = {video: is_excluded("alov", video) for video in videos}
    counts = Counter(reason for reason in reasons.values() if reason)
    # Twelve, as the SRT paper says; one that two lists disagree about; five of GOTURN's that are not among the twelve.
    assert counts == {exclusions.IN_OTB: 12, exclusions.PERHAPS_IN_OTB: 1, exclusions.IN_VOT: 5}
    assert all(reasons[video] for video in GOTURN)


def test_deform_sot_leaves_out_what_otb_has_under_the_same_name() -> None:
    reasons = {video: is_excluded("deform-sot", video) for video in DEFORM_SOT}
    in_otb = {video for video, reason in reasons.items() if reason == exclusions.IN_OTB}
    assert len(in_otb) == 4  # as the SRT paper says
    assert in_otb < {name.lower() for name in targets("otb2013")}
    shared = {name.lower().rstrip("0123456789.") for name in targets()} & set(DEFORM_SOT)
    assert shared <= {video for video, reason in reasons.items() if reason}
    assert is_excluded("deform-sot", "Bolt1") == exclusions.IN_OTB


def test_lasot_leaves_out_its_test_videos() -> None:
    assert all(is_excluded("lasot", video) == exclusions.IN_LASOT_TEST for video in read_table("lasot"))
    assert is_excluded("lasot", "airplane-2") is None


def test_a_name_is_excluded_only_in_its_own_set() -> None:
    assert is_excluded("folder", "bolt") is None
    assert is_excluded("deform-sot", "01-Light_video00007") is None
    assert is_excluded("alov", "bolt") is None


@pytest.mark.parametrize(
    "name", ["otb2013", "otb50", "otb2015", "otb", "uav123", "uav20l", "dtb70", "vot", "vot2015", "vot2017"]
)
def test_test_sets_are_refused(name: str) -> None:
    with pytest.raises(DatasetError, match=f"{name} is a test set"):
        refuse_test_data(name)


@pytest.mark.parametrize(
    ("name", "split", "right"),
    [
        ("lasot", "test", "train"),
        ("got10k", "test", "train"),
        ("davis", "2016-val", "2016-train"),
        ("davis", "2017-val", "2017-train"),
    ],
)
def test_test_splits_are_refused_and_the_right_one_is_named(name: str, split: str, right: str) -> None:
    with pytest.raises(DatasetError, match=f"the split {split} of {name} is a test set; train on the split {right}"):
        refuse_test_data(name, split)
    refuse_test_data(name, right)


def test_videos_asked_for_by_name_are_refused() -> None:
    refuse_test_data("alov", "annotated", ["01-Light_video00001"])
    with pytest.raises(
        DatasetError, match="11-Occlusion_video00024 of alov must not be trained on: the video is in OTB"
    ):
        refuse_test_data("alov", "annotated", ["01-Light_video00001", "11-Occlusion_video00024"])
    with pytest.raises(DatasetError, match=r"airplane-1 of lasot must not be trained on: .* LaSOT's test set"):
        refuse_test_data("lasot", "train", ["airplane-1"])


def test_training_data_are_not_refused() -> None:
    for name, split in (("alov", "annotated"), ("deform-sot", ""), ("ilsvrc-vid", "val"), ("got10k", "val")):
        refuse_test_data(name, split)


def test_every_benchmark_is_refused_as_a_whole_or_has_a_split_to_train_on() -> None:
    with_training_data = {"davis", "davis2016", "folder", "got10k", "lasot"}
    for name in set(BENCHMARKS) - with_training_data:
        with pytest.raises(DatasetError):
            refuse_test_data(name)
