"""Replay a bag through the node and score it: `ros2 launch siam_tracker_ros evaluate_bag.launch.py bag:=FOLDER`."""

from __future__ import annotations

from launch import LaunchContext, LaunchDescription, LaunchDescriptionEntity
from launch.actions import DeclareLaunchArgument, ExecuteProcess, OpaqueFunction, Shutdown
from launch.substitutions import LaunchConfiguration
from launch_ros.substitutions import ExecutableInPackage

from siam_tracker_core.zoo_entries import DEFAULT_TRACKER

ARGUMENTS = [
    DeclareLaunchArgument("bag", description="rosbag2 folder with an image topic (sqlite3 or mcap)."),
    DeclareLaunchArgument(
        "out", default_value="evaluation", description="Folder for report.html, scores.json and tracks.csv."
    ),
    DeclareLaunchArgument("tracker", default_value=DEFAULT_TRACKER, description="Tracker of the zoo to run."),
    DeclareLaunchArgument(
        "weights", default_value="", description="Path of a .safetensors file to use instead of the zoo's weights."
    ),
    DeclareLaunchArgument(
        "device", default_value="auto", description="Where the network runs: auto, cpu, cuda or cuda:N."
    ),
    DeclareLaunchArgument(
        "mode",
        default_value="every_frame",
        choices=["every_frame", "real_time"],
        description="every_frame waits for each answer; real_time plays at the bag's own rate, a late frame is missed.",
    ),
    DeclareLaunchArgument(
        "image_topic", default_value="", description="Topic of the bag's images; empty: the only one that it has."
    ),
    DeclareLaunchArgument(
        "truth_topic", default_value="", description="Topic of the bag's ground truth; empty: the bag's usual one."
    ),
    DeclareLaunchArgument(
        "groundtruth", default_value="", description="groundtruth_rect.txt to use instead of a ground-truth topic."
    ),
    DeclareLaunchArgument(
        "overlay", default_value="false", choices=["true", "false"], description="Write an overlay video too."
    ),
]

# Arguments handed on as options of the same name; empty ones are left to the program.
OPTIONS = ("out", "tracker", "weights", "device", "mode", "image_topic", "truth_topic", "groundtruth")


def start_evaluation(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    """Build the command, once the arguments have values."""

    def value(name: str) -> str:
        return LaunchConfiguration(name).perform(context)

    # not a Node action: that adds --ros-args, which is for the node that the program starts itself
    command = [ExecutableInPackage(package="siam_tracker_ros", executable="evaluate_bag"), value("bag")]
    for name in OPTIONS:
        if value(name):
            command += [f"--{name.replace('_', '-')}", value(name)]
    if value("overlay") == "true":
        command.append("--overlay")
    return [ExecuteProcess(cmd=command, output="screen", on_exit=Shutdown(reason="the evaluation has ended"))]


def generate_launch_description() -> LaunchDescription:
    return LaunchDescription([*ARGUMENTS, OpaqueFunction(function=start_evaluation)])
