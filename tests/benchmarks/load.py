"""Loads a running Polydesk in four ways and counts what was lost, doubled, out of order or slow."""

from __future__ import annotations

import queue
import random
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import httpx
import numpy as np
from sqlalchemy import select
from sqlalchemy.engine import Engine

from actions.database import reading
from bot.tables import messages, replies
from tests.benchmarks.kills import settle
from tests.bot.edge_for_tests import Widget

TEXT = "how long does delivery take?"
EVERY = 20.0  # seconds between a socket's messages
AT_ONCE = 50
DELIVERIES_AT_ONCE = 20
PATIENCE = 120.0

Figures = dict[str, float]


def repeated(url: str, engine: Engine, ids: int) -> Figures:
    """Deliver each message five times, twenty at once, half of them over REST and half at widgets; count what came."""
    jobs = [number for number in range(ids) for _ in range(5)]
    random.Random(1).shuffle(jobs)
    with (
        httpx.Client(timeout=PATIENCE, trust_env=False) as http,
        ExitStack() as opened,
        ThreadPoolExecutor(DELIVERIES_AT_ONCE) as pool,
    ):
        widgets = [opened.enter_context(Widget(url)) for _ in range(DELIVERIES_AT_ONCE)]
        for widget in widgets:
            widget.begin(market="en-US")

        def deliver(number: int) -> tuple[int, str]:
            message_id = f"repeated {number}"
            if number % 2:
                return number, str(widgets[number % len(widgets)].say(TEXT, message_id))
            body = {"sender": message_id, "message": TEXT, "message_id": message_id}
            while not (answer := http.post(f"{url}/webhooks/rest/webhook", json=body)).is_success:
                time.sleep(0.2)
            return number, answer.text

        answers = set(pool.map(deliver, jobs))
        settle(engine)
    with reading(engine) as session:
        mine = messages.c.message_id.like("repeated %")
        stored = session.execute(select(messages.c.id).where(mine)).scalars().all()
        said = session.execute(select(replies.c.answers, replies.c.text).where(replies.c.answers.in_(stored))).all()
    return {
        "deliveries": len(jobs),
        "lost": ids - len(stored),
        "unanswered": len(set(stored) - {row.answers for row in said}),
        "answered twice": len(said) - len(set(said)),
        "different answers to one id": len(answers) - ids,
    }


def burst(url: str, senders: int) -> Figures:
    """Send fifty messages at once from each sender; count what was answered, and what not in order."""

    def send(_: int) -> tuple[int, int]:
        with Widget(url) as widget:
            widget.begin(market="en-US")
            ids = [f"m{number}" for number in range(AT_ONCE)]
            for message_id in ids:
                widget.socket.emit("user_uttered", {"message": TEXT, "metadata": {"message_id": message_id}})
            done = []
            while len(done) < AT_ONCE:
                turn = widget.hear("polydesk_turn", within=PATIENCE)
                if turn["state"] != "typing":
                    done.append(turn["message_id"])
            return AT_ONCE - len(set(done)), sum(left != right for left, right in zip(done, ids, strict=True))

    with ThreadPoolExecutor(senders) as pool:
        results = list(pool.map(send, range(senders)))
    return {
        "messages": senders * AT_ONCE,
        "dropped": sum(dropped for dropped, _ in results),
        "out of order": sum(wrong for _, wrong in results),
    }


