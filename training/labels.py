"""Labels that people gave: who, when, under which release; read as what they agree on. Touches the database.

for row in labelled_messages(engine, "de-DE"):   # oldest first, with the transcript each row comes from
    ...
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import delete, select, true
from sqlalchemy.engine import Engine

from actions.database import reading, transaction
from training.dataset import Example
from training.tables import CUSTOMER, labels, transcript_messages, transcripts


class UnknownMessageError(ValueError):
    """A label is for a message that there is not, or that was erased since it was asked about."""


@dataclass(frozen=True)
class Label:
    """What one labeller says of one message: who, when, and which release served then.

    `source` is "person" (the review), "agent" (a correction at the desk) or "file" (it came with the archive).
    """

    message_id: int
    intent: str | None
    sentiment: str | None
    labeller: str
    source: str
    at: datetime
    release: str | None = None


@dataclass(frozen=True)
class LabelledMessage:
    """A message whose labellers agree. `transcript` is its transcript's id, for a release's lineage."""

    message: int
    transcript: int
    customer: str
    text: str
    language: str
    intent: str | None
    sentiment: str | None
    at: datetime
    labels: tuple[Label, ...] = field(repr=False)

    @property
    def labelled_at(self) -> datetime:
        """When the last of its labels was given."""
        return max(label.at for label in self.labels)

    def as_example(self) -> Example:
        """Return what training needs of it; the source names the transcript."""
        return Example(self.text, self.intent, self.sentiment, self.language, f"transcript:{self.transcript}")


@dataclass(frozen=True)
class Disagreement:
    """A message on which no answer has more labellers than any other; nobody learns from it until that is settled."""

    message: int
    text: str
    labels: tuple[Label, ...]


class MajorityVote(NamedTuple):
    """What the labellers of a message say together; `divided` where two answers have the most of them."""

    intent: str | None
    sentiment: str | None
    divided: bool


def give_label(engine: Engine, label: Label) -> int:
    """Keep a label and return its number; a labeller's earlier ones stay, her last one counts."""
    with transaction(engine) as session:
        return int(session.execute(labels.insert().values(asdict(label))).inserted_primary_key[0])


def give_labels(engine: Engine, given: Sequence[Label]) -> None:
    """Keep all of the labels, or none: raises `UnknownMessageError` if a message of theirs is not there any more."""
    if not given:
        return
    wanted = {label.message_id for label in given}
    with transaction(engine) as session:
        there = set(session.scalars(select(transcript_messages.c.id).where(transcript_messages.c.id.in_(wanted))))
        if wanted - there:
            raise UnknownMessageError(f"There is no message {', '.join(map(str, sorted(wanted - there)))} any more.")
        session.execute(labels.insert(), [asdict(label) for label in given])


def take_back(engine: Engine, number: int) -> None:
    """Delete a label that was given by mistake."""
    with transaction(engine) as session:
        session.execute(delete(labels).where(labels.c.id == number))


def labelled_messages(engine: Engine, market: str, *, until: datetime | None = None) -> list[LabelledMessage]:
    """Return the market's messages whose labellers agree, oldest message first.

    With `until`, as they agreed then: labels given later are as if nobody had given them.
    """
    agreed = []
    for row, told in _last_words(engine, market, until):
        vote = majority_vote(told)
        if vote.divided:
            continue
        agreed.append(
            LabelledMessage(
                message=row.id,
                transcript=row.transcript_id,
                customer=row.customer,
                text=row.text,
                language=row.language or "",
                intent=vote.intent,
                sentiment=vote.sentiment,
                at=row.at or row.begun_at or row.ingested_at,
                labels=told,
            )
        )
    return sorted(agreed, key=lambda row: (row.at, row.message))


def disagreements(engine: Engine, market: str) -> list[Disagreement]:
    """Return the market's messages on which labellers are divided."""
    return [
        Disagreement(row.id, row.text, told) for row, told in _last_words(engine, market) if majority_vote(told).divided
    ]


def majority_vote(told: Sequence[Label]) -> MajorityVote:
    """Return what most labellers say of intent and of sentiment; who says nothing of one has no vote on it."""
    intent, intent_tied = _most_frequent([label.intent for label in told if label.intent])
    sentiment, sentiment_tied = _most_frequent([label.sentiment for label in told if label.sentiment])
    return MajorityVote(intent, sentiment, intent_tied or sentiment_tied)


def _most_frequent(answers: Sequence[str]) -> tuple[str | None, bool]:
    ranking = Counter(answers).most_common(2)
    tied = len(ranking) == 2 and ranking[0][1] == ranking[1][1]
    return (ranking[0][0] if ranking and not tied else None), tied


def _last_words(engine: Engine, market: str, until: datetime | None = None) -> list[tuple[Any, tuple[Label, ...]]]:
    """Return the market's labelled customer messages, each with every labeller's last label, given by `until`."""
    joined = transcript_messages.join(transcripts)
    columns = [*transcript_messages.c, transcripts.c.customer, transcripts.c.begun_at, transcripts.c.ingested_at]
    of_market = (transcripts.c.market == market) & (transcript_messages.c.speaker == CUSTOMER)
    in_time = true() if until is None else labels.c.at <= until
    labelled = transcript_messages.c.id.in_(select(labels.c.message_id).where(in_time))
    told: dict[int, dict[str, Label]] = defaultdict(dict)
    with reading(engine) as session:
        rows = session.execute(select(*columns).select_from(joined).where(of_market, labelled)).all()
        query = select(labels).select_from(labels.join(joined)).where(of_market, in_time).order_by(labels.c.id)
        for _, *values in session.execute(query):
            label = Label(*values)
            told[label.message_id][label.labeller] = label
    return [(row, tuple(told[row.id].values())) for row in rows]
