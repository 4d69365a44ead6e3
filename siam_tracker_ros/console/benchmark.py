"""What the console costs: delay from image to page, and images that the tracker loses while it is watched.

``python -m siam_tracker_ros.console.benchmark``: real nodes over the middleware, one browser for the delay (Chromium
through Selenium), plain clients that take pictures as the page does for the loss. Runs without and with them alternate.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.sharedctypes import Synchronized
from multiprocessing.synchronize import Event as Flag
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import aiohttp
import numpy as np
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from sensor_msgs.msg import Image

from siam_tracker_core.datasets.made import made_sequence
from siam_tracker_core.zoo_entries import DEFAULT_TRACKER
from siam_tracker_ros.client import TrackerClient
from siam_tracker_ros.command_line import Parser
from siam_tracker_ros.console.tracker_facts import TrackerFacts
from siam_tracker_ros.image_conversion import bgr_to_message
from siam_tracker_ros.node_process import NodeProcess, large_data_environment
from siam_tracker_ros.qos import image_qos
from siam_tracker_ros.spinning import Spinning
from siam_tracker_ros.stamps import from_nanoseconds

_RATE = 30.0
_TRACKER = "/siam_tracker"
_OPTIONS = ("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking")
_DELAYS = """
window.delays = [];
document.addEventListener("picture", ({ detail }) => {
  const drawn = performance.timeOrigin + performance.now();
  window.delays.push(drawn - Number(BigInt(detail.stamp) / 1000n) / 1000);
});
"""


class Filmed(NamedTuple):
    """What came of a run.

    Attributes:
        published: images.
        skipped: those that the tracker overtook with newer ones.
        latest_ms: how late the latest image was published; two that follow each other at once are the camera's fault.
    """

    published: int
    skipped: int
    latest_ms: float


class Camera:
    """Publishes a made sequence, stamped with the time of publishing."""

    def __init__(self, seconds: float) -> None:
        self.node = rclpy.create_node("console_benchmark")
        self.facts = TrackerFacts(_TRACKER)
        self.node.create_subscription(DiagnosticArray, "/diagnostics", self.facts.take, 10)
        made = made_sequence(frames=90, size=(640, 480), seed=0)
        self.box = tuple(float(value) for value in made.boxes[0])
        self._messages = [bgr_to_message(frame) for frame in made.frames[:30]]
        self._publisher = self.node.create_publisher(Image, "image", image_qos("best_effort", 1))
        self._seconds = seconds
        self._spinning = Spinning(self.node)

    def close(self) -> None:
        """Leave the ROS graph."""
        self._spinning.stop()
        self.node.destroy_node()

    def publish(self, number: int) -> None:
        """One image; the sequence goes to and fro."""
        place = number % 58
        message = self._messages[place if place < 30 else 58 - place]
        message.header.stamp = from_nanoseconds(time.time_ns())
        self._publisher.publish(message)

    def film(self) -> Filmed:
        """Publish for the run's seconds, and count."""
        before = self._dropped()
        began, count, late = time.monotonic(), round(self._seconds * _RATE), 0.0
        for number in range(count):
            due = began + number / _RATE
            time.sleep(max(0.0, due - time.monotonic()))
            late = max(late, time.monotonic() - due)
            self.publish(number)
        time.sleep(1.5)  # for diagnostics that count the last ones
        return Filmed(count, self._dropped() - before, round(late * 1e3, 1))

    def _dropped(self) -> int:
        return int(self.facts.number("images_dropped"))


async def watch(link: str, over: Flag, taken: Synchronized[int]) -> None:
    """Take pictures as the page does, until it is over."""
    async with aiohttp.ClientSession() as http:
        socket = await http.ws_connect(f"{link}socket", headers={"Origin": link.rstrip("/")}, max_msg_size=0)
        await socket.send_json({"type": "look", "width": 1280})
        while not over.is_set():
            message = await socket.receive(timeout=5)
            if message.type is aiohttp.WSMsgType.BINARY:
                length = struct.unpack(">I", message.data[:4])[0]
                await socket.send_json({"type": "shown", "number": json.loads(message.data[4 : 4 + length])["number"]})
                taken.value += 1
        await socket.close()


