"""The tracker node in a process of its own, for programs and tests that need one for a while."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

_PROFILE = Path("config") / "fastdds_large_data.xml"
_PACKAGE = Path(__file__).resolve().parent


def large_data_environment() -> dict[str, str]:
    """Environment variables with which whole images get through Fast DDS between processes of one machine.

    To be set before ``rclpy.init`` in every process that takes part. What is set already is left out.
    """
    wanted = {"ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}
    folders = (_PACKAGE.parent, Path(sys.prefix) / "share" / _PACKAGE.name)
    profile = next((folder / _PROFILE for folder in folders if (folder / _PROFILE).is_file()), None)
    if profile is not None:
        # jazzy reads the first name, newer distributions the second
        wanted["FASTRTPS_DEFAULT_PROFILES_FILE"] = wanted["FASTDDS_DEFAULT_PROFILES_FILE"] = str(profile)
    return {name: value for name, value in wanted.items() if name not in os.environ}


class NodeProcess:
    """A running tracker node; ends with its ``with`` block.

    Args:
        parameters: values that differ from the defaults.
        remappings: ROS names or ``__ns`` and ``__node`` to what they become.
        environment: of the process; this process's by default.
        arguments: more for the command line, after ``--ros-args``.
        program: the command that runs a tracker node; this package's by default.
    """

    def __init__(
        self,
        parameters: Mapping[str, object] | None = None,
        remappings: Mapping[str, str] | None = None,
        environment: Mapping[str, str] | None = None,
        arguments: tuple[str, ...] = (),
        program: tuple[str, ...] = (),
    ) -> None:
        command = [*(program or (sys.executable, "-m", "siam_tracker_ros.node.main")), "--ros-args", *arguments]
        for name, value in (parameters or {}).items():
            command += ["-p", f"{name}:={_yaml(value)}"]
        for name, target in (remappings or {}).items():
            command += ["-r", f"{name}:={target}"]
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the process
        self._process = subprocess.Popen(
            command,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            env=None if environment is None else dict(environment),
            cwd=_PACKAGE.parent if (_PACKAGE.parent / "package.xml").is_file() else None,
        )

    def __enter__(self) -> NodeProcess:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        self._log.close()

    def log(self) -> str:
        """All that the node has written so far."""
        return os.pread(self._log.fileno(), os.fstat(self._log.fileno()).st_size, 0).decode(errors="replace")

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    def send_signal(self, number: int) -> None:
        """Send a signal of ``signal`` to the process."""
        self._process.send_signal(number)

    def exit_status(self) -> int | None:
        """None while the node runs."""
        return self._process.poll()

    def wait(self, timeout: float) -> int:
        """The exit status, once the node has ended by itself.

        Raises:
            subprocess.TimeoutExpired: if it does not end within ``timeout`` seconds.
        """
        return self._process.wait(timeout)

    def stop(self, timeout: float = 10.0) -> int:
        """End the node as Ctrl-C does, or by force after ``timeout`` seconds; gives its exit status."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(timeout)
            except subprocess.TimeoutExpired:
                self._process.kill()
        return self._process.wait()


def _yaml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    return str(value)
