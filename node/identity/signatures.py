"""
Tokens: made with a key of this node, checked with the public keys of all.

One algorithm, Ed25519, and three fields in the header: `alg`, `kid` and `typ`. What else a header
says (`jwk`, `jku`, `x5u`, `crit`) makes the token none of ours; a key is only ever found by its
name among those that the cluster has published, and nothing is fetched (CVE-2025-24976,
CVE-2026-48526).
"""

import secrets
from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol

import msgspec
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import OKPKey
from joserfc.jws import JWSRegistry

from node.identity.documents import SigningKey, is_over, is_void

ALGORITHM: Final = "Ed25519"

TOKEN_BYTES_MAX: Final = 8 << 10
"""Longest token that is looked at; ours with 32 scopes have some 4 KiB."""

LEEWAY_S: Final = 30.0
"""By how much the clocks of nodes may differ: the cluster's bound is half a second, and tokens are
also checked by nodes whose clock is wrong."""

SIGNS_S: Final = 30 * 86_400.0
"""How long a key signs. Then the next one does, and this one is still known until what it signed
has ended. Shorter loses less with a stolen disk; each key is a document that every node keeps."""

OVERLAP_S: Final = 3600.0
"""How long the next key is published before it signs: each node that is not cut off has it then."""

_TYPES: Final = {
    "access": "at+jwt",
    "refresh": "atoll-refresh+jwt",
    "session": "atoll-session+jwt",
}
"""In the header, so that no kind can be taken for another."""

_HEADER: Final = {"alg", "kid", "typ"}


class TokenInvalid(Exception):
    """Not a token of this cluster, or no more. `str()` says why, for the client."""


class KeyNotKnown(TokenInvalid):
    """Signed by a key that is not here: it may be on its way."""


class AccessEntry(msgspec.Struct, frozen=True):
    """As the Docker token specification has it; *project* is the id of the repository's."""

    type: str
    name: str
    actions: tuple[str, ...]
    project: str = ""


class Claims(msgspec.Struct, frozen=True):
    """What a token says."""

    iss: str
    aud: str
    sub: str
    """The id of the subject; empty: a stranger."""

    name: str
    """Its log-in name."""

    how: str
    """What it logged in with: see `node.identity.login`."""

    iat: float
    nbf: float
    exp: float
    jti: str
    access: tuple[AccessEntry, ...] = ()


class OwnKey(msgspec.Struct, frozen=True):
    """A key of this node, with its private half."""

    id: str
    created: float
    jwk: dict[str, str]


class KeyStore(Protocol):
    """Where a node keeps its private keys: nowhere but on its own disk."""

    def load(self) -> Sequence[OwnKey]: ...

    def save(self, keys: Sequence[OwnKey]) -> None:
        """Durably, and readable by nobody else."""
        ...


class Signer:
    """The keys of this node, and those of the others. Belongs to one event loop."""

    def __init__(
        self,
        node: str,
        cluster: str,
        store: KeyStore,
        published: Callable[[str], SigningKey | None],
        now: Callable[[], float],
        *,
        longest_s: float,
    ) -> None:
        """
        Args:
            published: the public half of a key, by name, whatever its document says.
            longest_s: the longest life of a token.
        """
        self._node = node
        self.audience = cluster
        self._issuer = f"atoll:{cluster}"
        self._store = store
        self._published = published
        self._now = now
        self._longest_s = longest_s
        self._own = list(store.load())
        self._registry = JWSRegistry(algorithms=[ALGORITHM])

    @property
    def can_sign(self) -> bool:
        """Whether this node has a key that the others know, or hear of soon."""
        return any(self._is_published(key) for key in self._own)

    def due(self) -> list[SigningKey]:
        """
        The keys that have to be published now; makes one where one is due.

        Raises:
            StorageFailure: it could not be kept.
        """
        now = self._now()
        own = [
            key
            for key in self._own
            if now < key.created + SIGNS_S + self._longest_s and not self._is_revoked(key)
        ]
        if not any(now < key.created + SIGNS_S - OVERLAP_S for key in own):
            made = OKPKey.generate_key("Ed25519").as_dict(private=True)
            jwk = {field: str(value) for field, value in made.items()}
            own.append(OwnKey(secrets.token_hex(8), now, jwk))
        if own != self._own:
            self._store.save(own)
            self._own = own
        return [self._public(key) for key in own if not self._is_published(key)]

    def _is_published(self, key: OwnKey) -> bool:
        return not is_void(self._published(key.id))

    def _is_revoked(self, key: OwnKey) -> bool:
        found = self._published(key.id)
        return found is not None and is_void(found)

    def _public(self, key: OwnKey) -> SigningKey:
        expires = key.created + SIGNS_S + self._longest_s
        return SigningKey(key.id, self._node, key.jwk["x"], key.created, expires)

    def sign(
        self, kind: str, subject: tuple[str, str, str], access: Sequence[AccessEntry], life_s: float
    ) -> tuple[str, Claims]:
        """
        A token of that kind ("access", "refresh", "session") for the *subject*, by id, name and
        how it logged in. This node has to be one that `can_sign`.
        """
        now = self._now()
        signing = [key for key in self._own if self._is_published(key)]
        assert signing, "who signs has looked for a key"
        # The next one only once it has been out for a while, if there is another.
        old = [key for key in signing if key.created + OVERLAP_S <= now < key.created + SIGNS_S]
        key = max(old or signing, key=lambda each: each.created)
        claims = Claims(
            self._issuer, self.audience, *subject, now, now, now + life_s,
            secrets.token_hex(8), tuple(access),
        )  # fmt: skip
        header = {"alg": ALGORITHM, "kid": key.id, "typ": _TYPES[kind]}
        body = msgspec.to_builtins(claims)
        signed = jwt.encode(header, body, OKPKey.import_key(dict(key.jwk)), registry=self._registry)
        return signed, claims

    def verify(self, kind: str, token: str) -> Claims:
        """
        What a token of that kind says, if a key of the cluster signed it and its time is now.

        Raises:
            KeyNotKnown: the key is not here.
            TokenInvalid: it is none of ours, or has ended.
        """
        if len(token) > TOKEN_BYTES_MAX:
            raise TokenInvalid("the token is too long")
        now = self._now()

        def find(signature: Any) -> OKPKey:
            header = signature.headers()
            if header.keys() != _HEADER or header["typ"] != _TYPES[kind]:
                raise TokenInvalid(f"it is no {kind} token of this registry")
            name = header["kid"]
            key = self._published(name) if isinstance(name, str) else None
            if key is not None and is_void(key):
                raise TokenInvalid("the key of the token was revoked")
            if key is None or not key.x:
                raise KeyNotKnown("the token was signed by a key that is not known")
            if is_over(key.expires, now):
                raise TokenInvalid("the key of the token has ended")
            return OKPKey.import_key({"kty": "OKP", "crv": "Ed25519", "x": key.x})

        try:
            found = jwt.decode(token, find, algorithms=[ALGORITHM], registry=self._registry)
            claims = msgspec.convert(found.claims, Claims)
        except (JoseError, ValueError, TypeError, KeyError) as exc:
            raise TokenInvalid("it is no token of this registry") from exc
        if claims.iss != self._issuer or claims.aud != self.audience:
            raise TokenInvalid("the token is for another registry")
        if now < claims.nbf - LEEWAY_S:
            raise TokenInvalid("the token is not valid yet")
        if now >= claims.exp:
            raise TokenInvalid("the token has expired")
        return claims
