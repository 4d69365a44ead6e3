"""A robot or a gimbal that follows a target: the control law, without ROS, and the node with its action."""
