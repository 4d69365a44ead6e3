"""The page in a real browser: Chromium without a window, driven through Selenium.

Each assertion waits for what it wants to see; nothing is asserted of speed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from console_page import SIZE, Page, browser
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from siam_tracker_core.console import Access, ConsoleServer
from siam_tracker_core.console.video import VideoSession
from siam_tracker_core.datasets.made import made_sequence


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


@pytest.fixture
def driver(tmp_path: Path) -> Iterator[Any]:
    driver = browser(tmp_path / "profile")
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
