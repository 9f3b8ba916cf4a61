"""The handoff on real databases: whose a conversation is, what customers are told, and that the bot is silent."""

from __future__ import annotations

import random
import threading
import time
import unicodedata
from collections import Counter
from collections.abc import Callable

import pytest
from sqlalchemy.engine import Engine

from bot.agent_tables import handoff_events, notes
from bot.handoff import Agent, NoSuchAgent
from bot.inbox import Stored
from bot.ownership import ChangeRefused
from bot.rasa_client import Handoff as AskedFor
from bot.tables import DONE, LEFT_TO_AGENT, conversations, messages, replies
from tests.bot.agents_for_tests import Desk

INTERLEAVINGS = 200


@pytest.fixture
def desk(engine: Engine) -> Desk:
    return Desk(engine)


def test_a_conversation_goes_from_the_bot_to_an_agent_and_back_and_every_change_is_noted(desk: Desk) -> None:
    anna = desk.agent("Anna")
    key = desk.conversation()
    desk.handoff.claim(key, anna)
    assert (desk.row(key).status, desk.row(key).agent_id) == ("agent", anna.id)
    desk.handoff.reply(key, anna, "Guten Tag")
    desk.handoff.hand_back(key, anna)
    assert (desk.row(key).status, desk.row(key).agent_id) == ("bot", None)
    assert desk.history(key) == [
        ("bot", "queued", "wish"),
        ("queued", "agent", "claimed"),
        ("agent", "bot", "handed_back"),
    ]
    claimed = desk.rows(handoff_events, handoff_events.c.reason == "claimed")[0]
    assert (claimed.by_agent, claimed.to_agent, claimed.from_agent) == (anna.id, anna.id, None)
    assert claimed.at == desk.clock()
    assert desk.names_said(key) == [
        "utter_hello",
        "edge_handoff_joined",
        "agent_reply",
        "edge_handoff_handed_back",
    ]
    assert desk.said(key)[2].agent_id == anna.id


def test_the_reason_and_the_ticket_that_the_dialogue_gives_are_kept(desk: Desk) -> None:
    key = desk.conversation(queued=False)
    message = desk.customer_writes(key)
    desk.bot_answers(message, "utter_handoff_queued", handoff=AskedFor("T7", "repeated_negative"))
    row = desk.row(key)
    assert (row.status, row.handoff_reason, row.ticket) == ("queued", "repeated_negative", "T7")
    assert desk.history(key) == [("bot", "queued", "repeated_negative")]


def test_the_bot_goes_on_answering_in_the_queue_and_keeps_the_place(desk: Desk) -> None:
    key = desk.conversation()
    since = desk.row(key).status_at
    desk.clock.passes(minutes=5)
    said = desk.bot_answers(desk.customer_writes(key), "utter_more", handoff=AskedFor("T9", "not_understood"))
    assert said == ["utter_more"]
    assert desk.row(key).status_at == since


def test_only_one_of_two_agents_gets_a_conversation(desk: Desk) -> None:
    anna, ben = desk.agent("Anna"), desk.agent("Ben")
    key = desk.conversation()
    desk.handoff.claim(key, anna)
    with pytest.raises(ChangeRefused) as refused:
        desk.handoff.claim(key, ben)
    assert refused.value.owner.agent == anna.id
    for step in (desk.handoff.hand_back, desk.handoff.close, desk.handoff.put_back):
        with pytest.raises(ChangeRefused):
            step(key, ben)
    with pytest.raises(ChangeRefused):
        desk.handoff.reply(key, ben, "It is me now")
    assert "It is me now" not in [reply.text for reply in desk.said(key)]
    assert desk.row(key).agent_id == anna.id


def test_a_supervisor_takes_over_but_does_not_speak_in_anothers_conversation(desk: Desk) -> None:
    anna, samir = desk.agent("Anna"), desk.agent("Samir", "supervisor")
    key = desk.conversation()
    desk.handoff.claim(key, anna)
    with pytest.raises(ChangeRefused):
        desk.handoff.reply(key, samir, "Hello")
    desk.handoff.claim(key, samir)
    desk.handoff.reply(key, samir, "Hello")
    with pytest.raises(ChangeRefused):
        desk.handoff.reply(key, anna, "Still me")
    assert desk.history(key)[-1] == ("agent", "agent", "taken_over")


def test_an_agent_cannot_take_what_nobody_has_queued(desk: Desk) -> None:
    anna, samir = desk.agent("Anna"), desk.agent("Samir", "supervisor")
    key = desk.conversation(queued=False)
    with pytest.raises(ChangeRefused):
        desk.handoff.claim(key, anna)
    desk.handoff.claim(key, samir)
    assert desk.row(key).agent_id == samir.id


def test_a_transfer_names_the_new_owner_to_the_customer_and_brings_the_note_along(desk: Desk) -> None:
    anna, ben = desk.agent("Anna"), desk.agent("Ben")
    key = desk.conversation()
    desk.handoff.claim(key, anna)
    desk.handoff.transfer(key, anna, ben.id, note="speaks only German")
    assert desk.row(key).agent_id == ben.id
    assert "Ben" in desk.said(key)[-1].text
    assert [note.text for note in desk.rows(notes)] == ["speaks only German"]
    assert "speaks only German" not in [reply.text for reply in desk.said(key)]
    desk.handoff.reply(key, ben, "Hallo")


