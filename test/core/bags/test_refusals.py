"""What is wrong with a bag is said in one sentence."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from made_bags import STORAGES, image, raw_bag, restamped, truth, write

from siam_tracker_core.bags import BagReader
from siam_tracker_core.datasets.made import MadeSequence
from siam_tracker_core.errors import BagError


def test_a_missing_bag(tmp_path: Path) -> None:
    with pytest.raises(BagError, match="does not exist; expected a rosbag2 folder"):
        BagReader(tmp_path / "nothing")
    with pytest.raises(BagError, match=r"is not a bag: a rosbag2 folder has a metadata\.yaml"):
        BagReader(tmp_path)
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(BagError, match="Unrecognized storage format"):
        BagReader(tmp_path / "notes.txt")


@pytest.mark.parametrize("storage", STORAGES)
@pytest.mark.parametrize("share", [0.0, 0.3, 0.5, 0.95])
def test_a_truncated_bag(made: MadeSequence, tmp_path: Path, storage: str, share: float) -> None:
    bag = write(made, tmp_path / "bag", storage=storage)
    file = next(each for each in bag.iterdir() if each.suffix in {".mcap", ".db3"})
    whole = file.read_bytes()
    file.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(BagError, match=r"truncated") as caught, BagReader(bag) as reader:
        list(reader.frames())
    assert str(bag) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_recording_that_was_cut_short(made: MadeSequence, tmp_path: Path) -> None:
    bag = write(made, tmp_path / "bag")
    (bag / "metadata.yaml").unlink()
    with pytest.raises(BagError, match="recording that was cut short"):
        BagReader(bag)


@pytest.mark.parametrize("storage", STORAGES)
def test_an_empty_bag(tmp_path: Path, storage: str) -> None:
    with pytest.raises(BagError, match=r"has no image topic .* its topics are: none"):
        BagReader(raw_bag(tmp_path / "nothing", [], storage))
    with pytest.raises(BagError, match="is empty: it has no message"):
        BagReader(raw_bag(tmp_path / "silent", [("/image", "sensor_msgs/msg/Image", 0, b"")], storage))


def test_topics_that_are_not_there(tmp_path: Path) -> None:
    bag = raw_bag(tmp_path / "bag", [image(1), truth(1)])
    with pytest.raises(BagError, match=r"no topic /camera in .*; the bag's image topics are: /image"):
        BagReader(bag, image_topic="/camera")
    with pytest.raises(BagError, match=r"/truth carries siam_tracker_msgs/msg/TrackedTargetArray; the bag's image"):
        BagReader(bag, image_topic="/truth")
    with pytest.raises(BagError, match=r"no topic /boxes in .*; the bag's ground-truth topics are: /truth"):
        BagReader(bag, truth_topic="/boxes")
    two = raw_bag(tmp_path / "two", [image(1), ("/other", *image(1)[1:])])
    with pytest.raises(BagError, match="has 2 image topics; name one of them: /image, /other"):
        BagReader(two)
    only_truth = raw_bag(tmp_path / "only_truth", [truth(1)])
    with pytest.raises(BagError, match=r"has no image topic .* its topics are: /truth"):
        BagReader(only_truth)


def test_stamps_that_do_not_increase(tmp_path: Path) -> None:
    with pytest.raises(BagError, match=r"image 2 on /image is stamped 0\.000000005, not after image 1"):
        BagReader(raw_bag(tmp_path / "bag", [image(1), image(7), (*image(7)[:2], 8, image(5)[3])]))


def test_truth_that_does_not_agree(tmp_path: Path) -> None:
    fewer = raw_bag(tmp_path / "fewer", [image(1), image(2), truth(1)])
    with pytest.raises(BagError, match="2 images on /image but 1 different stamps on /truth"):
        BagReader(fewer).truth()
    shifted = raw_bag(tmp_path / "shifted", [image(1), image(2), truth(1), truth(3)])
    with pytest.raises(BagError, match=r"no message on /truth has the stamp of image 1, 0\.000000002"):
        BagReader(shifted).truth()
    bare = raw_bag(tmp_path / "bare" / "bag", [image(1), image(2)])
    with pytest.raises(BagError, match="has no ground truth"):
        BagReader(bare).truth()
    sidecar = bare.parent / "groundtruth_rect.txt"
    sidecar.write_text("2,3,4,5\n")
    with pytest.raises(BagError, match=r"has 2 images on /image but .* has 1 lines"):
        BagReader(bare).truth()
    sidecar.write_text("2,3,4,5\nnan,nan,nan,nan\n")
    np.testing.assert_array_equal(BagReader(bare).truth(), [[1, 2, 4, 5], [np.nan] * 4])


def test_stamps_that_jump_back_are_still_refused(made: MadeSequence, tmp_path: Path) -> None:
    bag = restamped(write(made, tmp_path / "bag"), tmp_path / "back", lambda n: (9 - n) * 10**9)
    with pytest.raises(BagError, match="header stamps must increase"):
        BagReader(bag)
