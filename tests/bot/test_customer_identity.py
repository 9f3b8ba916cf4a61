from __future__ import annotations

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from bot.customer_identity import IdentityKey, IdentityKeyError, IdentityRefused
from bot.identity import Identity
from bot.settings import SettingsError, read_settings

SECRET = "shared by the shop and the edge, and long enough"
KEY = IdentityKey.shared(SECRET)
ANNA = {"sub": "c-1", "aud": "polydesk", "email": "anna@example.com"}


def signed(claims: dict[str, Any] | None = None, *, key: Any = SECRET, algorithm: str = "HS256", **more: Any) -> str:
    """Return a token that outlasts the suite, unless told otherwise; a claim that is None is left away."""
    now = datetime.now(UTC)
    all_claims = {"exp": now + timedelta(hours=12), **(claims or ANNA), **more}
    return jwt.encode({name: value for name, value in all_claims.items() if value is not None}, key, algorithm)


def encoded(part: object) -> str:
    content = part if isinstance(part, bytes) else json.dumps(part).encode()
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def pem_of(private: Any) -> str:
    return private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def with_hmac(secret: str, content: str) -> str:
    """Sign as HS256 does, with any secret: PyJWT itself refuses to take a public key for one."""
    return f"{content}.{encoded(hmac.new(secret.encode(), content.encode(), hashlib.sha256).digest())}"


def test_a_signed_identity_tells_all_that_it_holds() -> None:
    token = signed(name="Anna", market="de-DE", orders=["204511", "204512"])
    customer = KEY.customer(token)

    assert (customer.id, customer.email, customer.name) == ("c-1", "anna@example.com", "Anna")
    assert (customer.market, customer.orders) == ("de-DE", ("204511", "204512"))
    assert timedelta(hours=11) < customer.expires_at - datetime.now(UTC) <= timedelta(hours=12)


@pytest.mark.parametrize(
    ("private", "algorithm"),
    [(Ed25519PrivateKey.generate(), "EdDSA"), (generate_private_key(65537, 2048), "RS256")],
    ids=["EdDSA", "RS256"],
)
def test_a_private_keys_signature_is_checked_with_its_public_key_alone(private: Any, algorithm: str) -> None:
    pem = pem_of(private)
    key = IdentityKey.public(pem.replace("\n", "\\n"))

    assert key.customer(signed(key=private, algorithm=algorithm)).id == "c-1"
    # The public key is known to everybody: as a shared secret it must sign nothing.
    header, body = encoded({"alg": "HS256", "typ": "JWT"}), encoded({**ANNA, "exp": 4_000_000_000})
    forged = with_hmac(pem, f"{header}.{body}")
    for bad in (forged, signed(), f"{encoded({'alg': 'none'})}.{body}."):
        with pytest.raises(IdentityRefused):
            key.customer(bad)


@pytest.mark.parametrize(
    ("token", "reason"),
    [
        (signed(exp=datetime.now(UTC) - timedelta(minutes=1)), "expired"),
        (signed(exp=None), "signature"),
        (signed(sub=None), "signature"),
        (signed(aud=None), "signature"),
        (signed(aud="another service"), "signature"),
        (signed(nbf=datetime.now(UTC) + timedelta(hours=1)), "signature"),
        (signed(key="another secret, which is long enough as well"), "signature"),
        (signed(algorithm="HS512"), "signature"),
        (f"{encoded({'alg': 'none'})}.{encoded({**ANNA, 'exp': 4_000_000_000})}.", "signature"),
        (signed().rpartition(".")[0] + ".", "signature"),
        (Identity(SECRET).sign("c-1"), "signature"),
        (f"{encoded(b'[' * 3000)}.e30.x", "signature"),
        ("", "signature"),
        ("a.b.c", "signature"),
        ("\ud800", "signature"),
        ("x" * 10_000, "form"),
        (7, "form"),
        ({"sub": "c-1", "email": "anna@example.com"}, "form"),
        (["c-1"], "form"),
        (True, "form"),
        (signed(sub=""), "form"),
        (signed(sub="x\0"), "form"),
        (signed(sub="x" * 300), "form"),
        (signed(email=7), "form"),
        (signed(email="x" * 300), "form"),
        (signed(email="\ud800@example.com"), "form"),
        (signed(orders="204511"), "form"),
        (signed(orders=[{"number": "204511"}]), "form"),
        (signed(orders=["1"] * 51), "form"),
        (signed(exp=10**18), "form"),
        (signed(exp=float("inf")), "signature"),
        (signed(exp=float("nan")), "signature"),
    ],
)
def test_what_proves_nothing_is_refused_with_a_reason(token: object, reason: str) -> None:
    with pytest.raises(IdentityRefused, match=reason):
        KEY.customer(token)


def test_an_identity_opens_no_session() -> None:
    assert Identity(SECRET).conversation(signed()) is None
    assert Identity(SECRET).conversation(f"{encoded(b'[' * 2000)}.e30.x") is None


@pytest.mark.parametrize(
    "environ",
    [
        {"POLYDESK_IDENTITY_SECRET": "short"},
        {"POLYDESK_IDENTITY_PUBLIC_KEY": "no key"},
        {"POLYDESK_IDENTITY_PUBLIC_KEY": pem_of(generate_private_key(65537, 1024))},  # noqa: S505
        {"POLYDESK_IDENTITY_SECRET": SECRET, "POLYDESK_IDENTITY_PUBLIC_KEY": pem_of(Ed25519PrivateKey.generate())},
        {"POLYDESK_TRUSTED_PROXIES": "*"},
        {"POLYDESK_TRUSTED_PROXIES": "10.0.0.0/8, proxy.example"},
    ],
)
def test_settings_that_would_weaken_the_check_are_refused_and_not_repeated(environ: dict[str, str]) -> None:
    with pytest.raises(SettingsError) as refused:
        read_settings(environ)
    assert SECRET not in str(refused.value)


def test_a_short_secret_is_no_key() -> None:
    with pytest.raises(IdentityKeyError):
        IdentityKey.shared("x" * 31)
