"""What the page makes of odd moments: refusals, fields left empty, silence, pictures that stand still."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from console_page import SIZE, Page, browser
from made_session import MadeSession
from selenium.webdriver.common.keys import Keys

from siam_tracker_core import ResponseMap, TrackState
from siam_tracker_core.console import Access, ConsoleServer, Description, Picture, RequestRefused, Setting, TargetView
from siam_tracker_core.geometry import Box

BOX = np.array([100.0, 80.0, 60.0, 60.0])
PHONE = {"width": 360, "height": 740, "deviceScaleFactor": 1, "mobile": True}


class HeldSession(MadeSession):
    """One picture that stands still, with one target; its speed may be 0 to 8."""

    def __init__(self) -> None:
        super().__init__()
        self.speed = 1.0
        self.refusal = ""
        self.now = replace(self.now, device="cpu", runtime="made 1")

    def describe(self) -> Description:
        speed = Setting("speed", self.speed, "How fast.", 0.0, 8.0)
        return Description("made", "video", (speed,), ("made", "siamrpn_mobilenetv2_online_of_a_long_name"))

    def change_setting(self, name: str, value: object) -> None:
        super().change_setting(name, value)
        if not isinstance(value, (int, float)) or not 0 <= value <= 8:
            raise RequestRefused(f"speed cannot be {value}; expected a number from 0 to 8")
        self.speed = float(value)

    def set_target(self, stamp: int, box: Box, target_id: int, label: str) -> int:
        given = super().set_target(stamp, box, target_id, label)
        if self.refusal:
            raise RequestRefused(self.refusal)
        return given

    def show(self, label: str) -> None:
        pixels = np.full((SIZE[1], SIZE[0], 3), 90, np.uint8)
        target = TargetView(1, label, Box(*BOX), 0.5, TrackState.TRACKING)
        response = ResponseMap(lambda: np.eye(5, dtype=np.float32), Box(*BOX))
        self.feed.offer(Picture(1, 0.0, lambda: pixels, (target,), {1: response}))


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    driver = browser(tmp_path_factory.mktemp("profile"))
    yield driver
    driver.quit()


@pytest.fixture
def session() -> HeldSession:
    session = HeldSession()
    session.show("cat")
    return session


@pytest.fixture
def page(driver: Any, session: HeldSession) -> Iterator[Page]:
    driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    server = ConsoleServer(session, Access.of("127.0.0.1", 0), version="1")
    server.start()
    page = Page(driver, server.link)
    yield page
    driver.get("about:blank")
    server.stop()


def test_a_refusal_is_before_the_dialog_and_the_field_shows_what_the_server_has(page: Page, session: Any) -> None:
    page.wait("return document.querySelector('[data-setting=speed]')", "the settings")
    page.click("open-settings")
    field = "document.querySelector('[data-setting=speed]')"

    def give(value: str) -> None:
        page.js(f"{field}.value = '{value}'; {field}.dispatchEvent(new Event('change'))")

    give("2")
    page.wait(f"return {field}.value === '2'", "the change")
    give("99")
    page.wait("return document.querySelector('.toast')", "the refusal")
    place = "const place = document.querySelector('.toast').getBoundingClientRect();"
    top = "document.elementFromPoint(place.x + place.width / 2, place.y + place.height / 2)"
    assert "cannot be 99" in page.js(f"{place} return {top}.textContent"), "nothing is before it"
    page.wait(f"return {field}.value === '2'", "the server's value")
    give("")
    page.wait(f"return {field}.value === '2'", "the server's value")
    assert [asked[2] for asked in session.asked] == [2, 99], "a field left empty is no zero"
    page.js("document.getElementById('settings').close()")
    page.wait("return document.getElementById('toasts').parentElement === document.body", "the way back")


def test_settings_and_names_fit_a_phone(page: Page, driver: Any, session: HeldSession) -> None:
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", PHONE)
    page.js("document.getElementById('open-settings').click()")
    body = "document.querySelector('#settings .dialog-body')"
    page.wait(f"return {body}.scrollWidth <= {body}.clientWidth", "a dialog without a second scroll bar", 20)
    about = "document.getElementById('about').children[1].textContent"
    page.wait(f"return {about} === 'cpu · made 1'", "what the tracker runs on", 20)
    page.js("document.getElementById('settings').close()")
    ends = "[...document.querySelectorAll('.controls > *')].map((node) => node.getBoundingClientRect().right)"
    assert page.js(f"return Math.max(...{ends})") <= 360
    assert page.js("return document.getElementById('quality').offsetWidth") >= 44, "it can be set on a phone, too"
    page.js(
        "window.ends = []; const draw = CanvasRenderingContext2D.prototype.fillText;"
        "CanvasRenderingContext2D.prototype.fillText = function (text, x, y) {"
        "  window.ends.push([text, x + this.measureText(text).width]); draw.call(this, text, x, y); };"
    )
    session.show("a name that is wider than the picture on a phone, by far")
    page.wait("return window.ends.length", "the name")
    text, end = page.js("return window.ends.at(-1)")
    assert text.startswith("a name")
    assert text.endswith("… 0.50")
    assert end <= page.js("return document.getElementById('overlay').clientWidth")


def test_a_target_set_anew_by_a_box_alone_keeps_its_name(page: Page, session: HeldSession) -> None:
    page.wait("return document.querySelector('.card')", "the target")
    page.js("document.getElementById('at-once').click()")
    page.press("1", "r")
    page.drag(np.array([20.0, 20.0, 50.0, 50.0]))
    page.wait("return document.getElementById('box-bar').hidden", "the request")
    page.js("document.getElementById('at-once').click()")
    page.wait_for(lambda: session.asked, "the request")
    assert session.asked[-1][3:] == (1, "cat")


def test_a_refused_box_stays_to_be_corrected(page: Page, session: HeldSession) -> None:
    session.refusal = "the target box is 3 pixels wide; at least 4 are needed"
    page.wait("return document.querySelector('.card')", "the target")
    page.drag(np.array([20.0, 20.0, 50.0, 50.0]))
    page.wait("return !document.getElementById('box-bar').hidden", "the question")
    page.js("document.getElementById('box-label').value = 'dog'; document.getElementById('box-send').click()")
    page.wait("return document.querySelector('.toast')", "the refusal")
    page.wait("return !document.getElementById('box-bar').hidden", "the box again")
    assert page.js("return document.getElementById('box-label').value") == "dog"
    session.refusal = ""
    page.press(Keys.ARROW_RIGHT, Keys.ENTER)
    page.wait_for(lambda: len(session.asked) == 2, "the request again")
    (_, _, refused, *rest), (_, _, corrected, *again) = session.asked
    assert corrected.x > refused.x
    assert (corrected.y, corrected.width, corrected.height) == (refused.y, refused.width, refused.height)
    assert again == rest == [0, "dog"]
    page.wait("return document.getElementById('box-bar').hidden", "the end")


def test_a_picture_that_stands_still_is_seen_in_the_new_way(page: Page) -> None:
    """A video is held when people look at the response map."""
    page.wait("return document.querySelector('.card')", "the target")
    count = "({ detail }) => { window.maps += Boolean(detail.heat); }"
    page.js(f"window.maps = 0; document.addEventListener('picture', {count});")
    page.click("response")
    page.wait("return window.maps > 0", "the response map", 20)


class SlowSession(HeldSession):
    """Meets a request when the test lets it, and counts what it was asked meanwhile."""

    def __init__(self) -> None:
        super().__init__()
        self.open = threading.Event()

    def record(self, on: bool) -> str:
        super().record(on)
        self.open.wait(60)
        self.now = replace(self.now, recording="bags/one" if on else "")
        return "bags/one"

    def remove_target(self, target_id: int | None) -> int:
        super().remove_target(target_id)
        self.open.wait(60)
        self.feed.offer(Picture(2, 0.0, lambda: np.full((SIZE[1], SIZE[0], 3), 90, np.uint8), ()))
        return 1

    def change_tracker(self, name: str) -> None:
        self.asked.append(("tracker", name))
        self.open.wait(60)

    def play(self, action: str) -> None:
        self.asked.append(("play", action))
        self.open.wait(60)
        self.now = replace(self.now, paused=action == "pause")


@pytest.mark.parametrize(
    ("button", "asked", "done"),
    [
        ("#record", [("record", True)], "b => b.ariaPressed === 'true'"),
        ("#change-tracker", [("tracker", "made")], "b => b.ariaBusy === 'false'"),
        (".card-foot :last-child", [("remove", 1)], "b => !b"),
        ("#play", [("play", "pause")], "b => b.ariaLabel === 'Play'"),
    ],
)
def test_a_button_that_waits_for_its_answer_asks_once(
    driver: Any, button: str, asked: list[tuple[Any, ...]], done: str
) -> None:
    session = SlowSession()
    session.show("cat")
    server = ConsoleServer(session, Access.of("127.0.0.1", 0), version="1")
    server.start()
    try:
        page = Page(driver, server.link)
        page.wait("return document.querySelector('.card')", "the target")
        page.wait("return document.getElementById('tracker').value === 'made'", "the status")
        found = f"document.querySelector('{button}')"
        page.js(f"{found}.click(); {found}.click()")
        page.wait(f"return {found}.ariaBusy === 'true'", "the wait")
        page.wait_for(lambda: session.asked, "the request")
        page.js(f"{found}.click()")
        session.open.set()
        page.wait(f"return ({done})({found})", "the answer", 20)
        if button in ("#record", "#play"):  # it shows what is, so another click asks for the contrary
            page.wait(f"return {found}.ariaBusy === 'false'", "the next one")
            page.js(f"{found}.click()")
            page.wait_for(lambda: len(session.asked) > 1, "the contrary")
            asked = [*asked, ("record", False) if button == "#record" else ("play", "play")]
        assert session.asked == asked
    finally:
        session.open.set()
        driver.get("about:blank")
        server.stop()


def test_it_says_within_seconds_that_nothing_is_heard_any_more(driver: Any, session: HeldSession) -> None:
    """A server that stands still: the browser itself would wait for its answer to a farewell for a minute."""
    server = ConsoleServer(session, Access.of("127.0.0.1", 0), version="1")
    script, kind = server._files["/link.js"]
    server._files["/link.js"] = (script.replace(b"SILENCE = 8000", b"SILENCE = 800"), kind)
    server.start()
    page, again = Page(driver, server.link), threading.Event()
    assert server._loop is not None
    server._loop.call_soon_threadsafe(again.wait)
    try:
        page.wait("return document.body.dataset.link === 'closed'", "the page notices", 20)
        assert "nothing was heard for 0.8 seconds" in page.words()
    finally:
        again.set()
    page.wait("return document.body.dataset.link === 'open'", "the way back")
    driver.get("about:blank")
    server.stop()
