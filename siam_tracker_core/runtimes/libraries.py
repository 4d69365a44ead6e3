"""Optional libraries, imported only when a runtime is asked for, with a sentence that tells what to install."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import ModuleType

from siam_tracker_core.errors import RuntimeMissingError

_TELEMETRY = "openvino_telemetry"


@dataclass(frozen=True)
class Library:
    """An optional library.

    Attributes:
        module: its import name.
        title: for people.
        extra: of this package that installs it.
        hint: where it comes from otherwise; empty where the extra is all.
    """

    module: str
    title: str
    extra: str
    hint: str = ""

    @property
    def installed(self) -> bool:
        """Whether it can be found; nothing is imported."""
        return importlib.util.find_spec(self.module) is not None

    def load(self) -> ModuleType:
        """The imported module.

        Raises:
            RuntimeMissingError: tells what to install.
        """
        try:
            with without_telemetry():
                return importlib.import_module(self.module)
        except ImportError as error:
            reason = "is not installed" if not self.installed else f"cannot be imported ({error})"
            hint = f"; {self.hint}" if self.hint else ""
            raise RuntimeMissingError(
                f"{self.title} {reason}: pip install '.[{self.extra}]' in the repository brings it{hint}"
            ) from None


ONNX = Library("onnx", "ONNX", "onnx")
ONNXRUNTIME = Library(
    "onnxruntime", "ONNX Runtime", "onnx", "for CUDA, install onnxruntime-gpu in place of onnxruntime"
)
OPENVINO = Library("openvino", "OpenVINO", "openvino")
NNCF = Library("nncf", "NNCF, which quantises to int8,", "int8")
TENSORRT = Library("tensorrt", "TensorRT", "tensorrt", "on a Jetson it comes with JetPack")


@contextmanager
def without_telemetry() -> Iterator[None]:
    """Import OpenVINO and NNCF without the library by which they report their use to their makers.

    A robot must not call home because a network was loaded. Both accept that the library is absent.
    """
    there = sys.modules.get(_TELEMETRY)
    sys.modules[_TELEMETRY] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        if there is None:
            del sys.modules[_TELEMETRY]
        else:
            sys.modules[_TELEMETRY] = there