def watch_together(link: str, clients: int, over: Flag, taken: Synchronized[int]) -> None:
    """So many clients take pictures until it is over."""

    async def together() -> None:
        await asyncio.gather(*(watch(link, over, taken) for _ in range(clients)))

    asyncio.run(together())


@contextmanager
def watched(link: str, clients: int) -> Iterator[Synchronized[int]]:
    """So many clients take pictures, in a process of their own; gives how many pictures they took.

    In the camera's process they would hold up the camera, and its images would come in bursts.
    """
    processes = multiprocessing.get_context("spawn")
    over, taken = processes.Event(), processes.Value("i", 0)
    process = processes.Process(target=watch_together, args=(link, clients, over, taken))
    process.start()
    try:
        yield taken
    finally:
        over.set()
        process.join()


@contextmanager
def console() -> Iterator[str]:
    """The console's node; gives its link."""
    command = [sys.executable, "-m", "siam_tracker_ros.console.main", "--ros-args", "-p", "port:=0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert process.stdout is not None
    try:
        for line in process.stdout:
            if found := re.search(r"http://\S+/", line):
                yield found.group()
                break
    finally:
        process.terminate()
        process.wait(10)


def page_delays(link: str, camera: Camera) -> list[float]:
    """Milliseconds from publishing an image to its being drawn in a browser's page."""
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    for option in (*_OPTIONS, f"--user-data-dir={tempfile.mkdtemp()}"):
        options.add_argument(option)
    options.binary_location = str(shutil.which("chromium"))
    driver: Any = webdriver.Chrome(options, webdriver.ChromeService(str(shutil.which("chromedriver"))))
    try:
        driver.get(link)
        for number in range(60):
            camera.publish(number)
            time.sleep(1 / _RATE)
        driver.execute_script(_DELAYS)
        camera.film()
        return [float(delay) for delay in driver.execute_script("return window.delays")]
    finally:
        driver.quit()


def resident_mb(pid: int) -> float:
    """Resident memory of a process in MiB."""
    words = Path(f"/proc/{pid}/statm").read_text().split()
    return int(words[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print JSON; gives the exit status."""
    parser = Parser(prog="python -m siam_tracker_ros.console.benchmark", description=__doc__)
    parser.add_argument("--seconds", type=float, default=20.0, help="of each run (default: 20)")
    parser.add_argument("--pairs", type=int, default=3, help="runs without and with clients (default: 3)")
    parser.add_argument("--clients", type=int, default=3, help="that watch (default: 3)")
    parser.add_argument("--tracker", default=DEFAULT_TRACKER, help="name in the zoo (default: %(default)s)")
    parser.add_argument("--no-browser", action="store_true", help="leave the delay out")
    given = parser.parse_args(arguments)
    os.environ.update(large_data_environment())
    rclpy.init()
    camera = Camera(given.seconds)
    report: dict[str, Any] = {"load_before": os.getloadavg(), "runs": []}
    with NodeProcess({"tracker": given.tracker, "diagnostics_period": 0.5}), console() as link:
        with TrackerClient(camera.node, _TRACKER) as client:
            client.wait_until_ready(120.0)
            time.sleep(1.0)
            camera.publish(0)
            time.sleep(0.5)
            client.set_target(camera.box, timeout=60.0)
        camera.film()  # the first images of a run are slower in every part
        for _ in range(given.pairs):
            for clients in (0, given.clients):
                with watched(link, clients) as taken:
                    while clients and not taken.value:
                        camera.publish(0)
                        time.sleep(1 / _RATE)
                    before = taken.value
                    filmed = camera.film()
                    run = {"clients": clients, **filmed._asdict(), "pictures": taken.value - before}
                report["runs"].append(run)
        if not given.no_browser:
            delays = page_delays(link, camera)
            report["delay_ms"] = {"pictures": len(delays), "p50": round(median(delays), 1)}
            report["delay_ms"]["p95"] = round(float(np.percentile(delays, 95)), 1)
    report["load_after"] = os.getloadavg()
    print(json.dumps(report, indent=2))
    camera.close()
    rclpy.try_shutdown()
    return 0


if __name__ == "__main__":
    sys.exit(main())
