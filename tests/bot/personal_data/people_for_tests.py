"""Two customers in every place where the data of one can be: Anna, who is erased, and Eva, who stays."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import select, text
from sqlalchemy.engine import Engine

from actions.database import metadata, open_engine, reading, transaction
from actions.sql_shop import SqlShop
from actions.tables import AuditRow
from bot.agent_tables import agents, corrections, handoff_events, notes
from bot.personal_data.erasure import Erasure, leave_no_trace
from bot.personal_data.people import find_person
from bot.personal_data.places import Person
from bot.personal_data.tracker import Tracker
from bot.rasa_files import SCHEMA, tracker_url
from bot.tables import consents, conversations, identities, messages, ratings, replies, scores
from tests.dialogue.shop_data import ANNA, EVA, SHIPPED, fill
from training.store import Store, TranscriptMessage
from training.tables import labels, review_skips, transcript_messages

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
SECRET = "hides who is who in transcripts, long enough"
ANNAS, EVAS = "aaaaaaaa-0000-4000-8000-000000000001", "eeeeeeee-0000-4000-8000-000000000002"
# Of Anna alone; no place may keep it.
SAID = "zwiebelkuchen"


@dataclass(frozen=True)
class House:
    """An installation in which both have been customers."""

    engine: Engine
    tracker: Tracker

    def erasure(self, **options: Any) -> Erasure:
        return Erasure(self.engine, self.tracker, learned=lambda ids: ["de-DE/3"] if list(ids) else [], **options)

    def find(self, **names: Any) -> Person:
        return find_person(self.engine, SqlShop(self.engine), Store(self.engine, SECRET).pseudonym, **names)

    def contents(self) -> dict[str, list[Any]]:
        """Return all rows of all tables and of Rasa's, but the audit's."""
        with reading(self.engine) as session:
            ours = {name: session.execute(select(table)).all() for name, table in metadata.tables.items()}
        ours.pop(AuditRow.__tablename__)
        return {**ours, "dialogue": self.tracker.events([ANNAS, EVAS])}

    def close(self) -> None:
        self.engine.dispose()
        if self.tracker.engine is not None:
            self.tracker.engine.dispose()


def open_house(url: str) -> House:
    """Open an installation as the commands do."""
    engine, tracker = open_engine(url), Tracker.beside(url)
    leave_no_trace(engine)
    if tracker.engine is not None:
        leave_no_trace(tracker.engine)
    return House(engine, tracker)


def furnish(url: str) -> House:
    """Put both customers everywhere."""
    engine = open_engine(url)
    fill(engine)
    with transaction(engine) as session:
        agent = {"password_hash": "x", "role": "agent", "available": True, "created_at": NOW}
        session.execute(agents.insert().values(id=1, name="Ada", **agent))
    _live_in(engine, ANNAS, "anna", ANNA, SAID)
    _live_in(engine, EVAS, "eva", EVA, "apfelstrudel")
    _make_tracker(url)
    engine.dispose()
    return open_house(url)


def _live_in(engine: Engine, conversation: str, sender: str, email: str, said: str) -> None:
    here = {"conversation_id": conversation}
    with transaction(engine) as session:

        def insert(table: Any, **values: Any) -> int:
            return int(session.execute(table.insert().values(**values)).inserted_primary_key[0] or 0)

        session.execute(
            conversations.insert().values(
                id=conversation,
                channel="rest",
                account="",
                sender=sender,
                market="de-DE",
                status="bot",
                last_number=2,
                last_customer_at=NOW,
                created_at=NOW,
            )
        )
        message = insert(
            messages,
            **here,
            channel="rest",
            account=conversation,
            message_id="1",
            number=1,
            text=f"{said} {SHIPPED} {email}",
            attachment={"caption": said},
            market="de-DE",
            state="done",
            received_at=NOW,
        )
        reply = {"number": 2, "answers": message, "name": "utter_x", "language": "de", "text": said, "buttons": []}
        insert(replies, **here, **reply, created_at=NOW)
        session.execute(consents.insert().values(**here, given=True, version="1", at=NOW))
        session.execute(ratings.insert().values(**here, number=2, value=1, at=NOW))
        session.execute(scores.insert().values(**here, score=5, at=NOW))
        session.execute(notes.insert().values(**here, after=2, at=NOW, agent_id=1, text=said))
        event = {"after": 2, "at": NOW, "from_status": "bot", "to_status": "queued", "reason": "wish"}
        session.execute(handoff_events.insert().values(**here, **event))
        session.execute(corrections.insert().values(message_id=message, intent="greet", agent_id=1, at=NOW))
        session.execute(
            identities.insert().values(
                **here,
                customer_id=f"c-{sender}",
                email=email.upper(),
                orders=[SHIPPED],
                verified_at=NOW,
                expires_at=NOW + timedelta(minutes=5),
            )
        )
    shop, key = SqlShop(engine, now=lambda: NOW), f"{conversation}:{conversation}-1"
    shop.open_ticket("handoff", conversation=conversation, market="de-DE", reason="wish", key=f"{key}:ticket")
    shop.add_review("de-DE", 5, conversation=conversation, order=None, key=f"{key}:review")
    _learn_from(engine, conversation, said)


def _learn_from(engine: Engine, conversation: str, said: str) -> None:
    store = Store(engine, SECRET)
    own = TranscriptMessage(conversation, "message 1", "customer", said, customer="x", consent="1", at=NOW)
    store.add([own], source="own", market="de-DE")
    archived = TranscriptMessage(
        f"chat of {conversation}", "7", "customer", said, customer=said, consent="contract", at=NOW
    )
    store.add([archived], source="csv", market="de-DE")
    with transaction(engine) as session:
        ids = session.scalars(select(transcript_messages.c.id).where(transcript_messages.c.text == said)).all()
        for number in ids:
            row = {"message_id": number}
            session.execute(labels.insert().values(**row, intent="greet", labeller="Ada", source="person", at=NOW))
            session.execute(review_skips.insert().values(**row, labeller="Ada", at=NOW))


def _make_tracker(url: str) -> None:
    """Make Rasa's table as Rasa does, with what it would have kept."""
    engine = open_engine(tracker_url(url))
    name = "events"
    with engine.execution_options(writes=True).begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(text(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}"))
            name = f"{SCHEMA}.events"
        key = "SERIAL" if engine.dialect.name == "postgresql" else "INTEGER"
        connection.execute(
            text(
                f"CREATE TABLE {name} (id {key} PRIMARY KEY, sender_id VARCHAR(255), type_name VARCHAR(255), "
                "timestamp FLOAT, intent_name VARCHAR(255), action_name VARCHAR(255), data TEXT)"
            )
        )
        for sender, said in ((ANNAS, SAID), (EVAS, "apfelstrudel")):
            row = {"s": sender, "t": NOW.timestamp(), "d": json.dumps({"event": "user", "text": said})}
            insert = f"INSERT INTO {name} (sender_id, type_name, timestamp, data) VALUES (:s, 'user', :t, :d)"  # noqa: S608
            connection.execute(text(insert), row)
    engine.dispose()


def copy(url: str, folder: Path) -> str:
    """Copy a SQLite installation that nobody has open; returns the copy's URL."""
    for file in files_of(url):
        shutil.copy(file, folder)
    return f"sqlite:///{folder / Path(url).name}"


def files_of(url: str) -> list[Path]:
    """Return the files of a SQLite installation, logs included."""
    folder = Path(url.removeprefix("sqlite:///")).parent
    return sorted(path for path in folder.iterdir() if ".db" in path.name)
