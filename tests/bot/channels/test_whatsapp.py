from __future__ import annotations

import pytest

from tests.bot.channels.played import whatsapp_body, whatsapp_message
from tests.bot.channels.reading import heard

ANNA, BEN = "16505551234", "16505559999"


def test_all_messages_of_a_batch_are_read_in_order() -> None:
    first = whatsapp_message("wamid.1", sender=ANNA, text={"body": "Hallo"})
    second = whatsapp_message("wamid.2", sender=BEN, text={"body": "Guten Tag"})

    assert [(one.sender, one.message_id, one.text) for one in heard("whatsapp", whatsapp_body(first, second))] == [
        (ANNA, "wamid.1", "Hallo"),
        (BEN, "wamid.2", "Guten Tag"),
    ]


def test_a_message_that_cannot_be_read_does_not_hold_up_the_others() -> None:
    good = whatsapp_message("wamid.2", text={"body": "Hallo"})

    assert [one.message_id for one in heard("whatsapp", whatsapp_body({"from": 7}, good))] == ["wamid.2"]


def test_what_is_told_of_our_own_messages_is_no_message() -> None:
    status = {"id": "wamid.3", "status": "failed", "timestamp": "1", "recipient_id": ANNA, "errors": [{"code": 131047}]}

    assert heard("whatsapp", whatsapp_body(statuses=[status])) == []


@pytest.mark.parametrize(
    "content",
    [
        {"interactive": {"type": "button_reply", "button_reply": {"id": "/affirm", "title": "Ja"}}},
        {"interactive": {"type": "list_reply", "list_reply": {"id": "/affirm", "title": "Ja", "description": "d"}}},
        {"button": {"payload": "/affirm", "text": "Ja"}},
    ],
)
def test_pressed_buttons_are_read(content: dict[str, object]) -> None:
    [pressed] = heard("whatsapp", whatsapp_body(whatsapp_message("wamid.4", **content)))

    assert (pressed.payload, pressed.text) == ("/affirm", "Ja")


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        ({"image": {"mime_type": "image/jpeg", "id": "2754859441498128"}}, "image"),
        ({"audio": {"mime_type": "audio/ogg; codecs=opus", "id": "1", "voice": True}}, "voice"),
        ({"location": {"latitude": 48.2, "longitude": 16.4}}, "location"),
        ({"sticker": {"mime_type": "image/webp", "id": "1"}}, "other"),
        ({"contacts": [{"name": {"formatted_name": "Ben"}}]}, "other"),
        ({"unsupported": {"type": "poll"}}, "other"),
    ],
)
def test_what_is_no_text_keeps_its_kind_and_its_reference(content: dict[str, object], kind: str) -> None:
    [one] = heard("whatsapp", whatsapp_body(whatsapp_message("wamid.5", **content)))

    [(name, part)] = content.items()
    assert (one.kind, one.text) == (kind, "")
    assert one.attachment == {"type": name, "content": part}


def test_a_caption_is_what_the_customer_says() -> None:
    image = {"image": {"id": "1", "caption": "Das kam kaputt an"}}
    [one] = heard("whatsapp", whatsapp_body(whatsapp_message("wamid.6", **image)))

    assert (one.kind, one.text) == ("text", "Das kam kaputt an")
    assert one.attachment is not None


def test_an_emoji_on_one_of_our_messages_is_no_message() -> None:
    reaction = {"reaction": {"message_id": "wamid.0", "emoji": "👍"}}

    assert heard("whatsapp", whatsapp_body(whatsapp_message("wamid.7", **reaction))) == []
