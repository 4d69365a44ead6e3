"""The checks of ``siam-tracker doctor``, each a function that returns findings and never raises."""

from __future__ import annotations

import importlib.util
import os
import platform
import re
import shutil
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distributions, version
from pathlib import Path
from typing import Literal

import cv2
import torch

import siam_tracker_core
from siam_tracker_core.cores import usable_cores
from siam_tracker_core.errors import SiamTrackerError
from siam_tracker_core.machine import processor_name
from siam_tracker_core.runtimes.libraries import ONNXRUNTIME, OPENVINO, TENSORRT
from siam_tracker_core.zoo import read_zoo
from siam_tracker_core.zoo_entries import DEFAULT_TRACKER

OLDEST_PYTHON = (3, 10)
NEWEST_DISTRIBUTIONS = ("jazzy", "kilted", "rolling")  # of ROS 2, oldest first
PROFILE = "fastdds_large_data.xml"
# Fast DDS reads the first name up to ROS 2 jazzy, the second in newer distributions.
PROFILE_VARIABLES = ("FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE")
FAST_DDS = "rmw_fastrtps_cpp"
LEAST_SHARED_MEMORY = 64 * 2**20  # bytes of /dev/shm; a container's default, some ten raw images of full HD

Level = Literal["good", "note", "wrong"]


@dataclass(frozen=True)
class Finding:
    """What one check found.

    Attributes:
        subject: what was looked at.
        level: ``good``; ``note`` for what works and could be better; ``wrong`` for what does not work.
        state: what is there.
        remedy: what to do; empty where nothing is to be done.
    """

    subject: str
    level: Level
    state: str
    remedy: str = ""


def all_findings() -> list[Finding]:
    """The findings of all checks, in the order in which a reader needs them."""
    found: list[Finding] = []
    for check in CHECKS:
        try:
            found += check()
        except Exception as error:  # a doctor who faints helps nobody
            name = check.__name__.strip("_")
            found.append(Finding(name, "wrong", f"the check failed: {error}", "report it with this output"))
    return found


def package() -> list[Finding]:
    """This package's version."""
    return [Finding("siam_tracker_ros", "good", siam_tracker_core.__version__)]


def python(running: tuple[int, ...] = sys.version_info[:3]) -> list[Finding]:
    """The interpreter."""
    text = ".".join(map(str, running))
    if running < OLDEST_PYTHON:
        return [Finding("Python", "wrong", text, "install Python 3.10 or newer")]
    return [Finding("Python", "good", text)]


def system() -> list[Finding]:
    """Operating system, processor, cores and memory."""
    cores, all_cores = usable_cores(), os.cpu_count() or 1
    told = f"{cores} of {all_cores}" if cores < all_cores else str(cores)
    level: Level = "note" if cores < 2 else "good"
    remedy = "give the process a second core: camera and tracker share one" if cores < 2 else ""
    return [
        Finding("System", "good", f"{platform.system()} {platform.release()} {platform.machine()}, {processor_name()}"),
        Finding("Cores", level, told, remedy),
    ]


def torch_and_gpu() -> list[Finding]:
    """PyTorch, and whether it sees a GPU that is there."""
    found = [Finding("PyTorch", "good", str(torch.__version__))]
    if torch.cuda.is_available():
        names = ", ".join(torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count()))
        return [*found, Finding("GPU", "good", names)]
    if Path("/etc/nv_tegra_release").is_file():
        return [
            *found,
            Finding("GPU", "note", "a Jetson, but PyTorch has no CUDA", "install the torch wheel of JetPack"),
        ]
    if shutil.which("nvidia-smi"):
        remedy = "install a torch build for CUDA (pytorch.org), and a driver that is new enough for it"
        return [*found, Finding("GPU", "note", "nvidia-smi is there, but PyTorch has no CUDA", remedy)]
    return [*found, Finding("GPU", "good", "none; the CPU is used")]


def runtimes() -> list[Finding]:
    """The libraries beside PyTorch that run networks."""
    found = []
    for library in (OPENVINO, ONNXRUNTIME, TENSORRT):
        if not library.installed:
            remedy = f"pip install '.[{library.extra}]', if wanted" if library is not TENSORRT else ""
            found.append(Finding(library.title, "good", "not installed", remedy))
            continue
        try:
            module = library.load()
        except SiamTrackerError as error:
            found.append(Finding(library.title, "wrong", str(error), f"install it again, or remove {library.module}"))
        else:
            found.append(Finding(library.title, "good", str(getattr(module, "__version__", "installed"))))
    return found


