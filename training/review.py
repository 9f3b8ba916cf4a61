"""Asks people about the messages that the bot is least sure of: in the terminal, or through a CSV.

Touches the database, the terminal and the file it is given. Each label keeps who gave it, when, under which release.
"""

from __future__ import annotations

import argparse
import csv
import getpass
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy.engine import Engine

from nlu.markets import load_markets
from nlu.rows import RowsError
from training.dataset import OUT_OF_SCOPE, SENTIMENTS
from training.disk import needing_room
from training.labels import Label, UnknownMessageError, disagreements, give_label, give_labels, take_back
from training.queue import Question, questions, skip, take_over_corrections, unskip
from training.store import Store
from training.tables import PERSON

COLUMNS = ("message", "language", "text", "reasons", "suggestions", "intent", "sentiment")
KEYS = (
    "1-3 a suggestion, a name another intent, o out of scope, + 0 - the sentiment first, else none is kept, "
    "s skip, u undo, q quit, ? all"
)
SENTIMENT_KEYS = {"+": "positive", "0": "neutral", "-": "negative"}
LONGEST_ID = 9  # digits of a message's number in the database
Ask = Callable[[str], str]
Say = Callable[[str], None]


@dataclass
class Session:
    """One labeller at the terminal. `ask` shows a prompt and returns what was typed; Ctrl-D and Ctrl-C are a quit."""

    engine: Engine
    labeller: str
    intents: Sequence[str]
    ask: Ask
    say: Say
    done: list[tuple[Question, int | None]] = field(default_factory=list)

    def label_all(self, queue: Sequence[Question]) -> int:
        """Go through the queue; returns how many labels were given and not taken back."""
        place = 0
        while place < len(queue):
            self._show(queue[place], place + 1, len(queue))
            try:
                step = self._step(queue[place])
            except (EOFError, KeyboardInterrupt):
                step = None
            if step is None:
                break
            place = max(0, place + step)
        return sum(number is not None for _, number in self.done)

    def _show(self, question: Question, number: int, count: int) -> None:
        self.say(f"\n[{number}/{count}] {'; '.join(question.reasons) or 'may be right'}")
        self.say(f"  {question.text}")
        named = [f"{key} {intent}" for key, intent in enumerate(question.suggestions, start=1)]
        self.say(f"  {'   '.join(named)}   sentiment, a guess: {question.sentiment or 'unknown'}")

    def _step(self, question: Question) -> int | None:
        """Take one answer; returns where to go from here, None for the end."""
        # Only what she types: the release's guess, kept as a person's label, would teach the next one its own answers.
        sentiment: str | None = None
        while True:
            typed = self.ask("> ").strip()
            if typed in SENTIMENT_KEYS:
                sentiment = SENTIMENT_KEYS[typed]
                self.say(f"  sentiment: {sentiment}")
            elif typed == "q":
                return None
            elif typed == "s":
                skip(self.engine, question.message, self.labeller, datetime.now(UTC))
                self.done.append((question, None))
                return 1
            elif typed == "u":
                return self._undo()
            elif typed == "?":
                self.say(f"  {KEYS}\n  {', '.join(self.intents)}")
            else:
                intent = self._intent(question, typed)
                if intent:
                    self._give(question, intent, sentiment)
                    return 1

    def _undo(self) -> int:
        if not self.done:
            self.say("  there is nothing to undo")
            return 0
        question, number = self.done.pop()
        if number is None:
            unskip(self.engine, question.message, self.labeller)
        else:
            take_back(self.engine, number)
        return -1

    def _intent(self, question: Question, typed: str) -> str | None:
        """Read an intent: a suggestion's number, a name or the beginning of one, or a new name told twice."""
        if typed == "o":
            return OUT_OF_SCOPE
        if typed.isascii() and typed.isdigit() and 1 <= int(typed) <= len(question.suggestions):
            return question.suggestions[int(typed) - 1]
        begun = [intent for intent in self.intents if typed and intent.startswith(typed)]
        if typed in begun or len(begun) == 1:
            return typed if typed in begun else begun[0]
        if begun:
            self.say(f"  which of {', '.join(begun)}?")
        elif typed.isidentifier() and len(typed) > 2:
            if self.ask(f"  {typed!r} is new; once more to confirm > ").strip() == typed:
                return typed
        else:
            self.say(f"  {KEYS}")
        return None

    def _give(self, question: Question, intent: str, sentiment: str | None) -> None:
        label = Label(question.message, intent, sentiment, self.labeller, PERSON, datetime.now(UTC), question.release)
        self.done.append((question, give_label(self.engine, label)))


