"""How a step can end other than by doing what it was asked to, and with which exit code. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Sequence


class OutcomeError(RuntimeError):
    """A step ended without its result; the message is for the operator, `exit_code` for what called."""

    exit_code = 1


class NoRoomError(OutcomeError):
    """A file could not be written for want of room; the message says what stays as it was."""


class UnknownReleaseError(OutcomeError):
    """A release was named that there is not, or there is none to go back to."""

    exit_code = 2


class RefusedError(OutcomeError):
    """The gate refused a candidate, for `reasons`."""

    exit_code = 3

    def __init__(self, name: str, reasons: Sequence[str]) -> None:
        listed = "".join(f"\n  - {reason}" for reason in reasons)
        super().__init__(f"Refused: the candidate does not replace what serves {name}.{listed}")
        self.reasons = tuple(reasons)


class BusyError(OutcomeError):
    """Another run is doing the same thing."""

    exit_code = 4
