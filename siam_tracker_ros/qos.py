"""Quality of service: what the node asks for, and words for when that does not fit."""

from __future__ import annotations

from collections.abc import Callable

from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.qos import (
    DurabilityPolicy,
    HistoryPolicy,
    LivelinessPolicy,
    QoSPolicyKind,
    QoSProfile,
    ReliabilityPolicy,
    qos_policy_name_from_kind,
)

_GRAPH_DELAY = 0.3  # seconds

# Requests or answers that may wait; what exceeds it the middleware drops without a word. rclpy's own default is ten.
REQUESTS = 1000

_RELIABILITY = {"best_effort": ReliabilityPolicy.BEST_EFFORT, "reliable": ReliabilityPolicy.RELIABLE}


def image_qos(reliability: str, depth: int) -> QoSProfile:
    """What the image subscription asks for.

    Args:
        reliability: ``"best_effort"`` or ``"reliable"``.
        depth: how many images may wait to be taken.
    """
    return QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=depth, reliability=_RELIABILITY[reliability])


def request_qos(depth: int = REQUESTS) -> QoSProfile:
    """What a service and its clients use, so that a burst of requests and of their answers is kept."""
    return QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=depth, reliability=ReliabilityPolicy.RELIABLE)


def output_qos(depth: int) -> QoSProfile:
    """What the node's publishers offer: reliable, which every subscriber that asks for no durability can hear."""
    return QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=depth, reliability=ReliabilityPolicy.RELIABLE)


def say_soon(node: Node, explain: Callable[[], str], log: Callable[[str], object]) -> None:
    """Log an explanation in a moment: the graph learns of the other side's QoS a little after the event."""

    def say() -> None:
        timer.cancel()
        node.destroy_timer(timer)
        log(explain())

    # a timer of ROS time would stand still where nobody publishes /clock
    timer = node.create_timer(_GRAPH_DELAY, say, clock=Clock(clock_type=ClockType.STEADY_TIME))


def unheard_publishers(node: Node, topic: str, wanted: QoSProfile, policy: QoSPolicyKind) -> str:
    """Why images on a topic are not heard, and which parameter to change.

    Args:
        topic: fully resolved.
        wanted: what the node's subscription asks for.
        policy: the policy that the middleware reported as not matching.
    """
    offers = [
        f"'{_full_name(info)}' offers {_policy_value(info.qos_profile, policy)}"
        for info in node.get_publishers_info_by_topic(topic)
        if not _fits(info.qos_profile, wanted, policy)
    ]
    said = ", ".join(offers) or "a publisher offers less"
    name = qos_policy_name_from_kind(policy).lower()
    remedy = (
        "set the parameter reliability to best_effort"
        if policy == QoSPolicyKind.RELIABILITY
        else f"change the publisher's {name}"
    )
    return (
        f"no image will be received on {topic} from a publisher of other QoS: the {name} requested is "
        f"{_policy_value(wanted, policy)}, but {said}; {remedy}"
    )


def unheard_subscriptions(node: Node, topic: str, offered: QoSProfile, policy: QoSPolicyKind) -> str:
    """Why a subscriber does not hear one of the node's topics, and what it should ask for.

    Args:
        topic: fully resolved.
        offered: what the node's publisher offers.
        policy: the policy that the middleware reported as not matching.
    """
    requests = [
        f"'{_full_name(info)}' requests {_policy_value(info.qos_profile, policy)}"
        for info in node.get_subscriptions_info_by_topic(topic)
        if not _fits(offered, info.qos_profile, policy)
    ]
    said = ", ".join(requests) or "a subscriber requests more"
    name = qos_policy_name_from_kind(policy).lower()
    value = _policy_value(offered, policy)
    return (
        f"a subscriber of {topic} will receive nothing: the {name} offered is {value}, but {said}; "
        f"let the subscriber request {value}"
    )


def _full_name(info: object) -> str:
    namespace = getattr(info, "node_namespace", "").rstrip("/")
    return f"{namespace}/{getattr(info, 'node_name', '?')}"


def _policy_value(profile: QoSProfile, policy: QoSPolicyKind) -> str:
    value = getattr(profile, qos_policy_name_from_kind(policy).lower(), None)
    return str(getattr(value, "name", value)).lower()


def _fits(offered: QoSProfile, requested: QoSProfile, policy: QoSPolicyKind) -> bool:
    """Whether an offer meets a request in one policy; True for the policies that are not compared here."""
    if policy == QoSPolicyKind.RELIABILITY:
        return not (
            offered.reliability == ReliabilityPolicy.BEST_EFFORT and requested.reliability == ReliabilityPolicy.RELIABLE
        )
    if policy == QoSPolicyKind.DURABILITY:
        return not (
            offered.durability == DurabilityPolicy.VOLATILE and requested.durability == DurabilityPolicy.TRANSIENT_LOCAL
        )
    if policy == QoSPolicyKind.LIVELINESS:
        return not (
            offered.liveliness == LivelinessPolicy.AUTOMATIC
            and requested.liveliness == LivelinessPolicy.MANUAL_BY_TOPIC
        )
    return True
