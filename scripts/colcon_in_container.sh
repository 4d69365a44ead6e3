#!/usr/bin/env bash
# Build and test with colcon in a container of ROS 2: the repository is at /source, read-only.
set -eo pipefail
# shellcheck source=/dev/null
source "/opt/ros/${ROS_DISTRO:?this is no container of ROS 2}/setup.bash"
set -u
cp -r /source /tmp/repository
cd /tmp/repository
rm -rf .venv build install log
apt-get update
apt-get install -y --no-install-recommends python3-pip
rosdep update --rosdistro "$ROS_DISTRO"
# As a user does it, see README.md; in distributions that are only tried out, -r goes on where a key is missing.
export PIP_BREAK_SYSTEM_PACKAGES=1 PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu
if [ "$ROS_DISTRO" = jazzy ]; then
  rosdep install --from-paths . --ignore-src --default-yes
else
  rosdep install --from-paths . --ignore-src --default-yes -r
fi
pip install --ignore-installed safetensors pydantic annotated-types "jsonargparse[signatures]" docstring-parser
set +u
colcon build --event-handlers console_direct+
# shellcheck source=/dev/null
source install/setup.bash
colcon test --event-handlers console_direct+ --pytest-args test/package/test_packaging.py test/package/test_colcon.py test/ros/test_launch.py test/ros/node
colcon test-result --verbose
