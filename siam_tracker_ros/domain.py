"""A ROS domain that no other program of this package on this machine is using."""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

_HIGHEST = 100  # Fast DDS's ports of higher domains fall among those that Linux gives to clients


@contextmanager
def private_domain() -> Iterator[int]:
    """Claim a domain id, as ``claim_domain`` does, until the block ends."""
    domain_id, claim = claim_domain()
    with claim:
        yield domain_id


def claim_domain() -> tuple[int, IO[str]]:
    """Claim a domain id in 1..100 for as long as the file that comes with it is open.

    The claim is a locked file: the lock goes with the process, however that ends.

    Raises:
        RuntimeError: if all are claimed.
    """
    first = os.getpid() % _HIGHEST
    for step in range(_HIGHEST):
        domain_id = (first + step) % _HIGHEST + 1
        path = Path(tempfile.gettempdir()) / f"siam_tracker_domain_{domain_id}.lock"
        try:
            claim = path.open("a")
        except PermissionError:  # another user's claim
            continue
        try:
            fcntl.flock(claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            claim.close()
            continue
        return domain_id, claim
    raise RuntimeError(f"all ROS domains from 1 to {_HIGHEST} are in use by programs of this package on this machine")
