"""Orders the messages of a market by what a label of theirs would teach. Touches the database.

First come thumbs down and agents' corrections, then intents that the bot may not know, messages on which the market's
and the global adapter disagree, and those with a low margin between the two best intents.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from sklearn.cluster import DBSCAN
from sqlalchemy import func, select
from sqlalchemy.engine import Engine

from actions.database import insert_if_new, reading, transaction
from bot.agent_tables import agents, corrections
from bot.tables import messages, ratings, replies
from training.duplicates import plain_letters
from training.labels import Label, give_labels
from training.scores import Scored, Scorer
from training.tables import (
    CUSTOMER,
    DESK_AGENT,
    OWN,
    labels,
    review_skips,
    transcript_messages,
    transcripts,
)

THUMB_DOWN = "thumb down"
CORRECTED = "corrected by an agent"
DISAGREEMENT = "the adapters disagree"
LOW_MARGIN = "low margin"
SECOND_OPINION = "second opinion"
# How much a reason weighs; a margin adds up to one more.
WEIGHTS = {THUMB_DOWN: 4.0, CORRECTED: 4.0, DISAGREEMENT: 1.5, LOW_MARGIN: 0.0, SECOND_OPINION: -6.0}
NEW_INTENT_WEIGHT = 2.0
MARGIN = 0.3
UNANSWERED = 0.5  # out-of-scope score from which the bot does not answer
# At least so many messages whose vectors are at most so far apart (cosine) look like a request of their own.
CLUSTER_SIZE, CLUSTER_DISTANCE = 3, 0.12
# What is looked at in one review, the youngest first; the rest waits for the next.
AT_MOST = 5000


@dataclass(frozen=True)
class Question:
    """A message to label: why it is asked about, and what the serving release suggests."""

    message: int
    text: str
    language: str
    reasons: tuple[str, ...]
    suggestions: tuple[str, ...]
    sentiment: str | None
    release: str
    weight: float


@dataclass(frozen=True)
class _Open:
    """A customer's message that this labeller has not labelled."""

    id: int
    text: str
    language: str
    origin: int | None
    labelled_by_others: bool


def questions(engine: Engine, market: str, *, labeller: str, score: Scorer, limit: int) -> list[Question]:
    """Return the labeller's next questions, the most instructive first; a text that came often is asked about once."""
    opened = _distinct(_open(engine, market, labeller))
    scored = score([one.text for one in opened], [one.language for one in opened])
    told = _told(engine, opened)
    clusters = _clusters(scored)
    found = [
        _question(one, said, [*told[one.id], *([clusters[place]] if place in clusters else [])])
        for place, (one, said) in enumerate(zip(opened, scored, strict=True))
    ]
    return sorted(found, key=lambda question: (-question.weight, question.message))[:limit]


def take_over_corrections(engine: Engine, market: str) -> int:
    """Make labels of the corrections that agents made at the desk since the last time; returns how many.

    They count as given now, so that a retraining finds them new however long they have waited.
    """
    now = datetime.now(UTC)
    joined = (
        corrections.join(transcript_messages, transcript_messages.c.origin == corrections.c.message_id)
        .join(transcripts, transcripts.c.id == transcript_messages.c.transcript_id)
        .join(agents, agents.c.id == corrections.c.agent_id)
    )
    taken_over = (
        select(labels.c.message_id, labels.c.labeller, func.max(labels.c.at).label("at"))
        .where(labels.c.source == DESK_AGENT)
        .group_by(labels.c.message_id, labels.c.labeller)
    )
    query = (
        select(
            transcript_messages.c.id,
            corrections.c.intent,
            agents.c.name,
            corrections.c.at,
            transcript_messages.c.release,
        )
        .select_from(joined)
        .where(transcripts.c.source == OWN, transcripts.c.market == market, transcript_messages.c.speaker == CUSTOMER)
        .where(corrections.c.at <= now)
        .order_by(corrections.c.id)
    )
    with reading(engine) as session:
        last = {(row.message_id, row.labeller): row.at for row in session.execute(taken_over)}
        rows = session.execute(query).all()
    fresh = [row for row in rows if (row.id, row.name) not in last or row.at > last[row.id, row.name]]
    give_labels(engine, [Label(row.id, row.intent, None, row.name, DESK_AGENT, now, row.release) for row in fresh])
    return len(fresh)


