"""Published networks on ONNX Runtime: the rules they follow by, a real video, and files that are not right."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from siam_tracker_core.datasets import read_sequence
from siam_tracker_core.errors import ConfigError, WeightsError
from siam_tracker_core.geometry import Box, iou
from siam_tracker_core.peers import NETWORKS, anchor_free, fear, make_peer, nanotrack

DATA = Path(__file__).resolve().parents[4] / "shared" / "data"
TEACHERS = DATA / "teachers"
FILES = {nanotrack.NAME: nanotrack.FILES, fear.NAME: fear.FILES}


@pytest.fixture(params=NETWORKS)
def name(request: pytest.FixtureRequest) -> str:
    pytest.importorskip("onnxruntime")
    if not TEACHERS.is_dir():
        pytest.skip("the published networks are not here")
    return str(request.param)


def copied(name: str, folder: Path) -> list[Path]:
    """The network's files in a folder of the test's own."""
    sources = [next(TEACHERS.glob(f"*/{file}")) for file in FILES[name]]
    for source in sources:
        (folder / source.name).write_bytes(source.read_bytes())
    return [folder / source.name for source in sources]


def test_a_real_target_is_followed(name: str) -> None:
    video = read_sequence(DATA / "test" / "Crossing").head(25)
    tracker = make_peer(name, [TEACHERS])
    tracker.init(video.image(0), video.box(0))
    answers = [tracker.update(video.image(index)) for index in range(1, len(video))]
    overlaps = iou([answer.box.to_array() for answer in answers], video.boxes[1:])
    assert overlaps.min() > 0.5
    assert overlaps.mean() > 0.7
    assert all(0.5 < answer.score <= 1 and answer.state == "tracking" for answer in answers)


def test_one_cell_is_taken_by_the_slow_rule() -> None:
    """The same choice and size as a loop over cells that follows SiamRPN's equation 13 word for word."""
    rng = np.random.default_rng(4)
    scores = rng.random((15, 15))
    distances = rng.uniform(5, 60, (4, 15, 15))
    how = anchor_free.Following(penalty=0.138, window=0.455, size_rate=0.348)
    along = anchor_free.points(15, 16, 7)
    found = anchor_free.follow(scores, anchor_free.boxes_of(distances, along), (60.0, 40.0), how)

    def padded(width: float, height: float) -> float:
        padding = (width + height) / 2
        return math.sqrt((width + padding) * (height + padding))

    best, expected = -1.0, None
    for row in range(15):
        for column in range(15):
            left, top, right, bottom = distances[:, row, column]
            width, height = left + right, top + bottom
            s = padded(width, height) / padded(60, 40)
            r = (width / height) / (60 / 40)
            factor = math.exp(-(max(s, 1 / s) * max(r, 1 / r) - 1) * 0.138)
            hann = [0.5 - 0.5 * math.cos(2 * math.pi * place / 14) for place in (row, column)]
            rank = scores[row, column] * factor * (1 - 0.455) + hann[0] * hann[1] * 0.455
            if rank > best:
                rate = 0.348 * scores[row, column] * factor
                x, y = (column - 7) * 16, (row - 7) * 16
                edges = (x - left, y - top, x + right, y + bottom)
                centre = (edges[0] + edges[2]) / 2, (edges[1] + edges[3]) / 2
                size = (60 * (1 - rate) + width * rate, 40 * (1 - rate) + height * rate)
                best, expected = rank, (scores[row, column], *centre, *size)
    assert found == pytest.approx(expected)


def test_without_a_folder_the_option_is_named(name: str) -> None:
    with pytest.raises(WeightsError, match=r"not part of this package; give the folder .*--peer_models"):
        make_peer(name)


def test_a_missing_file_is_named(name: str, tmp_path: Path) -> None:
    copied(name, tmp_path)[1].unlink()
    with pytest.raises(WeightsError, match=rf"{FILES[name][1]}, which does not exist"):
        make_peer(name, [tmp_path])


@pytest.mark.parametrize("share", [0.0, 0.5, 0.99])
def test_a_truncated_file_is_named(name: str, tmp_path: Path, share: float) -> None:
    path = copied(name, tmp_path)[1]
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    with pytest.raises(WeightsError, match=rf"{path.name} (is not an ONNX file, or it is truncated|is of another)"):
        make_peer(name, [tmp_path])


def test_a_file_that_is_not_onnx_is_named(name: str, tmp_path: Path) -> None:
    path = copied(name, tmp_path)[0]
    path.write_text("a page that says: not found\n" * 40)
    with pytest.raises(WeightsError, match=rf"{path.name} (is not an ONNX file|is of another network)"):
        make_peer(name, [tmp_path])


def test_another_network_is_named_by_what_differs(name: str, tmp_path: Path) -> None:
    first, second = copied(name, tmp_path)
    second.write_bytes(first.read_bytes())
    with pytest.raises(WeightsError, match=rf"{second.name} is of another network: its inputs are \w+, expected"):
        make_peer(name, [tmp_path])


def test_a_peer_that_is_not_known_lists_those_that_are() -> None:
    with pytest.raises(ConfigError, match=r"known here: kcf, csrt, mil, nano, nanotrack_v3, fear_xs"):
        make_peer("boosting")


def test_update_before_init_is_refused(name: str) -> None:
    with pytest.raises(RuntimeError, match="before init"):
        make_peer(name, [TEACHERS]).update(np.zeros((40, 40, 3), np.uint8))


def test_a_target_at_the_border_stays_a_box(name: str) -> None:
    image = np.random.default_rng(0).integers(0, 255, (90, 120, 3), dtype=np.uint8)
    tracker = make_peer(name, [TEACHERS])
    tracker.init(image, Box(-20, -10, 40, 30))
    for _ in range(3):
        box = tracker.update(image).box
        assert np.isfinite(box.to_array()).all()
        assert 0 < box.width <= 120
        assert 0 < box.height <= 90
