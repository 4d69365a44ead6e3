#!/usr/bin/env bash
# Run a command with ROS 2 and this package on the path, `siam-tracker` included.
set -e
# shellcheck source=/dev/null
source "/opt/ros/$ROS_DISTRO/setup.bash"
# shellcheck source=/dev/null
source /opt/siam_tracker/install/setup.bash
share=/opt/siam_tracker/install/siam_tracker_ros
export PATH="$share/lib/siam_tracker_ros:$PATH"
# jazzy reads the first name, newer distributions the second; the camera's node needs it as much as the tracker
export FASTRTPS_DEFAULT_PROFILES_FILE="${FASTRTPS_DEFAULT_PROFILES_FILE:-$share/share/siam_tracker_ros/config/fastdds_large_data.xml}"
export FASTDDS_DEFAULT_PROFILES_FILE="${FASTDDS_DEFAULT_PROFILES_FILE:-$FASTRTPS_DEFAULT_PROFILES_FILE}"
exec "$@"
