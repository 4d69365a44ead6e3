"""A made world with exact geometry: a robot on a plane, what its camera sees, and where everything truly is."""

from siam_tracker_core.simulation.follow_world import FollowWorld, Script
from siam_tracker_core.simulation.rendering import Picture, Renderer
from siam_tracker_core.simulation.scene import Card, Pillar, Room, Scene
from siam_tracker_core.simulation.unicycle import Unicycle

__all__ = ["Card", "FollowWorld", "Picture", "Pillar", "Renderer", "Room", "Scene", "Script", "Unicycle"]
