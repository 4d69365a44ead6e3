"""Images come through a thread of their own, and the executor has nothing to do with them."""

from __future__ import annotations

import itertools
import threading

import pytest
import rclpy
from rclpy.context import Context
from rclpy.event_handler import SubscriptionEventCallbacks
from rclpy.executors import SingleThreadedExecutor
from std_msgs.msg import Int32
from tracker_graph import wait_until

from siam_tracker_ros.node.intake import ImageIntake, TakenElsewhere
from siam_tracker_ros.qos import image_qos

QOS = image_qos("reliable", 10)
_COUNT = itertools.count()


class Taker:
    """A node with an intake of numbers, and a publisher of them."""

    def __init__(self, offer, events=None):
        self.context = Context()
        rclpy.init(args=[], context=self.context)
        self.node = rclpy.create_node("taker", context=self.context)
        topic = f"numbers_{next(_COUNT)}"  # no publisher of a test before, which may still be leaving
        self.complaints = []
        self.intake = ImageIntake(
            self.node, Int32, topic, offer, QOS, events or SubscriptionEventCallbacks(), self._complain
        )
        self.publisher = self.node.create_publisher(Int32, topic, QOS)

    def _complain(self, kind, sentence):
        self.complaints.append((kind, sentence))

    def close(self):
        rclpy.try_shutdown(context=self.context)


@pytest.fixture
def taker():
    made = []

    def make(*arguments):
        made.append(Taker(*arguments))
        return made[-1]

    yield make
    for each in made:
        each.close()


def test_messages_are_offered_in_order_and_a_fault_stops_none_of_those_after_it(taker):
    got, all_there = [], threading.Event()

    def offer(message):
        got.append((message.data, threading.current_thread().name))
        if message.data == 2:
            raise ValueError("two is no image")
        if message.data == 4:
            all_there.set()

    made = taker(offer)
    for number in range(5):
        made.publisher.publish(Int32(data=number))
    assert all_there.wait(10)
    assert got == [(number, "images") for number in range(5)]
    assert made.complaints == [
        ("image not taken", "an image could not be taken from the middleware: ValueError('two is no image')")
    ]


def test_the_subscriptions_events_are_told_in_the_same_thread_and_a_fault_ends_nothing(taker):
    got, told = threading.Event(), []

    def matched(event):
        told.append((event.total_count, threading.current_thread().name))
        raise ValueError("no match")

    made = taker(lambda message: got.set(), SubscriptionEventCallbacks(matched=matched))
    made.publisher.publish(Int32(data=1))
    assert got.wait(10)
    wait_until(lambda: made.complaints)
    assert told == [(1, "images")]
    assert made.complaints == [
        ("event not taken", "an event of the image topic could not be handled: ValueError('no match')")
    ]


def test_an_executor_sleeps_while_an_image_waits_to_be_taken(taker, monkeypatch):
    """It was woken over and over by the events' condition, with the lock that the taking thread wanted."""
    gathered, busy, free = [], threading.Event(), threading.Event()
    may = TakenElsewhere.can_execute
    monkeypatch.setattr(TakenElsewhere, "can_execute", lambda group, each: gathered.append(each) or may(group, each))

    def offer(message):
        busy.set()
        free.wait(10)

    made = taker(offer)
    made.publisher.publish(Int32(data=0))
    assert busy.wait(10)
    made.publisher.publish(Int32(data=1))  # waits while the first is looked at
    executor = SingleThreadedExecutor(context=made.context)
    executor.add_node(made.node)
    for _ in range(5):  # what is ready from the start
        executor.spin_once(timeout_sec=0.05)
    gathered.clear()
    executor.spin_once(timeout_sec=0.5)
    free.set()
    assert gathered.count(made.intake._subscription) <= 3
    executor.shutdown()


def test_the_thread_ends_with_the_intake(taker):
    made = taker(print)
    thread = made.intake._thread
    made.intake.destroy()
    assert not thread.is_alive()
    assert not list(made.node.subscriptions)


def test_the_thread_ends_with_ros(taker):
    made = taker(print)
    made.close()
    made.intake._thread.join(10)
    assert not made.intake._thread.is_alive()
    made.intake.destroy()
