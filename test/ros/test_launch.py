"""The launch files, run by launch itself where launch_ros is installed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

pytest.importorskip("launch_ros", reason="launch_ros is not installed here (it is not among the ROS 2 wheels)")
rclpy = pytest.importorskip("rclpy", reason="rclpy is not installed here")

from lifecycle_msgs.msg import State  # noqa: E402
from lifecycle_msgs.srv import GetState  # noqa: E402
from rcl_interfaces.srv import GetParameters  # noqa: E402
from rclpy.node import Node  # noqa: E402

# Runs a launch file with arguments name:=value, as `ros2 launch` does, and ends with launch's own exit status.
LAUNCH = """
import sys
from launch import LaunchService
from launch.actions import IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
service = LaunchService(argv=sys.argv[2:])
arguments = [tuple(argument.split(":=", 1)) for argument in sys.argv[2:]]
source = PythonLaunchDescriptionSource(sys.argv[1])
service.include_launch_description(IncludeLaunchDescription(source, launch_arguments=arguments))
sys.exit(service.run())
"""
STARTED_WITHIN = 60.0  # seconds: loading PyTorch on a busy machine


class Launched:
    """A launch file that is running, and all that it has printed."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self.process = process
        self._log = log

    def log(self) -> str:
        return self._log.read_text(errors="replace")

    def wait_until(self, holds: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + STARTED_WITHIN
        while not holds():
            assert time.monotonic() < deadline, f"{what}: not within {STARTED_WITHIN} s\n{self.log()}"
            assert self.process.poll() is None, f"{what}: launch has ended\n{self.log()}"
            time.sleep(0.1)


@pytest.fixture
def launched(repository_root: Path, ros_environment: Mapping[str, str], tmp_path: Path):
    """Start a launch file: launched(name, *arguments, VARIABLE=value), within a `with`."""

    @contextmanager
    def start(name: str, *arguments: str, **variables: str | None) -> Iterator[Launched]:
        environment = {**ros_environment, **{key: value for key, value in variables.items() if value is not None}}
        for key in (key for key, value in variables.items() if value is None):
            environment.pop(key, None)
        environment.setdefault("AMENT_PREFIX_PATH", sys.prefix)  # the wheels set none
        log = tmp_path / "launch.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-c", LAUNCH, str(repository_root / "launch" / name), *arguments],
                stdout=output,
                stderr=subprocess.STDOUT,
                env=environment,
                cwd=tmp_path,
                start_new_session=True,
            )
        try:
            yield Launched(process, log)
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    return start


@pytest.fixture
def observer() -> Iterator[Node]:
    context = rclpy.Context()
    rclpy.init(context=context)
    node = rclpy.create_node("launch_observer", context=context)
    yield node
    node.destroy_node()
    rclpy.shutdown(context=context)


def call(node: Node, kind: type, name: str, request: object) -> object:
    """One service call, or None where nobody answers within two seconds."""
    client = node.create_client(kind, name)
    executor = rclpy.executors.SingleThreadedExecutor(context=node.context)
    executor.add_node(node)
    try:
        if not client.wait_for_service(timeout_sec=2.0):
            return None
        answer = client.call_async(request)
        executor.spin_until_future_complete(answer, timeout_sec=2.0)
        return answer.result() if answer.done() else None
    finally:
        executor.shutdown()
        node.destroy_client(client)


def state_is(node: Node, name: str, state: int) -> bool:
    answer = call(node, GetState, f"{name}/get_state", GetState.Request())
    return answer is not None and answer.current_state.id == state


def test_tracker_launch_starts_an_active_node_and_ends_cleanly(launched, observer: Node) -> None:
    with launched(
        "tracker.launch.py",
        "namespace:=robot",
        "device:=cpu",
        "image:=/front/image",
        "image_transport:=compressed",
        "reliability:=reliable",
    ) as launch:
        launch.wait_until(
            lambda: state_is(observer, "/robot/siam_tracker", State.PRIMARY_STATE_ACTIVE), "the node is active"
        )
        names = ["device", "image_transport", "reliability", "weights", "queue_depth"]
        answer = call(observer, GetParameters, "/robot/siam_tracker/get_parameters", GetParameters.Request(names=names))
        values = [value.string_value for value in answer.values[:4]]
        assert values == ["cpu", "compressed", "reliable", ""]
        assert answer.values[4].integer_value == 1  # of the shipped file
        heard = observer.get_subscriptions_info_by_topic("/front/image/compressed")
        assert [info.node_name for info in heard] == ["siam_tracker"]
        launch.process.send_signal(signal.SIGINT)
        assert launch.process.wait(timeout=20) == 0, launch.log()
    assert "process has finished cleanly" in launch.log()