def opencv(installed: Iterable[str] | None = None) -> list[Finding]:
    """OpenCV: one of its wheels, new enough, and with video."""
    names = installed if installed is not None else (str(each.metadata["Name"]) for each in distributions())
    wheels = sorted({name for name in names if re.fullmatch(r"opencv[-_](contrib[-_])?python.*", name or "")})
    found = [Finding("OpenCV", "good", cv2.__version__)]
    if len(wheels) > 1:
        remedy = f"pip uninstall {' '.join(wheels)}; pip install opencv-contrib-python-headless"
        found = [Finding("OpenCV", "wrong", f"{cv2.__version__}; several wheels overwrite each other", remedy)]
    if not re.search(r"FFMPEG:\s+YES", cv2.getBuildInformation()):
        found.append(Finding("Video", "note", "OpenCV has no FFmpeg", "use folders of images, or another OpenCV"))
    if not hasattr(cv2, "TrackerCSRT_create"):
        found.append(
            Finding("OpenCV's trackers", "note", "none; csrt and kcf cannot run", "opencv-contrib-python-headless")
        )
    return found


def ros(environment: Mapping[str, str] = os.environ) -> list[Finding]:
    """ROS 2, where there is one: distribution, interfaces, middleware and its profile."""
    if importlib.util.find_spec("rclpy") is None:
        return [Finding("ROS 2", "good", "not in this shell", "source /opt/ros/DISTRO/setup.bash, if wanted")]
    distribution = environment.get("ROS_DISTRO", "")
    found = [Finding("ROS 2", "good", distribution or f"rclpy {_version('rclpy')}")]
    if distribution and distribution not in NEWEST_DISTRIBUTIONS:
        known = ", ".join(NEWEST_DISTRIBUTIONS)
        found = [Finding("ROS 2", "note", distribution, f"tested are {known}")]
    interfaces = importlib.util.find_spec("siam_tracker_msgs")
    if interfaces is None or interfaces.origin is None:  # without an origin it is only the source folder
        remedy = "colcon build in the repository and source install/setup.bash, or make setup"
        found.append(Finding("siam_tracker_msgs", "wrong", "not built", remedy))
    else:
        found.append(Finding("siam_tracker_msgs", "good", "installed"))
    return [*found, *middleware(environment)]


def middleware(environment: Mapping[str, str]) -> list[Finding]:
    """The middleware, and for Fast DDS the profile that lets large images through."""
    rmw = environment.get("RMW_IMPLEMENTATION", "")
    found = [Finding("RMW", "good", rmw or f"the default, {FAST_DDS} as a rule")]
    if rmw and rmw != FAST_DDS:
        return found
    profiles = [environment[name] for name in PROFILE_VARIABLES if environment.get(name)]
    missing = [profile for profile in profiles if not Path(profile).is_file()]
    if missing:
        remedy = "correct the variable, or unset it"
        found.append(Finding("Fast DDS profile", "wrong", f"{missing[0]} is not there", remedy))
    elif profiles:
        found.append(Finding("Fast DDS profile", "good", profiles[0]))
    else:
        remedy = f"for raw images set {' and '.join(PROFILE_VARIABLES)} to config/{PROFILE} for the camera's node too"
        found.append(Finding("Fast DDS profile", "note", "none in this shell; the launch file sets one", remedy))
    return found


def shared_memory(folder: Path = Path("/dev/shm")) -> list[Finding]:  # nosec B108: looked at, not written to
    """Room in shared memory, through which images go on one machine."""
    if not folder.is_dir():
        return [Finding("Shared memory", "note", "none", "images between processes go through the network stack")]
    free = shutil.disk_usage(folder).free
    text = f"{free / 2**20:.0f} MB free"
    if free < LEAST_SHARED_MEMORY:
        return [Finding("Shared memory", "note", text, "docker run --shm-size=512m, or remove old files in /dev/shm")]
    return [Finding("Shared memory", "good", text)]


def weights(folder: Path | None = None) -> list[Finding]:
    """The zoo's files by their SHA-256."""
    found = []
    entries = read_zoo(folder)
    absent = [entry.name for entry in entries.values() if not entry.is_here]
    if absent:
        remedy = f"siam-tracker zoo --get {' '.join(absent)}"
        level: Level = "wrong" if DEFAULT_TRACKER in absent else "note"
        found.append(Finding("Weights", level, f"not here: {', '.join(absent)}", remedy))
    for entry in (entry for entry in entries.values() if entry.is_here):
        try:
            entry.check()
        except SiamTrackerError as error:
            remedy = f"siam-tracker zoo --get {entry.name}; in the repository, git checkout or git lfs pull"
            found.append(Finding(f"weights of {entry.name}", "wrong", str(error), remedy))
    return found or [Finding("Weights", "good", f"{len(entries)} files, each with the SHA-256 that is listed")]


def _version(name: str) -> str:
    for candidate in (name, f"ros-{name}", f"ros-jazzy-{name}"):
        try:
            return version(candidate)
        except PackageNotFoundError:
            continue
    return "of unknown version"


CHECKS: tuple[Callable[[], list[Finding]], ...] = (
    package,
    python,
    system,
    torch_and_gpu,
    runtimes,
    opencv,
    ros,
    shared_memory,
    weights,
)
