"""Start the tracker node: `ros2 launch siam_tracker_ros tracker.launch.py image:=/camera/image_raw`."""

from __future__ import annotations

from pathlib import Path

from ament_index_python.packages import get_package_share_directory
from launch import LaunchContext, LaunchDescription, LaunchDescriptionEntity
from launch.actions import DeclareLaunchArgument, OpaqueFunction, SetEnvironmentVariable
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import LifecycleNode
from launch_ros.parameter_descriptions import ParameterValue

SHARE = Path(get_package_share_directory("siam_tracker_ros"))

# Fast DDS reads the first name up to ROS 2 jazzy, the second in newer distributions.
PROFILE_VARIABLES = ("FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE")

AS_IN_FILE = "empty: as in params_file"

# Launch arguments that are parameters of the node, by the type of the parameter.
PARAMETERS: dict[str, type] = {
    "tracker": str,
    "weights": str,
    "device": str,
    "runtime": str,
    "threads": int,
    "image_transport": str,
    "reliability": str,
    "autostart": bool,
}

ARGUMENTS = [
    DeclareLaunchArgument(
        "tracker", default_value="", description=f"Tracker of the zoo to run, e.g. siamfc; {AS_IN_FILE}."
    ),
    DeclareLaunchArgument(
        "weights",
        default_value="",
        description="Path of a .safetensors file, or of an exported tracker's folder, to use instead of the zoo's "
        f"weights; {AS_IN_FILE}.",
    ),
    DeclareLaunchArgument(
        "device", default_value="", description=f"Where the network runs: auto, cpu, cuda or cuda:N; {AS_IN_FILE}."
    ),
    DeclareLaunchArgument(
        "runtime",
        default_value="",
        choices=["", "auto", "torch", "onnxruntime", "openvino", "tensorrt"],
        description=f"What the network runs in; auto takes the fastest that is installed; {AS_IN_FILE}.",
    ),
    DeclareLaunchArgument(
        "threads",
        default_value="",
        description=f"Threads for the network on a CPU; 0 takes all cores that the node may use; {AS_IN_FILE}.",
    ),
    DeclareLaunchArgument("image", default_value="/camera/image_raw", description="Topic of the camera's images."),
    DeclareLaunchArgument(
        "image_transport",
        default_value="",
        choices=["", "raw", "compressed"],
        description=f"raw, or compressed to subscribe to <image>/compressed; {AS_IN_FILE}.",
    ),
    DeclareLaunchArgument(
        "reliability",
        default_value="",
        choices=["", "best_effort", "reliable"],
        description=f"QoS of the image subscription; best_effort hears every camera; {AS_IN_FILE}.",
    ),
    DeclareLaunchArgument(
        "params_file",
        default_value=str(SHARE / "config" / "tracker_node.yaml"),
        description="File with the node's parameters; the arguments above go before it.",
    ),
    DeclareLaunchArgument("namespace", default_value="", description="Namespace of the node."),
    DeclareLaunchArgument(
        "debug", default_value="false", choices=["true", "false"], description="Log what is done for every image."
    ),
    DeclareLaunchArgument(
        "autostart",
        default_value="",
        choices=["", "true", "false"],
        description=f"Configure and activate at start, or leave that to a lifecycle manager; {AS_IN_FILE}.",
    ),
    DeclareLaunchArgument(
        "fastdds_profile",
        default_value=str(SHARE / "config" / "fastdds_large_data.xml"),
        description="Fast DDS profile with which whole images get through, for all nodes of this launch; the camera's "
        "node needs it too. Not used where one is set in the environment; empty: Fast DDS's own default.",
    ),
]


def start_node(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    """Build the actions, once the arguments have values."""

    def value(name: str) -> str:
        return LaunchConfiguration(name).perform(context)

    actions: list[LaunchDescriptionEntity] = []
    if value("fastdds_profile") and not any(variable in context.environment for variable in PROFILE_VARIABLES):
        actions += [SetEnvironmentVariable(variable, value("fastdds_profile")) for variable in PROFILE_VARIABLES]

    params_file = value("params_file")
    if params_file and not Path(params_file).is_file():  # launch itself would only warn and start with the defaults
        raise FileNotFoundError(
            f"params_file: there is no file {params_file}; give the path of a YAML file, or nothing"
        )
    overrides = {
        name: ParameterValue(LaunchConfiguration(name), value_type=kind)
        for name, kind in PARAMETERS.items()
        if value(name)
    }
    image = value("image")
    actions.append(
        LifecycleNode(
            package="siam_tracker_ros",
            executable="tracker_node",
            name="siam_tracker",
            namespace=value("namespace"),
            parameters=[*([params_file] if params_file else []), *([overrides] if overrides else [])],
            # the second is a name of its own to ROS 2, which the first rule would leave as it is
            remappings=[("image", image), ("image/compressed", f"{image}/compressed")],
            ros_arguments=["--log-level", "siam_tracker:=debug"] if value("debug") == "true" else [],
            output="screen",
            emulate_tty=True,
        )
    )
    return actions


def generate_launch_description() -> LaunchDescription:
    return LaunchDescription([*ARGUMENTS, OpaqueFunction(function=start_node)])