@needing_room("The labels given until then are kept.")
def run(options: argparse.Namespace) -> None:
    """Do what the options say: list disagreements, write or read a CSV, or ask in the terminal."""
    markets = load_markets()
    market = markets[options.market]
    store = Store.from_environment()
    labeller = options.labeller or getpass.getuser()
    if options.disagreements:
        list_disagreements(store.engine, market.code, _print)
        return
    if options.labelled:
        _print(f"{read_labels(store.engine, options.labelled, labeller=labeller)} labels taken over")
        return
    # Loading the encoder takes seconds: only what needs it waits.
    from training.scores import AdapterScorer

    taken = take_over_corrections(store.engine, market.code)
    score = AdapterScorer(market, markets)
    queue = questions(store.engine, market.code, labeller=labeller, score=score, limit=options.limit)
    if options.export:
        write_queue(options.export, queue)
        _print(f"{len(queue)} messages written to {options.export}; {taken} corrections of agents taken over")
        return
    _print(f"{len(queue)} messages; {taken} corrections of agents taken over. {KEYS}")
    given = Session(store.engine, labeller, score.intents, input, _print).label_all(queue)
    _print(f"{given} labels given")


def list_disagreements(engine: Engine, market: str, say: Say) -> None:
    """Say on which messages labellers are divided, and who said what."""
    for divided in disagreements(engine, market):
        say(f"{divided.message}  {divided.text}")
        for label in divided.labels:
            say(f"    {label.labeller}, {label.at:%Y-%m-%d}: {label.intent or '-'}, {label.sentiment or '-'}")


def write_queue(path: Path, queue: Sequence[Question]) -> None:
    """Write the queue as a CSV whose columns `intent` and `sentiment` are to be filled."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for one in queue:
            reasons, suggestions = "; ".join(one.reasons), " ".join(one.suggestions)
            writer.writerow([f"{one.message} {one.release}", one.language, one.text, reasons, suggestions, "", ""])


def read_labels(engine: Engine, path: Path, *, labeller: str) -> int:
    """Keep the labels of a filled CSV, rows without any left out; returns how many.

    Raises `RowsError` naming the row for one that cannot be right; then none is kept.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            found = [_label(number, row, labeller) for number, row in enumerate(csv.DictReader(file), start=2)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise RowsError(f"{path} cannot be read as CSV in UTF-8: {error}") from error
    given = [label for label in found if label is not None]
    try:
        give_labels(engine, given)
    except UnknownMessageError as error:
        raise RowsError(f"{path}: {error} Write the queue anew.") from error
    return len(given)


def _label(number: int, row: dict[str, str], labeller: str) -> Label | None:
    if not set(COLUMNS) <= set(row):
        raise RowsError(f"The header needs {', '.join(COLUMNS)}.")
    intent, sentiment = (row["intent"] or "").strip() or None, (row["sentiment"] or "").strip() or None
    if intent is None and sentiment is None:
        return None
    message, _, release = (row["message"] or "").partition(" ")
    if not (message.isascii() and message.isdigit() and len(message) <= LONGEST_ID):
        raise RowsError(f"Row {number}: the column `message` is not as it was written.")
    if sentiment is not None and sentiment not in SENTIMENTS:
        raise RowsError(f"Row {number}: the sentiment is none of {', '.join(SENTIMENTS)}.")
    return Label(int(message), intent, sentiment, labeller, PERSON, datetime.now(UTC), release or None)


def _print(line: str) -> None:
    sys.stdout.write(line + "\n")
