"""Another tracker for a running node: through cleanup and configure, with the targets it has."""

from __future__ import annotations

import time

from siam_tracker_core.console.session import RequestRefused
from siam_tracker_ros.client import TrackerClient, TrackerError
from siam_tracker_ros.console.remote_tracker import RemoteTracker
from siam_tracker_ros.console.tracker_facts import TrackerFacts
from siam_tracker_ros.interfaces import TrackedTarget

_PATIENCE = 10.0  # seconds that targets wait for the first image


def change_tracker(client: TrackerClient, remote: RemoteTracker, facts: TrackerFacts, name: str) -> list[str]:
    """Load another tracker of the zoo in the node, and start its targets anew from their last boxes.

    Returns:
        Why targets could not be taken over, each in a sentence.

    Raises:
        RequestRefused: if it cannot be loaded; the former tracker goes on with the targets then.
        TrackerError: if the node does not answer.
    """
    targets = list(client.latest.targets) if client.latest is not None else []
    former = {setting.name: setting.value for setting in remote.settings() if setting.name in ("tracker", "weights")}
    remote.unload()
    try:
        remote.set("weights", "")
        remote.set("tracker", name)
        if not remote.go("configure", "activate"):
            raise RequestRefused(f"{name} could not be loaded: {_reason(facts)}")
    except RequestRefused as error:
        remote.unload()
        for parameter, value in former.items():
            remote.set(parameter, value)
        remote.go("configure", "activate")
        _set_anew(client, targets)
        raise RequestRefused(f"{error}; {former.get('tracker', 'the former tracker')} goes on") from None
    return _set_anew(client, targets)


def _set_anew(client: TrackerClient, targets: list[TrackedTarget]) -> list[str]:
    complaints = []
    deadline = time.monotonic() + _PATIENCE
    for target in targets:
        while True:
            try:
                client.set_target(target, id=target.id, label=target.label)
                break
            except TrackerError as error:
                if "no image" in str(error) and time.monotonic() < deadline:
                    time.sleep(0.2)
                    continue
                complaints.append(f"target {target.id} could not be taken over: {error}")
                break
    return complaints


def _reason(facts: TrackerFacts) -> str:
    """What the node says on /diagnostics, which may come a moment later."""
    deadline = time.monotonic() + 2.0
    while not facts.is_error and time.monotonic() < deadline:
        time.sleep(0.05)
    return facts.message if facts.is_error else "the node's log says why"
