"""Loads a running Polydesk in four ways and counts what was lost, doubled, out of order or slow."""

from __future__ import annotations

import queue
import random
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import numpy as np
from sqlalchemy import func, select
from sqlalchemy.engine import Engine

from actions.database import reading
from bot.tables import conversations, messages, replies
from tests.benchmarks.kills import settle
from tests.bot.edge_for_tests import Widget

TEXT = "how long does delivery take?"
EVERY = 20.0  # seconds between a socket's messages
AT_ONCE = 50
PATIENCE = 120.0


def repeated(url: str, engine: Engine, ids: int) -> dict[str, float]:
    """Deliver each message five times, twenty at once; count what was processed."""
    jobs = [number for number in range(ids) for _ in range(5)]
    random.Random(1).shuffle(jobs)
    with httpx.Client(timeout=PATIENCE, trust_env=False) as http, ThreadPoolExecutor(20) as pool:

        def post(number: int) -> tuple[int, str]:
            body = {"sender": f"repeated {number}", "message": TEXT, "message_id": str(number)}
            while not (answer := http.post(f"{url}/webhooks/rest/webhook", json=body)).is_success:
                time.sleep(0.2)
            return number, answer.text

        answers = set(pool.map(post, jobs))
    with reading(engine) as session:
        mine = conversations.c.sender.like("repeated %")
        query = select(func.count(messages.c.id)).join(conversations).where(mine)
        stored = session.execute(query).scalar_one()
    return {"stored": stored, "different answers to one id": len(answers) - ids}


def burst(url: str, senders: int) -> dict[str, float]:
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
    return {"dropped": sum(dropped for dropped, _ in results), "out of order": sum(wrong for _, wrong in results)}


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


def sockets(url: str, count: int, *, minutes: float) -> dict[str, float]:
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
        "acknowledged p99 (s)": round(float(np.percentile(acknowledged, 99)), 3),
        "answered p95 (s)": round(float(np.percentile(answered, 95)), 3),
    }


def disconnects(url: str, engine: Engine, count: int) -> dict[str, float]:
    """Break the connection in the middle of each reply, resume from the last id, and compare with what was stored."""
    chance = random.Random(2)
    token: object = None
    seen: Counter[int] = Counter()
    last = 0
    for number in range(count):
        with Widget(url) as widget:
            token, _ = widget.begin(token, market="en-US")
            last = _resume(widget, last, seen)
            widget.say(TEXT, f"break {number}")
            time.sleep(chance.uniform(0, 0.3))
            last = _drain(widget, last, seen)
            widget.socket.eio.disconnect(abort=True)
    settle(engine)
    with Widget(url) as widget:
        widget.begin(token)
        _resume(widget, last, seen)
    with reading(engine) as session:
        mine = select(messages.c.conversation_id).where(messages.c.message_id == "break 0")
        stored = select(replies.c.number).where(replies.c.conversation_id.in_(mine), replies.c.answers.is_not(None))
        said = set(session.execute(stored).scalars())
    return {
        "replies": len(said),
        "gaps": len(said - set(seen)),
        "doubles": sum(times > 1 for times in seen.values()),
    }


def _resume(widget: Widget, last: int, seen: Counter[int]) -> int:
    widget.socket.call("polydesk_resume", {"last_id": last}, timeout=PATIENCE)
    return _drain(widget, last, seen)


def _drain(widget: Widget, last: int, seen: Counter[int]) -> int:
    """Take what was heard so far, as the widget does: what it has already is left away."""
    while True:
        try:
            event, body = widget.heard.get_nowait()
        except queue.Empty:
            return last
        if event == "bot_uttered" and body["metadata"]["id"] > last:
            last = body["metadata"]["id"]
            seen[last] += 1
