"""The review: what is asked first, labels in the terminal and by CSV, and two labellers who disagree."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import select
from sqlalchemy.engine import Engine

from actions.database import reading, transaction
from bot.agent_tables import agents, corrections
from bot.tables import conversations, messages, ratings, replies
from nlu.rows import RowsError
from training.labels import Label, disagreements, give_label, labelled_messages
from training.queue import (
    CORRECTED,
    DISAGREEMENT,
    LOW_MARGIN,
    SECOND_OPINION,
    THUMB_DOWN,
    questions,
    take_over_corrections,
)
from training.review import Session, list_disagreements, read_labels, write_queue
from training.scores import Scored
from training.store import Store, TranscriptMessage
from training.tables import labels, transcript_messages

NOW = datetime(2026, 5, 4, tzinfo=UTC)
INTENTS = ("cancel_order", "track_order", "track_refund")


class Scripted:
    """Scores by the words in a text, so that each reason can be asked for."""

    intents = INTENTS
    release = "de-DE@7"

    def __call__(self, texts: Sequence[str], languages: Sequence[str]) -> list[Scored]:
        return [self._one(text) for text in texts]

    def _one(self, text: str) -> Scored:
        direction = np.zeros(4, dtype=np.float32)
        direction[1 if "gift" in text else 0] = 1
        return Scored(
            release=self.release,
            suggestions=("track_order", "track_refund", "cancel_order"),
            margin=0.05 if "unsure" in text else 0.9,
            out_of_scope=0.9 if "gift" in text else 0.1,
            sentiment="neutral",
            global_intent="cancel_order" if "disputed" in text else "track_order",
            vector=direction,
        )


def store_texts(engine: Engine, texts: Sequence[str], *, origins: Sequence[int] | None = None) -> list[int]:
    said = [
        TranscriptMessage(
            f"c{n}", f"k{n}", "customer", text, at=NOW, consent="yes", origin=origins[n] if origins else None
        )
        for n, text in enumerate(texts)
    ]
    Store(engine, "s" * 32).add(said, source="own", market="de-DE")
    with reading(engine) as session:
        return list(session.scalars(select(transcript_messages.c.id).order_by(transcript_messages.c.id)))


def ask(engine: Engine, labeller: str = "mia", limit: int = 50) -> list[tuple[str, tuple[str, ...]]]:
    found = questions(engine, "de-DE", labeller=labeller, score=Scripted(), limit=limit)
    return [(question.text, question.reasons) for question in found]


def test_uncertain_messages_come_before_certain_ones_with_their_reasons(engine: Engine) -> None:
    store_texts(engine, ["a clear one", "unsure one", "disputed one"])
    assert ask(engine) == [("disputed one", (DISAGREEMENT,)), ("unsure one", (LOW_MARGIN,)), ("a clear one", ())]


def test_unanswered_messages_that_are_alike_are_asked_about_as_a_new_intent(engine: Engine) -> None:
    store_texts(engine, ["a gift card please", "gift cards?", "send a gift card", "unsure one"])
    first = ask(engine)[:3]
    assert all("new intent? 3 alike" in reasons[0] for _, reasons in first)


def test_two_unanswered_messages_are_no_new_intent_yet(sqlite_engine: Engine) -> None:
    store_texts(sqlite_engine, ["a gift card please", "gift cards?"])
    assert [reasons for _, reasons in ask(sqlite_engine)] == [(), ()]


def test_a_text_that_came_often_is_asked_about_once_and_numbers_never(sqlite_engine: Engine) -> None:
    store_texts(sqlite_engine, ["Where is it?", "where is it", "12345", "??"])
    assert len(ask(sqlite_engine)) == 1


def test_thumbs_down_and_agents_corrections_come_first(engine: Engine) -> None:
    first, second = _conversation_at_the_desk(engine)
    store_texts(engine, ["disliked answer", "corrected one", "disputed unsure one"], origins=[first, second, 0])
    assert take_over_corrections(engine, "de-DE") == 1
    found = ask(engine)
    assert {reasons[0] for _, reasons in found[:2]} == {THUMB_DOWN, CORRECTED}
    assert found[2][0] == "disputed unsure one"


def test_a_correction_becomes_a_label_once_with_the_agents_name(engine: Engine) -> None:
    _, corrected = _conversation_at_the_desk(engine)
    store_texts(engine, ["corrected one"], origins=[corrected])
    assert [take_over_corrections(engine, "de-DE") for _ in range(2)] == [1, 0]
    with reading(engine) as session:
        row = session.execute(select(labels)).one()
    assert (row.intent, row.labeller, row.source) == ("track_refund", "kim", "agent")
    assert datetime.now(UTC) - row.at < timedelta(minutes=5)  # when it was taken over, not when it was made


def test_a_second_correction_of_the_same_message_becomes_a_label_too(engine: Engine) -> None:
    _, corrected = _conversation_at_the_desk(engine)
    store_texts(engine, ["corrected one"], origins=[corrected])
    take_over_corrections(engine, "de-DE")
    with transaction(engine) as session:
        second = {"intent": "pay", "at": datetime.now(UTC)}
        first = session.execute(select(corrections.c.message_id, corrections.c.agent_id)).one()._asdict()
        session.execute(corrections.insert().values({**first, **second}))
    assert [take_over_corrections(engine, "de-DE") for _ in range(2)] == [1, 0]
    assert [row.intent for row in labelled_messages(engine, "de-DE")] == ["pay"]


def test_a_label_knows_who_gave_it_when_and_under_which_release(engine: Engine) -> None:
    store_texts(engine, ["unsure one"])
    session, _ = at_terminal(engine, ["-", "2"])
    assert session.label_all(questions(engine, "de-DE", labeller="mia", score=Scripted(), limit=5)) == 1
    (row,) = labelled_messages(engine, "de-DE")
    (label,) = row.labels
    assert (row.intent, row.sentiment) == ("track_refund", "negative")
    assert (label.labeller, label.source, label.release) == ("mia", "person", "de-DE@7")
    assert datetime.now(UTC) - label.at < timedelta(minutes=5)


def test_a_sentiment_that_nobody_typed_is_no_label_though_the_guess_is_shown(sqlite_engine: Engine) -> None:
    store_texts(sqlite_engine, ["unsure one", "clear two"])
    session, lines = at_terminal(sqlite_engine, ["1", "+", "1"])
    session.label_all(questions(sqlite_engine, "de-DE", labeller="mia", score=Scripted(), limit=5))
    found = {row.text: (row.intent, row.sentiment) for row in labelled_messages(sqlite_engine, "de-DE")}
    assert found == {"unsure one": ("track_order", None), "clear two": ("track_order", "positive")}
    assert any("guess: neutral" in line for line in lines)


def test_undo_takes_the_last_label_or_skip_back_and_asks_again(sqlite_engine: Engine) -> None:
    store_texts(sqlite_engine, ["unsure one", "clear two", "clear three"])
    session, lines = at_terminal(sqlite_engine, ["1", "s", "u", "u", "cancel", "q"])
    assert session.label_all(questions(sqlite_engine, "de-DE", labeller="mia", score=Scripted(), limit=5)) == 1
    assert [row.intent for row in labelled_messages(sqlite_engine, "de-DE")] == ["cancel_order"]
    assert [text for text, _ in ask(sqlite_engine)] == ["clear two", "clear three"]
    assert sum("unsure one" in line for line in lines) == 2


def test_a_skipped_message_is_not_asked_again_of_her_but_of_others(sqlite_engine: Engine) -> None:
    store_texts(sqlite_engine, ["unsure one"])
    session, _ = at_terminal(sqlite_engine, ["s"])
    session.label_all(questions(sqlite_engine, "de-DE", labeller="mia", score=Scripted(), limit=5))
    assert ask(sqlite_engine, "mia") == []
    assert len(ask(sqlite_engine, "tom")) == 1


def test_a_new_intent_has_to_be_typed_twice(sqlite_engine: Engine) -> None:
    store_texts(sqlite_engine, ["a gift card", "unsure one"])
    session, lines = at_terminal(sqlite_engine, ["gift_card", "oops", "track", "gift_card", "gift_card", "q"])
    assert session.label_all(questions(sqlite_engine, "de-DE", labeller="mia", score=Scripted(), limit=5)) == 1
    assert [row.intent for row in labelled_messages(sqlite_engine, "de-DE")] == ["gift_card"]
    assert any("which of track_order, track_refund" in line for line in lines)


def test_the_end_of_input_ends_the_review_and_keeps_what_was_labelled(sqlite_engine: Engine) -> None:
    store_texts(sqlite_engine, ["unsure one", "clear two"])
    session, _ = at_terminal(sqlite_engine, ["o"])
    assert session.label_all(questions(sqlite_engine, "de-DE", labeller="mia", score=Scripted(), limit=5)) == 1
    assert [row.intent for row in labelled_messages(sqlite_engine, "de-DE")] == ["out_of_scope"]


def test_ctrl_c_ends_the_review_as_a_quit_does_also_in_the_middle_of_a_new_name(sqlite_engine: Engine) -> None:
    store_texts(sqlite_engine, ["unsure one", "a gift card"])
    session, _ = at_terminal(sqlite_engine, ["o", "gift_card"], end=KeyboardInterrupt)
    assert session.label_all(questions(sqlite_engine, "de-DE", labeller="mia", score=Scripted(), limit=5)) == 1
    assert [row.intent for row in labelled_messages(sqlite_engine, "de-DE")] == ["out_of_scope"]


def test_a_message_that_was_erased_since_the_queue_was_written_is_named_and_nothing_is_kept(
    engine: Engine, tmp_path: Path
) -> None:
    store_texts(engine, ["unsure one", "a clear one"])
    path = tmp_path / "queue.csv"
    write_queue(path, questions(engine, "de-DE", labeller="mia", score=Scripted(), limit=5))
    _fill(path, intents=["cancel_order", "cancel_order"], change={"message": "12345 de-DE@7"})
    with pytest.raises(RowsError, match="no message 12345 any more"):
        read_labels(engine, path, labeller="mia")
    assert labelled_messages(engine, "de-DE") == []


def test_a_row_that_breaks_off_is_named(sqlite_engine: Engine, tmp_path: Path) -> None:
    path = tmp_path / "queue.csv"
    path.write_text("message,language,text,reasons,suggestions,intent,sentiment\n,de,t,r,s,greet\n", encoding="utf-8")
    with pytest.raises(RowsError, match="Row 2"):
        read_labels(sqlite_engine, path, labeller="mia")


def test_two_labellers_who_disagree_are_both_kept_listed_and_not_learned_from(engine: Engine) -> None:
    (message,) = store_texts(engine, ["where is my money"])
    for labeller, intent in (("mia", "track_refund"), ("tom", "track_order")):
        give_label(engine, Label(message, intent, "neutral", labeller, "person", NOW, "de-DE@7"))
    assert labelled_messages(engine, "de-DE") == []
    (divided,) = disagreements(engine, "de-DE")
    assert {(label.labeller, label.intent) for label in divided.labels} == {
        ("mia", "track_refund"),
        ("tom", "track_order"),
    }
    lines: list[str] = []
    list_disagreements(engine, "de-DE", lines.append)
    assert any("tom, 2026-05-04: track_order" in line for line in lines)


def test_a_third_labeller_or_a_change_of_mind_settles_a_disagreement(sqlite_engine: Engine) -> None:
    first, second = store_texts(sqlite_engine, ["where is my money", "and my parcel"])
    for message in (first, second):
        give_label(sqlite_engine, Label(message, "track_refund", None, "mia", "person", NOW))
        give_label(sqlite_engine, Label(message, "track_order", None, "tom", "person", NOW))
    give_label(sqlite_engine, Label(first, "track_order", None, "ann", "person", NOW))
    give_label(sqlite_engine, Label(second, "track_refund", None, "tom", "person", NOW))
    assert [row.intent for row in labelled_messages(sqlite_engine, "de-DE")] == ["track_order", "track_refund"]


def test_what_another_has_labelled_is_asked_about_last(sqlite_engine: Engine) -> None:
    labelled, _ = store_texts(sqlite_engine, ["unsure disputed one", "a clear one"])
    give_label(sqlite_engine, Label(labelled, "track_order", None, "tom", "person", NOW))
    found = ask(sqlite_engine)
    assert found[-1][0] == "unsure disputed one"
    assert SECOND_OPINION in found[-1][1]


def test_the_queue_goes_through_a_csv_and_comes_back_as_labels(engine: Engine, tmp_path: Path) -> None:
    store_texts(engine, ["unsure one", "a clear one"])
    queue = questions(engine, "de-DE", labeller="mia", score=Scripted(), limit=5)
    path = tmp_path / "queue.csv"
    write_queue(path, queue)
    _fill(path, intents=["cancel_order", ""])
    assert read_labels(engine, path, labeller="mia") == 1
    (row,) = labelled_messages(engine, "de-DE")
    assert (row.text, row.intent, row.labels[0].release) == ("unsure one", "cancel_order", "de-DE@7")


@pytest.mark.parametrize(("column", "value"), [("message", "x"), ("sentiment", "furious")])
def test_a_row_that_cannot_be_right_is_named_and_nothing_is_kept(
    sqlite_engine: Engine, tmp_path: Path, column: str, value: str
) -> None:
    store_texts(sqlite_engine, ["unsure one", "a clear one"])
    path = tmp_path / "queue.csv"
    write_queue(path, questions(sqlite_engine, "de-DE", labeller="mia", score=Scripted(), limit=5))
    _fill(path, intents=["cancel_order", "cancel_order"], change={column: value})
    with pytest.raises(RowsError, match="Row 3"):
        read_labels(sqlite_engine, path, labeller="mia")
    assert labelled_messages(sqlite_engine, "de-DE") == []


def at_terminal(
    engine: Engine, keys: list[str], *, end: type[BaseException] = EOFError
) -> tuple[Session, list[str]]:
    """A session whose labeller types these lines, then `end`; and what she reads."""
    lines: list[str] = []
    typed = iter(keys)

    def read(prompt: str) -> str:
        lines.append(prompt)
        try:
            return next(typed)
        except StopIteration as last:
            raise end from last

    return Session(engine, "mia", INTENTS, read, lines.append), lines


def _fill(path: Path, *, intents: list[str], change: dict[str, str] | None = None) -> None:
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    for row, intent in zip(rows, intents, strict=True):
        row["intent"] = intent
    rows[-1].update(change or {})
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)


def _conversation_at_the_desk(engine: Engine) -> tuple[int, int]:
    """A conversation of two messages: the answer to the first got a thumb down, the second was corrected by Kim."""
    with transaction(engine) as session:
        row = {"id": "c", "channel": "rest", "account": "", "sender": "s", "market": "de-DE", "status": "bot"}
        session.execute(conversations.insert().values({**row, "last_number": 3, "created_at": NOW, "status_at": NOW}))
        ids = []
        for number in (1, 3):
            message = {"conversation_id": "c", "channel": "rest", "account": "c", "message_id": str(number)}
            said = {"number": number, "text": "t", "market": "de-DE", "state": "done", "received_at": NOW}
            ids.append(session.execute(messages.insert().values({**message, **said})).inserted_primary_key[0])
        reply = {"conversation_id": "c", "number": 2, "answers": ids[0], "name": "n", "language": "de", "text": "t"}
        session.execute(replies.insert().values({**reply, "buttons": [], "created_at": NOW}))
        session.execute(ratings.insert().values(conversation_id="c", number=2, value=-1, at=NOW))
        agent = {"name": "kim", "role": "agent", "created_at": NOW}
        session.execute(agents.insert().values({**agent, **_required(agents, agent)}))
        kim = session.execute(select(agents.c.id)).scalar()
        session.execute(corrections.insert().values(message_id=ids[1], intent="track_refund", agent_id=kim, at=NOW))
    return ids[0], ids[1]


def _required(table: object, given: dict[str, object]) -> dict[str, object]:
    """Values for the columns of an agent that must not be empty and do not matter here."""
    fill = {
        "password": "x",
        "password_hash": "x",
        "enabled": True,
        "disabled": False,
        "available": False,
        "email": "k@e.com",
    }
    return {name: value for name, value in fill.items() if name in table.c and name not in given}  # type: ignore[attr-defined]
