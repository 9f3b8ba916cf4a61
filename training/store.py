"""Puts transcripts into the database, once each, and takes a person's out again. Touches the database and a key's file.

store = Store.from_environment()
store.add(messages, source="csv", market="de-DE")
"""

from __future__ import annotations

import hmac
import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, NamedTuple

from sqlalchemy import bindparam, delete, select, tuple_, update
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

from actions.database import INSERTS, open_engine, reading, transaction
from bot.identity import load_secret
from bot.migrations import migrate
from bot.settings import read_settings
from training.tables import FILE, labels, transcript_messages, transcripts

# The columns that a message's row takes over as they are.
AS_SAID = (
    "speaker", "text", "language", "at", "origin", "intent", "confidence", "sentiment", "out_of_scope", "release",
)  # fmt: skip
Place = tuple[int, str]  # transcript and key: where a message stands


@dataclass(frozen=True)
class TranscriptMessage:
    """One message of a transcript, its text as it was said. `key` tells it from the others of its conversation.

    `intent`, `confidence`, `sentiment` and `out_of_scope` are what a bot understood then, `release` which one did.
    `label_intent` and `label_sentiment` are what a person has said that it means, if the archive has that.
    """

    conversation: str
    key: str
    speaker: str
    text: str
    customer: str = ""
    at: datetime | None = None
    language: str | None = None
    consent: str = ""
    origin: int | None = None
    intent: str | None = None
    confidence: float | None = None
    sentiment: str | None = None
    out_of_scope: float | None = None
    release: str | None = None
    label_intent: str | None = None
    label_sentiment: str | None = None
    labeller: str = "file"


@dataclass
class Added:
    """What a batch added: transcripts and messages that were new, and messages that were there already.

    `clashes` counts the duplicates whose text is another one: their ids may be those of another help desk.
    """

    conversations: int = 0
    messages: int = 0
    duplicates: int = 0
    clashes: int = 0


class Stored(NamedTuple):
    """What is stored of a message: its row's id, and what depends on the market that it was taken in under."""

    id: int
    text: str
    language: str | None


class Store:
    """The training loop's rows in one database. `secret` keeps customers from being found by trying numbers out."""

    def __init__(self, engine: Engine, secret: str) -> None:
        self.engine = engine
        self._secret = secret.encode()

    @classmethod
    def from_environment(cls) -> Store:
        """Open the store of the database and folder that the environment names, as the bot does; made where missing."""
        settings = read_settings(os.environ)
        migrate(settings.database_url)
        return cls(open_engine(settings.database_url), load_secret(settings.var / "transcripts.key"))

    def pseudonym(self, *parts: str) -> str:
        """Return a name for a person or conversation that only this installation can make again."""
        return hmac.new(self._secret, "\x1f".join(parts).encode("utf-8", "surrogatepass"), sha256).hexdigest()

    def add(self, messages: Sequence[TranscriptMessage], *, source: str, market: str) -> Added:
        """Store messages whose texts are redacted already; those that are there are counted and left.

        Labels are kept with either: a second labeller's, and those that a later file brings.
        """
        added = Added()
        if not messages:
            return added
        with transaction(self.engine) as session:
            ids = self._transcripts(session, messages, source=source, market=market, added=added)
            places = [(ids[message.conversation], self.pseudonym(source, message.key)) for message in messages]
            texts = {place: stored.text for place, stored in _stored(session, places).items()}
            fresh: dict[Place, TranscriptMessage] = {}
            for place, message in zip(places, messages, strict=True):
                if place not in texts:
                    fresh[place] = message
                added.clashes += texts.setdefault(place, message.text) != message.text
            added.messages = len(fresh)
            added.duplicates = len(messages) - len(fresh)
            _insert(session, fresh)
            _insert_labels(session, list(zip(places, messages, strict=True)))
        return added

    def markets(self, conversations: Collection[str], *, source: str) -> dict[str, str]:
        """Return the markets under which those of the conversations stand that are stored."""
        names = {self.pseudonym(source, conversation): conversation for conversation in conversations}
        with reading(self.engine) as session:
            return {names[name]: market for name, (_, market) in _known(session, source, list(names)).items()}

    def move(self, messages: Sequence[TranscriptMessage], *, source: str, market: str) -> int:
        """Let stored conversations belong to `market`, their texts as redacted for it; returns how many did not before.

        Labels stay. Those of files count as given now, so that the next retraining of the market learns from them.
        """
        if not messages:
            return 0
        with transaction(self.engine) as session:
            names = {message.conversation: self.pseudonym(source, message.conversation) for message in messages}
            known = _known(session, source, list(names.values()))
            moved = [number for number, stands_under in known.values() if stands_under != market]
            session.execute(update(transcripts).where(transcripts.c.id.in_(moved)).values(market=market))
            theirs = select(transcript_messages.c.id).where(transcript_messages.c.transcript_id.in_(moved))
            of_files = labels.c.message_id.in_(theirs) & (labels.c.source == FILE)
            session.execute(update(labels).where(of_files).values(at=datetime.now(UTC)))
            _rewrite(session, {
                (known[names[message.conversation]][0], self.pseudonym(source, message.key)): message
                for message in messages
                if names[message.conversation] in known
            })  # fmt: skip
        return len(moved)

    def erase(self, *, source: str, customers: Iterable[str] = (), conversations: Iterable[str] = ()) -> list[int]:
        """Delete a person's transcripts with all that hangs on them; returns their ids, for releases' lineage.

        `customers` and `conversations` are as the archive named them. What an edge's conversation became has the
        source "own", and its id as `conversation`.
        """
        people = [self.pseudonym(source, customer) for customer in customers]
        talks = [self.pseudonym(source, conversation) for conversation in conversations]
        theirs = (transcripts.c.source == source) & (
            transcripts.c.customer.in_(people) | transcripts.c.conversation.in_(talks)
        )
        with transaction(self.engine) as session:
            ids = list(session.scalars(select(transcripts.c.id).where(theirs)))
            session.execute(delete(transcripts).where(transcripts.c.id.in_(ids)))
        return ids

    def _transcripts(
        self, session: Session, messages: Sequence[TranscriptMessage], *, source: str, market: str, added: Added
    ) -> dict[str, int]:
        """Return the id of each conversation's transcript, made where there was none."""
        first: dict[str, TranscriptMessage] = {}
        for message in messages:
            first.setdefault(message.conversation, message)
        names = {self.pseudonym(source, conversation): conversation for conversation in first}
        known = _known(session, source, list(names))
        rows = [
            {
                "source": source,
                "conversation": name,
                "customer": self.pseudonym(source, first[conversation].customer or conversation),
                "market": market,
                "begun_at": first[conversation].at,
                "consent": first[conversation].consent,
                "ingested_at": datetime.now(UTC),
            }
            for name, conversation in names.items()
            if name not in known
        ]
        if rows:
            insert = INSERTS[session.get_bind().dialect.name]
            session.execute(insert(transcripts).on_conflict_do_nothing(), rows)
            added.conversations = len(rows)
            known = _known(session, source, list(names))
        return {names[name]: number for name, (number, _) in known.items()}


