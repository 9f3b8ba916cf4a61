from __future__ import annotations

import pytest

from tests.bot.channels.played import telegram_body, telegram_message
from tests.bot.channels.reading import heard


def test_a_message_has_the_updates_id_and_the_language_of_the_app() -> None:
    [one] = heard("telegram", telegram_body(10000, message=telegram_message(111, text="Hallo")))

    assert (one.sender, one.message_id, one.text, one.language_hint) == ("111", "10000", "Hallo", "de")


def test_an_edited_message_is_a_message_of_its_own() -> None:
    [one] = heard("telegram", telegram_body(10001, edited_message=telegram_message(edit_date=1, text="Hallo!")))

    assert (one.message_id, one.text) == ("10001", "Hallo!")


def test_a_place_that_moves_is_told_once() -> None:
    place = {"latitude": 1.0, "longitude": 2.0, "live_period": 900}

    [one] = heard("telegram", telegram_body(1, message=telegram_message(location=place)))
    assert (one.kind, one.attachment) == ("location", {"type": "location", "content": place})
    assert heard("telegram", telegram_body(2, edited_message=telegram_message(location=place))) == []


def test_a_pressed_button_has_its_payload_and_its_title() -> None:
    keyboard = {
        "inline_keyboard": [[{"text": "Ja", "callback_data": "/affirm"}], [{"text": "Nein", "callback_data": "/deny"}]]
    }
    query = {"id": "4382bfdwdsb323b2d9", "from": {"id": 111}, "data": "/deny", "inline_message_id": "1"}
    body = telegram_body(3, callback_query={**query, "message": telegram_message(111, text="?", reply_markup=keyboard)})

    [one] = heard("telegram", body)

    assert (one.sender, one.payload, one.text) == ("111", "/deny", "Nein")


@pytest.mark.parametrize(
    ("content", "kind", "text"),
    [
        ({"photo": [{"file_id": "A", "width": 90}], "caption": "kaputt"}, "text", "kaputt"),
        ({"photo": [{"file_id": "A", "width": 90}]}, "image", ""),
        ({"voice": {"file_id": "A", "duration": 2}}, "voice", ""),
        ({"sticker": {"file_id": "A"}}, "other", ""),
        ({"poll": {"id": "1"}}, "other", ""),
    ],
)
def test_what_is_no_text_keeps_its_kind(content: dict[str, object], kind: str, text: str) -> None:
    [one] = heard("telegram", telegram_body(4, message=telegram_message(**content)))

    assert (one.kind, one.text) == (kind, text)
    assert one.attachment is not None


def test_groups_and_unknown_updates_are_not_served() -> None:
    group = {**telegram_message(text="Hallo"), "chat": {"id": -5, "type": "group"}}

    assert heard("telegram", telegram_body(5, message=group)) == []
    assert heard("telegram", telegram_body(6, my_chat_member={"chat": {"id": 1}})) == []
