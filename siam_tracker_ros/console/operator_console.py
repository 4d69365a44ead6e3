"""The node ``operator_console``: a web page for whoever points at targets."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from rcl_interfaces.msg import ParameterDescriptor
from rclpy.node import Node

import siam_tracker_core
from siam_tracker_core.console import Access, ConsoleServer, ServerOptions
from siam_tracker_core.errors import ConfigError
from siam_tracker_ros.console.ros_session import RosSession

# name: default and description; all are read once, at start
PARAMETERS: dict[str, tuple[str | int, str]] = {
    "tracker": ("siam_tracker", "Name of the tracker node; relative to this node's namespace, or absolute."),
    "image_transport": ("raw", "raw subscribes to image (sensor_msgs/Image), compressed to image/compressed."),
    "reliability": ("best_effort", "QoS reliability that the image subscription asks for: best_effort or reliable."),
    "host": ("127.0.0.1", "Address to listen on; 0.0.0.0 for all of this machine's. Beyond it a token is needed."),
    "port": (8642, "Port to listen on; 0 for any that is free."),
    "token": ("", "What lets a browser in; empty: one is made where one is needed, and logged once."),
    "certificate": ("", "Path of a PEM file, for TLS."),
    "key": ("", "Path of the PEM file with the certificate's key."),
    "max_clients": (8, "Browsers that may be connected at once."),
    "recordings": ("recordings", "Folder for the bags that are recorded from the page."),
    "niceness": (5, "How much it steps back for the tracker where cores are scarce, 0 (not at all) to 19."),
}
_MOST_NICE = 19
_CHOICES = {"image_transport": ("raw", "compressed"), "reliability": ("best_effort", "reliable")}


class OperatorConsole(Node):
    """Serves the page until ``finish``, which comes before ``destroy_node``.

    Needs a single-threaded executor (see ``InTurn``).

    Args:
        **options: passed on to ``rclpy.node.Node``.

    Raises:
        ConfigError: if a parameter is impossible, or the address cannot be listened on.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__("operator_console", **options)
        given = {name: self._declare(name) for name in PARAMETERS}
        os.nice(given["niceness"])  # before its threads are there, which inherit it
        access = Access.of(given["host"], given["port"], given["token"], given["certificate"], given["key"])
        tracker = self.resolve_service_name(given["tracker"])
        self._session = RosSession(
            self, tracker, given["image_transport"], given["reliability"], Path(given["recordings"]).expanduser()
        )
        options_of_server = ServerOptions(given["max_clients"])
        self._server = ConsoleServer(self._session, access, options_of_server, siam_tracker_core.__version__)
        try:
            self._server.start()
        except ConfigError:
            self._session.close()
            raise
        self._session.start()
        self.get_logger().info(f"the operator console of {tracker} is on {self._server.link}")

    def finish(self) -> None:
        """Tell the browsers, and complete a recording."""
        self._server.stop()
        self._session.finish_recording()

    def destroy_node(self) -> None:
        """Leave the ROS graph after ``finish``."""
        self._session.close()
        super().destroy_node()

    def _declare(self, name: str) -> Any:
        default, description = PARAMETERS[name]
        value = self.declare_parameter(
            name, default, ParameterDescriptor(description=description, read_only=True)
        ).value
        choices = _CHOICES.get(name)
        if choices and value not in choices:
            raise ConfigError(f"the parameter {name} cannot be {value!r}; expected {' or '.join(choices)}")
        if name == "max_clients" and value < 1:
            raise ConfigError(f"the parameter {name} cannot be {value!r}; expected a whole number from 1 on")
        if name == "niceness" and not 0 <= value <= _MOST_NICE:
            raise ConfigError(f"the parameter {name} cannot be {value!r}; expected 0 to {_MOST_NICE}")
        return value
