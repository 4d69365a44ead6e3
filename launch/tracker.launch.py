"""Start the tracker node: `ros2 launch siam_tracker_ros tracker.launch.py image:=/camera/image_raw`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ament_index_python.packages import get_package_share_directory
from launch import LaunchContext, LaunchDescription, LaunchDescriptionEntity
from launch.actions import DeclareLaunchArgument, OpaqueFunction, SetEnvironmentVariable, Shutdown
from launch.events.process import ProcessExited
from launch.substitutions import LaunchConfiguration, TextSubstitution
from launch_ros.actions import LifecycleNode, Node
from launch_ros.parameter_descriptions import ParameterValue

from siam_tracker_ros.declarations import Declaration
from siam_tracker_ros.node.parameters import DECLARATIONS

SHARE = Path(get_package_share_directory("siam_tracker_ros"))

# Fast DDS reads the first name up to ROS 2 jazzy, the second in newer distributions.
PROFILE_VARIABLES = ("FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE")

NONE = "none"  # launch takes no empty value on its command line


def parameter_argument(name: str, declaration: Declaration) -> DeclareLaunchArgument:
    """A launch argument for a parameter of the node; empty, the parameter is as in params_file, none makes it empty."""
    choices = ("true", "false") if declaration.kind is bool else declaration.choices
    return DeclareLaunchArgument(
        name,
        default_value="",
        choices=["", *choices] if choices else None,
        description=f"{declaration.description} Empty: as in params_file.",
    )


ARGUMENTS = [
    *(parameter_argument(name, declaration) for name, declaration in DECLARATIONS.items()),
    DeclareLaunchArgument("image", default_value="/camera/image_raw", description="Topic of the camera's images."),
    DeclareLaunchArgument(
        "params_file",
        default_value=str(SHARE / "config" / "tracker_node.yaml"),
        description="File with the node's parameters; the arguments above go before it. none: the node's defaults.",
    ),
    DeclareLaunchArgument(
        "use_sim_time",
        default_value="",
        choices=["", "true", "false"],
        description="Take the time from /clock. Empty: as in params_file.",
    ),
    DeclareLaunchArgument("name", default_value="siam_tracker", description="Name of the node."),
    DeclareLaunchArgument("namespace", default_value="", description="Namespace of the node."),
    DeclareLaunchArgument(
        "debug", default_value="false", choices=["true", "false"], description="Log what is done for every image."
    ),
    DeclareLaunchArgument(
        "console",
        default_value="false",
        choices=["true", "false"],
        description="Also start the operator console, a web page to watch and to point at targets.",
    ),
    DeclareLaunchArgument(
        "console_host",
        default_value="127.0.0.1",
        description="Address of the console; 0.0.0.0 for all of this machine's. Beyond 127.0.0.1 a token is needed; "
        "the console logs a link with it.",
    ),
    DeclareLaunchArgument("console_port", default_value="8642", description="Port of the console; 0 for a free one."),
    DeclareLaunchArgument(
        "log_level",
        default_value="info",
        choices=["debug", "info", "warn", "error", "fatal"],
        description="Least severity that the node logs; debug:=true is the same as debug here.",
    ),
    DeclareLaunchArgument(
        "prefix",
        default_value=NONE,
        description="Command to start the node with, e.g. 'nice -n -10', 'chrt -f 10' or 'taskset -c 2,3'.",
    ),
    DeclareLaunchArgument(
        "respawn",
        default_value="false",
        choices=["true", "false"],
        description="Start the node again when it has ended; else launch ends with it, and with its status.",
    ),
    DeclareLaunchArgument("respawn_delay", default_value="1.0", description="Seconds before it is started again."),
    DeclareLaunchArgument(
        "enclave",
        default_value=NONE,
        description="Security enclave of the node below ROS_SECURITY_KEYSTORE, e.g. /siam_tracker.",
    ),
    DeclareLaunchArgument(
        "fastdds_profile",
        default_value=str(SHARE / "config" / "fastdds_large_data.xml"),
        description="Fast DDS profile with which whole images get through, for all nodes of this launch; the camera's "
        "node needs it too. Not used where one is set in the environment; none: Fast DDS's own default.",
    ),
]


def start_node(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    """Build the actions, once the arguments have values."""

    def given(name: str) -> str:
        return LaunchConfiguration(name).perform(context)

    def value(name: str) -> str:
        return "" if given(name) == NONE else given(name)

    actions: list[LaunchDescriptionEntity] = []
    profile = value("fastdds_profile")
    if profile and not any(variable in context.environment for variable in PROFILE_VARIABLES):
        actions += [SetEnvironmentVariable(variable, profile) for variable in PROFILE_VARIABLES]

    params_file = value("params_file")
    if params_file and not Path(params_file).is_file():  # launch itself would only warn and start with the defaults
        raise FileNotFoundError(f"params_file: there is no file {params_file}; give the path of a YAML file, or none")
    kinds = {name: declaration.kind for name, declaration in DECLARATIONS.items()} | {"use_sim_time": bool}
    overrides = {
        name: ParameterValue(TextSubstitution(text=value(name)), value_type=kind)
        for name, kind in kinds.items()
        if given(name)
    }
    logger = ".".join([*value("namespace").strip("/").split("/"), value("name")]).lstrip(".")
    level = "debug" if value("debug") == "true" else value("log_level")
    enclave = ["--enclave", value("enclave")] if value("enclave") else []
    respawn = value("respawn") == "true"
    image = value("image")
    actions.append(
        LifecycleNode(
            package="siam_tracker_ros",
            executable="tracker_node",
            name=value("name"),
            namespace=value("namespace"),
            parameters=[*([params_file] if params_file else []), *([overrides] if overrides else [])],
            # the second is a name of its own to ROS 2, which the first rule would leave as it is
            remappings=[("image", image), ("image/compressed", f"{image}/compressed")],
            ros_arguments=["--log-level", f"{logger}:={level}", *enclave],
            output="screen",
            emulate_tty=True,
            respawn=respawn,
            respawn_delay=float(value("respawn_delay") or 0),
            **({"prefix": value("prefix")} if value("prefix") else {}),
            **({} if respawn else {"on_exit": end_with_node}),
        )
    )
    if value("console") == "true":
        actions.append(console_node(value))
    return actions


def console_node(value: Callable[[str], str]) -> Node:
    """The operator console, with the tracker's images and their QoS."""
    image = value("image")
    parameters: dict[str, str | int] = {"tracker": value("name"), "host": value("console_host")}
    parameters["port"] = int(value("console_port"))
    for name in ("image_transport", "reliability"):
        if value(name):
            parameters[name] = value(name)
    return Node(
        package="siam_tracker_ros",
        executable="operator_console",
        name="operator_console",
        namespace=value("namespace"),
        parameters=[parameters],
        remappings=[("image", image), ("image/compressed", f"{image}/compressed")],
        output="screen",
        emulate_tty=True,
    )


def end_with_node(event: ProcessExited, context: LaunchContext) -> Shutdown | None:
    """End launch when the node has ended; an exception is the one way to give launch a status other than 0."""
    if context.is_shutdown:  # launch has ended the node itself
        return None
    if event.returncode:
        raise RuntimeError(f"the tracker node has ended with status {event.returncode}")
    return Shutdown(reason="the tracker node has ended")


def generate_launch_description() -> LaunchDescription:
    return LaunchDescription([*ARGUMENTS, OpaqueFunction(function=start_node)])
