from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, update
from sqlalchemy.engine import Engine

from actions.database import reading, transaction
from bot import dead_letters
from bot.conversations import Conversations
from bot.delivery import Backoff, Deliverer, Recipient, TryLater, Undeliverable
from bot.outbox import Outbox, Outgoing
from bot.pending import Pending
from bot.tables import DEAD, DELIVERED, PENDING, replies

QUICK = Backoff(first=0.01, longest=0.02, attempts=3)
WITHIN = 20.0


class Provider:
    """A channel that takes replies, or does what the script says: one exception a try, by the reply's text."""

    name = "provider"

    def __init__(self, script: dict[str, list[Exception]] | None = None) -> None:
        self.script = script or {}
        self.tries: list[tuple[str, str]] = []
        self.taken: list[tuple[str, str]] = []
        self.recipients: list[Recipient] = []

    async def send(self, recipient: Recipient, reply: Outgoing) -> str | None:
        self.tries.append((recipient.sender, reply.text))
        failures = self.script.get(reply.text)
        if failures:
            raise failures.pop(0)
        await asyncio.sleep(0)  # as a real call, it lets others run
        self.taken.append((recipient.sender, reply.text))
        self.recipients.append(recipient)
        return f"taken {reply.text}"


def say(engine: Engine, *texts: str, sender: str = "anna", channel: str = "provider") -> str:
    conversation = Conversations(engine).open(channel, account="shop", sender=sender, market="de-DE")
    with transaction(engine) as session:
        for text in texts:
            Outbox.say(session, conversation.id, author="agent", name="agent_reply", language="de", text=text)
    return conversation.id


def rows(engine: Engine) -> Iterator[object]:
    with reading(engine) as session:
        return iter(session.execute(select(replies).order_by(replies.c.id)).all())


def states(engine: Engine) -> list[str]:
    return [row.delivery for row in rows(engine)]


def deliver(engine: Engine, *providers: Provider, until: Callable[[], bool]) -> None:
    """Run one edge's deliverer for each provider until something has happened."""

    async def run() -> None:
        edges = [Deliverer(engine, {provider.name: provider}, backoff=QUICK) for provider in providers]
        for edge in edges:
            edge.start()
        try:
            async with asyncio.timeout(WITHIN):
                while not until():
                    await asyncio.sleep(0.01)
        finally:
            for edge in edges:
                await edge.stop()

    asyncio.run(run())


def test_replies_arrive_in_order_and_keep_the_providers_ids(engine: Engine) -> None:
    provider = Provider()
    say(engine, "eins", "zwei", "drei")

    deliver(engine, provider, until=lambda: states(engine) == [DELIVERED] * 3)

    assert provider.taken == [("anna", "eins"), ("anna", "zwei"), ("anna", "drei")]
    assert [row.provider_message_id for row in rows(engine)] == ["taken eins", "taken zwei", "taken drei"]
    assert (provider.recipients[0].channel, provider.recipients[0].account) == ("provider", "shop")


def test_a_reply_that_is_not_taken_is_tried_again_and_those_after_it_wait(engine: Engine) -> None:
    provider = Provider({"eins": [TryLater("status 500"), TryLater("status 500")]})
    say(engine, "eins", "zwei")
    say(engine, "hallo", sender="ben")

    deliver(engine, provider, until=lambda: states(engine) == [DELIVERED] * 3)

    assert [text for sender, text in provider.tries if sender == "anna"] == ["eins", "eins", "eins", "zwei"]
    assert ("ben", "hallo") in provider.taken


def test_what_a_provider_asks_to_wait_is_waited(sqlite_engine: Engine) -> None:
    provider = Provider({"eins": [TryLater("status 429", after=3600)]})
    say(sqlite_engine, "eins")

    deliver(sqlite_engine, provider, until=lambda: next(rows(sqlite_engine)).delivery_error == "status 429")

    wait = next(rows(sqlite_engine)).next_attempt_at - datetime.now(UTC)
    assert timedelta(minutes=59) < wait <= timedelta(hours=1)


def test_a_refused_reply_is_a_dead_letter_and_the_next_one_goes_on(engine: Engine) -> None:
    provider = Provider({"eins": [Undeliverable("outside the 24-hour window")]})
    say(engine, "eins", "zwei")

    deliver(engine, provider, until=lambda: states(engine) == [DEAD, DELIVERED])

    letter = Pending(engine).dead_letters()[0]
    assert (letter.channel, letter.account, letter.error) == ("provider", "shop", "outside the 24-hour window")


