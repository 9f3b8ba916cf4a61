"""Processes that the launcher starts, watches and stops, each by its own process id; their output goes into logs."""

from __future__ import annotations

import asyncio
import ctypes
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import structlog

STOPS_WITHIN = 10.0  # seconds
FIRST_PAUSE = 0.5
LONGEST_PAUSE = 10.0  # customers wait meanwhile
STEADY_AFTER = 20.0  # a child that lived this long did not die of its start, and is not made to wait
PR_SET_PDEATHSIG = 1


@dataclass(frozen=True)
class Program:
    """How a child is started: a Python module with its arguments, and all that it sees of the environment."""

    name: str
    arguments: Sequence[str]
    environment: Mapping[str, str]
    log: Path


class Child:
    """One program, kept running until it is stopped."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self._process: asyncio.subprocess.Process | None = None
        self._keeper: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start the program, and start it again whenever it ends."""
        self._process = await self._spawn()
        self._keeper = asyncio.create_task(self._keep())

    @property
    def process_id(self) -> int | None:
        """The running process, None between two of them."""
        return self._process.pid if self._process and self._process.returncode is None else None

    async def stop(self) -> None:
        """End the process: politely, and after a while not."""
        if self._keeper:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
        process = self._process
        if process is None or process.returncode is not None:
            return
        process.terminate()
        try:
            await asyncio.wait_for(process.wait(), STOPS_WITHIN)
        except TimeoutError:
            structlog.get_logger().warning("launcher.killed", child=self.program.name)
            process.kill()
            await process.wait()

    async def _keep(self) -> None:
        clock = asyncio.get_running_loop().time
        pause: float | None = None
        while self._process:
            began = clock()
            code = await self._process.wait()
            pause = pause_after(pause, lived=clock() - began)
            log = str(self.program.log)
            structlog.get_logger().error("launcher.died", child=self.program.name, code=code, again_in=pause, log=log)
            await asyncio.sleep(pause)
            self._process = await self._spawn()

    async def _spawn(self) -> asyncio.subprocess.Process:
        with self.program.log.open("ab") as log:
            return await _spawn(self.program, log)


def pause_after(before: float | None, *, lived: float) -> float:
    """Return how long a child that died is left, in seconds; `before` is the pause before it was started.

    Longer each time for one that dies of its start again and again.
    """
    if before is None or lived > STEADY_AFTER:
        return FIRST_PAUSE
    return min(before * 2, LONGEST_PAUSE)


async def wait_for(name: str, answers: Callable[[], Awaitable[bool]], *, within: float) -> None:
    """Wait until something answers; raises `TimeoutError` saying what did not."""
    try:
        async with asyncio.timeout(within):
            while not await answers():
                await asyncio.sleep(0.2)
    except TimeoutError as error:
        raise TimeoutError(f"{name} does not answer after {within:.0f} seconds") from error


async def _spawn(program: Program, log: BinaryIO) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        *program.arguments,
        env=program.environment,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        # Ctrl-C in the terminal is for the launcher, which stops its children in order.
        start_new_session=True,
        preexec_fn=_end_with_parent if sys.platform == "linux" else None,
    )


def _end_with_parent() -> None:
    """Have the kernel end this child if the launcher is killed, so that no orphan holds a port."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
