"""Secrets that are made here: random, shown once, and stored as a plain hash."""

import hashlib
import hmac
import re
import secrets
from typing import Final, NamedTuple

from node.identity.errors import SecurityDocumentInvalid

_ID: Final = re.compile(r"[0-9a-f]{16}")

_SECRET: Final = re.compile(r"atoll_([0-9a-f]{16})_[A-Za-z0-9_-]{43}")
"""256 bits: nobody guesses it, so that nothing slow stands before the comparison."""


class NewSecret(NamedTuple):
    """A secret, for its owner alone, and what is stored of it."""

    id: str
    text: str
    digest: str


def new_id() -> str:
    """The id of an object that is made now: 128 random bits, so that none is given twice."""
    return secrets.token_hex(16)


def new_secret_id() -> str:
    """The id of a secret that is made now. It is part of the secret, and no secret itself."""
    return secrets.token_hex(8)


def new_secret(name: str) -> NewSecret:
    """
    Make one with the id *name*.

    Raises:
        SecurityDocumentInvalid: *name* cannot be one.
    """
    if _ID.fullmatch(name) is None:
        raise SecurityDocumentInvalid("the id of a secret is 16 of 0-9 a-f")
    text = f"atoll_{name}_{secrets.token_urlsafe(32)}"
    return NewSecret(name, text, digest_of(text))


def id_in(text: str) -> str | None:
    """The id of the secret that *text* is; None: it is a password, or nothing."""
    found = _SECRET.fullmatch(text)
    return None if found is None else found[1]


def digest_of(text: str) -> str:
    """What is stored of a secret."""
    return hashlib.sha256(text.encode()).hexdigest()


def is_secret(text: str, digest: str) -> bool:
    """Whether *text* is the secret with that *digest*, in a time that does not tell how nearly."""
    return bool(digest) and hmac.compare_digest(digest_of(text), digest)
