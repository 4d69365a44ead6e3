"""Start the tracker node: `ros2 launch siam_tracker_ros tracker.launch.py image:=/camera/image_raw`."""

from __future__ import annotations

from pathlib import Path

from ament_index_python.packages import get_package_share_directory
from launch import LaunchContext, LaunchDescription, LaunchDescriptionEntity
from launch.actions import DeclareLaunchArgument, OpaqueFunction, SetEnvironmentVariable
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import LifecycleNode
from launch_ros.parameter_descriptions import ParameterValue

from siam_tracker_ros.declarations import Declaration
from siam_tracker_ros.node.parameters import DECLARATIONS

SHARE = Path(get_package_share_directory("siam_tracker_ros"))

# Fast DDS reads the first name up to ROS 2 jazzy, the second in newer distributions.
PROFILE_VARIABLES = ("FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE")


def parameter_argument(name: str, declaration: Declaration) -> DeclareLaunchArgument:
    """A launch argument for a parameter of the node; empty, the parameter is as in params_file."""
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
        description="File with the node's parameters; the arguments above go before it.",
    ),
    DeclareLaunchArgument("namespace", default_value="", description="Namespace of the node."),
    DeclareLaunchArgument(
        "debug", default_value="false", choices=["true", "false"], description="Log what is done for every image."
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
        name: ParameterValue(LaunchConfiguration(name), value_type=declaration.kind)
        for name, declaration in DECLARATIONS.items()
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
