"""The operator's page: a web server and its static files, which show any ``ConsoleSession`` and know nothing of ROS."""

from siam_tracker_core.console.access import Access
from siam_tracker_core.console.feed import Feed
from siam_tracker_core.console.picture import Picture, TargetView
from siam_tracker_core.console.server import ConsoleServer, ServerOptions
from siam_tracker_core.console.session import ConsoleSession, Description, RequestRefused, Setting, Status

__all__ = [
    "Access",
    "ConsoleServer",
    "ConsoleSession",
    "Description",
    "Feed",
    "Picture",
    "RequestRefused",
    "ServerOptions",
    "Setting",
    "Status",
    "TargetView",
]
