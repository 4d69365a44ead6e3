#!/usr/bin/env bash
# Install the package into an image of ROS 2, as README.md tells users to, with a user of its own.
#   install.sh INDEX    where pip finds torch; none: the image has it
set -eo pipefail
index=${1:?give the index that torch is taken from, or none}
# shellcheck source=/dev/null
source "/opt/ros/${ROS_DISTRO:?this is no image of ROS 2}/setup.bash"
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export PIP_BREAK_SYSTEM_PACKAGES=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore DEBIAN_FRONTEND=noninteractive

apt-get update
apt-get install -y --no-install-recommends python3-pip "ros-$ROS_DISTRO-v4l2-camera" "ros-$ROS_DISTRO-vision-msgs"
# over those of apt, which pip cannot take away, and before torch, which would bring some of them without a hash
pip install --ignore-installed --require-hashes --requirement docker/requirements.lock
if [ "$index" != none ]; then
  pip install --index-url "$index" torch
fi
rosdep update --rosdistro "$ROS_DISTRO"
rosdep install --from-paths . --ignore-src --default-yes --skip-keys "python3-torch python3-skimage"
colcon build --install-base /opt/siam_tracker/install
rm -rf build log /var/lib/apt/lists/*

useradd --create-home --groups video tracker
