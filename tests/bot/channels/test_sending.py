"""What a provider's answers mean for the delivery, over real HTTP; how long texts and many buttons are sent."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from starlette.responses import JSONResponse, Response

from bot.channels.accounts import variable
from bot.channels.calls import LONGEST_WAIT, open_client, retry_after
from bot.channels.sending import ChannelSender
from bot.delivery import Recipient, TryLater, Undeliverable
from bot.outbox import Outgoing
from tests.bot.channels.fake_apis import FakeApis
from tests.bot.channels.played import OUR_NUMBER, PLAYED
from tests.bot.channels.reading import provider_of
from tests.bot.fake_rasa import served

CHANNELS = sorted(PLAYED)
SENDERS = {"twilio": f"+4917012345 {OUR_NUMBER}", "slack": "C1/U1/1355517523.000005", "messenger": "USER-ID"}
SOME = [{"title": f"Auswahl {number}", "payload": f'/choose{{"choice": "{number}"}}'} for number in range(3)]
MANY = [{"title": f"Bestellung {number}", "payload": f"/choose_{number}"} for number in range(9)]


class Provided:
    """The senders of all channels, and the providers' interfaces."""

    def __init__(self, api_url: str, apis: FakeApis) -> None:
        self.apis = apis
        self._url = api_url
        self._runner = asyncio.Runner()
        self._http = open_client()
        self._senders: dict[str, ChannelSender] = {}

    def send(self, channel: str, text: str = "Hallo", *, heard: timedelta = timedelta(0), **more: object) -> str | None:
        if channel not in self._senders:
            provider = provider_of(channel, self._http, **{variable(channel, "api_url"): self._url})
            self._senders[channel] = ChannelSender(channel, {"main": provider})
        recipient = Recipient(
            channel, "main", SENDERS.get(channel, "4917012345"), "conversation", "de", datetime.now(UTC) - heard
        )
        reply = Outgoing(1, "m", "utter_x", "de", text, [], None, datetime.now(UTC))
        return self._runner.run(self._senders[channel].send(recipient, _with(reply, **more)))

    def close(self) -> None:
        self._runner.run(self._http.aclose())
        self._runner.close()


def _with(reply: Outgoing, **changes: object) -> Outgoing:
    return Outgoing(**{**reply.__dict__, **changes})


@pytest.fixture
def provided() -> Iterator[Provided]:
    apis = FakeApis()
    with served(apis.app) as url:
        opened = Provided(url, apis)
        yield opened
        opened.close()


@pytest.mark.parametrize("channel", CHANNELS)
@pytest.mark.parametrize(("buttons", "shown"), [([], 0), (SOME, 3), (MANY, 9)])
def test_the_provider_takes_texts_and_buttons_in_its_own_form(
    provided: Provided, channel: str, buttons: list[dict[str, str]], shown: int
) -> None:
    sent_id = provided.send(channel, "Welche <b>&</b> wann?", buttons=buttons)

    [sent] = provided.apis.sent
    if channel in ("twilio", "wechat"):
        assert sent.text.count("\n") == (shown + 1 if shown else 0)
    else:
        assert [payload for _, payload in sent.buttons] == [button["payload"] for button in buttons]
    assert channel == "wechat" or sent_id


@pytest.mark.parametrize("channel", CHANNELS)
def test_a_long_reply_comes_in_order_and_whole(provided: Provided, channel: str) -> None:
    sentences = [f"Dies ist der Satz mit der Nummer {number} — ñ 您好 🇯🇵." for number in range(400)]

    provided.send(channel, " ".join(sentences), buttons=SOME)

    texts = [sent.text for sent in provided.apis.sent]
    assert len(texts) > 1
    assert " ".join(texts).split()[: sum(len(each.split()) for each in sentences)] == " ".join(sentences).split()
    assert provided.apis.refused == []


@pytest.mark.parametrize("channel", CHANNELS)
@pytest.mark.parametrize("status", [429, 500, 502, 503])
def test_what_will_pass_is_tried_later_at_the_time_that_is_asked(provided: Provided, channel: str, status: int) -> None:
    provided.apis.answers[channel] = [Response(status_code=status, headers={"retry-after": "7"})]

    with pytest.raises(TryLater) as later:
        provided.send(channel)

    assert later.value.after == 7
    assert provided.send(channel) or channel == "wechat"
    assert len(provided.apis.sent) == 1


@pytest.mark.parametrize("channel", CHANNELS)
@pytest.mark.parametrize("status", [400, 403, 404])
def test_what_will_never_be_taken_is_given_up(provided: Provided, channel: str, status: int) -> None:
    provided.apis.answers[channel] = [Response(status_code=status)]

    with pytest.raises(Undeliverable):
        provided.send(channel)


@pytest.mark.parametrize("channel", CHANNELS)
def test_a_provider_that_cannot_be_reached_is_tried_later(channel: str) -> None:
    nowhere = Provided("http://127.0.0.1:9", FakeApis())
    with pytest.raises(TryLater):
        nowhere.send(channel)
    nowhere.close()


