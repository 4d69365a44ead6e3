"""``siam-tracker label``: boxes for videos that nobody labelled, in OTB's form, for ``siam-tracker prepare folder``."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tqdm import tqdm

from siam_tracker_core.commands.answers import answering
from siam_tracker_core.commands.tables import markdown
from siam_tracker_core.commands.track import draw_with_mouse, parse_box
from siam_tracker_core.commands.words import folders_of
from siam_tracker_core.config import read_config
from siam_tracker_core.datasets.otb_form import GROUND_TRUTH, read_rectangles
from siam_tracker_core.errors import BoxError, ConfigError, DatasetError, SiamTrackerError
from siam_tracker_core.evaluation.resolve import TrackerSpec
from siam_tracker_core.evaluation.workers import WorkerDied, Workers
from siam_tracker_core.files import check_outputs
from siam_tracker_core.geometry import Box
from siam_tracker_core.labelling.footage import find_videos, name_of
from siam_tracker_core.labelling.job import Task, VideoReport, label_video
from siam_tracker_core.labelling.quality import compare
from siam_tracker_core.labelling.settings import LabelSettings
from siam_tracker_core.labelling.sheet import PAGE, write_page
from siam_tracker_core.labelling.starts import Start, read_starts
from siam_tracker_core.sources import open_source
from siam_tracker_core.training.data.shards import write_whole
from siam_tracker_core.zoo_entries import DEFAULT_TRACKER

ARGUMENTS, REPORT = "arguments.json", "report.json"
RECORDS = ".done"
DEFAULTS = LabelSettings()
_WITHOUT_WINDOWS = "give it with --boxes x,y,width,height or a CSV file"
MOTION, DRAW, TRUTH = "motion", "draw", "truth"

Starts = dict[str, tuple[Start, ...] | None]


def label(
    source: Path,
    out: Path = Path("labels"),
    boxes: str = MOTION,
    tracker: str = DEFAULT_TRACKER,
    back_tracker: str = "",
    agreement: float = DEFAULTS.agreement,
    least_score: float = DEFAULTS.least_score,
    stretch: int = DEFAULTS.stretch,
    shortest: int = DEFAULTS.shortest,
    targets: int = DEFAULTS.targets,
    every: int = DEFAULTS.every,
    jobs: int = 1,
    device: str = "auto",
    peer_models: list[str] | str = "",
    truth: Path | None = None,
    json: bool = False,
) -> None:
    """Make boxes for videos that nobody labelled; the same command again goes on with an interrupted run.

    A tracker goes from each start box to both ends of the video and, stretch by stretch, back again. A frame keeps its
    box if both ways agree on it. OUT then holds a folder a track with img/, groundtruth_rect.txt and quality.csv, which
    `siam-tracker prepare folder --root OUT` takes, and contact_sheet.html, which shows all tracks, the least certain
    first.

    Args:
        source: a video, a folder of images, or a folder of these.
        out: folder for the labels.
        boxes: where targets are: motion, which looks for regions that move by themselves; a CSV file with the columns
            video (or clip), frame (from 0), x, y, width, height (one-based pixels) and perhaps score, such as a
            detector's, where a video's name may lack its ending; draw, for the mouse; x,y,width,height in the first
            frame of the one video; or truth, the first box of each sequence of --truth.
        tracker: a name of the zoo, a weights file, or a published one (nanotrack_v3, fear_xs, ...).
        back_tracker: another one for the way back, which makes labels surer; the same by default.
        agreement: overlap (IoU) of both ways that a frame needs.
        least_score: score that a frame needs both ways, from trackers that give one.
        stretch: frames that are followed before the way back.
        shortest: labelled frames that a track needs.
        targets: tracks of a video at most.
        every: frames from one look for moving regions to the next.
        jobs: processes that share the videos.
        device: for our trackers: auto, cpu or cuda:0.
        peer_models: folders with the ONNX files of nano, nanotrack_v3 and fear_xs: in them, or in folders right inside.
        truth: folder of sequences in OTB's form, with the names of the videos, to compare the labels with.
        json: print what became of each video for a script.
    """
    settings = read_config(
        LabelSettings,
        {
            "agreement": agreement,
            "least_score": least_score,
            "stretch": stretch,
            "shortest": shortest,
            "targets": targets,
            "every": every,
        },
        "options",
    )
    check_outputs({"--out": out}, [source, truth])
    videos = find_videos(source)
    folders = folders_of(peer_models)
    there, back = (TrackerSpec.of(name, device, folders) for name in (tracker, back_tracker or tracker))
    with Workers(jobs) as workers:
        for spec in {there.label: there, back.label: back}.values():
            spec.make()  # a tracker that cannot be made is told before anything is written
        arguments = {"tracker": there.label, "back_tracker": back.label, **asdict(settings)}
        _begin(out, arguments)
        done = _read_records(out, videos)
        waiting = [video for video in videos if name_of(video) not in done]
        starts = _starts(boxes, waiting, len(videos) == 1, truth)
        tasks = [Task(video.absolute(), starts[name_of(video)], there, back, settings, out) for video in waiting]
        done |= _run(tasks, workers, out)
    reports = [done[name_of(video)] for video in videos]
    _finish(out, reports)
    with answering(json) as answer:
        print(summary(reports))
        if truth is not None:
            print(f"\n{quality_table(out, reports, truth)}")
        if any(report.kept for report in reports):
            print(f"\nlook at {out / PAGE}, remove the folders of tracks that are wrong, and go on with")
            print(f"siam-tracker prepare folder --root {out} --out shards")
        answer |= {"out": out, "videos": [report.to_json() for report in reports]}
    if not any(report.kept for report in reports):
        raise DatasetError(f"nothing of {source} could be labelled; the table above says why")


def _begin(out: Path, arguments: dict[str, Any]) -> None:
    """Make the folder, or see that it belongs to these arguments.

    Raises:
        ConfigError: if it belongs to others.
        DatasetError: if it cannot be written.
    """
    path = out / ARGUMENTS
    try:
        (out / RECORDS).mkdir(parents=True, exist_ok=True)
        if not path.is_file():
            write_whole(path, json.dumps(arguments, indent=2))
        earlier = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise DatasetError(f"{out} cannot be used: {getattr(error, 'strerror', None) or error}") from None
    differing = [
        f"{key} is {value!r}, was {earlier.get(key)!r}" for key, value in arguments.items() if earlier.get(key) != value
    ]
    if differing:
        raise ConfigError(f"{out} was begun with other arguments: {'; '.join(differing)}; choose another --out")


def _read_records(out: Path, videos: Sequence[Path]) -> dict[str, VideoReport]:
    """The videos that are finished."""
    found = {}
    for name in map(name_of, videos):
        path = out / RECORDS / f"{name}.json"
        try:
            found[name] = VideoReport.from_json(json.loads(path.read_text()))
        except (OSError, ValueError, TypeError, KeyError):  # not there, or not whole: the video is done again
            continue
    return found


def _starts(boxes: str, videos: Sequence[Path], single: bool, truth: Path | None) -> Starts:
    """Each video's start boxes by its name; None where moving regions are looked for.

    Raises:
        ConfigError, DatasetError, BoxError: if they cannot be had.
    """
    names = [name_of(video) for video in videos]
    if boxes == MOTION:
        return dict.fromkeys(names)
    if boxes == DRAW:
        return {name_of(video): _drawn(video) for video in videos}
    if boxes == TRUTH:
        if truth is None:
            raise ConfigError("--boxes truth starts from the truth: give its folder with --truth")
        return {name: _first_true(truth / name / GROUND_TRUTH) for name in names}
    if Path(boxes).suffix.lower() == ".csv" or Path(boxes).is_file():
        given = read_starts(Path(boxes))
        return {name_of(video): _given(given, video) for video in videos}
    if not single:
        raise ConfigError(f"--boxes is {boxes!r}; give motion, draw, a CSV file, or x,y,width,height for one video")
    return {name: (Start(0, parse_box(boxes)),) for name in names}


def _given(given: Mapping[str, Sequence[Start]], video: Path) -> tuple[Start, ...]:
    """What a file has under the name of a video, without its ending and with it."""
    names = {name_of(video), video.name}  # one where there is no ending
    return tuple(start for name in sorted(names) for start in given.get(name, ()))


def _drawn(video: Path) -> tuple[Start, ...]:
    """What the user draws on the first frame; nothing if the user goes on without a box."""
    print(f"draw the target of {name_of(video)}, then press Enter; c goes on to the next video")
    first = next(open_source(str(video)).frames, None)
    if first is None:
        return ()
    try:
        return (Start(0, draw_with_mouse(first.image, _WITHOUT_WINDOWS), 1.0, "drawn"),)
    except BoxError as error:
        if "no box was drawn" in str(error):
            return ()
        raise


def _first_true(path: Path) -> tuple[Start, ...]:
    rows = read_rectangles(path)
    seen = [index for index, row in enumerate(rows) if row[2] > 0]
    return tuple(Start(index, Box.from_array(rows[index]), 1.0, "truth") for index in seen[:1])


def _run(tasks: Sequence[Task], workers: Workers, out: Path) -> dict[str, VideoReport]:
    """What becomes of the videos, each recorded as soon as it is there.

    Raises:
        DatasetError: if the folder cannot be written any more.
    """
    done: dict[str, VideoReport] = {}
    try:
        with tqdm(total=len(tasks), unit="video", desc="labelling", disable=None) as bar:
            for report in _outcomes(tasks, workers):
                if not report.failed:
                    write_whole(out / RECORDS / f"{report.name}.json", json.dumps(report.to_json()))
                done[report.name] = report
                bar.set_postfix_str(f"{sum(each.kept for each in done.values())} labels")
                bar.update()
    except OSError as error:
        raise DatasetError(
            f"{out} cannot be written: {error.strerror or error}; the {len(done)} videos that are finished stay: make "
            "room and give the same command again to go on"
        ) from None
    finally:
        shutil.rmtree(out / ".frames", ignore_errors=True)
    return done


def _outcomes(tasks: Sequence[Task], workers: Workers) -> Iterator[VideoReport]:
    if not workers.parallel:
        yield from map(label_video, tasks)
        return
    for index, outcome in workers.run(label_video, [(task,) for task in tasks]):
        if isinstance(outcome, WorkerDied):
            yield VideoReport(name_of(tasks[index].video), notes=[outcome.reason], failed=True)
        else:
            yield outcome


def _finish(out: Path, reports: Sequence[VideoReport]) -> None:
    """Write the report and the contact sheet.

    Raises:
        DatasetError: if they cannot be written.
    """
    tracks = [(track, report) for report in reports for track in report.tracks if track.name]
    rows = [
        (track.name, f"{track.kept} of {report.frames} frames, both ways agree to {track.overlap:.2f}; {track.start}")
        for track, report in sorted(tracks, key=lambda pair: pair[0].overlap)
    ]
    try:
        write_whole(out / REPORT, json.dumps([report.to_json() for report in reports], indent=1))
        write_page(out, rows)
    except OSError as error:
        raise DatasetError(f"{out} cannot be written: {error.strerror or error}; all labels stay") from None


def summary(reports: Sequence[VideoReport]) -> str:
    """What was kept of each video and why the rest was not, as a table."""
    rows = []
    for report in reports:
        for track in report.tracks:
            reasons = "; ".join(f"{count} {reason}" for reason, count in track.why_not.items())
            rows.append([report.name, track.name or "–", track.start, f"{track.kept} of {report.frames}", reasons])
        for note in report.notes:
            rows.append([report.name, "–", "", "" if report.tracks else f"0 of {report.frames}", note])
    labels, tracks = sum(report.kept for report in reports), sum(bool(t.name) for r in reports for t in r.tracks)
    table = markdown(["video", "track", "start", "kept", "why the rest is not"], rows)
    return f"{table}\n\n{labels:,} labels in {tracks:,} tracks of {len(reports):,} videos"


def quality_table(out: Path, reports: Sequence[VideoReport], truth: Path) -> str:
    """The labels beside the truth, as a table; its last line is the mean over tracks."""
    names = [track.name for report in reports for track in report.tracks if track.name]
    try:
        found = compare(out, names, truth)
    except OSError as error:
        raise SiamTrackerError(f"the labels in {out} cannot be compared: {error.strerror or error}") from None
    rows = [[f.name, str(f.frames), str(f.of), f"{f.overlap:.3f}", f"{f.half:.3f}", f"{f.seven:.3f}"] for f in found]
    if found:
        means = [sum(getattr(each, name) for each in found) / len(found) for name in ("overlap", "half", "seven")]
        totals = [str(sum(f.frames for f in found)), str(sum(f.of for f in found))]
        rows.append(["mean", *totals, *(f"{mean:.3f}" for mean in means)])
    return markdown(["track", "labels", "of", "IoU with the truth", "≥ 0.5", "≥ 0.7"], rows)
