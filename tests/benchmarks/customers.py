"""Customers who write without pause to one or several edges, and send again what is not acknowledged."""

from __future__ import annotations

import itertools
import queue
import random
import threading
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field

import httpx
import socketio

from tests.bot.edge_for_tests import Widget

MESSAGES = ("I want to file a complaint about the courier", "how long does delivery take?")
CONVERSATION = 20  # messages; then the customer begins anew
ANSWERED_WITHIN = 30.0  # seconds; then the customer writes on, so that several messages wait
AWAY = (socketio.exceptions.SocketIOError, queue.Empty, httpx.HTTPError, ConnectionError, OSError)


@dataclass
class Customer:
    """One of them, at the widget or (`rest`) at the REST channel; `acknowledged` are the ids that an edge has taken."""

    urls: Sequence[str]
    stop: threading.Event
    rest: bool = False
    name: str = ""
    acknowledged: list[str] = field(default_factory=list)
    token: str | None = None
    widget: Widget | None = None

    def run(self) -> None:
        """Write until told to stop; the last message is acknowledged as well."""
        for number, text in zip(itertools.count(), itertools.cycle(MESSAGES)):
            if self.stop.is_set():
                break
            if number % CONVERSATION == 0:
                self._begin_anew()
            message_id = f"{self.name}-{number}"
            while not (self._post(text, message_id) if self.rest else self._say(text, message_id)):
                time.sleep(0.3)
            self.acknowledged.append(message_id)
        self._leave()

    def _begin_anew(self) -> None:
        self._leave()
        self.name, self.token = uuid.uuid4().hex, None

    def _post(self, text: str, message_id: str) -> bool:
        body = {"sender": self.name, "message": text, "message_id": message_id, "metadata": {"market": "en-US"}}
        try:
            url = f"{random.choice(self.urls)}/webhooks/rest/webhook"
            return httpx.post(url, json=body, timeout=40, trust_env=False).is_success
        except AWAY:
            return False

    def _say(self, text: str, message_id: str) -> bool:
        try:
            widget = self._connected()
            if not widget.say(text, message_id)["ok"]:
                raise AssertionError("a good message was refused")
            self._await_answer(widget, message_id)
            return True
        except AWAY:
            self._leave()
            return False

    def _connected(self) -> Widget:
        if self.widget is None:
            self.widget = Widget(random.choice(self.urls))
            self.token, _ = self.widget.begin(self.token, market="en-US")
        return self.widget

    def _await_answer(self, widget: Widget, message_id: str) -> None:
        until = time.monotonic() + ANSWERED_WITHIN
        try:
            while (left := until - time.monotonic()) > 0:
                body = widget.hear("polydesk_turn", within=left)
                if body["message_id"] == message_id and body["state"] != "typing":
                    return
        except queue.Empty:
            return

    def _leave(self) -> None:
        if self.widget:
            self.widget.socket.eio.disconnect(abort=True)
            self.widget = None


class Crowd:
    """Customers in threads of their own, half of them at the REST channel."""

    def __init__(self, urls: Sequence[str], count: int) -> None:
        self._stop = threading.Event()
        self.customers = [Customer(urls, self._stop, rest=number % 2 == 1) for number in range(count)]
        self._threads = [threading.Thread(target=customer.run, daemon=True) for customer in self.customers]

    def __enter__(self) -> Crowd:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(120)

    @property
    def acknowledged(self) -> set[str]:
        """The ids of all messages that an edge has taken."""
        return {message_id for customer in self.customers for message_id in customer.acknowledged}
