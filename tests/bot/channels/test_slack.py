from __future__ import annotations

import json
from urllib.parse import urlencode

from tests.bot.channels.played import slack_body, slack_message
from tests.bot.channels.reading import heard

FORM = {"content-type": "application/x-www-form-urlencoded"}


def test_a_direct_message_is_read_as_it_was_typed() -> None:
    text = "Hallo &amp; danke: <mailto:anna@shop.example|anna@shop.example> &lt;3 <https://shop.example/a?b=1>"
    [one] = heard("slack", slack_body(slack_message("1.1", sender="U1", channel="D1", text=text)))

    assert (one.sender, one.message_id) == ("D1/U1", "D1:1.1")
    assert one.text == "Hallo & danke: anna@shop.example <3 https://shop.example/a?b=1"


def test_a_mention_is_answered_in_its_thread() -> None:
    mention = {"type": "app_mention", "user": "U1", "channel": "C1", "ts": "1.2", "text": "<@U0LAN0Z89> Hallo"}
    later = {**mention, "ts": "1.9", "thread_ts": "1.2"}

    [first] = heard("slack", slack_body(mention))
    [second] = heard("slack", slack_body(later))

    assert first.text == "Hallo"
    assert first.sender == second.sender == "C1/U1/1.2"


def test_two_events_of_one_message_have_one_id() -> None:
    message = slack_message("1.3", sender="U1", channel="D1", text="<@U0LAN0Z89> Hallo")

    [told] = heard("slack", slack_body(message))
    [again] = heard("slack", slack_body(message, event_id="another"))
    [mention] = heard("slack", slack_body({**message, "type": "app_mention"}))

    assert told.message_id == again.message_id == mention.message_id


def test_what_others_write_bots_edits_and_joins_are_no_messages() -> None:
    others = (
        slack_message("1.4", channel="C1", channel_type="channel", text="untereinander"),
        slack_message("1.5", text="wir selbst", bot_id="B1"),
        slack_message("1.6", subtype="message_changed", message={"text": "neu"}),
        slack_message("1.7", subtype="bot_message", text="ein Bot"),
        {"type": "reaction_added", "user": "U1", "item": {}},
    )

    assert [one for event in others for one in heard("slack", slack_body(event))] == []


def test_a_file_keeps_its_kind() -> None:
    files = [{"id": "F1", "mimetype": "image/png", "url_private": "https://files.example/F1"}]
    [one] = heard("slack", slack_body(slack_message("1.8", subtype="file_share", text="", files=files)))

    assert (one.kind, one.attachment) == ("image", {"type": "files", "content": ["image/png"]})


def test_a_pressed_button_is_read_from_the_form() -> None:
    pressed = {
        "type": "block_actions",
        "user": {"id": "U1", "username": "anna"},
        "channel": {"id": "D1", "name": "directmessage"},
        "message": {"ts": "2.1"},
        "actions": [{"action_id": "choice-0", "value": "/affirm", "text": {"text": "Ja"}, "action_ts": "2.2"}],
    }
    [one] = heard("slack", urlencode({"payload": json.dumps(pressed)}).encode(), **FORM)

    assert (one.sender, one.payload, one.text, one.message_id) == ("D1/U1", "/affirm", "Ja", "D1:2.1:2.2")
