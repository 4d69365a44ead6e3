"""All commands of ``siam-tracker``: for each its module, and one sentence."""

from __future__ import annotations

# Modules are imported when their command is called, so that help comes at once.
COMMANDS = {
    "track": ("siam_tracker_core.commands.track", "follow a target through a video, a folder of images or a camera"),
    "serve": ("siam_tracker_core.commands.serve", "watch a video or a camera in the browser, and draw targets there"),
    "evaluate": ("siam_tracker_core.commands.evaluate", "score trackers on a benchmark or a folder; writes a report"),
    "tune": ("siam_tracker_core.commands.tune", "search a tracker's settings on held-out sequences"),
    "reproduce": ("siam_tracker_core.commands.reproduce", "run the experiments of the papers, table by table"),
    "benchmark": ("siam_tracker_core.commands.benchmark", "tables of accuracy, speed, and cost of many targets"),
    "export": ("siam_tracker_core.commands.export", "write a tracker's network for OpenVINO, ONNX Runtime, TensorRT"),
    "make-bag": ("siam_tracker_core.commands.make_bag", "turn a sequence with ground truth into a ROS 2 bag"),
    "label": ("siam_tracker_core.commands.label", "make boxes for videos that nobody labelled"),
    "prepare": ("siam_tracker_core.commands.prepare", "cut a data set into shards of crops, to train on"),
    "pretrain": ("siam_tracker_core.commands.pretrain", "give a backbone features, by distillation or on classes"),
    "train": ("siam_tracker_core.commands.train", "train a tracker"),
    "pack": ("siam_tracker_core.commands.pack", "pack trainings for a machine with a GPU"),
    "train-packed": ("siam_tracker_core.commands.train_packed", "train what was packed within so many minutes"),
    "calibrate": ("siam_tracker_core.commands.calibrate", "make a tracker's scores mean something"),
    "analyse": ("siam_tracker_core.commands.analyse", "stride, receptive field, padding and cost of a backbone"),
    "import-checkpoint": (
        "siam_tracker_core.commands.import_checkpoint",
        "make a weights file of a checkpoint that others published",
    ),
    "join": ("siam_tracker_core.commands.join", "make the cascade's weights of a trained SiamFC and a trained MDNet"),
    "make-dsiam": ("siam_tracker_core.commands.make_dsiam", "make a DSiam of a trained SiamFC or of a backbone"),
    "make-shallower": (
        "siam_tracker_core.commands.make_shallower",
        "make of a SiamFC+ one with fewer units, to train on",
    ),
    "make-ungrouped": (
        "siam_tracker_core.commands.make_ungrouped",
        "give a tracker SiamRPN's AlexNet in place of SiamFC's, to train on",
    ),
    "make-mean": ("siam_tracker_core.commands.make_mean", "make the mean of two trainings of one network"),
    "zoo": ("siam_tracker_core.commands.zoo", "list the trained trackers"),
    "doctor": ("siam_tracker_core.commands.doctor", "check this machine, and say what to do about what is wrong"),
    "completion": ("siam_tracker_core.commands.completion", "print what bash or zsh needs to complete commands"),
    "trax": ("siam_tracker_core.commands.trax", "be a tracker for vot-toolkit"),
}
