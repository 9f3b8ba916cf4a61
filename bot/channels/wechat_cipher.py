"""WeChat's safe mode: opens what WeChat has encrypted and signed, and seals what is given back with the request.

https://developers.weixin.qq.com/doc/service/guide/dev/push/encryption.html; AES-256 in CBC mode, whose first vector is
half of the key, around 16 random bytes, the message's length in four, the message, and the account's app id.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
from dataclasses import dataclass, field
from xml.etree.ElementTree import Element, SubElement, tostring

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7

BLOCK = 32  # bytes to which WeChat pads; the cipher's own are half as long
RANDOM = 16
LENGTH = 4


class NotOurs(ValueError):
    """This was not encrypted by WeChat for this account."""


def signature(*parts: str) -> str:
    """Sign parts as WeChat does; the token is one of them."""
    # WeChat's own form of a signature.
    return hashlib.sha1("".join(sorted(parts)).encode(errors="replace"), usedforsecurity=False).hexdigest()


@dataclass(frozen=True)
class Envelope:
    """One account's: `encoding_key` are the 43 characters that stand in its settings."""

    app_id: str
    token: str = field(repr=False)
    encoding_key: str = field(repr=False)

    def open(self, encrypted: str) -> bytes:
        """Return the message in it; raises `NotOurs`."""
        try:
            decryptor = self._cipher.decryptor()
            padded = decryptor.update(base64.b64decode(encrypted, validate=True)) + decryptor.finalize()
            unpadder = PKCS7(BLOCK * 8).unpadder()
            content = unpadder.update(padded) + unpadder.finalize()
        except (binascii.Error, ValueError) as error:
            raise NotOurs("not encrypted with this key") from error
        head = RANDOM + LENGTH
        end = head + int.from_bytes(content[RANDOM:head])
        if len(content) < head or not hmac.compare_digest(content[end:], self.app_id.encode()):
            raise NotOurs("cut off, or for another account")
        return content[head:end]

    def seal(self, message: str, *, timestamp: str, nonce: str) -> str:
        """Return the XML that may be given back in the place of the message."""
        content = message.encode()
        content = secrets.token_bytes(RANDOM) + len(content).to_bytes(LENGTH) + content + self.app_id.encode()
        padder, encryptor = PKCS7(BLOCK * 8).padder(), self._cipher.encryptor()
        padded = padder.update(content) + padder.finalize()
        encrypted = base64.b64encode(encryptor.update(padded) + encryptor.finalize()).decode()
        signed = signature(self.token, timestamp, nonce, encrypted)
        root = Element("xml")
        values = {"Encrypt": encrypted, "MsgSignature": signed, "TimeStamp": timestamp, "Nonce": nonce}
        for name, value in values.items():
            SubElement(root, name).text = value
        return tostring(root, encoding="unicode")

    @property
    def _cipher(self) -> Cipher[modes.CBC]:
        key = base64.b64decode(f"{self.encoding_key}=")
        return Cipher(algorithms.AES256(key), modes.CBC(key[:16]))
