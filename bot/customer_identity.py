"""Who a customer is, as the shop says: a JSON Web Token that the shop signs for whoever is signed in with it.

Claims: `aud` "polydesk", `exp`, `sub` (the shop's id of the customer), and optionally `email`, `name`, `market` and
`orders` (a list of order numbers). Signed with a shared secret (HS256), or with the private key (RS256, EdDSA) to the
public one that the edge knows. What fails is ignored and counted, and the customer goes on as somebody unknown. Nothing
else that a client sends says who somebody is. Touches nothing; `bot/customers.py` keeps what was found.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated

import jwt
import msgspec
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from bot.checks import Refusal, check_storable

AUDIENCE = "polydesk"
SECRET_BYTES = 32  # at least, as RFC 7518 wants it for HS256
RSA_BITS = 2048
TOKEN_LIMIT = 8192  # characters
LAST_SECOND = 100_000_000_000  # of the year 5138
LEEWAY = 10  # seconds that the shop's clock may differ from ours

Short = Annotated[str, msgspec.Meta(min_length=1, max_length=254)]
Number = Annotated[str, msgspec.Meta(min_length=1, max_length=32)]


class IdentityKeyError(ValueError):
    """The configured secret or key cannot be used; the message says what it should be."""


class IdentityRefused(Exception):
    """A token proves nothing; the message is a short stable word why."""


class _Claims(msgspec.Struct, frozen=True):
    """What is read of a token whose signature, audience and time are right."""

    sub: Short
    exp: Annotated[float, msgspec.Meta(gt=0, lt=LAST_SECOND)]
    email: Short | None = None
    name: Short | None = None
    market: Short | None = None
    orders: Annotated[tuple[Number, ...], msgspec.Meta(max_length=50)] = ()


@dataclass(frozen=True)
class Customer:
    """A customer whom the shop has vouched for, until `expires_at`."""

    id: str
    expires_at: datetime
    email: str | None = None
    name: str | None = None
    market: str | None = None
    orders: tuple[str, ...] = ()


@dataclass(frozen=True)
class IdentityKey:
    """What tokens are checked with, and the one algorithm that it serves for: a token cannot choose."""

    key: str | RSAPublicKey | Ed25519PublicKey
    algorithm: str

    @classmethod
    def shared(cls, secret: str) -> IdentityKey:
        """Check with a secret that the shop has as well; raises `IdentityKeyError`."""
        if len(secret.encode()) < SECRET_BYTES:
            raise IdentityKeyError(f"it must have at least {SECRET_BYTES} bytes")
        return cls(secret, "HS256")

    @classmethod
    def public(cls, pem: str) -> IdentityKey:
        """Check with the public half of the shop's key, in PEM form; raises `IdentityKeyError`."""
        try:
            key = load_pem_public_key(pem.replace("\\n", "\n").encode())
        except (ValueError, UnsupportedAlgorithm) as error:
            raise IdentityKeyError("it must be a public key in PEM form") from error
        if isinstance(key, Ed25519PublicKey):
            return cls(key, "EdDSA")
        if isinstance(key, RSAPublicKey) and key.key_size >= RSA_BITS:
            return cls(key, "RS256")
        raise IdentityKeyError(f"it must be an Ed25519 key, or an RSA key of at least {RSA_BITS} bits")

    def customer(self, token: object) -> Customer:
        """Return whom a token is about; raises `IdentityRefused`."""
        if not isinstance(token, str) or len(token) > TOKEN_LIMIT:
            raise IdentityRefused("form")
        try:
            payload = jwt.decode(
                token,
                self.key,
                algorithms=[self.algorithm],
                audience=AUDIENCE,
                leeway=LEEWAY,
                options={"require": ["sub", "aud", "exp"]},
            )
            claims = msgspec.convert(payload, type=_Claims)
            return _customer(claims)
        except jwt.ExpiredSignatureError as error:
            raise IdentityRefused("expired") from error
        except (jwt.InvalidTokenError, UnicodeError) as error:
            raise IdentityRefused("signature") from error
        except (msgspec.ValidationError, Refusal) as error:
            raise IdentityRefused("form") from error


def _customer(claims: _Claims) -> Customer:
    texts: Sequence[str] = [claims.sub, claims.email or "", claims.name or "", claims.market or "", *claims.orders]
    for text in texts:
        check_storable(text)
    return Customer(
        id=claims.sub,
        expires_at=datetime.fromtimestamp(claims.exp, UTC),
        email=claims.email,
        name=claims.name,
        market=claims.market,
        orders=claims.orders,
    )
