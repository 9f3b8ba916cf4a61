"""The messaging channels of one desk: of each account that has all it needs, the webhook or mailbox, and the sender.

An account that lacks something is off: its address is unknown here, and `python -m bot doctor` says what is missing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from starlette.routing import Route

from bot.channels.accounts import NEEDS, Account
from bot.channels.calls import open_client
from bot.channels.intake import Intake
from bot.channels.line import Line
from bot.channels.mail import Mailbox, MailWatch
from bot.channels.messenger import Messenger
from bot.channels.provider import Provider, WebhookProvider
from bot.channels.sending import ChannelSender
from bot.channels.slack import Slack
from bot.channels.telegram import Telegram
from bot.channels.twilio import Twilio
from bot.channels.webhook import Webhook
from bot.channels.wechat import WeChat
from bot.channels.whatsapp import WhatsApp
from bot.desk import Desk
from bot.settings import SettingsError

WITH_WEBHOOKS: Mapping[str, type[WebhookProvider]] = {
    provider.channel: provider for provider in (WhatsApp, Messenger, Telegram, Slack, Twilio, Line, WeChat)
}


class Messaging:
    """Makes the desk's accounts and registers their senders with it; raises `SettingsError` for an unknown market."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._http = open_client()
        self._providers = [self._provider(account) for account in desk.settings.accounts if not account.missing]
        self._watching: list[asyncio.Task[None]] = []
        for channel in NEEDS:
            own = {each.account.name: each for each in self._providers if each.channel == channel}
            if own:
                desk.senders[channel] = ChannelSender(channel, own)

    def routes(self) -> list[Route]:
        """Return the webhooks' routes."""
        webhooks = [Webhook(self._desk, each) for each in self._providers if isinstance(each, WebhookProvider)]
        return [route for webhook in webhooks for route in webhook.routes()]

    def start(self) -> None:
        """Begin to look for mail."""
        for each in self._providers:
            if isinstance(each, Mailbox):
                every = self._desk.settings.mail_looks_every
                watch = MailWatch(each, Intake(self._desk, each), looks_every=every)
                self._watching.append(asyncio.create_task(watch.run()))

    async def stop(self) -> None:
        """End all connections."""
        for task in self._watching:
            task.cancel()
        await asyncio.gather(*self._watching, return_exceptions=True)
        await self._http.aclose()

    def _provider(self, account: Account) -> Provider:
        if account.market and account.market not in self._desk.markets.by_code:
            raise SettingsError(f"{account.channel}, {account.name}: there is no market {account.market!r}.")
        if account.channel == Mailbox.channel:
            return Mailbox(account, self._desk.inbox)
        return WITH_WEBHOOKS[account.channel](account, self._http, self._desk.texts)