def skip(engine: Engine, message: int, labeller: str, at: datetime) -> None:
    """Remember that a labeller does not want to decide; she is not asked again."""
    with transaction(engine) as session:
        insert_if_new(session, review_skips, message_id=message, labeller=labeller, at=at)


def unskip(engine: Engine, message: int, labeller: str) -> None:
    """Forget a skip."""
    with transaction(engine) as session:
        this = (review_skips.c.message_id == message) & (review_skips.c.labeller == labeller)
        session.execute(review_skips.delete().where(this))


def _open(engine: Engine, market: str, labeller: str) -> list[_Open]:
    mine = select(labels.c.message_id).where(labels.c.labeller == labeller)
    skipped = select(review_skips.c.message_id).where(review_skips.c.labeller == labeller)
    columns = transcript_messages.c
    query = (
        select(columns.id, columns.text, columns.language, columns.origin, columns.id.in_(select(labels.c.message_id)))
        .join(transcripts)
        .where(transcripts.c.market == market, columns.speaker == CUSTOMER)
        .where(columns.id.not_in(mine), columns.id.not_in(skipped))
        .order_by(columns.id.desc())
        .limit(AT_MOST)
    )
    with reading(engine) as session:
        return [_Open(row[0], row[1], row[2] or "", row[3], bool(row[4])) for row in session.execute(query)]


def _distinct(opened: Iterable[_Open]) -> list[_Open]:
    """Keep one of each text, and none that says nothing in letters."""
    kept: dict[str, _Open] = {}
    for one in opened:
        plain = plain_letters(one.text)
        if any(character.isalpha() for character in plain):
            kept.setdefault(plain, one)
    return list(kept.values())


def _told(engine: Engine, opened: Sequence[_Open]) -> dict[int, list[str]]:
    """Return what customers and agents said about the bot's understanding, by message."""
    origins = {one.origin: one.id for one in opened if one.origin is not None}
    of_reply = (replies.c.conversation_id == ratings.c.conversation_id) & (replies.c.number == ratings.c.number)
    down = select(replies.c.answers).join(ratings, of_reply).join(messages, messages.c.id == replies.c.answers)
    reasons: dict[int, list[str]] = defaultdict(list)
    with reading(engine) as session:
        thumbs = set(session.scalars(down.where(ratings.c.value == -1)))
        corrected = set(session.scalars(select(labels.c.message_id).where(labels.c.source == DESK_AGENT)))
    for origin, message in origins.items():
        if origin in thumbs:
            reasons[message].append(THUMB_DOWN)
    for one in opened:
        if one.id in corrected:
            reasons[one.id].append(CORRECTED)
        elif one.labelled_by_others:
            reasons[one.id].append(SECOND_OPINION)
    return reasons


def _clusters(scored: Sequence[Scored]) -> dict[int, str]:
    """Return, by place, the name of the cluster of unanswered messages that each belongs to."""
    places = [place for place, one in enumerate(scored) if one.out_of_scope >= UNANSWERED]
    if len(places) < CLUSTER_SIZE:
        return {}
    vectors = np.stack([scored[place].vector for place in places])
    found = DBSCAN(eps=CLUSTER_DISTANCE, min_samples=CLUSTER_SIZE, metric="cosine").fit_predict(vectors)
    sizes = Counter(found)
    return {
        place: f"new intent? {sizes[cluster]} alike (group {cluster + 1})"
        for place, cluster in zip(places, found, strict=True)
        if cluster >= 0
    }


def _question(one: _Open, said: Scored, reasons: list[str]) -> Question:
    if said.global_intent is not None and said.suggestions and said.global_intent != said.suggestions[0]:
        reasons = [*reasons, DISAGREEMENT]
    if said.margin < MARGIN:
        reasons = [*reasons, LOW_MARGIN]
    weight = sum(WEIGHTS.get(reason, NEW_INTENT_WEIGHT) for reason in reasons) + 1 - said.margin
    return Question(
        one.id, one.text, one.language, tuple(reasons), said.suggestions, said.sentiment, said.release, weight
    )
