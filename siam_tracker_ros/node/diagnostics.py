"""The node's state for /diagnostics: is it keeping up, and what does it see."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.node import Node
from std_msgs.msg import Header

from siam_tracker_core import TrackState
from siam_tracker_ros.node.statistics import Snapshot
from siam_tracker_ros.node.targets import Target

_SILENCE_SECONDS = 2.0


@dataclass(frozen=True)
class Condition:
    """What is reported.

    Attributes:
        node: the node's full name.
        state: the label of its lifecycle state, e.g. ``"active"``.
        failure: why it could not be configured or activated, else empty.
        tracker, device: what runs where; empty until configured.
        threads: that an update runs on; 0 until configured.
        topic: the resolved image topic.
        publishers: how many publish on it.
        reliability: that the image subscription asks for.
        replaced: how often the tracking thread had to be replaced.
        figures: counts and delays; None until the first activation.
        targets: those that are followed.
    """

    node: str
    state: str
    failure: str = ""
    tracker: str = ""
    device: str = ""
    threads: int = 0
    topic: str = ""
    publishers: int = 0
    reliability: str = "best_effort"
    replaced: int = 0
    figures: Snapshot | None = None
    targets: Sequence[Target] = ()


def diagnostics_message(condition: Condition, now: Time) -> DiagnosticArray:
    """One status with everything: ERROR after a failure, WARN where images stay away, are unreadable or a target is
    lost, OK otherwise.
    """
    level, text = _judge(condition)
    status = DiagnosticStatus(
        level=level,
        name=f"{condition.node.lstrip('/')}: tracking",
        message=text,
        hardware_id=condition.device,
        values=[KeyValue(key=key, value=value) for key, value in _values(condition)],
    )
    return DiagnosticArray(header=Header(stamp=now), status=[status])


def is_unheard(condition: Condition) -> bool:
    """Whether the node has been active for a while and no image has ever come."""
    figures = condition.figures
    if condition.state != "active" or figures is None:
        return False
    return figures.received == 0 and figures.silence > _SILENCE_SECONDS


def never_received(topic: str, publishers: int, reliability: str) -> str:
    """Why there may have been no image yet on a topic with so many publishers, and what helps.

    Args:
        topic: fully resolved.
        publishers: how many publish on it.
        reliability: that the subscription asks for.
    """
    if not publishers:
        return f"no image has been received on {topic}: nobody publishes it; remap 'image' to the camera's topic"
    if reliability == "reliable":
        return (
            f"no image has been received on {topic}, although it has a publisher; it may not have sent one yet, or "
            "offers best effort only: then set the parameter reliability to best_effort"
        )
    return (
        f"no image has been received on {topic}, although it has a publisher; it may not have sent one yet, or its "
        "large best-effort images are lost on the way: then set the Fast DDS profile fastdds_large_data.xml of this "
        "package for both processes, as its launch files do, or the parameter reliability to reliable"
    )


def _judge(condition: Condition) -> tuple[bytes, str]:
    if condition.failure:
        return DiagnosticStatus.ERROR, condition.failure
    figures = condition.figures
    if condition.state != "active" or figures is None:
        return DiagnosticStatus.OK, f"the node is {condition.state}"
    if is_unheard(condition):
        return DiagnosticStatus.WARN, never_received(condition.topic, condition.publishers, condition.reliability)
    if figures.silence > _SILENCE_SECONDS:
        return DiagnosticStatus.WARN, f"no image has come on {condition.topic} for {figures.silence:.1f} seconds"
    if figures.refusal:
        return DiagnosticStatus.WARN, figures.refusal
    lost = [str(target.id) for target in condition.targets if target.result.state is TrackState.LOST]
    if lost:
        return DiagnosticStatus.WARN, f"lost: target {', '.join(lost)}"
    count = len(condition.targets)
    pace = f"{count} target{'s' * (count != 1)} at {figures.frame_rate:.1f} images a second"
    skipped = f", {figures.skipped} of {figures.received} images skipped for newer ones" if figures.skipped else ""
    return DiagnosticStatus.OK, pace + skipped


def _values(condition: Condition) -> list[tuple[str, str]]:
    values = [("state", condition.state), ("tracker", condition.tracker), ("device", condition.device)]
    values += [("threads", str(condition.threads)), ("image_topic", condition.topic)]
    values.append(("tracking_thread_replaced", str(condition.replaced)))
    if condition.figures is not None:
        values += _figures(condition.figures)
    values.append(("targets", str(len(condition.targets))))
    return values + [(f"target {target.id}", _target(target)) for target in condition.targets]


def _figures(figures: Snapshot) -> list[tuple[str, str]]:
    return [
        ("frame_rate_hz", f"{figures.frame_rate:.2f}"),
        ("images_received", str(figures.received)),
        ("images_processed", str(figures.processed)),
        ("images_dropped", str(figures.skipped)),
        ("images_refused", str(figures.refused)),
        ("images_late", str(figures.late)),
        ("refusal", figures.refusal),
        ("latency_ms_p50", f"{figures.latency_ms[0]:.2f}"),
        ("latency_ms_p95", f"{figures.latency_ms[1]:.2f}"),
        ("update_ms_p50", f"{figures.update_ms[0]:.2f}"),
        ("update_ms_p95", f"{figures.update_ms[1]:.2f}"),
        ("update_ms_tracking_p50", f"{figures.tracking_ms[0]:.2f}"),
        ("update_ms_tracking_p95", f"{figures.tracking_ms[1]:.2f}"),
        ("update_ms_lost_p50", f"{figures.lost_ms[0]:.2f}"),
        ("update_ms_lost_p95", f"{figures.lost_ms[1]:.2f}"),
        ("image_period_ms", f"{figures.period * 1e3:.2f}"),
    ]


def _target(target: Target) -> str:
    result = target.result
    words = [result.state.value, f"score {result.score:.2f}", f"age {target.age}"]
    if target.label:
        words.insert(0, f"'{target.label}'")
    if target.behind:
        words.append(f"catching up through {len(target.behind)} images")
    if result.reason:
        words.append(result.reason)
    if result.learning:
        words.append(result.learning)
    return ", ".join(words)


def double_of(node: Node) -> str:
    """A sentence where another node bears the same name, else empty."""
    own = (node.get_name(), node.get_namespace())
    count = node.get_node_names_and_namespaces().count(own)
    if count < 2:
        return ""
    return (
        f"there are {count} nodes named {node.get_fully_qualified_name()}: requests reach any of them; give "
        "each a name or a namespace of its own (launch arguments name and namespace)"
    )
