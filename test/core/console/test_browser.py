"""The page in a real browser: Chromium without a window, driven through Selenium.

Each assertion waits for what it wants to see; nothing is asserted of speed.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed here")
if not (shutil.which("chromedriver") and shutil.which("chromium")):
    pytest.skip("chromium and chromium-driver are not installed here", allow_module_level=True)

from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.common.keys import Keys  # noqa: E402

from siam_tracker_core.console import Access, ConsoleServer  # noqa: E402
from siam_tracker_core.console.video import VideoSession  # noqa: E402
from siam_tracker_core.datasets.made import made_sequence  # noqa: E402

SIZE = (320, 240)
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


@pytest.fixture(scope="module")
def footage(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, np.ndarray]:
    """A target that wanders, is gone for a second, and comes back where it was; and its boxes."""
    made = made_sequence(frames=150, size=SIZE, seed=0)
    still, empty = made.frames[10], cv2.GaussianBlur(made.frames[10], (0, 0), 25)
    frames = [*made.frames[:10], *[still] * 3, *[empty] * 25, *[still] * 15]
    folder = tmp_path_factory.mktemp("footage") / "wanderer"
    folder.mkdir()
    for number, frame in enumerate(frames, start=1):
        cv2.imwrite(str(folder / f"{number:04d}.png"), frame)
    return folder, made.boxes


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


@pytest.fixture
def driver(tmp_path: Path) -> Iterator[Any]:
    options = webdriver.ChromeOptions()
    for option in (*OPTIONS, f"--user-data-dir={tmp_path / 'profile'}", "--window-size=1100,800"):
        options.add_argument(option)
    options.binary_location = str(shutil.which("chromium"))
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(str(shutil.which("chromedriver"))))
    yield driver
    driver.quit()


@pytest.fixture
def console(
    footage: tuple[Path, np.ndarray], tmp_path: Path
) -> Iterator[tuple[VideoSession, Callable[[], ConsoleServer]]]:
    """A session, and what starts a server for it on one and the same port."""
    session = VideoSession(str(footage[0]), "siamfc", "cpu", tmp_path / "recordings")
    session.start()
    servers: list[ConsoleServer] = []

    def start() -> ConsoleServer:
        port = servers[0].port if servers else 0
        servers.append(ConsoleServer(session, Access.of("127.0.0.1", port), version="1"))
        servers[-1].start()
        return servers[-1]

    yield session, start
    servers[-1].stop()
    session.close()


def complaints(driver: Any) -> list[str]:
    return [entry["message"] for entry in driver.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")]


def test_from_a_drawn_box_to_tracking_lost_and_back(driver: Any, console, footage) -> None:
    session, start = console
    page = Page(driver, start().link)
    assert "Drag a box around what to follow" in page.words()
    page.drag(footage[1][0])
    page.wait("return !document.getElementById('box-bar').hidden", "the question")
    assert session.feed.newest.targets == (), "nothing is sent before it is confirmed"
    driver.find_element(By.ID, "box-label").send_keys("wanderer", Keys.ENTER)
    page.wait_state("tracking")
    drawn = session.feed.newest.targets[0]
    assert drawn.label == "wanderer"
    page.wait_state("lost")
    assert "no response with score" in page.words()
    page.wait_state("tracking")
    page.wait("return document.getElementById('place').textContent === '53 / 53'", "the end")
    page.press("1")
    page.wait("return document.querySelector('.card').getAttribute('aria-current') === 'true'", "the choice")
    page.press(Keys.DELETE)
    page.wait("return !document.querySelector('.card')", "the removal")
    assert complaints(driver) == []


def test_two_clients_see_the_same_and_a_box_can_be_corrected_or_forgotten(driver: Any, console, footage) -> None:
    session, start = console
    link = start().link
    first = Page(driver, link)
    driver.switch_to.new_window("window")
    second = Page(driver, link)
    second.press("n")
    second.wait("return !document.getElementById('box-bar').hidden", "a box in the middle")
    second.press(Keys.ESCAPE)
    second.wait("return document.getElementById('box-bar').hidden", "the box is forgotten")
    second.press("n")
    second.press(Keys.ARROW_LEFT, Keys.ARROW_LEFT)
    second.press(Keys.ENTER)
    second.wait("return document.querySelector('.card')", "the target")
    box = session.feed.newest.targets[0]
    first.wait("return document.querySelector('.card .number').textContent === '1'", "the other's target")
    assert box.id == 1
    label = "document.querySelector('.card .label')"
    first.js(f"{label}.value = 'ours'; {label}.dispatchEvent(new Event('change'))")
    second.wait(f"return {label}.value === 'ours'", "the other's label")
    first.click("response")
    first.wait("return document.getElementById('response').getAttribute('aria-pressed') === 'true'", "the response map")
    assert complaints(driver) == []


def test_fingers_draw_a_second_finger_cancels_and_the_page_fits(driver: Any, console, footage) -> None:
    session, start = console
    phone = {"width": 360, "height": 740, "deviceScaleFactor": 2, "mobile": True}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", phone)
    driver.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": True, "maxTouchPoints": 2})
    page = Page(driver, start().link)
    assert page.js("return document.documentElement.scrollWidth") <= 360
    x0, y0, x1, y1 = page.corners(footage[1][0])
    page.touch("touchStart", (x0, y0))
    page.touch("touchMove", (x1, y1))
    page.touch("touchStart", (x1, y1), (x1 + 60, y1 + 60))
    page.touch("touchEnd")
    assert page.js("return document.getElementById('box-bar').hidden")
    page.touch("touchStart", (x0, y0))
    page.touch("touchMove", (x0 + 10, y0 + 10))
    page.touch("touchMove", (x1, y1))
    page.touch("touchEnd")
    page.wait("return !document.getElementById('box-bar').hidden", "the question")
    page.click("box-send")
    page.wait_state("tracking")
    assert session.feed.newest.targets[0].id == 1
    assert complaints(driver) == []


def test_it_says_that_the_server_is_gone_and_comes_back_by_itself(driver: Any, console, footage) -> None:
    _, start = console
    server = start()
    page = Page(driver, server.link)
    server.stop()
    page.wait("return document.body.dataset.link === 'closed'", "the page notices")
    assert "The connection is lost" in page.words()
    start()
    page.wait("return document.body.dataset.link === 'open'", "the page is back")
    page.drag(footage[1][0])
    page.wait("return !document.getElementById('box-bar').hidden", "the question")
    page.press(Keys.ENTER)
    page.wait_state("tracking")