def test_nothing_is_transferred_to_somebody_who_is_gone(desk: Desk) -> None:
    anna, ben = desk.agent("Anna"), desk.agent("Ben")
    key = desk.conversation()
    desk.handoff.claim(key, anna)
    desk.accounts.disable("Ben")
    for nobody in (ben.id, 999):
        with pytest.raises(NoSuchAgent):
            desk.handoff.transfer(key, anna, nobody)
    assert desk.row(key).agent_id == anna.id


def test_from_the_claim_on_the_bot_says_nothing_not_even_what_it_was_thinking_of(desk: Desk) -> None:
    anna = desk.agent("Anna")
    key = desk.conversation()
    thinking = desk.customer_writes(key)
    desk.handoff.claim(key, anna)
    assert desk.bot_answers(thinking, "utter_late") == []
    assert desk.customer_writes(key, "are you there?").state == LEFT_TO_AGENT
    assert "utter_late" not in desk.names_said(key)


def test_a_closed_conversation_begins_anew_with_the_bot_when_the_customer_writes(desk: Desk) -> None:
    anna = desk.agent("Anna")
    key = desk.conversation()
    desk.handoff.claim(key, anna)
    desk.handoff.close(key, anna)
    assert desk.row(key).status == "closed"
    assert desk.bot_answers(desk.customer_writes(key, "one more thing"), "utter_again") == ["utter_again"]
    row = desk.row(key)
    assert (row.status, row.agent_id, row.handoff_reason, row.ticket) == ("bot", None, None, None)
    assert desk.history(key)[-2:] == [("agent", "closed", "closed"), ("closed", "bot", "customer_wrote")]


def test_what_customers_are_told_is_in_their_language(desk: Desk) -> None:
    anna = desk.agent("Anna")
    names = ("joined", "transferred", "handed_back", "closed", "nobody_available", "out_of_hours", "still_waiting")
    values = {"agent": "Anna", "opens": "09:00", "closes": "18:00", "first_day": "sun", "last_day": "thu"}
    for language in desk.markets.languages:
        told = [desk.texts.edge(language, f"handoff_{name}", **values) for name in (*names, "agent_silent")]
        assert len(set(told)) == len(told)
        assert "Anna" in told[0]
        assert "09:00" in told[5] and "18:00" in told[5]
        first = next(kind for kind in map(unicodedata.bidirectional, told[0]) if kind in ("L", "R", "AL"))
        assert (first == "AL") == (language == "ar"), "a Latin name at its beginning would turn an Arabic text round"
    key = desk.conversation(market="ja-JP", queued=False)
    desk.handoff.queue(key, reason="wish")
    desk.handoff.claim(key, anna)
    assert desk.said(key)[-1].text == desk.texts.edge("de", "handoff_joined", agent="Anna"), "she wrote German"


def test_200_interleavings_of_claims_and_turns_have_one_owner_and_a_silent_bot(desk: Desk) -> None:
    anna, ben = desk.agent("Anna"), desk.agent("Ben")
    order = random.Random(5)
    claims: dict[str, list[Agent]] = {key: [] for key in desk.queue_of(INTERLEAVINGS)}
    for key, claimed in claims.items():
        thinking = desk.customer_writes(key, "first")
        _at_once(
            [_turn(desk, thinking), _next_turn(desk, key), *(_claim(desk, key, who, claimed) for who in (anna, ben))],
            order,
        )
    rows = {row.id: row for row in desk.rows(conversations)}
    for key, claimed in claims.items():
        assert [rows[key].agent_id] == [agent.id for agent in claimed]
    _check_silence(desk)


def _turn(desk: Desk, message: Stored) -> Callable[[], object]:
    return lambda: desk.bot_answers(message, "utter_first", "utter_second")


def _next_turn(desk: Desk, key: str) -> Callable[[], object]:
    return lambda: desk.bot_answers(desk.customer_writes(key, "second"), "utter_first", "utter_second")


def _claim(desk: Desk, key: str, agent: Agent, claimed: list[Agent]) -> Callable[[], object]:
    def claim() -> None:
        try:
            desk.handoff.claim(key, agent)
        except ChangeRefused:
            return
        claimed.append(agent)

    return claim


def _check_silence(desk: Desk) -> None:
    said = desk.rows(replies)
    joined = {reply.conversation_id: reply.number for reply in said if reply.name == "edge_handoff_joined"}
    after = [reply for reply in said if reply.author == "bot" and reply.number > joined[reply.conversation_id]]
    assert after == []
    answers = Counter(reply.answers for reply in said if reply.author == "bot")
    states = {message.id: message.state for message in desk.rows(messages)}
    assert set(states.values()) == {DONE, LEFT_TO_AGENT}, "both happened: the claim came first, and the turn did"
    for message, state in states.items():
        assert answers[message] == (2 if state == DONE else 0), "a turn is said whole or not at all"


def _at_once(steps: list[Callable[[], object]], order: random.Random) -> None:
    """Run steps in threads that are let loose together, each after a moment of its own."""
    failures: list[BaseException] = []
    gate = threading.Barrier(len(steps))

    def run(step: Callable[[], object], moment: float) -> None:
        gate.wait()
        time.sleep(moment)  # what is random about the interleaving
        try:
            step()
        except BaseException as error:  # to be raised where the test sees it
            failures.append(error)

    threads = [threading.Thread(target=run, args=(step, order.random() * 0.004)) for step in steps]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
