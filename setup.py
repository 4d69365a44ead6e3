"""Build and installation of siam_tracker_ros, by pip and by colcon alike."""

from __future__ import annotations

import itertools
import json
import os
import struct
from glob import glob
from importlib.util import find_spec
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py
from setuptools.command.develop import develop

NAME = "siam_tracker_ros"
LIBRARY = "siam_tracker_core"
INTERFACES = "siam_tracker_msgs"
_CONFIG_SUFFIXES = ("json", "rviz", "xml", "yaml")
UNDER_COLCON = "COLCON" in os.environ  # colcon sets it for everything that it starts

# The one list of requirements; constraints.txt pins what was tested. package.xml has those with a key of rosdep, and a
# colcon build installs none of these. Of OpenCV's four wheels it is the one with trackers and without windows; another
# one beside it overwrites it. ROS is an extra, since a ROS machine has its own.
REQUIREMENTS = [
    "aiohttp>=3.9",
    "annotated-types>=0.6",
    "docstring-parser>=0.15",
    "Jinja2>=3.0",
    "joblib>=1.3",
    "jsonargparse[signatures]>=4.27",
    "MarkupSafe>=2.0",
    "matplotlib>=3.6",
    "numpy>=1.26",
    "opencv-contrib-python-headless>=4.8,<5",  # 5 renumbered its types, on which cv_bridge breaks
    "Pillow>=9",
    "pydantic>=2.5",
    "PyYAML>=6.0",
    "rosbags>=0.10",
    "safetensors>=0.4",
    "torch>=2.1",
    "tqdm>=4.64",
]
EXTRAS = {
    "ros-wheels": [  # ROS 2 jazzy from PyPI; leave it out where ROS 2 is installed
        "ros-jazzy-action-msgs",
        "ros-jazzy-builtin-interfaces",
        "ros-jazzy-diagnostic-msgs",
        "ros-jazzy-geometry-msgs",
        "ros-jazzy-lifecycle-msgs",
        "ros-jazzy-rcl-interfaces",
        "ros-jazzy-rclpy",
        "ros-jazzy-rmw-fastrtps-cpp",  # rclpy does not ask for one itself
        "ros-jazzy-sensor-msgs",
        "ros-jazzy-std-msgs",
        "ros-jazzy-visualization-msgs",
    ],
    # Exported networks, and published trackers as peers and teachers; for CUDA, onnxruntime-gpu in its place.
    "onnx": ["onnx>=1.16", "onnxruntime>=1.17"],
    "openvino": ["onnx>=1.16", "openvino>=2024.4"],  # the fastest on most CPUs; comes with make setup
    "tensorrt": ["onnx>=1.16", "tensorrt>=10"],  # NVIDIA GPUs; on a Jetson it comes with JetPack
    "int8": ["nncf>=2.14"],  # siam-tracker export --precision int8
    "train": ["av>=12", "pytorch-lightning>=2.1", "scikit-learn>=1.2", "tensorboard>=2.10", "webdataset>=0.2.86"],
    # Teachers on a GPU; torchvision of the release that goes with torch.
    "gpu-teachers": ["onnx>=1.16", "onnx2torch>=1.5.15", "torchvision"],
    # Search for settings; published results in MATLAB's form; overlaps of VOT's polygons.
    "evaluation": ["optuna>=3.0", "scipy>=1.11", "shapely>=2.0"],
    # The package as a tracker for vot-toolkit (`siam-tracker trax`, GPL-3 libraries), and what vot-toolkit itself needs
    # beside OpenCV: it is installed without its requirements, which would bring another OpenCV.
    "vot": [
        "shapely>=2.0",
        "attributee>=0.1.8,<0.1.10",  # 0.1.10 breaks on Python 3.11
        "bidict",
        "cachetools",
        "colorama",
        "lazy-object-proxy",
        "numba",
        "phx-class-registry",
        "six",
        "vot-trax>=4.0.1",
    ],
    "cluster": ["dask>=2023.5", "distributed>=2023.5"],  # evaluation over several machines
    "demo": ["scikit-image>=0.20"],  # its photographs, of which sequences with an exact ground truth are made
    "test": ["pytest>=7.0", "pytest-xdist>=3.3", "hypothesis>=6.0", "psutil>=5.9", "selenium>=4.11"],
    "random-order": ["pytest-randomly>=3.15"],  # make test-all ORDER=random
    "fuzz": ["atheris>=2.3"],
    "docs": ["mkdocs>=1.6,<2", "mkdocs-material>=9.5", "mkdocstrings[python]>=0.26"],
    "lint": ["bandit", "import-linter>=2.1", "mypy", "ruff", "types-PyYAML", "types-tqdm"],
}


def require_interfaces() -> None:
    """Stop a colcon build that leaves the interface package out, and say which command takes it in.

    colcon looks for no packages below a package, so a plain `colcon build` in a workspace finds this one and passes
    over siam_tracker_msgs without a word.

    :raises SystemExit: under colcon, when siam_tracker_msgs is neither installed nor in the same build.
    """
    if not UNDER_COLCON:
        return
    spec = find_spec(INTERFACES)
    if spec is not None and spec.origin is not None:  # without an origin it is only the source folder beside this file
        return
    for variable in ("AMENT_PREFIX_PATH", "COLCON_PREFIX_PATH", "CMAKE_PREFIX_PATH"):
        for prefix in os.environ.get(variable, "").split(os.pathsep):
            if prefix and Path(prefix, "share", INTERFACES, "package.xml").is_file():
                return
    repository = Path(__file__).resolve().parent
    below = Path("src") / repository.name  # where it usually lies in a workspace, unless the shell tells better
    shell_folder = os.environ.get("PWD", "")
    if shell_folder and Path(shell_folder).resolve() in repository.parents:
        below = repository.relative_to(Path(shell_folder).resolve())
    raise SystemExit(
        f"{NAME} needs the interface package {INTERFACES}, which is neither installed nor part of this build: "
        "colcon does not look for packages below a package.\n"
        f"From the workspace, run:  colcon build --base-paths {below} {below}/{INTERFACES}\n"
        f"or, in {repository}, run:  colcon build"
    )


