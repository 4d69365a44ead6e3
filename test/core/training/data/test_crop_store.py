"""The store that holds every crop of the shards in one file."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from made_shards import SIZE

from siam_tracker_core.errors import DatasetError
from siam_tracker_core.training.data.crop_store import CropStore, build_store, decode
from siam_tracker_core.training.data.prepared_set import open_prepared
from siam_tracker_core.training.data.shards import read_shard


def test_store_holds_every_crop_of_the_shards(root, tmp_path):
    store = build_store(tmp_path / "store", [root / "videos", root / "photographs"])
    assert len(store) == 24 * 6 + 8
    assert (store.crop_size, store.pixels.dtype) == (SIZE, np.uint8)
    number = 0
    for name in ("videos", "photographs"):
        prepared = open_prepared(root / name)
        for shard in prepared.shards:
            for track in read_shard(prepared.info, shard.file, range(len(shard))):
                for place, image in enumerate(track.images):
                    crop = store.index[number]
                    assert (crop.source, crop.track, crop.frame) == (track.data_set, track.track, track.frames[place])
                    assert (crop.width, crop.height) == tuple(track.sizes[place])
                    assert np.array_equal(store.pixels[number], decode(image, SIZE, "test"))
                    number += 1
    again = build_store(tmp_path / "store", [root / "videos", root / "photographs"])
    assert again.index == CropStore(tmp_path / "store").index == store.index
    with pytest.raises(DatasetError, match="crops of other data sets"):
        build_store(tmp_path / "store", [root / "one"])


def test_a_store_is_not_taken_for_one_of_the_same_data_prepared_otherwise(root, tmp_path):
    build_store(tmp_path / "store", [root / "videos"])
    other = tmp_path / "videos"
    shutil.copytree(root / "videos", other)
    index = json.loads((other / "index.json").read_text())
    index["shards"][0]["size"] += 1  # as another quality of the JPEG files gives
    (other / "index.json").write_text(json.dumps(index))
    with pytest.raises(DatasetError, match="crops of other data sets"):
        build_store(tmp_path / "store", [other])


def test_stores_that_are_none(root, tmp_path):
    with pytest.raises(DatasetError, match="give at least one folder"):
        build_store(tmp_path / "store", [])
    with pytest.raises(DatasetError, match="not a crop store"):
        CropStore(tmp_path)
    (tmp_path / "index.json").write_text('{"format": 1}')
    with pytest.raises(DatasetError, match="has format 1, expected 2"):
        CropStore(tmp_path)
