"""Tokens that somebody makes."""

import base64
import hashlib
import hmac
import json
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from joserfc.jwk import OKPKey

Part = dict[str, Any]


def parts_of(token: str) -> tuple[Part, Part]:
    """The header and the claims."""
    head, claims, _ = token.split(".")
    return _part(head), _part(claims)


def _part(text: str) -> Part:
    found: Part = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    return found


def signed(header: Part, claims: Part, key: OKPKey) -> str:
    """With that key, whatever the header says: no library would."""
    text = f"{_encoded(header)}.{_encoded(claims)}"
    private = key.private_key
    assert isinstance(private, Ed25519PrivateKey)
    return f"{text}.{_text_of(private.sign(text.encode()))}"


def with_shared_secret(header: Part, claims: Part, secret: bytes) -> str:
    """HS256, with what everybody knows."""
    text = f"{_encoded({**header, 'alg': 'HS256'})}.{_encoded(claims)}"
    mac = hmac.digest(secret, text.encode(), hashlib.sha256)
    return f"{text}.{_text_of(mac)}"


def unsigned(header: Part, claims: Part) -> str:
    return f"{_encoded({**header, 'alg': 'none'})}.{_encoded(claims)}."


def _encoded(part: Part) -> str:
    return _text_of(json.dumps(part).encode())


def _text_of(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