def _known(session: Session, source: str, names: Sequence[str]) -> dict[str, tuple[int, str]]:
    """Return id and market of those of the conversations that are stored, by pseudonym."""
    query = select(transcripts.c.conversation, transcripts.c.id, transcripts.c.market).where(
        transcripts.c.source == source, transcripts.c.conversation.in_(names)
    )
    return {name: (number, market) for name, number, market in session.execute(query)}


def _stored(session: Session, places: Sequence[Place]) -> dict[Place, Stored]:
    columns = transcript_messages.c
    query = select(columns.transcript_id, columns.key, columns.id, columns.text, columns.language).where(
        tuple_(columns.transcript_id, columns.key).in_(places)
    )
    return {(transcript, key): Stored(*stored) for transcript, key, *stored in session.execute(query)}


def _rewrite(session: Session, messages: Mapping[Place, TranscriptMessage]) -> None:
    """Replace the stored texts and languages of messages by those that they have now."""
    changed = [
        {"this": stored.id, "text": messages[place].text, "language": messages[place].language}
        for place, stored in _stored(session, list(messages)).items()
        if (stored.text, stored.language) != (messages[place].text, messages[place].language)
    ]
    if changed:
        this = transcript_messages.c.id == bindparam("this")
        session.execute(update(transcript_messages).where(this), changed)


def _insert(session: Session, messages: Mapping[Place, TranscriptMessage]) -> None:
    if not messages:
        return
    insert = INSERTS[session.get_bind().dialect.name]
    rows = [_row(place, message) for place, message in messages.items()]
    session.execute(insert(transcript_messages).on_conflict_do_nothing(), rows)


def _insert_labels(session: Session, messages: Sequence[tuple[Place, TranscriptMessage]]) -> None:
    """Keep the labels that messages bring, each once, however often its file is read."""
    told = [(place, message) for place, message in messages if message.label_intent or message.label_sentiment]
    if not told:
        return
    ids = {place: stored.id for place, stored in _stored(session, [place for place, _ in told]).items()}
    columns = (labels.c.message_id, labels.c.intent, labels.c.sentiment, labels.c.labeller)
    of_files = labels.c.message_id.in_(ids.values()) & (labels.c.source == FILE)
    known = {tuple(row) for row in session.execute(select(*columns).where(of_files))}
    fresh: dict[tuple[Any, ...], dict[str, Any]] = {}
    for place, message in told:
        label = _told(ids[place], message)
        said = tuple(label[column.name] for column in columns)
        if said not in known:
            fresh.setdefault(said, label)
    if fresh:
        session.execute(labels.insert(), list(fresh.values()))


def _row(place: Place, message: TranscriptMessage) -> dict[str, Any]:
    transcript, key = place
    said = {name: getattr(message, name) for name in AS_SAID}
    return {"transcript_id": transcript, "key": key, **said}


def _told(number: int, message: TranscriptMessage) -> dict[str, Any]:
    return {
        "message_id": number,
        "intent": message.label_intent,
        "sentiment": message.label_sentiment,
        "labeller": message.labeller,
        "source": FILE,
        "at": datetime.now(UTC),
        "release": message.release,
    }
