"""Plays a mail server: the commands of IMAP (RFC 3501) and SMTP (RFC 5321) that a mailbox uses, on loopback.

`mailbox` is what has come in, with the mails that were marked as seen; `sent` is what was handed in.
"""

from __future__ import annotations

import base64
import re
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

USER, PASSWORD = "service@shop.example", "mail password"
WAITS = 60.0  # seconds; a busy machine takes long


@dataclass
class Post:
    """What both servers know. `refusals` are answers to the next recipients in place of `250`."""

    mailbox: dict[int, bytes] = field(default_factory=dict)
    seen: set[int] = field(default_factory=set)
    sent: list[EmailMessage] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)
    changed: threading.Condition = field(default_factory=threading.Condition)

    def comes(self, raw: bytes) -> int:
        """Put a mail into the mailbox."""
        with self.changed:
            uid = len(self.mailbox) + 1
            self.mailbox[uid] = raw
            return uid

    def note(self) -> None:
        """Tell those who wait that something happened."""
        with self.changed:
            self.changed.notify_all()

    def wait_for_sent(self, count: int) -> list[EmailMessage]:
        """Wait until so many mails were handed in, and return them."""
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.sent) >= count, WAITS), f"{len(self.sent)} mails"
            return list(self.sent)

    def wait_for_seen(self, count: int) -> None:
        """Wait until so many mails are marked as seen."""
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.seen) >= count, WAITS), f"{self.seen}"


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, handler: type[socketserver.BaseRequestHandler], post: Post) -> None:
        super().__init__(("127.0.0.1", 0), handler)
        self.post = post


class _Handler(socketserver.StreamRequestHandler):
    server: Any

    def say(self, *lines: str | bytes) -> None:
        self.wfile.write(b"".join((line.encode() if isinstance(line, str) else line) + b"\r\n" for line in lines))


class _Imap(_Handler):
    def handle(self) -> None:
        self.say("* OK ready")
        while line := self.rfile.readline().decode().strip():
            tag, _, command = line.partition(" ")
            if not self._answer(command):
                self.say(f"{tag} NO refused")
                return
            self.say(f"{tag} OK done")
            self.server.post.note()

    def _answer(self, command: str) -> bool:
        post: Post = self.server.post
        word = command.upper()
        if word.startswith("CAPABILITY"):
            self.say("* CAPABILITY IMAP4rev1")
        elif word.startswith("LOGIN"):
            return command.split(" ", 1)[1].replace('"', "") == f"{USER} {PASSWORD}"
        elif word.startswith("SELECT"):
            self.say(f"* {len(post.mailbox)} EXISTS", "* OK [UIDVALIDITY 1] valid")
        elif word.startswith("UID SEARCH UNSEEN"):
            self.say("* SEARCH " + " ".join(str(uid) for uid in sorted(post.mailbox) if uid not in post.seen))
        elif found := re.match(r"UID FETCH (\d+) \(?BODY\.PEEK\[\]<0\.(\d+)>", word):
            uid, most = int(found[1]), int(found[2])
            raw = post.mailbox[uid][:most]
            self.say(f"* {uid} FETCH (UID {uid} BODY[]<0> {{{len(raw)}}}".encode() + b"\r\n" + raw + b")")
        elif found := re.match(r"UID STORE (\d+) \+FLAGS(?:\.SILENT)? \(\\SEEN\)", word):
            post.seen.add(int(found[1]))
            self.say(f"* {found[1]} FETCH (UID {found[1]} FLAGS (\\Seen))")
        else:
            return False
        return True


class _Smtp(_Handler):
    def handle(self) -> None:
        post: Post = self.server.post
        self.say("220 ready")
        recipients: list[str] = []
        known = False
        while line := self.rfile.readline().decode().strip():
            word = line.upper()
            if word.startswith("EHLO"):
                self.say("250-mail.example", "250-8BITMIME", "250-SMTPUTF8", "250 AUTH PLAIN")
            elif word.startswith("AUTH PLAIN"):
                known = base64.b64decode(line.split()[2]).decode() == f"\0{USER}\0{PASSWORD}"
                self.say("235 welcome" if known else "535 wrong")
            elif word.startswith("MAIL FROM"):
                self.say("250 ok" if known else "530 who are you")
            elif word.startswith("RCPT TO"):
                refusal = post.refusals.pop(0) if post.refusals else None
                recipients += [] if refusal else [line]
                self.say(refusal or "250 ok")
                post.note()
            elif word.startswith("DATA"):
                self.say("354 go on")
                raw = b""
                while not raw.endswith(b"\r\n.\r\n"):
                    raw += self.rfile.readline()
                message = message_from_bytes(
                    raw.removesuffix(b".\r\n").replace(b"\r\n..", b"\r\n."), policy=policy.default
                )
                post.sent.append(message)
                self.say("250 taken")
                post.note()
            elif word.startswith("QUIT"):
                self.say("221 bye")
                return
            else:
                self.say("250 ok")


@contextmanager
def mail_server() -> Iterator[tuple[Post, dict[str, str]]]:
    """Serve a mailbox; yields it, and the variables with which the edge reaches it."""
    post = Post()
    servers = [_Server(_Imap, post), _Server(_Smtp, post)]
    threads = [threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True) for server in servers]
    for thread in threads:
        thread.start()
    imap, smtp = (server.server_address[1] for server in servers)
    try:
        yield (
            post,
            {
                "MAIL_ADDRESS": USER,
                "MAIL_PASSWORD": PASSWORD,
                "MAIL_IMAP_URL": f"imap://127.0.0.1:{imap}",
                "MAIL_SMTP_URL": f"smtp://127.0.0.1:{smtp}",
            },
        )
    finally:
        for server in servers:
            server.shutdown()
            server.server_close()
