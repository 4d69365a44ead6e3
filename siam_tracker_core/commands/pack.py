"""``siam-tracker pack``: everything that trainings need in one small folder, to be carried to a machine with a GPU."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from siam_tracker_core.config import read_yaml
from siam_tracker_core.cores import usable_cores
from siam_tracker_core.errors import ConfigError, DatasetError
from siam_tracker_core.training.data.prepared_set import PreparedSet, open_prepared
from siam_tracker_core.training.data.thinning import Thinning, thinning_to, video_size, write_thinned
from siam_tracker_core.training.data.track_videos import Encoding
from siam_tracker_core.training.engine.export import plain

PLAN = "plan.yaml"
SETS = "sets"  # folder of the data sets
MARK = "pack:"  # in front of a path inside the folder
_TRIES = 5


def pack(
    configs: list[Path],
    start: list[str] | str = "",
    out: Path = Path("packed"),
    megabytes: float = 48.0,
    crf: int = 28,
    jobs: int | None = None,
) -> None:
    """Pack shards, start weights, teachers and plans of trainings for `siam-tracker train-packed`.

    Prepared data sets become H.264 videos, and are thinned until all of it fits: fewer frames of each track and fewer
    photographs, the same share of each, in proportion to the weights that the first training which names them gives.

    Args:
        configs: files as for `siam-tracker train --config`, in the order in which they are to be trained.
        start: start weights of each, in the same order; - for none.
        out: folder to write, new or empty.
        megabytes: the most that the folder may hold.
        crf: x264's constant rate factor of the videos, 0 (best) to 51 (smallest).
        jobs: processes that encode; one a core by default.
    """
    if not 0 <= crf <= 51:
        raise ConfigError(f"crf is {crf}; give 0 to 51")
    starts = [start] if isinstance(start, str) and start else list(start)
    if starts and len(starts) != len(configs):
        raise ConfigError(f"{len(configs)} configs have {len(starts)} start weights; give - where there is none")
    if out.exists() and any(out.iterdir()):
        raise ConfigError(f"{out} is not empty; choose another --out or remove it")
    packer = _Packer(out)
    try:
        (out / "files").mkdir(parents=True, exist_ok=True)
        trainings = [
            packer.training(path, begin) for path, begin in zip(configs, starts or ["-"] * len(configs), strict=True)
        ]
        (out / PLAN).write_text(yaml.safe_dump({"trainings": trainings}, sort_keys=False))
        packer.write_sets(megabytes * 1e6 - _size(out), Encoding(crf), jobs or usable_cores())
    except OSError as error:
        raise DatasetError(f"{out} cannot be written: {error.strerror or error}") from None
    print(f"{out}: {_size(out) / 1e6:.1f} MB for {', '.join(training['name'] for training in trainings)}")
    for line in packer.lines:
        print(line)


class _Packer:
    """Gathers what trainings name, each thing once.

    Attributes:
        lines: what became of each data set, for people.
    """

    def __init__(self, out: Path) -> None:
        self.out = out
        self.lines: list[str] = []
        self._sets: dict[str, tuple[PreparedSet, float]] = {}
        self._files: dict[Path, str] = {}

    def training(self, path: Path, start: str) -> dict[str, Any]:
        """A training's entry in the plan, with paths inside the folder.

        Raises:
            ConfigError: if the file is not right, or the start weights are missing.
            DatasetError: if it names no data set, or one that is not prepared.
        """
        config = read_yaml(path)
        sources = config.get("data", {}).get("sources") or []
        if not sources:
            raise DatasetError(f"{path} names no data.sources to pack")
        data = {**config["data"], "sources": [self._source(source) for source in sources]}
        entry: dict[str, Any] = {
            "name": path.stem,
            "tracker": config.get("tracker", "siamfc"),
            "data": data,
            "training": self._with_files(config.get("training") or {}),
        }
        wanted = {"start": config.get("start") if start == "-" else start, "objects": config.get("objects")}
        for key, value in wanted.items():
            if value:
                entry[key] = self._with_files(str(value), needed=True)
        return plain(entry)  # type: ignore[no-any-return]

    def write_sets(self, size: float, encoding: Encoding, jobs: int) -> None:
        """Write all data sets within so many bytes.

        Raises:
            DatasetError: if that is too little.
        """
        whole = Thinning(1.0, 1.0, encoding)
        wanted = {
            location: (video_size(prepared, whole), weight) for location, (prepared, weight) in self._sets.items()
        }
        room = size
        for _ in range(_TRIES):
            if room <= 0:
                break
            written = self._write(_shares(wanted, room), encoding, jobs)
            if written <= size:
                return
            room *= 0.95 * size / written
        raise DatasetError(f"{size / 1e6:.1f} MB are too little for the data sets; allow more megabytes")

    def _write(self, sizes: Mapping[str, float], encoding: Encoding, jobs: int) -> int:
        self.lines = []
        for place, (location, (prepared, _)) in enumerate(self._sets.items()):
            folder = self.out / SETS / str(place)
            shutil.rmtree(folder, ignore_errors=True)
            tracks, frames = write_thinned(prepared, thinning_to(prepared, sizes[location], encoding), folder, jobs)
            self.lines.append(
                f"{location}: {tracks:,} of {prepared.tracks:,} tracks, {frames:,} of {prepared.frames:,} "
                f"frames, {_size(folder) / 1e6:.1f} MB"
            )
        return _size(self.out / SETS)

    def _source(self, source: Any) -> dict[str, Any]:
        values = dict(source) if isinstance(source, Mapping) else {"path": str(source)}
        location = str(values["path"])
        if location not in self._sets:
            self._sets[location] = open_prepared(location), float(values.get("weight", 1.0))
        return {**values, "path": f"{MARK}{SETS}/{list(self._sets).index(location)}"}

    def _with_files(self, value: Any, needed: bool = False) -> Any:
        """Settings whose paths to files and folders lead into the pack, with these copied there.

        Raises:
            ConfigError: if a file that is needed does not exist.
        """
        if isinstance(value, Mapping):
            return {key: self._with_files(inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [self._with_files(inner) for inner in value]
        path = Path(value) if isinstance(value, str) and ("/" in value or needed) else None
        if path is None or not path.exists():
            if needed:
                raise ConfigError(f"{value} does not exist; it is to be packed")
            return value
        if path not in self._files:
            name = f"files/{len(self._files)}-{path.name}"
            (shutil.copytree if path.is_dir() else shutil.copyfile)(path, self.out / name)
            self._files[path] = f"{MARK}{name}"
        return self._files[path]


def _shares(sets: Mapping[str, tuple[float, float]], size: float) -> dict[str, float]:
    """Bytes for each data set of a size by its weight; what one does not need goes to the others."""
    left, room, found = dict(sets), size, dict[str, float]()
    while left:
        total = sum(weight for _, weight in left.values())
        small = [name for name, (whole, weight) in left.items() if whole <= room * weight / total]
        if not small:
            return found | {name: room * weight / total for name, (_, weight) in left.items()}
        for name in small:
            found[name] = left.pop(name)[0]
            room -= found[name]
    return found


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
