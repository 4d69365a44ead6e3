"""Pictures at each client's own pace, and requests with their answers."""

from __future__ import annotations

import asyncio
import time

import cv2
import numpy as np
from made_session import Visitor, run, served

from siam_tracker_core.console.pace import Pace
from siam_tracker_core.geometry import Box


def test_a_picture_carries_its_stamp_and_its_targets() -> None:
    with served() as (session, server):

        async def look(visitor: Visitor) -> None:
            await visitor.come()
            await visitor.send(type="look", width=640)
            await visitor.next("status")
            session.offer(stamp=2**62 + 1)
            picture = await visitor.next("picture")
            assert picture["stamp"] == str(2**62 + 1), "no digit is lost"
            assert picture["size"] == [64, 48]
            target = picture["targets"][0]
            assert (target["id"], target["box"], target["state"], target["reason"]) == (
                1,
                [1, 2, 3, 4],
                "lost",
                "hidden",
            )
            pixels = cv2.imdecode(np.frombuffer(picture["jpeg"], np.uint8), cv2.IMREAD_COLOR)
            assert pixels.shape == (48, 64, 3)

        run(server, look)


def test_nothing_is_encoded_while_nobody_watches() -> None:
    with served() as (session, server):

        async def come_and_hide(visitor: Visitor) -> None:
            session.offer()
            await visitor.come()
            session.offer()
            await visitor.next("status")
            assert (server.encoded, session.watchers) == (0, 0)
            await visitor.send(type="look", width=640)
            await visitor.next("picture")
            assert (server.encoded, session.watchers) == (1, 1)
            await visitor.send(type="look", width=640, paused=True)
            await visitor.send(type="ping", time=1.0)
            await visitor.next("pong")
            session.offer()
            await visitor.next("status")
            assert (server.encoded, session.watchers) == (1, 0)

        run(server, come_and_hide)


def test_clients_of_one_quality_share_a_file_and_a_slow_one_holds_up_nobody() -> None:
    with served() as (session, server):

        async def watch(visitor: Visitor) -> None:
            slow = await visitor.come()
            quick = await Visitor(visitor._http, server).come()
            for each in (slow, quick):
                await each.send(type="look", width=640, quality="medium")
                await each.next("status")
            for number in range(1, 9):
                session.offer(stamp=number)
                assert (await quick.next("picture"))["stamp"] == str(number)
                await quick.send(type="shown", number=number)
            assert server.encoded == 8
            assert [(await slow.next("picture"))["stamp"] for _ in range(2)] == ["1", "2"]
            await slow.send(type="shown", number=1)
            assert (await slow.next("picture"))["stamp"] == "8", "those between are skipped"

        run(server, watch)


def test_requests_reach_the_session_and_refusals_come_back_in_its_words() -> None:
    with served() as (session, server):

        async def ask(visitor: Visitor) -> None:
            await visitor.come()
            box = {"type": "set_target", "stamp": "5", "label": "  cat "}
            await visitor.send(request=1, box=[1, 2, 3.5, 4], **box)
            answer = await visitor.next("answer")
            assert answer == answer | {"type": "answer", "request": 1, "ok": True, "message": "", "id": 7}
            assert answer["time"] <= time.monotonic()
            await visitor.send(request=2, box=[1, 2, 0, 4], **box)
            assert (await visitor.next("answer"))["message"] == "the target box is empty"
            await visitor.send(type="change_tracker", request=3, name="x")
            assert "defect" in (await visitor.next("answer"))["message"]
            await visitor.send(type="play", request=4, action="pause")
            assert "live camera" in (await visitor.next("answer"))["message"]
            await visitor.send(type="change_setting", request=5, name="speed", value=2)
            await visitor.next("answer")
            await visitor.send(type="remove_target", request=6, id=0)
            await visitor.next("answer")
            session.notify("the disk is full", "error")
            assert (await visitor.next("notice"))["level"] == "error"

        run(server, ask)
    assert session.asked[0] == ("set", 5, Box(1, 2, 3.5, 4), 0, "cat")
    assert session.asked[-2:] == [("setting", "speed", 2), ("remove", None)]


def test_a_browser_that_vanishes_is_forgotten() -> None:
    with served() as (session, server):

        async def vanish(visitor: Visitor) -> None:
            await visitor.come()
            await visitor.send(type="look", width=640)
            await visitor.next("status")
            visitor.socket._response.connection.transport.abort()
            for _ in range(100):
                if not (session.feed.is_watched or session.watchers):
                    return
                await asyncio.sleep(0.05)
            raise AssertionError("it is still watched")

        run(server, vanish)


def test_quality_falls_at_once_and_rises_with_patience() -> None:
    now = 0.0
    pace = Pace(lambda: now)
    start, number = pace.step, 0

    def show(seconds: float, times: int) -> None:
        nonlocal now, number
        for _ in range(times):
            number += 1
            pace.sent(number)
            now += seconds
            pace.shown(number)

    show(0.4, 2)
    assert pace.step == start - 1
    show(0.4, 40)
    assert pace.step == 0
    show(0.01, 350)
    assert pace.step == 1
    show(0.01, 10_000)
    assert pace.step == 8


def test_no_more_than_two_pictures_are_under_way() -> None:
    now = 0.0
    pace = Pace(lambda: now)
    pace.sent(1)
    assert pace.is_ready
    pace.sent(2)
    assert not pace.is_ready
    now = 6.0
    assert pace.is_ready, "a picture that got lost does not stop the view for ever"
