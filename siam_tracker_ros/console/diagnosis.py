"""Why the console shows no picture, in words: topic, publishers, quality of service, the tracker node's state."""

from __future__ import annotations

import os
import time

from rclpy.node import Node
from rclpy.qos import QoSPolicyKind, ReliabilityPolicy

from siam_tracker_ros.console.images import ImageSource
from siam_tracker_ros.console.tracker_facts import TrackerFacts
from siam_tracker_ros.qos import unheard_publishers

_SILENCE = 2.0  # seconds


class Diagnosis:
    """Looks at the ROS graph when images stay away.

    Args:
        node: that subscribes to the images.
        images: the subscription.
        facts: of the tracker node.
        tracker: its name.
    """

    def __init__(self, node: Node, images: ImageSource, facts: TrackerFacts, tracker: str) -> None:
        self._node = node
        self._images = images
        self._facts = facts
        self._tracker = tracker

    def trouble(self) -> tuple[str, tuple[str, ...]]:
        """What is wrong in a sentence, empty if nothing is; and the facts that belong to it, each a sentence."""
        silence = time.monotonic() - self._images.last_arrival
        if self._images.is_wanted and silence > _SILENCE:
            return self._no_image(silence)
        return self._no_tracks(), ()

    def _no_image(self, silence: float) -> tuple[str, tuple[str, ...]]:
        topic = self._images.topic
        publishers = self._node.get_publishers_info_by_topic(topic)
        domain = os.environ.get("ROS_DOMAIN_ID") or "0"
        facts = [f"Topic: {topic}, in ROS domain {domain}."]
        facts += [f"Publisher: {_full_name(info)}, {_qos_words(info.qos_profile)}." for info in publishers]
        facts.append(f"This console asks for {_qos_words(self._images.qos)}.")
        if (tracker := self._no_tracks()) != "":
            facts.append(f"{tracker[0].upper()}{tracker[1:]}.")
        if not publishers:
            text = f"nobody publishes images on {topic}; start the camera, or remap 'image' to its topic"
        elif self._unheard(publishers):
            text = unheard_publishers(self._node, topic, self._images.qos, QoSPolicyKind.RELIABILITY)
        elif self._images.received:
            text = f"no image has come on {topic} for {silence:.0f} seconds, although it has a publisher"
        else:
            text = (
                f"no image has been received on {topic}, although it has a publisher; large best-effort images are "
                "lost unless both sides use the Fast DDS profile fastdds_large_data.xml, as this package's launch "
                "files do"
            )
        return text, tuple(facts)

    def _unheard(self, publishers: list[object]) -> bool:
        wants_reliable = self._images.qos.reliability == ReliabilityPolicy.RELIABLE
        offers = [info.qos_profile.reliability for info in publishers]  # type: ignore[attr-defined]
        return wants_reliable and all(offer == ReliabilityPolicy.BEST_EFFORT for offer in offers)

    def _no_tracks(self) -> str:
        if not self._node.count_publishers(f"{self._tracker}/tracks") and not self._facts.is_fresh:
            return f"there is no tracker node '{self._tracker}' in this ROS domain; start it, or name another one"
        if self._facts.is_fresh and self._facts.is_error:
            return self._facts.message
        if self._facts.is_fresh and self._facts.state not in ("active", ""):
            return f"the tracker node is {self._facts.state}; configure and activate it"
        return ""


def _full_name(info: object) -> str:
    namespace = getattr(info, "node_namespace", "").rstrip("/")
    return f"{namespace}/{getattr(info, 'node_name', '?')}"


def _qos_words(profile: object) -> str:
    reliability = getattr(profile, "reliability", None)
    durability = getattr(profile, "durability", None)
    names = [str(getattr(each, "name", each)).lower().replace("_", " ") for each in (reliability, durability)]
    return ", ".join(names)
