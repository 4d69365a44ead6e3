"""A simulated robot follows a target in a made world: `ros2 launch siam_tracker_ros follow_demo.launch.py`."""

from __future__ import annotations

from pathlib import Path

from ament_index_python.packages import get_package_share_directory
from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, EmitEvent, RegisterEventHandler, SetEnvironmentVariable
from launch.event_handlers import OnProcessExit
from launch.events import Shutdown
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import LifecycleNode, Node
from launch_ros.parameter_descriptions import ParameterValue

PROFILE = str(Path(get_package_share_directory("siam_tracker_ros")) / "config" / "fastdds_large_data.xml")

ARGUMENTS = [
    DeclareLaunchArgument("distance", default_value="1.5", description="Metres to keep to the target."),
    DeclareLaunchArgument("rate", default_value="15.0", description="Pictures a second."),
]


def generate_launch_description() -> LaunchDescription:
    tracker = LifecycleNode(
        package="siam_tracker_ros",
        executable="tracker_node",
        name="siam_tracker",
        namespace="",
        parameters=[{"tracker_config": "careful", "positions": "depth", "reliability": "reliable"}],
        remappings=[
            ("image", "/camera/image_raw"),
            ("camera_info", "/camera/camera_info"),
            ("depth", "/camera/depth/image_raw"),
        ],
        output="screen",
    )
    follower = Node(
        package="siam_tracker_ros",
        executable="target_follower",
        # a busy machine may miss a picture or two, which is no reason to stop in a made world
        parameters=[{"silence": 0.5, "patience": 30.0}],
        output="screen",
    )
    world = Node(
        package="siam_tracker_ros",
        executable="made_world",
        parameters=[{"rate": ParameterValue(LaunchConfiguration("rate"), value_type=float)}],
        output="screen",
    )
    operator = Node(
        package="siam_tracker_ros",
        executable="follow_demo",
        arguments=["--attach", "--distance", LaunchConfiguration("distance")],
        output="screen",
    )
    end = RegisterEventHandler(OnProcessExit(target_action=operator, on_exit=[EmitEvent(event=Shutdown())]))
    profile = [
        SetEnvironmentVariable(name, PROFILE)
        for name in ("FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE")
    ]
    return LaunchDescription([*ARGUMENTS, *profile, tracker, follower, world, operator, end])