def shipped_files() -> list[str]:
    """Weights and settings that an installed package has inside, see siam_tracker_core/resources.py.

    Who builds from the repository has all weights and keeps them. A wheel for release has those of the default alone,
    with the files that it shares tensors with (SIAM_TRACKER_WHEEL=release); `siam-tracker zoo --get` gets the others.
    """
    weights = glob("weights/*.safetensors")
    if os.environ.get("SIAM_TRACKER_WHEEL") == "release":
        default = f"weights/{_told('zoo_entries.py', 'DEFAULT_TRACKER')}.safetensors"
        weights = [default, *_shared_with(default)]
    return sorted(glob("weights/*.yaml") + weights + _settings())


def _shared_with(path: str) -> list[str]:
    """Files beside a safetensors file that it shares tensors with, as its metadata name them (see weights.py)."""
    with Path(path).open("rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        metadata = json.loads(file.read(length))["__metadata__"]
    return [f"weights/{name}" for name in json.loads(metadata["siam_tracker"]).get("shared", {})]


def _told(file: str, name: str) -> str:
    """A text that a file of the library assigns to a name; importing it here would need its requirements."""
    text = Path(__file__).resolve().with_name(LIBRARY).joinpath(file).read_text(encoding="utf-8")
    return text.partition(f'\n{name} = "')[2].partition('"')[0]


def _settings() -> list[str]:
    """Settings of trackers, the trainings of the papers and their declared experiments."""
    return [
        path
        for pattern in ("trackers/*", "train/*", "experiments/*", "experiments/*/*")
        for path in glob(f"config/{pattern}.yaml")
    ]


class BuildPy(build_py):
    """build_py that first looks for the interface package, and puts what is shipped inside the library."""

    def run(self) -> None:
        require_interfaces()
        super().run()
        if not self.editable_mode:  # the repository's own are found beside the package
            for source, target in self._shipped().items():
                self.mkpath(str(Path(target).parent))
                self.copy_file(source, target)

    def get_outputs(self, include_bytecode: bool = True) -> list[str]:
        outputs: list[str] = super().get_outputs(include_bytecode)
        return outputs if self.editable_mode else [*outputs, *self._shipped().values()]

    def _shipped(self) -> dict[str, str]:
        return {source: str(Path(self.build_lib, LIBRARY, "shipped", source)) for source in shipped_files()}


class Develop(develop):
    """develop, which `colcon build --symlink-install` calls, that first looks for the interface package."""

    def run(self) -> None:
        require_interfaces()
        super().run()


def data_files() -> list[tuple[str, list[str]]]:
    """What goes to share/ and lib/ below the installation prefix."""
    share = f"share/{NAME}"
    files = [
        ("share/ament_index/resource_index/packages", [f"resource/{NAME}"]),
        (share, ["package.xml"]),
        (f"{share}/launch", sorted(glob("launch/*.launch.py"))),
    ]
    for folder in ["config", *sorted(glob("config/*/")), *sorted(glob("config/experiments/*/"))]:
        folder = folder.rstrip("/")
        sources = (glob(f"{folder}/*.{suffix}") for suffix in _CONFIG_SUFFIXES)
        files.append((f"{share}/{folder}", sorted(itertools.chain.from_iterable(sources))))
    if not UNDER_COLCON:  # colcon puts the console scripts of setup.cfg there itself
        files.append((f"lib/{NAME}", sorted(glob("exec/*"))))
    return [(target, sources) for target, sources in files if sources]


setup(
    name=NAME,
    version=_told("__init__.py", "__version__"),
    description="Siamese visual object trackers for ROS 2: SiamFC and its kin, end to end.",
    long_description=Path(__file__).resolve().with_name("README.md").read_text(encoding="utf-8")
    if Path(__file__).resolve().with_name("README.md").is_file()
    else "",
    long_description_content_type="text/markdown",
    author="siam_tracker_ros maintainers",
    author_email="maintainers@siam-tracker.invalid",
    maintainer="siam_tracker_ros maintainers",
    maintainer_email="maintainers@siam-tracker.invalid",
    license="Apache-2.0",
    keywords=["ROS"],
    python_requires=">=3.10",
    packages=find_packages(include=[LIBRARY, f"{LIBRARY}.*", NAME, f"{NAME}.*"]),
    package_data={"": ["py.typed", "*.html", "*.j2", "*.css", "*.svg", "*.yaml", "static/*"]},
    data_files=data_files(),
    zip_safe=False,
    install_requires=REQUIREMENTS,
    extras_require=EXTRAS,  # colcon test takes the extra "test" as the sign that there are tests
    cmdclass={"build_py": BuildPy, "develop": Develop},
    entry_points={
        "console_scripts": [
            "siam-tracker = siam_tracker_core.cli:main",
            f"tracker_node = {NAME}.node.main:main",
            f"target_follower = {NAME}.follower.main:main",
            f"made_world = {NAME}.programs:made_world",
            f"follow_demo = {NAME}.follow_demo.main:main",
            f"operator_console = {NAME}.console.main:main",
            f"evaluate_bag = {NAME}.programs:evaluate_bag",
            f"replay = {NAME}.programs:replay",
        ]
    },
)
