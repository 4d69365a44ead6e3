"""Pictures of what was labelled, for a look before anyone trains on it."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from siam_tracker_core.crop import Frame
from siam_tracker_core.geometry import Box, Window
from siam_tracker_core.labelling.both_ways import Label
from siam_tracker_core.labelling.footage import Footage

FOLDER = "sheets"
PAGE = "contact_sheet.html"
SIDE = 144  # pixels of a picture
PICTURES = 8
_AROUND = 2.2  # side of what is shown, in longer sides of the box
_BGR = (0, 159, 230)


def write_strip(out: Path, name: str, footage: Footage, labels: Mapping[int, Label]) -> None:
    """A row of pictures of one track, evenly from its first label to its last: ``sheets/NAME.jpg``.

    Raises:
        OSError: if it cannot be written.
    """
    kept = sorted(index for index, label in labels.items() if label.kept)
    chosen = [kept[round(place)] for place in np.linspace(0, len(kept) - 1, min(PICTURES, len(kept)))]
    strip = np.concatenate([_picture(footage.image(index), labels[index].box) for index in chosen], axis=1)
    _, data = cv2.imencode(".jpg", strip, [cv2.IMWRITE_JPEG_QUALITY, 85])
    (out / FOLDER).mkdir(exist_ok=True)
    (out / FOLDER / f"{name}.jpg").write_bytes(data.tobytes())


def write_page(out: Path, rows: Sequence[tuple[str, str]]) -> None:
    """The page with all rows of pictures: ``contact_sheet.html``, which needs ``sheets/`` beside it.

    Args:
        out: folder of the labels.
        rows: name and a line of text of each track, in the order of the page.

    Raises:
        OSError: if it cannot be written.
    """
    figures = "\n".join(
        f"<figure><figcaption><b>{html.escape(name)}</b> {html.escape(text)}</figcaption>"
        f'<img loading="lazy" src="{FOLDER}/{html.escape(name, quote=True)}.jpg" alt="labels of {html.escape(name)}">'
        "</figure>"
        for name, text in rows
    )
    template = resources.files(__package__).joinpath("contact_sheet.html").read_text(encoding="utf-8")
    (out / PAGE).write_text(template.replace("<!-- figures -->", figures), encoding="utf-8")


def _picture(image: NDArray[np.uint8], box: Box) -> NDArray[np.uint8]:
    """The box with what is around it, as a square of ``SIDE`` pixels."""
    window = Window(*box.centre, max(box.width, box.height) * _AROUND)
    pixels = Frame.upload(image, "cpu").crops([window], SIDE)[0].permute(1, 2, 0).numpy()
    picture = np.ascontiguousarray(pixels.round().astype(np.uint8))
    inside = window.box_to_crop(box, SIDE)
    low, high = (round(inside.x), round(inside.y)), (round(inside.right), round(inside.bottom))
    cv2.rectangle(picture, low, high, _BGR, 2, cv2.LINE_AA)
    return picture
