"""The table of data sets: that every row names a reader, and that what cannot be used is an error."""

from __future__ import annotations

import importlib
import inspect
from pathlib import Path

import pytest

from siam_tracker_core.datasets.made import made_sequence
from siam_tracker_core.datasets.registry import DATA_SETS, DataSet, data_set
from siam_tracker_core.datasets.skipped import Skipped
from siam_tracker_core.errors import DatasetError


@pytest.mark.parametrize("entry", DATA_SETS.values(), ids=lambda entry: entry.name)
def test_every_row_names_a_reader(entry: DataSet) -> None:
    module, function = entry.reader.split(":")
    reader = getattr(importlib.import_module(module), function)
    assert list(inspect.signature(reader).parameters) == ["root", "split", "skipped"]
    assert entry.splits
    assert entry.layout


@pytest.mark.parametrize("entry", DATA_SETS.values(), ids=lambda entry: entry.name)
def test_an_empty_folder_is_an_error_that_names_it(entry: DataSet, tmp_path: Path) -> None:
    for split in entry.splits:
        with pytest.raises(DatasetError, match=str(tmp_path)):
            next(entry.read(tmp_path, split))


def test_a_data_set_of_which_nothing_is_left_is_an_error_that_says_why(tmp_path: Path) -> None:
    folder = tmp_path / "Annotations" / "VID" / "train" / "snippet"
    folder.mkdir(parents=True)
    (tmp_path / "Data" / "VID" / "train" / "snippet").mkdir(parents=True)
    (folder / "000000.xml").write_text("<annotation>")
    with pytest.raises(
        DatasetError, match=r"holds nothing of split 'train'.*1 left out: annotation file .*000000\.xml"
    ):
        next(data_set("ilsvrc-vid").read(tmp_path))


def test_reading_by_name(tmp_path: Path) -> None:
    made_sequence(frames=2, size=(64, 64)).write_otb_form(tmp_path / "one")
    skipped = Skipped()
    (sequence,) = data_set("folder").read(tmp_path, skipped=skipped)
    assert len(sequence) == 2  # type: ignore[arg-type]
    assert skipped.total == 0


def test_wrong_names_and_folders_are_errors_at_once(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"no data set 'coc'; known are .*coco"):
        data_set("coc")
    with pytest.raises(DatasetError, match=r"voc has no split 'training'; it has trainval, train"):
        data_set("voc").read(tmp_path, "training")
    with pytest.raises(DatasetError, match="is not a folder; coco expects annotations/"):
        data_set("coco").read(tmp_path / "nowhere")
