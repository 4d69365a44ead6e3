"""How well a tracker follows: one-pass evaluation, its results, and the report."""

from siam_tracker_core.evaluation.otb import Scores, score, score_sequence
from siam_tracker_core.evaluation.results import SequenceResult, load_result, save_result

__all__ = ["Scores", "SequenceResult", "load_result", "save_result", "score", "score_sequence"]
