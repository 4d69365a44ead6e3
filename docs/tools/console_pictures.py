"""Make the pictures of docs/console.md and README.md from made footage, in which a cat's face wanders over a meadow.

``python docs/tools/console_pictures.py`` writes into docs/images. ``--lost FOLDER`` writes pictures of the page with a
LOST target instead, at three widths, light and dark, to be looked at.

Needs chromium, chromium-driver and selenium. Everything on the pictures is the running page.
"""

from __future__ import annotations

import argparse
import io
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from PIL import Image
from selenium import webdriver
from selenium.webdriver.common.by import By

from siam_tracker_core.console import Access, ConsoleServer
from siam_tracker_core.console.video import VideoSession
from siam_tracker_core.datasets.made import made_sequence
from siam_tracker_core.zoo_entries import DEFAULT_TRACKER

OUT = Path(__file__).resolve().parents[1] / "images"
OPTIONS = ("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking")
WIDTHS = {360: 740, 1280: 800, 2560: 1300}  # of the window, with its height
GIF_WIDTH, GIF_COLOURS, GIF_PERIOD = 520, 128, 150  # pixels, colours, milliseconds
STILL_WIDTH, STILL_COLOURS = 720, 256
SEEN = 30  # frames of the footage before its target goes behind a pillar
EVERY = 2  # frames of the footage from one picture of the animation to the next
LEFT = 60  # frames of the footage in which the target leaves the picture
PATIENCE = 120.0