@pytest.mark.parametrize(
    ("channel", "body", "error"),
    [
        ("whatsapp", {"error": {"code": 130429, "message": "Rate limit hit"}}, TryLater),
        ("whatsapp", {"error": {"code": 131056}}, TryLater),
        ("whatsapp", {"error": {"code": 131047}}, Undeliverable),
        ("messenger", {"error": {"code": 10, "error_subcode": 2018278}}, Undeliverable),
        ("messenger", {"error": {"code": 551, "is_transient": True}}, TryLater),
        ("telegram", {"ok": False, "error_code": 400, "description": "Bad Request: chat not found"}, Undeliverable),
    ],
)
def test_the_providers_own_codes_are_understood(
    provided: Provided, channel: str, body: dict[str, object], error: type[Exception]
) -> None:
    provided.apis.answers[channel] = [JSONResponse(body, status_code=400)]

    with pytest.raises(error):
        provided.send(channel)


@pytest.mark.parametrize(
    ("channel", "body", "error"),
    [
        ("slack", {"ok": False, "error": "ratelimited"}, TryLater),
        ("slack", {"ok": False, "error": "channel_not_found"}, Undeliverable),
        ("wechat", {"errcode": -1, "errmsg": "system error"}, TryLater),
        ("wechat", {"errcode": 45015, "errmsg": "response out of time limit"}, Undeliverable),
        ("wechat", {"errcode": 48001, "errmsg": "api unauthorized"}, Undeliverable),
    ],
)
def test_errors_that_come_with_status_200_are_understood(
    provided: Provided, channel: str, body: dict[str, object], error: type[Exception]
) -> None:
    provided.apis.answers[channel] = [JSONResponse(body)]

    with pytest.raises(error):
        provided.send(channel)


def test_telegrams_own_waiting_time_is_kept(provided: Provided) -> None:
    told = {"ok": False, "error_code": 429, "description": "Too Many Requests", "parameters": {"retry_after": 35}}
    provided.apis.answers["telegram"] = [JSONResponse(told, status_code=429)]

    with pytest.raises(TryLater) as later:
        provided.send("telegram")

    assert later.value.after == 35


@pytest.mark.parametrize("channel", ["whatsapp", "messenger"])
def test_after_24_hours_of_silence_nothing_is_sent_through_meta(provided: Provided, channel: str) -> None:
    provided.send(channel, heard=timedelta(hours=23, minutes=59))
    with pytest.raises(Undeliverable, match="24 hours"):
        provided.send(channel, heard=timedelta(hours=24, minutes=1))

    assert provided.apis.calls[channel] == 1


def test_a_retry_key_has_line_take_a_push_once(provided: Provided) -> None:
    first = provided.send("line")
    again = provided.send("line")

    assert first == again
    assert len(provided.apis.sent) == 1


def test_of_a_reply_in_pieces_the_ones_that_were_taken_are_not_sent_again(provided: Provided) -> None:
    text = "Ein Satz von mäßiger Länge. " * 200
    provided.send("telegram", "zuerst")
    calls = provided.apis.calls["telegram"]
    ordinary = provided.apis.answers["telegram"]
    provided.send("telegram", text)
    pieces = provided.apis.calls["telegram"] - calls
    assert pieces == 2

    provided.apis.sent.clear()
    ordinary.extend([JSONResponse({"ok": True, "result": {"message_id": 1}}), Response(status_code=500)])
    with pytest.raises(TryLater):
        provided.send("telegram", text)
    provided.send("telegram", text)

    assert len(provided.apis.sent) == 1, "the second piece alone"


def test_slack_is_answered_in_the_thread_of_the_mention(provided: Provided) -> None:
    provided.send("slack", "1 < 2 & 3 > 2")

    [sent] = provided.apis.sent
    assert sent.body["thread_ts"] == "1355517523.000005"
    assert sent.text == "1 &lt; 2 &amp; 3 &gt; 2"


def test_an_account_that_is_gone_is_told() -> None:
    recipient = Recipient("line", "gone", "U1", "c", "ja", datetime.now(UTC))
    reply = Outgoing(1, None, "x", "ja", "t", [], None, datetime.now(UTC))

    with pytest.raises(Undeliverable, match="gone of line is not configured"):
        asyncio.run(ChannelSender("line", {}).send(recipient, reply))


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("7", 7.0), ("", None), ("soon", None), ("-3", None), ("nan", None), ("9" * 50, LONGEST_WAIT)],
)
def test_retry_after_is_read_in_seconds(value: str, seconds: float | None) -> None:
    assert retry_after(httpx.Headers({"retry-after": value})) == seconds


def test_retry_after_is_read_as_a_date() -> None:
    at = datetime.now(UTC) + timedelta(seconds=90)

    waits = retry_after({"retry-after": at.strftime("%a, %d %b %Y %H:%M:%S GMT")})

    assert waits is not None
    assert 80 < waits < 91
