"""The key that signs this installation's releases: made at the first promotion, readable by its owner only.

Touches `release-key.pem` in the folder of what is installed (`POLYDESK_VAR`) and the public key beside the releases.
"""

from __future__ import annotations

import os
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from nlu.releases import PUBLIC_KEY, DamagedReleaseError
from training.disk import write_durably

PRIVATE_KEY = "release-key.pem"


def signing_key(releases: Path) -> Ed25519PrivateKey:
    """Return the key, made where there is none. Raises `DamagedReleaseError` if it cannot be read as one."""
    path = Path(os.environ.get("POLYDESK_VAR") or "var") / PRIVATE_KEY
    if not path.exists():
        _make(path)
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except ValueError as error:
        raise DamagedReleaseError(f"{path} is not a private key: {error}") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise DamagedReleaseError(f"{path} is not an Ed25519 key.")
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    published = releases / PUBLIC_KEY
    if not published.exists():
        write_durably(published, public)
    if published.read_bytes() != public:
        raise DamagedReleaseError(f"{published} belongs to another key than {path}: restore the one that made it.")
    return key


def _make(path: Path) -> None:
    content = Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    write_durably(path, content, mode=0o600)
