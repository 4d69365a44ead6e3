"""How many processor cores this process may use: what the machine has, less what its limits take away."""

from __future__ import annotations

import math
import os
from pathlib import Path


def usable_cores(root: Path = Path("/")) -> int:
    """Cores that this process may use, at least 1.

    The least of the scheduler's affinity and the processor quotas of the control groups (version 1 or 2) that the
    process is in, each rounded up. A container that may use half of eight cores has four, whatever
    ``os.cpu_count`` says.

    Args:
        root: where ``proc`` and ``sys`` are; for tests.
    """
    limits = [float(_affinity()), *_quotas(root)]
    return max(1, math.ceil(min(limits)))


def threads_to_use(wanted: int | None) -> int:
    """Threads for a network: as many as wanted, and never more than the cores that may be used.

    Args:
        wanted: None for all of these cores.
    """
    usable = usable_cores()
    return usable if wanted is None else max(1, min(wanted, usable))


def is_busy() -> bool:
    """Whether more threads than there are cores have wanted one in the last minute."""
    try:
        return os.getloadavg()[0] > (os.cpu_count() or 1)
    except OSError:  # the system does not tell
        return False


def _affinity() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _quotas(root: Path) -> list[float]:
    """Processor quotas in cores of all groups that this process is in, and of the groups around them."""
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return []
    quotas = []
    for line in lines:
        number, controllers, path = line.split(":", 2)
        if number == "0" and not controllers:
            mount, read = root / "sys/fs/cgroup", _quota_v2
        elif "cpu" in controllers.split(","):
            mount, read = root / "sys/fs/cgroup/cpu", _quota_v1
        else:
            continue
        group = mount / path.lstrip("/")
        # A container often shows its own group at the mount itself.
        folders = {mount, group, *(parent for parent in group.parents if mount in parent.parents)}
        quotas += [quota for folder in folders if (quota := read(folder)) is not None]
    return quotas


def _quota_v2(folder: Path) -> float | None:
    """Quota of ``cpu.max``: microseconds in each period, or ``max``."""
    try:
        quota, period = (folder / "cpu.max").read_text().split()
        return None if quota == "max" else float(quota) / float(period)
    except (OSError, ValueError):
        return None


def _quota_v1(folder: Path) -> float | None:
    """Quota of ``cpu.cfs_quota_us``, or -1 for none."""
    try:
        quota = float((folder / "cpu.cfs_quota_us").read_text())
        period = float((folder / "cpu.cfs_period_us").read_text())
    except (OSError, ValueError):
        return None
    return quota / period if quota > 0 else None
