from __future__ import annotations

import pytest

from tests.bot.channels.played import line_body, line_event
from tests.bot.channels.reading import heard


def test_all_events_of_a_request_are_read_in_order() -> None:
    text = line_event("e1", sender="U1", message={"id": "1", "type": "text", "text": "注文は?"})
    postback = line_event("e2", sender="U1", postback={"data": "/affirm"})

    first, second = heard("line", line_body(text, postback))

    assert (first.sender, first.message_id, first.text) == ("U1", "1", "注文は?")
    assert (second.payload, second.message_id) == ("/affirm", "e2")


def test_a_message_that_is_delivered_again_has_the_id_that_it_had() -> None:
    event = line_event("e1", message={"id": "1", "type": "text", "text": "注文は?"})
    again = {**event, "deliveryContext": {"isRedelivery": True}}

    assert heard("line", line_body(event)) == heard("line", line_body(again))


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        ({"id": "1", "type": "image", "contentProvider": {"type": "line"}}, "image"),
        ({"id": "1", "type": "audio", "duration": 60000}, "voice"),
        ({"id": "1", "type": "location", "latitude": 35.6, "longitude": 139.7}, "location"),
        ({"id": "1", "type": "sticker", "packageId": "446", "stickerId": "1988"}, "other"),
    ],
)
def test_what_is_no_text_keeps_its_kind(message: dict[str, object], kind: str) -> None:
    [one] = heard("line", line_body(line_event("e1", message=message)))

    assert one.kind == kind
    assert one.attachment == {"type": message["type"], "content": message}


def test_the_verification_other_events_groups_and_standby_are_no_messages() -> None:
    text = {"id": "1", "type": "text", "text": "こんにちは"}
    events = (
        line_event("e1", follow={"isUnblocked": False}),
        line_event("e2", unsend={"messageId": "1"}),
        {**line_event("e3", message=text), "source": {"type": "group", "groupId": "C1", "userId": "U1"}},
        {**line_event("e4", message=text), "mode": "standby"},
    )

    assert heard("line", line_body(*events)) == []
    assert heard("line", line_body()) == []
