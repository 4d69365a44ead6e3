"""A ROS 2 node that follows targets through images, and a client for other people's nodes."""
