"""What a customer allows and thinks, from the socket to the database row."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from bot.feedback import CONSENT_VERSION
from bot.tables import consents, ratings, scores
from tests.conversations.conftest import Customer
from tests.conversations.polydesk import Polydesk

Come = Callable[..., Customer]


def test_consent_is_no_without_an_answer_and_kept_with_time_and_version(polydesk: Polydesk, customer_in: Come) -> None:
    customer = customer_in("fr-FR")
    mine = consents.c.conversation_id == customer.conversation
    customer.says("Bonjour")
    assert polydesk.rows(consents, mine) == []
    assert customer.widget.socket.call("polydesk_consent", {"given": True}, timeout=30)["ok"]
    assert customer.widget.socket.call("polydesk_consent", {"given": False}, timeout=30)["ok"]
    rows = sorted(polydesk.rows(consents, mine), key=lambda row: row.id)
    assert [(row.given, row.version) for row in rows] == [(True, CONSENT_VERSION), (False, CONSENT_VERSION)]
    assert all(datetime.now(UTC) - row.at < timedelta(minutes=5) for row in rows)


def test_a_thumb_and_a_score_are_stored_and_a_second_thought_counts(polydesk: Polydesk, customer_in: Come) -> None:
    customer = customer_in("it-IT")
    customer.says("quali metodi di pagamento accettate?")
    reply = customer.replies[0]
    for value in (1, -1):
        assert customer.widget.socket.call("polydesk_rate", {"id": reply.id, "value": value}, timeout=30)["ok"]
    for score in (2, 4):
        assert customer.widget.socket.call("polydesk_score", {"score": score}, timeout=30)["ok"]
    thumbs = polydesk.rows(ratings, ratings.c.conversation_id == customer.conversation)
    assert [(row.number, row.value) for row in thumbs] == [(reply.id, -1)]
    assert [row.score for row in polydesk.rows(scores, scores.c.conversation_id == customer.conversation)] == [4]


def test_no_thumb_is_taken_for_another_conversations_reply(polydesk: Polydesk, customer_in: Come) -> None:
    customer = customer_in("it-IT")
    refused = customer.widget.socket.call("polydesk_rate", {"id": 99, "value": 1}, timeout=30)
    assert refused["ok"] is False
    assert polydesk.rows(ratings, ratings.c.conversation_id == customer.conversation) == []
