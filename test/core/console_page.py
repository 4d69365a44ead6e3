"""The console's page in a real browser: Chromium without a window, driven through Selenium.

Each assertion waits for what it wants to see; nothing is asserted of speed.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed here")
if not (shutil.which("chromedriver") and shutil.which("chromium")):
    pytest.skip("chromium and chromium-driver are not installed here", allow_module_level=True)

from selenium.webdriver.common.by import By  # noqa: E402

SIZE = (320, 240)  # of the pictures in pixels
OPTIONS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def browser(profile: Path) -> Any:
    """A driver of a browser with a profile of its own."""
    options = webdriver.ChromeOptions()
    for option in (*OPTIONS, f"--user-data-dir={profile}", "--window-size=1100,800"):
        options.add_argument(option)
    options.binary_location = str(shutil.which("chromium"))
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    return webdriver.Chrome(options=options, service=webdriver.ChromeService(str(shutil.which("chromedriver"))))


class Page:
    """One tab."""

    def __init__(self, driver: Any, link: str) -> None:
        self.driver = driver
        self.handle = driver.current_window_handle
        driver.get(link)
        self.wait("return document.getElementById('picture').width > 300", "the first picture")

    def js(self, script: str) -> Any:
        if self.driver.current_window_handle != self.handle:
            self.driver.switch_to.window(self.handle)
        return self.driver.execute_script(script)

    def wait(self, script: str, what: str, timeout: float = 150.0) -> Any:
        deadline = time.monotonic() + timeout
        while not (value := self.js(script)):
            assert time.monotonic() < deadline, f"{what} did not come about; the page says: {self.words()}"
            time.sleep(0.03)
        return value

    def wait_for(self, condition: Callable[[], Any], what: str, timeout: float = 60.0) -> None:
        deadline = time.monotonic() + timeout
        while not condition():
            assert time.monotonic() < deadline, f"{what} did not come about"
            time.sleep(0.03)

    def wait_state(self, state: str) -> None:
        self.wait(f"return document.querySelector('.card')?.dataset.state === '{state}'", f"a target that is {state}")

    def words(self) -> str:
        return str(self.js("return document.body.innerText"))

    def click(self, name: str) -> None:
        self.js("")
        self.driver.find_element(By.ID, name).click()

    def press(self, *keys: str) -> None:
        self.js("document.getElementById('overlay').focus()")
        self.driver.switch_to.active_element.send_keys(*keys)

    def corners(self, box: np.ndarray) -> tuple[float, float, float, float]:
        """A box of the picture in the window's pixels: left, top, right, bottom."""
        frame = "document.getElementById('frame').getBoundingClientRect()"
        left, top, width, height = self.js(f"const f = {frame}; return [f.left, f.top, f.width, f.height]")
        scale = min(width / SIZE[0], height / SIZE[1])
        x0, y0 = left + (width - SIZE[0] * scale) / 2, top + (height - SIZE[1] * scale) / 2
        x, y, across, down = (float(value) for value in box)
        return x0 + x * scale, y0 + y * scale, x0 + (x + across) * scale, y0 + (y + down) * scale

    def drag(self, box: np.ndarray) -> None:
        x0, y0, x1, y1 = self.corners(box)
        for kind, x, y, buttons in (
            ("mousePressed", x0, y0, 1),
            ("mouseMoved", (x0 + x1) / 2, (y0 + y1) / 2, 1),
            ("mouseMoved", x1, y1, 1),
            ("mouseReleased", x1, y1, 0),
        ):
            event = {"type": kind, "x": x, "y": y, "button": "left", "buttons": buttons, "clickCount": 1}
            self.driver.execute_cdp_cmd("Input.dispatchMouseEvent", event)

    def touch(self, kind: str, *points: tuple[float, float]) -> None:
        fingers = [{"x": x, "y": y, "id": number} for number, (x, y) in enumerate(points)]
        self.driver.execute_cdp_cmd("Input.dispatchTouchEvent", {"type": kind, "touchPoints": fingers})