def test_tracker_launch_hands_on_every_argument(launched, observer: Node) -> None:
    with launched(
        "tracker.launch.py",
        "autostart:=false",
        "name:=eye",
        "namespace:=robot/left",
        "max_targets:=3",
        "queue_depth:=2",
        "history_frames:=7",
        "threads:=1",
        "use_sim_time:=true",
        "weights:=none",
        "debug:=true",
        "prefix:=nice -n 1",
        "respawn:=true",
        "respawn_delay:=0.1",
        "enclave:=/eye",
    ) as launch:
        launch.wait_until(
            lambda: state_is(observer, "/robot/left/eye", State.PRIMARY_STATE_UNCONFIGURED), "the node is there"
        )
        names = ["max_targets", "queue_depth", "history_frames", "threads", "use_sim_time", "weights"]
        answer = call(observer, GetParameters, "/robot/left/eye/get_parameters", GetParameters.Request(names=names))
        assert [value.integer_value for value in answer.values[:4]] == [3, 2, 7, 1]
        assert answer.values[4].bool_value
        assert answer.values[5].string_value == ""
        (node,) = node_processes(launch)
        assert os.getpriority(os.PRIO_PROCESS, node) == os.getpriority(os.PRIO_PROCESS, launch.process.pid) + 1
        words = Path(f"/proc/{node}/cmdline").read_text().split("\0")
        assert "robot.left.eye:=debug" in words
        assert words[words.index("--enclave") + 1] == "/eye"
        os.kill(node, signal.SIGKILL)
        launch.wait_until(lambda: node_processes(launch) not in ([], [node]), "the node is started again")


def node_processes(launch: Launched) -> list[int]:
    """The processes that launch has started."""
    children = Path(f"/proc/{launch.process.pid}/task/{launch.process.pid}/children").read_text().split()
    return [int(child) for child in children]


def test_tracker_launch_ends_with_the_status_of_the_node(launched) -> None:
    with launched("tracker.launch.py", "tracker:=nosuch") as launch:
        assert launch.process.wait(timeout=STARTED_WITHIN) == 1
    assert "the parameter tracker cannot be 'nosuch'" in launch.log()
    assert "the tracker node has ended with status 1" in launch.log()


def test_tracker_launch_leaves_the_start_to_a_manager(launched, observer: Node) -> None:
    with launched("tracker.launch.py", "autostart:=false") as launch:
        launch.wait_until(
            lambda: state_is(observer, "/siam_tracker", State.PRIMARY_STATE_UNCONFIGURED), "the node is unconfigured"
        )


PROFILES = ("FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE")


def child_environment(launch: Launched) -> dict[str, str]:
    """What the first process that launch has started was given."""
    children = Path(f"/proc/{launch.process.pid}/task/{launch.process.pid}/children")
    launch.wait_until(lambda: bool(children.read_text().split()), "launch has started the node")
    raw = Path(f"/proc/{children.read_text().split()[0]}/environ").read_text(errors="replace")
    return dict(entry.split("=", 1) for entry in raw.split("\0") if "=" in entry)


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="no /proc here to read a process's environment")
@pytest.mark.parametrize(
    ("arguments", "given", "shipped"),
    [((), None, True), ((), "/own/profile.xml", False), (("fastdds_profile:=none",), None, False)],
    ids=["the shipped profile", "the user's own", "none"],
)
def test_tracker_launch_sets_the_fast_dds_profile(
    launched, arguments: tuple[str, ...], given: str | None, shipped: bool
) -> None:
    variables = {PROFILES[0]: given, PROFILES[1]: None}
    with launched("tracker.launch.py", "autostart:=false", *arguments, **variables) as launch:
        launch.wait_until(lambda: "process started with pid" in launch.log(), "the node is started")
        environment = child_environment(launch)
    if shipped:
        for name in PROFILES:
            assert Path(environment[name]).name == "fastdds_large_data.xml"
            assert Path(environment[name]).is_file()
    else:
        assert environment.get(PROFILES[0]) == given
        assert PROFILES[1] not in environment


@pytest.mark.parametrize(
    ("argument", "told"),
    [
        ("params_file:=/nowhere/parameters.yaml", "there is no file /nowhere/parameters.yaml"),
        ("image_transport:=theora", "theora"),
    ],
)
def test_tracker_launch_refuses_a_wrong_argument_in_words(launched, argument: str, told: str) -> None:
    with launched("tracker.launch.py", argument) as launch:
        assert launch.process.wait(timeout=STARTED_WITHIN) != 0
    assert told in launch.log()
    assert "process started" not in launch.log()


def test_evaluate_bag_launch_runs_the_program_and_ends_with_it(launched, tmp_path: Path) -> None:
    with launched("evaluate_bag.launch.py", f"bag:={tmp_path / 'no_bag'}", "mode:=every_frame") as launch:
        launch.process.wait(timeout=STARTED_WITHIN)
    assert "no_bag" in launch.log()  # the program's own sentence, or launch's line with the command
    assert "the evaluation has ended" in launch.log() or "process has died" in launch.log()


@pytest.mark.slow
def test_the_follow_demo_is_followed_to_its_end(launched) -> None:
    """The whole chain in real time; launch ends by itself when the robot is where it should be."""
    with launched("follow_demo.launch.py", "rate:=10.0") as demo:
        assert demo.process.wait(timeout=180) == 0, demo.log()
        assert "the target is where it should be: bearing" in demo.log()


@pytest.mark.parametrize("name", ["tracker.launch.py", "evaluate_bag.launch.py"])
def test_every_launch_argument_has_a_description(
    repository_root: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from launch.launch_description_sources import get_launch_description_from_python_launch_file

    monkeypatch.setenv("AMENT_PREFIX_PATH", os.environ.get("AMENT_PREFIX_PATH") or sys.prefix)
    description = get_launch_description_from_python_launch_file(str(repository_root / "launch" / name))
    arguments = description.get_launch_arguments()
    assert arguments
    for argument in arguments:
        assert len(argument.description) > 10, argument.name
        assert argument.description != "no description given", argument.name
