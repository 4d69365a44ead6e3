"""On what, and with which versions, something was measured."""

from __future__ import annotations

import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import cv2
import numpy as np
import torch


def versions() -> dict[str, str]:
    """Versions of the package and of what its figures depend on."""
    try:
        package = version("siam_tracker_ros")
    except PackageNotFoundError:
        package = "not installed, run from a source folder"
    return {
        "siam_tracker_ros": package,
        "Python": platform.python_version(),
        "PyTorch": str(torch.__version__),
        "OpenCV": cv2.__version__,
        "NumPy": np.__version__,
    }


def machine(device: str | None = None) -> dict[str, str | int]:
    """The kind of machine: processor, cores, threads in use, system, and the accelerator where there is one.

    Args:
        device: the device that was used, e.g. "cuda:0"; names the accelerator that belongs to it.
    """
    kind: dict[str, str | int] = {
        "processor": processor_name(),
        "cores": os.cpu_count() or 1,
        "torch_threads": torch.get_num_threads(),
        "opencv_threads": cv2.getNumThreads(),
        "system": f"{platform.system()} {platform.machine()}",
    }
    if device and device.startswith("cuda") and torch.cuda.is_available():
        kind["accelerator"] = torch.cuda.get_device_name(torch.device(device))
    return kind


def machine_facts() -> dict[str, str | int]:
    """``machine`` without the accelerator, under names for people."""
    labels = {
        "processor": "Processor",
        "cores": "Cores",
        "torch_threads": "PyTorch threads",
        "opencv_threads": "OpenCV threads",
        "system": "System",
    }
    facts = machine()
    return {label: facts[key] for key, label in labels.items()}


def processor_name() -> str:
    """The processor's name for people, or its architecture where the system tells no more."""
    information = Path("/proc/cpuinfo")
    if sys.platform == "linux" and information.is_file():
        for line in information.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.lower().startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
