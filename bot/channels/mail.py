"""E-mail: an account's new mail by IMAP, its answers by SMTP. Touches the network.

A mail is marked as seen once it is stored, so one that was being read when the edge stopped is read again.
"""

from __future__ import annotations

import asyncio
from email.message import EmailMessage
from email.utils import formatdate
from urllib.parse import SplitResult, urlsplit

import aiosmtplib
import structlog
from imapclient import IMAPClient  # type: ignore[import-untyped]
from imapclient.exceptions import IMAPClientError  # type: ignore[import-untyped]
from sqlalchemy.exc import SQLAlchemyError

from bot.channels.accounts import Account
from bot.channels.formatting import Form, Piece
from bot.channels.intake import Intake
from bot.channels.mail_text import read_mail
from bot.channels.provider import Provider
from bot.checks import Refusal
from bot.delivery import Recipient, TryLater, Undeliverable
from bot.inbox import Inbox
from bot.rates import is_loopback

FORM = Form(text=50_000)
TIMEOUT = 15.0
READ_BYTES = 256 * 1024  # of a mail: its text comes first, what is attached may be large
BODY = f"BODY.PEEK[]<0.{READ_BYTES}>"
PORTS = {"imaps": 993, "imap": 143, "smtps": 465, "smtp": 587}


class Mailbox(Provider):
    """One mailbox. A sender is her address."""

    channel = "mail"

    def __init__(self, account: Account, inbox: Inbox) -> None:
        super().__init__(account)
        self._inbox = inbox
        self._user = account.values.get("user") or account["address"]

    def form(self, recipient: Recipient) -> Form:
        """Give room for any reply; a mail has no buttons."""
        return FORM

    async def send(self, recipient: Recipient, piece: Piece) -> str | None:
        """Answer within the thread of the customer's last mail; tried again it has the same Message-ID."""
        message = await asyncio.to_thread(self._compose, recipient, piece)
        server = urlsplit(self.account["smtp_url"])
        try:
            await aiosmtplib.send(
                message,
                sender=self.account["address"],
                recipients=[recipient.sender],
                hostname=server.hostname or "",
                port=_port(server),
                username=self._user,
                password=self.account["password"],
                use_tls=server.scheme == "smtps",
                start_tls=_starts_tls(server),
                timeout=TIMEOUT,
            )
        except aiosmtplib.SMTPRecipientsRefused as refusal:
            raise _failure(refusal.recipients[0].code) from refusal
        except aiosmtplib.SMTPAuthenticationError as refusal:
            raise TryLater(f"SMTP {refusal.code}: the mailbox's user or password") from refusal
        except aiosmtplib.SMTPResponseException as refusal:
            raise _failure(refusal.code) from refusal
        except (aiosmtplib.SMTPException, OSError) as error:
            raise TryLater(type(error).__name__) from error
        return str(message["Message-ID"])

    async def take_new(self, intake: Intake) -> None:
        """Store all new mails; raises the errors of the mail server and of the database."""
        server = await asyncio.to_thread(self._open)
        try:
            for uid in await asyncio.to_thread(server.search, "UNSEEN"):
                await self._take(server, uid, intake)
        finally:
            await asyncio.to_thread(server.shutdown)

    async def _take(self, server: IMAPClient, uid: int, intake: Intake) -> None:
        fetched = await asyncio.to_thread(server.fetch, [uid], [BODY])
        received = read_mail(fetched.get(uid, {}).get(b"BODY[]<0>", b""), own=self.account["address"])
        if received:
            try:
                await intake.take(received)
            except Refusal:
                structlog.get_logger().warning("mail.unreadable", account=self.account.name, uid=uid)
        await asyncio.to_thread(server.add_flags, [uid], [b"\\Seen"])

    def _open(self) -> IMAPClient:
        server = urlsplit(self.account["imap_url"])
        client = IMAPClient(server.hostname, _port(server), ssl=server.scheme == "imaps", timeout=TIMEOUT)
        try:
            if _starts_tls(server):
                client.starttls()
            client.login(self._user, self.account["password"])
            client.select_folder(server.path.strip("/") or "INBOX")
        except (IMAPClientError, OSError):
            client.shutdown()
            raise
        return client

    def _compose(self, recipient: Recipient, piece: Piece) -> EmailMessage:
        last = self._inbox.latest(recipient.conversation)
        thread = (last.attachment or {}).get("content", {}) if last else {}
        address = self.account["address"]
        message = EmailMessage()
        message["From"] = address
        message["To"] = recipient.sender
        message["Date"] = formatdate(localtime=False)
        message["Message-ID"] = f"<{piece.key}@{address.rpartition('@')[2]}>"
        message["Subject"] = _answered(thread.get("subject", ""))
        if replied := thread.get("message_id"):
            message["In-Reply-To"] = replied
            message["References"] = " ".join(filter(None, (thread.get("references"), replied)))
        message["Auto-Submitted"] = "auto-replied"
        message.set_content(piece.text)
        return message


class MailWatch:
    """Looks for new mail in one mailbox every so many seconds. Several edges may do so: a mail is stored once."""

    def __init__(self, mailbox: Mailbox, intake: Intake, *, looks_every: float) -> None:
        self._mailbox = mailbox
        self._intake = intake
        self._looks_every = looks_every

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            try:
                await self._mailbox.take_new(self._intake)
            except (IMAPClientError, OSError, SQLAlchemyError) as error:
                account = self._mailbox.account.name
                structlog.get_logger().warning("mail.away", account=account, error=type(error).__name__)
            await asyncio.sleep(self._looks_every)


def _answered(subject: str) -> str:
    return subject if subject.lower().startswith("re:") else f"Re: {subject}".strip()


def _port(server: SplitResult) -> int:
    return server.port or PORTS[server.scheme]


def _starts_tls(server: SplitResult) -> bool:
    """Whether a connection that begins in the clear has to be secured: always, but within this machine."""
    return server.scheme in ("imap", "smtp") and server.hostname != "localhost" and not is_loopback(server.hostname)


def _failure(code: int) -> TryLater | Undeliverable:
    reason = f"SMTP {code}"
    return Undeliverable(reason) if code >= 500 else TryLater(reason)
