"""The programs of this package that need ROS from their first line, as a shell starts them.

On a machine without ROS each is one sentence and the exit status 1: ``python -m siam_tracker_ros.programs replay BAG``.
"""

from __future__ import annotations

import importlib
import sys

# The modules that import ROS where they are imported themselves; the other entry points import it when they start.
_MODULES = {
    "evaluate_bag": "siam_tracker_ros.bag_evaluation.evaluate_bag",
    "made_world": "siam_tracker_ros.follow_demo.world_node",
    "replay": "siam_tracker_ros.bag_evaluation.replay",
}
_REMEDY = (
    "source a ROS 2 distribution, or have ROS 2 as wheels with "
    "\"pip install '.[ros-wheels]' ./siam_tracker_msgs\" in this package's repository"
)


def cannot_start(program: str, error: ImportError) -> str:
    """Why a program does not start, in one sentence; with the way to ROS where ROS is what is missing.

    Args:
        program: its name.
        error: what an import in it raised.
    """
    module = (error.name or "").partition(".")[0]
    if isinstance(error, ModuleNotFoundError) and _is_of_ros(module):
        return f"{program} cannot start: {module} of ROS 2 is not installed for {sys.executable}; {_REMEDY}"
    return f"{program} cannot start: {error}"


def _is_of_ros(module: str) -> bool:
    if module == "siam_tracker_msgs":
        return False
    return module in ("rclpy", "ament_index_python", "builtin_interfaces") or module.endswith(("_msgs", "_interfaces"))


def run(program: str) -> int:
    """Import a program and run it with the words of ``sys.argv``; its exit status, or 1 where it cannot be imported."""
    try:
        module = importlib.import_module(_MODULES[program])
    except ImportError as error:
        print(cannot_start(program, error), file=sys.stderr)
        return 1
    except KeyboardInterrupt:  # PyTorch alone takes a second, in which people change their minds
        return 130
    return int(module.main())


def evaluate_bag() -> int:
    """Replay a bag through the node and score its tracks; the exit status."""
    return run("evaluate_bag")


def made_world() -> int:
    """Run the made world until it is interrupted; the exit status."""
    return run("made_world")


def replay() -> int:
    """Play a bag's images to a topic; the exit status."""
    return run("replay")


if __name__ == "__main__":
    del sys.argv[0]  # the program's name is what is left in its place
    sys.exit(run(sys.argv[0]))
