"""Make the pictures of docs/console.md from real footage.

``python docs/tools/console_pictures.py ../shared/data/test``, a folder with the sequences Crossing and Human7.

Needs chromium, chromium-driver and selenium. Everything on the pictures is the running page.
"""

from __future__ import annotations

import io
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from PIL import Image
from selenium import webdriver
from selenium.webdriver.common.by import By

from siam_tracker_core.console import Access, ConsoleServer
from siam_tracker_core.console.video import VideoSession
from siam_tracker_core.datasets.otb_form import GROUND_TRUTH, read_rectangles
from siam_tracker_core.zoo_entries import DEFAULT_TRACKER

OUT = Path(__file__).resolve().parents[1] / "images"
OPTIONS = ("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking")
GIF_WIDTH, GIF_COLOURS, GIF_PERIOD = 640, 96, 130  # pixels, colours, milliseconds


class Page:
    """The console of one sequence in a browser."""

    def __init__(self, sequence: Path) -> None:
        self.box = read_rectangles(sequence / GROUND_TRUTH)[0]
        self._session = VideoSession(str(sequence), DEFAULT_TRACKER, "cpu", Path(tempfile.mkdtemp()))
        self._server = ConsoleServer(self._session, Access.of("127.0.0.1", 0))
        self._session.start()
        self._server.start()
        options = webdriver.ChromeOptions()
        for option in (*OPTIONS, f"--user-data-dir={tempfile.mkdtemp()}"):
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
            time.sleep(2)
        time.sleep(0.5)

    def corners(self) -> tuple[float, float, float, float]:
        """The target's first box in the window's pixels."""
        _, width = self._session.feed.newest.pixels.shape[:2]  # type: ignore[union-attr]
        frame = "document.getElementById('frame').getBoundingClientRect()"
        left, top, across, _ = self.driver.execute_script(
            f"const f = {frame}; return [f.left, f.top, f.width, f.height]"
        )
        scale = across / width
        x, y, w, h = (float(value) for value in self.box)
        return left + x * scale, top + y * scale, left + (x + w) * scale, top + (y + h) * scale

    def mouse(self, kind: str, x: float, y: float) -> None:
        """One event of the mouse, its left button held."""
        event = {
            "type": kind,
            "x": x,
            "y": y,
            "button": "left",
            "buttons": int(kind != "mouseReleased"),
            "clickCount": 1,
        }
        self.driver.execute_cdp_cmd("Input.dispatchMouseEvent", event)

    def shot(self) -> Image.Image:
        """What the window shows."""
        return Image.open(io.BytesIO(self.driver.get_screenshot_as_png())).convert("RGB")

    def close(self) -> None:
        """End all of it."""
        self.driver.quit()
        self._server.stop()
        self._session.close()


def film(page: Page) -> list[Image.Image]:
    """A box is drawn, sent, and followed."""
    x0, y0, x1, y1 = page.corners()
    shots = [page.shot()] * 4
    page.mouse("mousePressed", x0, y0)
    for step in range(1, 6):
        page.mouse("mouseMoved", x0 + (x1 - x0) * step / 5, y0 + (y1 - y0) * step / 5)
        shots.append(page.shot())
    page.mouse("mouseReleased", x1, y1)
    time.sleep(0.3)
    shots += [page.shot()] * 3
    page.driver.find_element(By.ID, "box-label").send_keys("walker")
    shots += [page.shot()] * 4
    page.driver.find_element(By.ID, "box-send").click()
    for _ in range(22):
        shots.append(page.shot())
        time.sleep(0.1)
    return shots


def save_gif(shots: list[Image.Image], path: Path) -> None:
    """Write an animation small enough for a page."""
    height = round(shots[0].height * GIF_WIDTH / shots[0].width)
    small = [shot.resize((GIF_WIDTH, height), Image.Resampling.LANCZOS) for shot in shots]
    palette = small[-1].quantize(GIF_COLOURS)
    frames = [shot.quantize(palette=palette, dither=Image.Dither.NONE) for shot in small]
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=GIF_PERIOD, loop=0, optimize=True)


def main(footage: Path) -> None:
    """Make all pictures from a folder with the sequences Crossing and Human7."""
    page = Page(footage / "Crossing")
    page.open(1200, 760, dark=False)
    save_gif(film(page), OUT / "console.gif")
    page.close()
    page = Page(footage / "Human7")
    page.open(1200, 800, dark=True)
    page.driver.find_element(By.ID, "response").click()
    x0, y0, x1, y1 = page.corners()
    for kind, x, y in (("mousePressed", x0, y0), ("mouseMoved", x1, y1), ("mouseReleased", x1, y1)):
        page.mouse(kind, x, y)
    page.driver.find_element(By.ID, "box-label").send_keys("pedestrian")
    page.driver.find_element(By.ID, "box-send").click()
    time.sleep(6)
    page.shot().save(OUT / "console_dark.jpg", quality=84, optimize=True)
    page.open(360, 740, dark=False, scale=1.5)
    time.sleep(1)
    page.shot().save(OUT / "console_phone.jpg", quality=84, optimize=True)
    page.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
