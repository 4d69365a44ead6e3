"""The made world as nodes: a camera and a drive in it, and the whole chain from pixels to the robot in one command."""
