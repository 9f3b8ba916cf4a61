from __future__ import annotations

import pytest

from tests.bot.channels.played import OUR_NUMBER, twilio_body
from tests.bot.channels.reading import heard


def test_the_sender_is_the_customer_and_the_number_that_she_wrote_to() -> None:
    [one] = heard("twilio", twilio_body("SM1", sender="whatsapp:+4917012345", Body="Grüße & Küsse + mehr"))

    assert (one.sender, one.message_id) == (f"whatsapp:+4917012345 {OUR_NUMBER}", "SM1")
    assert one.text == "Grüße & Küsse + mehr"


def test_what_is_told_of_our_own_messages_is_no_message() -> None:
    assert heard("twilio", twilio_body("SM2", MessageStatus="delivered", SmsStatus="delivered")) == []


def test_a_button_of_whatsapp_is_read() -> None:
    [one] = heard("twilio", twilio_body("SM3", Body="Ja", ButtonText="Ja", ButtonPayload="/affirm"))

    assert (one.payload, one.text) == ("/affirm", "Ja")


@pytest.mark.parametrize(
    ("fields", "kind", "content"),
    [
        (
            {"NumMedia": "1", "MediaUrl0": "https://m.example/1", "MediaContentType0": "image/jpeg"},
            "image",
            ["https://m.example/1"],
        ),
        (
            {"NumMedia": "1", "MediaUrl0": "https://m.example/2", "MediaContentType0": "audio/ogg"},
            "voice",
            ["https://m.example/2"],
        ),
        (
            {"NumMedia": "1", "MediaUrl0": "https://m.example/3", "MediaContentType0": "text/vcard"},
            "other",
            ["https://m.example/3"],
        ),
        ({"Latitude": "1.5", "Longitude": "2.5"}, "location", {"Latitude": "1.5", "Longitude": "2.5"}),
    ],
)
def test_media_and_places_keep_their_kind(fields: dict[str, str], kind: str, content: object) -> None:
    [one] = heard("twilio", twilio_body("SM4", Body="", **fields))

    assert one.kind == kind
    assert one.attachment is not None
    assert one.attachment["content"] == content


def test_a_picture_with_words_is_what_the_words_say() -> None:
    media = {"NumMedia": "1", "MediaUrl0": "https://m.example/1", "MediaContentType0": "image/jpeg"}
    [one] = heard("twilio", twilio_body("SM5", Body="kaputt", **media))

    assert (one.kind, one.text) == ("text", "kaputt")
