from __future__ import annotations

from tests.bot.channels.played import messenger_body, messenger_event
from tests.bot.channels.reading import heard


def test_all_messages_of_a_batch_are_read_in_order() -> None:
    events = [messenger_event(message={"mid": f"m_{n}", "text": str(n)}) for n in range(3)]

    assert [(one.message_id, one.text) for one in heard("messenger", messenger_body(*events))] == [
        ("m_0", "0"),
        ("m_1", "1"),
        ("m_2", "2"),
    ]


def test_our_own_echoes_deliveries_and_readings_are_no_messages() -> None:
    events = (
        messenger_event(message={"mid": "m_1", "text": "von uns", "is_echo": True, "app_id": 1}),
        messenger_event(delivery={"mids": ["m_1"], "watermark": 1}),
        messenger_event(read={"watermark": 1}),
        messenger_event(reaction={"mid": "m_1", "action": "react", "emoji": "❤"}),
        messenger_event(message={"mid": "m_2", "is_deleted": True}),
    )

    assert heard("messenger", messenger_body(*events)) == []


def test_a_quick_reply_and_a_postback_are_buttons() -> None:
    quick = messenger_event(message={"mid": "m_1", "text": "Ja", "quick_reply": {"payload": "/affirm"}})
    postback = messenger_event(postback={"title": "Nein", "payload": "/deny", "mid": "m_2"})

    assert [(one.text, one.payload) for one in heard("messenger", messenger_body(quick, postback))] == [
        ("Ja", "/affirm"),
        ("Nein", "/deny"),
    ]


def test_instagrams_customers_are_not_messengers() -> None:
    event = messenger_event("9", message={"mid": "m_1", "text": "Hallo"})

    [messenger] = heard("messenger", messenger_body(event))
    [instagram] = heard("messenger", messenger_body(event, page="instagram"))

    assert (messenger.sender, instagram.sender) == ("9", "instagram:9")


def test_attachments_keep_their_kind() -> None:
    image = {"type": "image", "payload": {"url": "https://cdn.example/1.jpg"}}
    sticker = {"type": "image", "payload": {"url": "https://cdn.example/2.png", "sticker_id": 369239263222822}}
    voice = {"type": "audio", "payload": {"url": "https://cdn.example/3.mp4"}}
    events = [
        messenger_event(message={"mid": f"m_{number}", "attachments": [each]})
        for number, each in enumerate((image, sticker, voice, {"type": "fallback"}))
    ]

    read = heard("messenger", messenger_body(*events))

    assert [one.kind for one in read] == ["image", "other", "voice", "other"]
    assert read[0].attachment == {"type": "attachments", "content": [image]}
