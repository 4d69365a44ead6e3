"""Published results of other trackers, read from the benchmarks' archives and held beside ours.

One-pass results: OTB's archives (.mat and .txt), GOT-10k's and LaSOT's (``one_pass``). VOT's supervised and real-time
results: trajectories of the challenges' archives and of vot-toolkit (``trajectories``).
"""

from siam_tracker_core.evaluation.rivals.one_pass import Rivals, read_rivals

__all__ = ["Rivals", "read_rivals"]
