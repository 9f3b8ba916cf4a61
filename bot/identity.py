"""Signed session tokens: whoever shows a conversation's token may join it, and nobody else. Touches the secret's file.

A token is a JSON Web Token (HS256) with the conversation as its subject. It is renewed at every session request.
"""

from __future__ import annotations

import os
import secrets
from datetime import UTC, datetime, timedelta
from pathlib import Path

import jwt

ALGORITHM = "HS256"
AUDIENCE = "polydesk-widget"
LASTS = timedelta(days=30)
TOKEN_LIMIT = 4096  # characters; ours have some 200


class Identity:
    """Signs and checks session tokens with one secret."""

    def __init__(self, secret: str) -> None:
        self._secret = secret

    def sign(self, conversation: str, *, lasts: timedelta = LASTS) -> str:
        """Return a token for a conversation."""
        now = datetime.now(UTC)
        claims = {"sub": conversation, "aud": AUDIENCE, "iat": now, "exp": now + lasts}
        return jwt.encode(claims, self._secret, algorithm=ALGORITHM)

    def conversation(self, token: object) -> str | None:
        """Return the token's conversation; None for anything that is not a valid token of ours."""
        if not isinstance(token, str) or len(token) > TOKEN_LIMIT:
            return None
        try:
            claims = jwt.decode(
                token,
                self._secret,
                algorithms=[ALGORITHM],
                audience=AUDIENCE,
                options={"require": ["sub", "aud", "iat", "exp"]},
            )
        except (jwt.InvalidTokenError, UnicodeError):
            return None
        return str(claims["sub"])


def load_secret(file: Path) -> str:
    """Return the secret kept in `file`, which is made at the first run and readable by its owner only."""
    file.parent.mkdir(parents=True, exist_ok=True)
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return _read(file)
    with os.fdopen(descriptor, "w", encoding="ascii") as created:
        created.write(secrets.token_hex(32))
    return _read(file)


def _read(file: Path) -> str:
    secret = file.read_text(encoding="ascii").strip()
    if len(secret) < 32:
        raise ValueError(f"{file} holds no usable secret: delete it, and all widget sessions start anew.")
    return secret