class Page:
    """The console of a made sequence in a browser."""

    def __init__(self, kind: Literal["demo", "leaves"], frames: int, folder: Path) -> None:
        made = made_sequence(kind, frames)
        self.box = made.boxes[0]
        source = made.write_otb_form(folder / "wandering_cat")
        self._session = VideoSession(str(source), DEFAULT_TRACKER, "cpu", folder / "recordings")
        self._server = ConsoleServer(self._session, Access.of("127.0.0.1", 0))
        self._session.start()
        self._server.start()
        options = webdriver.ChromeOptions()
        for option in (*OPTIONS, f"--user-data-dir={folder / 'profile'}"):
            options.add_argument(option)
        options.binary_location = str(shutil.which("chromium"))
        self.driver: Any = webdriver.Chrome(options, webdriver.ChromeService(str(shutil.which("chromedriver"))))

    def open(self, width: int, height: int, dark: bool, scale: float = 1.0) -> None:
        """Show the page in a window of this size."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": scale, "mobile": width < 500}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
        if not self.driver.current_url.startswith("http"):
            self.driver.get(self._server.link)
        self.wait("return document.getElementById('picture').width > 300", "a picture")
        time.sleep(0.5)  # for the new layout

    def js(self, script: str) -> Any:
        """What a script in the page returns."""
        return self.driver.execute_script(script)

    def wait(self, script: str, what: str) -> Any:
        """The first true value of a script."""
        deadline = time.monotonic() + PATIENCE
        while not (value := self.js(script)):
            if time.monotonic() > deadline:
                raise TimeoutError(f"{what} did not come")
            time.sleep(0.02)
        return value

    @property
    def place(self) -> int:
        """The number of the frame that is shown, from 1."""
        return int(self.js("return parseInt(document.getElementById('place').textContent) || 1"))

    def corners(self) -> tuple[float, float, float, float]:
        """The target's first box in the window's pixels."""
        _, width = self._session.feed.newest.pixels.shape[:2]  # type: ignore[union-attr]
        frame = "document.getElementById('frame').getBoundingClientRect()"
        left, top, across, _ = self.js(f"const f = {frame}; return [f.left, f.top, f.width, f.height]")
        scale = across / width
        x, y, w, h = (float(value) for value in self.box)
        return left + x * scale, top + y * scale, left + (x + w) * scale, top + (y + h) * scale

    def mouse(self, kind: str, x: float, y: float) -> None:
        """One event of the mouse, its left button held."""
        held = int(kind != "mouseReleased")
        event = {"type": kind, "x": x, "y": y, "button": "left", "buttons": held, "clickCount": 1}
        self.driver.execute_cdp_cmd("Input.dispatchMouseEvent", event)

    def draw(self) -> Iterator[None]:
        """Drag a box around the target, step by step."""
        x0, y0, x1, y1 = self.corners()
        self.mouse("mousePressed", x0, y0)
        for step in range(1, 6):
            self.mouse("mouseMoved", x0 + (x1 - x0) * step / 5, y0 + (y1 - y0) * step / 5)
            yield
        self.mouse("mouseReleased", x1, y1)
        self.wait("return !document.getElementById('box-bar').hidden", "the question")

    def follow(self, name: str) -> None:
        """Draw the box, name it and send it."""
        for _ in self.draw():
            pass
        self.driver.find_element(By.ID, "box-label").send_keys(name)
        self.driver.find_element(By.ID, "box-send").click()
        self.wait("return document.querySelector('.card')", "the target")

    def shot(self) -> Image.Image:
        """What the window shows."""
        return Image.open(io.BytesIO(self.driver.get_screenshot_as_png())).convert("RGB")

    def close(self) -> None:
        """End all of it."""
        self.driver.quit()
        self._server.stop()
        self._session.close()


@contextmanager
def page(kind: Literal["demo", "leaves"], frames: int) -> Iterator[Page]:
    """A page for a while."""
    with tempfile.TemporaryDirectory() as folder:
        made = Page(kind, frames, Path(folder))
        try:
            yield made
        finally:
            made.close()


def film(shown: Page) -> list[Image.Image]:
    """A box is drawn, sent, and followed."""
    shots = [shown.shot()] * 3
    shots += [shown.shot() for _ in shown.draw()]
    shots += [shown.shot()] * 2
    shown.driver.find_element(By.ID, "box-label").send_keys("cat")
    shots += [shown.shot()] * 3
    shown.driver.find_element(By.ID, "box-send").click()
    shown.wait("return document.querySelector('.card')", "the target")
    last = 0
    while (place := shown.place) < SEEN:
        if place >= last + EVERY:
            last = place
            shots.append(shown.shot())
    return shots


def save_gif(shots: list[Image.Image], path: Path) -> None:
    """Write an animation small enough for a page."""
    height = round(shots[0].height * GIF_WIDTH / shots[0].width)
    small = [shot.resize((GIF_WIDTH, height), Image.Resampling.LANCZOS) for shot in shots]
    both = Image.new("RGB", (GIF_WIDTH, 2 * height))
    both.paste(small[len(small) // 3], (0, 0))  # while the box is asked about
    both.paste(small[-1], (0, height))
    palette = both.quantize(GIF_COLOURS, Image.Quantize.MAXCOVERAGE)
    frames = [shot.quantize(palette=palette, dither=Image.Dither.NONE) for shot in small]
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=GIF_PERIOD, loop=0, optimize=True)


def save_still(shot: Image.Image, path: Path, width: int = STILL_WIDTH) -> None:
    """Write a picture of few colours."""
    height = round(shot.height * width / shot.width)
    small = shot.resize((width, height), Image.Resampling.LANCZOS)
    small.quantize(STILL_COLOURS, Image.Quantize.MAXCOVERAGE).save(path, optimize=True)


def make_all() -> None:
    """The pictures of the documentation."""
    with page("demo", SEEN) as shown:
        shown.open(1100, 700, dark=False)
        save_gif(film(shown), OUT / "console.gif")
        save_still(shown.shot(), OUT / "console.png")
    with page("demo", SEEN) as shown:
        shown.open(1200, 800, dark=True)
        shown.driver.find_element(By.ID, "response").click()
        shown.follow("cat")
        while shown.place < SEEN:
            time.sleep(0.05)
        save_still(shown.shot(), OUT / "console_dark.png")
        shown.open(360, 740, dark=False, scale=1.5)
        save_still(shown.shot(), OUT / "console_phone.png", 540)


def make_lost(folder: Path) -> None:
    """The page with a target that has left the picture."""
    folder.mkdir(parents=True, exist_ok=True)
    with page("leaves", LEFT) as shown:
        shown.open(1280, 800, dark=False)
        shown.follow("cat")
        while shown.place < LEFT:
            time.sleep(0.05)
        shown.wait("return document.querySelector('.card')?.dataset.state === 'lost'", "a target that is lost")
        for width, height in WIDTHS.items():
            for dark in (False, True):
                shown.open(width, height, dark)
                shown.shot().save(folder / f"lost_{width}_{'dark' if dark else 'light'}.png")


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lost", type=Path, metavar="FOLDER", help="for pictures with a LOST target")
    folder = parser.parse_args().lost
    if folder is None:
        make_all()
    else:
        make_lost(folder)


if __name__ == "__main__":
    main()
