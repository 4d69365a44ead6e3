"""What goes over the WebSocket: JSON both ways, and one binary message a picture.

A picture's message is a 32-bit big-endian length, a JSON header of that length, the cells of a response map (uint8,
where the header has ``heat``), and a JPEG file. Stamps are nanoseconds and go as decimal text, because a number in
JavaScript would lose their last digits.
"""

from __future__ import annotations

import json
import math
import struct
import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated, Literal

import numpy as np
from annotated_types import Ge, Le
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter, ValidationError

from siam_tracker_core import ResponseMap
from siam_tracker_core.console.picture import Picture, TargetView
from siam_tracker_core.console.session import Description, Notice, Setting, Status
from siam_tracker_core.errors import SiamTrackerError

MAX_MESSAGE = 4096  # bytes of a client's message; the longest sensible one has a few hundred
MAX_LABEL = 64  # characters
MAX_ID = 2**32 - 1

RequestNumber = Annotated[int, Ge(0), Le(2**31)]
TargetId = Annotated[int, Ge(0), Le(MAX_ID)]
Pixels = Annotated[float, Ge(-1e5), Le(1e5)]
Label = Annotated[str, StringConstraints(max_length=MAX_LABEL, strip_whitespace=True)]
Name = Annotated[str, StringConstraints(max_length=200)]


class MalformedMessage(SiamTrackerError):
    """A client's message that is not one of the protocol's."""


class _Message(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False, frozen=True)


class SetTarget(_Message):
    """Follow what is inside ``box`` (x, y, width, height) of the picture with this stamp; id 0 for a new target."""

    type: Literal["set_target"]
    request: RequestNumber
    stamp: Annotated[str, StringConstraints(pattern=r"^[0-9]{1,19}$")]
    box: Annotated[list[Pixels], Field(min_length=4, max_length=4)]
    id: TargetId = 0
    label: Label = ""


class RenameTarget(_Message):
    """Give a target another label."""

    type: Literal["rename_target"]
    request: RequestNumber
    id: TargetId
    label: Label


class RemoveTarget(_Message):
    """Stop following a target; id 0 for all."""

    type: Literal["remove_target"]
    request: RequestNumber
    id: TargetId


class ChangeSetting(_Message):
    """Change a setting."""

    type: Literal["change_setting"]
    request: RequestNumber
    name: Name
    value: bool | Annotated[int, Ge(-(2**53)), Le(2**53)] | float | Name


class ChangeTracker(_Message):
    """Load another tracker of the zoo."""

    type: Literal["change_tracker"]
    request: RequestNumber
    name: Name


class Play(_Message):
    """Hold or continue the source."""

    type: Literal["play"]
    request: RequestNumber
    action: Literal["play", "pause", "step", "restart"]


class Record(_Message):
    """Start or stop writing a bag."""

    type: Literal["record"]
    request: RequestNumber
    on: bool


class Look(_Message):
    """How this client sees: the width of its canvas in pixels, a quality, whose response map, and whether at all."""

    type: Literal["look"]
    width: Annotated[int, Ge(1), Le(16384)]
    quality: Literal["auto", "low", "medium", "high"] = "auto"
    response: TargetId | None = None
    paused: bool = False


class Shown(_Message):
    """The picture with this number has been drawn: the next one may come."""

    type: Literal["shown"]
    number: RequestNumber


class Ping(_Message):
    """Asks for the server's time."""

    type: Literal["ping"]
    time: float


Request = SetTarget | RenameTarget | RemoveTarget | ChangeSetting | ChangeTracker | Play | Record
ClientMessage = Request | Look | Shown | Ping

_ADAPTER: TypeAdapter[ClientMessage] = TypeAdapter(Annotated[ClientMessage, Field(discriminator="type")])


def read_message(text: str) -> ClientMessage:
    """A client's message, checked.

    Raises:
        MalformedMessage: if it is too long, no JSON, or not one of the protocol's messages.
    """
    if len(text) > MAX_MESSAGE:
        raise MalformedMessage(f"the message has {len(text)} characters; at most {MAX_MESSAGE} are allowed")
    try:
        return _ADAPTER.validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the message"
        raise MalformedMessage(f"{where}: {first['msg']}") from None


def answer(request: int, message: str = "", target_id: int = 0) -> str:
    """The answer to a request: refused with a message, or met; statuses that are not older tell what it has changed."""
    values = {"request": request, "ok": not message, "message": message, "id": target_id, "time": time.monotonic()}
    return json.dumps({"type": "answer", **values})


def hello(description: Description, history: dict[int, list[tuple[float, float]]], version: str) -> str:
    """What the session is, with what a client that comes late has missed."""
    return json.dumps(
        {
            "type": "hello",
            "version": version,
            "name": description.name,
            "kind": description.kind,
            "settings": [_setting(setting) for setting in description.settings],
            "trackers": description.trackers,
            "details": description.details,
            "history": history,
        }
    )


def status_message(status: Status, clients: int, moment: float) -> str:
    """The figures of a moment of the monotonic clock, or a little later."""
    values = asdict(status)
    if status.latency_ms is not None and not all(map(math.isfinite, status.latency_ms)):
        values["latency_ms"] = None
    return json.dumps({"type": "status", "time": moment, "clients": clients, **values})


def notice_message(notice: Notice) -> str:
    """Something that happened."""
    return json.dumps({"type": "notice", **asdict(notice)})


def pong(asked: float, now: float) -> str:
    """The server's time, in seconds, with the client's own."""
    return json.dumps({"type": "pong", "time": asked, "server": now})


def picture_message(
    picture: Picture, size: tuple[int, int], jpeg: bytes, response: tuple[int, ResponseMap] | None
) -> bytes:
    """A picture with its targets and, where there is one, a target's response map.

    Args:
        picture: of whatever size.
        size: width and height of the picture itself in pixels, to which the boxes belong.
        jpeg: the picture as a file, perhaps smaller.
        response: a target's id and its response map.
    """
    heat, cells = _heat(response)
    header = {
        "number": picture.number,
        "stamp": str(picture.stamp),
        "received": picture.received,
        "size": size,
        "targets": [_target(target) for target in picture.targets],
        "heat": heat,
    }
    text = json.dumps(header, allow_nan=False).encode()
    return b"".join((struct.pack(">I", len(text)), text, cells, jpeg))


def _target(target: TargetView) -> dict[str, object]:
    box = (target.box.x, target.box.y, target.box.width, target.box.height)
    return {
        "id": target.id,
        "label": target.label,
        "box": [_finite(value, 2) for value in box],
        "score": _finite(target.score, 4),
        "state": target.state.value,
        "age": target.age,
        "reason": target.reason,
        "learning": target.learning,
    }


def _finite(value: float, digits: int) -> float:
    return round(float(value), digits) if math.isfinite(value) else 0.0


def _heat(response: tuple[int, ResponseMap] | None) -> tuple[dict[str, object] | None, bytes]:
    """Header and cells of a response map, stretched to 0..255."""
    if response is None:
        return None, b""
    target, response_map = response
    values = np.nan_to_num(response_map.values)
    low, high = float(values.min()), float(values.max())
    cells = ((values - low) * (255 / max(high - low, 1e-9))).astype(np.uint8)
    region = response_map.box
    box: Sequence[float] = [round(value, 2) for value in (region.x, region.y, region.width, region.height)]
    return {"id": target, "region": box, "rows": cells.shape[0], "columns": cells.shape[1]}, cells.tobytes()


def _setting(setting: Setting) -> dict[str, object]:
    return {**asdict(setting), "kind": setting.kind}