def test_a_reply_that_is_never_taken_becomes_a_dead_letter_after_its_tries(engine: Engine) -> None:
    provider = Provider({"eins": [TryLater("status 503") for _ in range(9)]})
    say(engine, "eins", "zwei")

    deliver(engine, provider, until=lambda: states(engine) == [DEAD, DELIVERED])

    assert provider.tries.count(("anna", "eins")) == QUICK.attempts


def test_a_dead_letter_is_listed_and_replayed_from_the_command_line(
    sqlite_engine: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    from bot.__main__ import main

    environ = {"DATABASE_URL": str(sqlite_engine.url)}
    say(sqlite_engine, "geheim")
    deliver(
        sqlite_engine,
        Provider({"geheim": [Undeliverable("blocked")]}),
        until=lambda: states(sqlite_engine) == [DEAD],
    )
    key = Pending(sqlite_engine).dead_letters()[0].key
    capsys.readouterr()

    assert main(["dead-letters", "list"], environ) == 0
    listed = capsys.readouterr().out
    assert listed.startswith(f"{key}\t") and "blocked" in listed and "geheim" not in listed
    assert main(["dead-letters", "replay", str(key + 1)], environ) == dead_letters.BAD_INPUT
    assert states(sqlite_engine) == [DEAD]
    assert main(["dead-letters", "replay", str(key)], environ) == 0
    provider = Provider()
    deliver(sqlite_engine, provider, until=lambda: states(sqlite_engine) == [DELIVERED])
    assert provider.taken == [("anna", "geheim")]


def test_several_edges_send_each_reply_once_and_in_order(engine: Engine) -> None:
    providers = [Provider(), Provider(), Provider()]
    senders = [f"customer {number}" for number in range(8)]
    for sender in senders:
        say(engine, *map(str, range(6)), sender=sender)

    deliver(engine, *providers, until=lambda: set(states(engine)) == {DELIVERED})

    taken = [each for provider in providers for each in provider.taken]
    assert sorted(taken) == sorted((sender, str(number)) for sender in senders for number in range(6))
    for provider in providers:
        for sender in senders:
            its = [int(text) for who, text in provider.taken if who == sender]
            assert its == sorted(its)


def test_a_reply_whose_edge_died_while_sending_is_sent_by_another(engine: Engine) -> None:
    conversation = say(engine, "eins")
    dead = Pending(engine)
    assert dead.claim(conversation) is not None
    assert Pending(engine).claim(conversation) is None, "while the claim lasts nobody else sends it"
    with transaction(engine) as session:
        session.execute(update(replies).values(next_attempt_at=datetime.now(UTC)))  # the claim has run out

    provider = Provider()
    deliver(engine, provider, until=lambda: states(engine) == [DELIVERED])

    assert provider.taken == [("anna", "eins")]


def test_a_reply_of_which_every_edge_dies_becomes_a_dead_letter(sqlite_engine: Engine) -> None:
    say(sqlite_engine, "eins", "zwei")
    with transaction(sqlite_engine) as session:
        session.execute(update(replies).where(replies.c.text == "eins").values(attempts=QUICK.attempts))
    provider = Provider()

    deliver(sqlite_engine, provider, until=lambda: states(sqlite_engine) == [DEAD, DELIVERED])

    assert provider.tries == [("anna", "zwei")]


def test_channels_without_a_sender_keep_their_replies(sqlite_engine: Engine) -> None:
    provider = Provider()
    say(sqlite_engine, "wartet", channel="other")
    say(sqlite_engine, "geht")

    deliver(sqlite_engine, provider, until=lambda: states(sqlite_engine) == [PENDING, DELIVERED])

    assert provider.taken == [("anna", "geht")]


def test_pauses_grow_differ_and_have_an_end() -> None:
    backoff = Backoff(first=1, longest=600, attempts=20)
    for attempt in range(1, 40):
        whole = min(2.0 ** (attempt - 1), 600)
        pauses = {backoff.pause(attempt) for _ in range(50)}
        assert len(pauses) > 1
        assert all(whole / 2 <= pause <= whole for pause in pauses)


def test_a_sender_with_a_mistake_in_it_does_not_stop_the_others(sqlite_engine: Engine) -> None:
    provider = Provider({"eins": [KeyError("a mistake in the channel")]})
    say(sqlite_engine, "eins")
    say(sqlite_engine, "hallo", sender="ben")

    with contextlib.suppress(KeyError):
        deliver(sqlite_engine, provider, until=lambda: ("ben", "hallo") in provider.taken)

    assert states(sqlite_engine)[0] == PENDING
