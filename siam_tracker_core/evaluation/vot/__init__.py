"""VOT's short-term protocol: supervised and real-time experiments, their figures, and the bridge to vot-toolkit."""

from siam_tracker_core.evaluation.vot.eao import INTERVALS, eao, eao_curve
from siam_tracker_core.evaluation.vot.evaluate import VotEvaluation, evaluate_vot
from siam_tracker_core.evaluation.vot.files import load_run, save_run
from siam_tracker_core.evaluation.vot.polygons import overlap, overlaps
from siam_tracker_core.evaluation.vot.realtime import RealTime, run_realtime
from siam_tracker_core.evaluation.vot.runs import FrameCode, SupervisedRun
from siam_tracker_core.evaluation.vot.scores import SequenceScores, TagScores, VotScores, vot_scores
from siam_tracker_core.evaluation.vot.supervised import Supervision, run_supervised

__all__ = [
    "INTERVALS",
    "FrameCode",
    "RealTime",
    "SequenceScores",
    "SupervisedRun",
    "Supervision",
    "TagScores",
    "VotEvaluation",
    "VotScores",
    "eao",
    "eao_curve",
    "evaluate_vot",
    "load_run",
    "overlap",
    "overlaps",
    "run_realtime",
    "run_supervised",
    "save_run",
    "vot_scores",
]
