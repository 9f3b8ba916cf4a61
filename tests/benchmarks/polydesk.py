"""Measures a running Polydesk at the widget's socket."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import psutil

from tests.benchmarks.apart import environment_in
from tests.benchmarks.turns import Figures, figures, memory_of, time_turns
from tests.bot.edge_for_tests import Widget
from tests.services import free_port

MESSAGES = (
    "where is my order",
    "wie lange dauert der Versand?",
    "¿cuál es la política de devoluciones?",
    "quels moyens de paiement acceptez-vous ?",
    "ciao",
    "quanto custa o frete?",
    "रिफंड कब तक मिलता है",
    "السلام عليكم",
    "支持哪些付款方式",
    "asdf qwer",
)


def measure_polydesk(folder: Path, *, turns: int) -> Figures:
    """Start everything twice (the first prepares), measure the second start, the turns and the memory."""
    port = free_port()
    limits = dict.fromkeys(("POLYDESK_SENDER_RATE", "POLYDESK_ADDRESS_RATE"), "100000")
    environment = environment_in(folder) | limits | {"PORT": str(port)}
    _stop(_start(environment, port)[0])
    process, start = _start(environment, port)
    try:
        customers: list[Widget] = []
        count = iter(range(10**6))

        def begin() -> None:
            customers.append(Widget(f"http://127.0.0.1:{port}"))
            customers[-1].begin(market="en-US")

        def say(text: str) -> None:
            message_id = f"bench-{next(count)}"
            customers[-1].say(text, message_id)
            while True:
                turn = customers[-1].hear("polydesk_turn", within=30)
                if turn["message_id"] == message_id and turn["state"] == "done":
                    return

        taken = time_turns(begin, say, MESSAGES, turns)
        memory = memory_of(psutil.Process(process.pid))
        for customer in customers:
            customer.__exit__()
        return figures(taken, start=start, memory=memory)
    finally:
        _stop(process)


def _start(environment: dict[str, str], port: int) -> tuple[subprocess.Popen[bytes], float]:
    began = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-m", "bot", "run"], env=environment, stdout=subprocess.DEVNULL)
    while True:
        try:
            body = {"sender": "first", "message": "hello", "metadata": {"market": "en-US"}}
            if httpx.post(f"http://127.0.0.1:{port}/webhooks/rest/webhook", json=body, timeout=30).is_success:
                return process, time.perf_counter() - began
        except httpx.HTTPError:
            time.sleep(0.2)


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    process.wait(timeout=60)
