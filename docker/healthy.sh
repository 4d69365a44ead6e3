#!/usr/bin/env bash
# Whether the tracker node is active.
set -eo pipefail
timeout 15 ros2 lifecycle get "${TRACKER:-/siam_tracker}" | grep --quiet '^active'
