"""Measures the bot that `rasa init` makes: Rasa's own understanding (DIET) and dialogue (TED), trained here."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import psutil

from tests.benchmarks.turns import Figures, figures, memory_of, time_turns
from tests.services import free_port

MESSAGES = ("hello", "i am sad", "are you a bot?", "yes", "bye", "i feel great")


def measure_starter_bot(folder: Path, *, turns: int) -> Figures:
    """Make and train it, start its server, and measure turns over its REST channel."""
    project = folder / "starter"
    environment = {**os.environ, "RASA_TELEMETRY_ENABLED": "false"}
    rasa = [sys.executable, "-m", "rasa"]
    project.mkdir()  # Rasa asks before it makes one
    subprocess.run([*rasa, "init", "--no-prompt", "--init-dir", str(project)], env=environment, check=True, cwd=folder)
    (project / "credentials.yml").write_text("rest:\n", encoding="utf-8")
    port = free_port()
    url = f"http://127.0.0.1:{port}/webhooks/rest/webhook"
    began = time.perf_counter()
    command = [*rasa, "run", "-i", "127.0.0.1", "-p", str(port), "--credentials", "credentials.yml"]
    process = subprocess.Popen(command, env=environment, cwd=project)
    try:
        with httpx.Client(timeout=30) as http:

            count = iter(range(10**6))
            sender = ["first"]

            def begin() -> None:
                sender[0] = f"bench-{next(count)}"

            def say(text: str) -> None:
                http.post(url, json={"sender": sender[0], "message": text}).raise_for_status()

            start = _first_answer(say, began)
            taken = time_turns(begin, say, MESSAGES, turns)
            return figures(taken, start=start, memory=memory_of(psutil.Process(process.pid)))
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=60)


def _first_answer(say: object, began: float) -> float:
    assert callable(say)
    while True:
        try:
            say("hello")
            return time.perf_counter() - began
        except httpx.HTTPError:
            time.sleep(0.2)
