"""Plays WeChat's end of its safe mode by the public documentation, apart from the code that is tested."""

from __future__ import annotations

import base64
import hashlib
import os
import struct
import time
import uuid
from dataclasses import replace

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC
from defusedxml.ElementTree import fromstring

from tests.bot.channels.played import VARIABLES, Request

# As one is made on WeChat's page: letters and digits, whose last one may have bits that do not count.
KEY = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG"
APP_ID, TOKEN = VARIABLES["WECHAT_APP_ID"], VARIABLES["WECHAT_TOKEN"]


def aes(key: str = KEY) -> Cipher[CBC]:
    raw = base64.b64decode(key + "=")
    return Cipher(AES(raw), CBC(raw[:16]))


def content(message: bytes, app_id: str = APP_ID) -> bytes:
    """Return what is encrypted, without its padding."""
    return os.urandom(16) + struct.pack(">I", len(message)) + message + app_id.encode()


def encrypted(whole: bytes, *, key: str = KEY, pad: int | None = None) -> str:
    """Encrypt; `pad` is the length of another padding than the right one."""
    length = 32 - len(whole) % 32 if pad is None else pad
    encryptor = aes(key).encryptor()
    sealed = encryptor.update(whole + bytes([length]) * length) + encryptor.finalize()
    return base64.b64encode(sealed).decode()


def sealed(message: bytes, *, app_id: str = APP_ID, key: str = KEY) -> Request:
    """Return WeChat's request with a message in safe mode."""
    return enveloped(encrypted(content(message, app_id), key=key))


def enveloped(encrypt: str, *, token: str = TOKEN, at: float | None = None, digest: str = "sha1") -> Request:
    """Sign something encrypted and put it into a request."""
    body = f"<xml><ToUserName><![CDATA[gh_shop]]></ToUserName><Encrypt><![CDATA[{encrypt}]]></Encrypt></xml>"
    timestamp, nonce = str(int(time.time() if at is None else at)), uuid.uuid4().hex[:10]
    query = {
        "signature": sign(token, timestamp, nonce, digest=digest),
        "timestamp": timestamp,
        "nonce": nonce,
        "openid": "oANNA",
        "encrypt_type": "aes",
        "msg_signature": sign(token, timestamp, nonce, encrypt, digest=digest),
    }
    return Request("/webhooks/wechat/webhook", body.encode(), {"content-type": "text/xml"}, query)


def sign(*parts: str, digest: str = "sha1") -> str:
    return hashlib.new(digest, "".join(sorted(parts)).encode()).hexdigest()


def opened(answer: bytes) -> bytes:
    """Return the message of an answer as WeChat would, which checks the signature and whose account it is for."""
    fields = {child.tag: child.text or "" for child in fromstring(answer)}
    assert fields["MsgSignature"] == sign(TOKEN, fields["TimeStamp"], fields["Nonce"], fields["Encrypt"])
    decryptor = aes().decryptor()
    padded = decryptor.update(base64.b64decode(fields["Encrypt"])) + decryptor.finalize()
    assert len(padded) % 32 == 0 and padded.endswith(bytes([padded[-1]]) * padded[-1])
    whole = padded[: -padded[-1]]
    (length,) = struct.unpack(">I", whole[16:20])
    assert whole[20 + length :] == APP_ID.encode()
    return whole[20 : 20 + length]


def without(request: Request, *names: str) -> Request:
    return replace(request, query={name: value for name, value in request.query.items() if name not in names})


def with_query(request: Request, **changes: str) -> Request:
    return replace(request, query={**request.query, **changes})
