"""A ROS 2 node that follows targets through images, and a client for other people's nodes."""

import sys

if sys.argv[:1] == ["-m"]:  # as Python leaves it while it looks for the module of ``python -m siam_tracker_ros.…``
    from types import TracebackType

    def _say(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        """Say in one sentence what such a program misses; its exit status is 1."""
        if isinstance(error, ImportError):
            from siam_tracker_ros.programs import cannot_start

            print(cannot_start(sys.modules["__main__"].__spec__.name, error), file=sys.stderr)  # type: ignore[union-attr]
        elif not isinstance(error, KeyboardInterrupt):  # Python gives that its status, 130 in a shell
            sys.__excepthook__(kind, error, trace)

    sys.excepthook = _say