class Socket:
    """One customer who writes every twenty seconds and keeps what she hears."""

    def __init__(self, url: str, number: int, until: float) -> None:
        self._url, self._number, self._until = url, number, until
        self.acknowledged: dict[str, float] = {}
        self.answered: dict[str, float] = {}
        self.heard: Counter[tuple[str, int]] = Counter()

    def run(self) -> None:
        """Write until the time is over, then wait for the last answer."""
        with Widget(self._url) as widget:
            widget.begin(market="en-US")
            time.sleep(random.Random(self._number).uniform(0, EVERY))
            count = 0
            while time.monotonic() < self._until:
                message_id = f"{self._number}-{count}"
                began = time.monotonic()
                widget.say(TEXT, message_id)
                self.acknowledged[message_id] = time.monotonic() - began
                self._hear(widget, message_id, began)
                count += 1
                time.sleep(max(0.0, began + EVERY - time.monotonic()))

    def _hear(self, widget: Widget, message_id: str, began: float) -> None:
        while message_id not in self.answered:
            try:
                event, body = widget.heard.get(timeout=PATIENCE)
            except queue.Empty:
                return
            if event == "bot_uttered":
                self._note(body["metadata"])
                if body["metadata"]["message_id"] == message_id:
                    self.answered[message_id] = time.monotonic() - began

    def _note(self, metadata: dict[str, Any]) -> None:
        self.heard[(metadata["message_id"] or "", metadata["id"])] += 1


def sockets(url: str, count: int, *, minutes: float) -> Figures:
    """Hold sockets open, a message each every twenty seconds."""
    until = time.monotonic() + 60 * minutes
    customers = [Socket(url, number, until) for number in range(count)]
    threads = [threading.Thread(target=customer.run) for customer in customers]
    for thread in threads:
        thread.start()
        time.sleep(0.02)
    for thread in threads:
        thread.join()
    acknowledged = [seconds for customer in customers for seconds in customer.acknowledged.values()]
    answered = [seconds for customer in customers for seconds in customer.answered.values()]
    own = [(key, customer) for customer in customers for key, _ in customer.heard if key]
    return {
        "messages": len(acknowledged),
        "lost": len(acknowledged) - len(answered),
        "doubled": sum(times > 1 for customer in customers for times in customer.heard.values()),
        "misdelivered": sum(key not in customer.acknowledged for key, customer in own),
        "acknowledged, 99th percentile (s)": round(float(np.percentile(acknowledged, 99)), 3),
        "answered, 95th percentile (s)": round(float(np.percentile(answered, 95)), 3),
    }


@dataclass
class Screen:
    """What a customer sees of one conversation over many connections, by the widget's rule: each reply once."""

    shown: list[int] = field(default_factory=list)

    def show(self, body: dict[str, Any]) -> None:
        """Show a reply that is new here."""
        if body["metadata"]["id"] not in self.shown:
            self.shown.append(body["metadata"]["id"])

    def show_heard(self, widget: Widget) -> None:
        """Show what was heard so far."""
        while not widget.heard.empty():
            event, body = widget.heard.get_nowait()
            if event == "bot_uttered":
                self.show(body)

    def resume(self, widget: Widget) -> None:
        """Ask for what comes after the last reply on the screen."""
        widget.socket.call("polydesk_resume", {"last_id": max(self.shown, default=0)}, timeout=PATIENCE)
        self.show_heard(widget)


def disconnects(url: str, engine: Engine, count: int) -> Figures:
    """Break the connection in each reply, resume from the last one shown, and compare with what was stored.

    Half of them break after the first part of the reply, the others at any moment of the turn.
    """
    chance = random.Random(2)
    token: object = None
    screen = Screen()
    for number in range(count):
        with Widget(url) as widget:
            token, _ = widget.begin(token, market="en-US")
            screen.resume(widget)
            widget.say(TEXT, f"break {number}")
            if number % 2:
                screen.show(widget.hear("bot_uttered", within=PATIENCE))
            else:
                time.sleep(chance.uniform(0, 0.15))
                screen.show_heard(widget)
            widget.socket.eio.disconnect(abort=True)
    settle(engine)
    with Widget(url) as widget:
        widget.begin(token)
        screen.resume(widget)
    with reading(engine) as session:
        mine = select(messages.c.conversation_id).where(messages.c.message_id == "break 0")
        stored = select(replies.c.number, replies.c.answers, replies.c.text)
        said = session.execute(stored.where(replies.c.conversation_id.in_(mine), replies.c.answers.is_not(None))).all()
    return {
        "parts of replies": len(said),
        "gaps": len({row.number for row in said} - set(screen.shown)),
        "doubled": len(said) - len({(row.answers, row.text) for row in said}),
        "out of order": sum(left > right for left, right in pairwise(screen.shown)),
    }
