"""
Bugs of who may do what (`node.identity`), each noticed by a story; seeds that may notice them are
those of `tests.sim.identity.plan`.

One that something else hides there is that a node which has just started counts as one that has
seen most voters: it lets nobody in before it has caught up, which it cannot on that side.
"""

from typing import Any, Final

from joserfc import jws
from msgspec import json, structs

from node.http.guard import Doorkeeper
from node.identity.accounts import Accounts
from node.identity.directory import SecurityDirectory
from node.identity.documents import KINDS, D, Robot, User, decode
from node.identity.login import Account, Login
from node.identity.signatures import Claims, Signer
from node.identity.tokens import Tokens
from node.registry.receipt import Receipt
from tests.sim.identity.plan import FAMILY
from tests.sim.mutants.mutant import Mutant

_put = Accounts._put
_verify = Signer.verify
_refresh = Tokens.refresh


def _largest_stamp(self: SecurityDirectory, of: type[D], name: str) -> D | None:
    heads = self._store.setting_heads(KINDS[of], name)
    if not heads:
        return None
    latest = max(heads, key=lambda head: (head.stamp, head.dot))
    assert latest.value is not None
    return decode(of, latest.value)


async def _put_under_the_old_id(self: Accounts, name: str, document: Any) -> Receipt:
    if isinstance(document, (User, Robot)):
        before = self._directory.get(type(document), name)
        if before is not None and before.deleted and not document.deleted:
            document = structs.replace(document, id=before.id)
    return await _put(self, name, document)


def _ageless(self: Signer, kind: str, token: str) -> Claims:
    issued_at = json.decode(jws.extract_compact(token.encode()).payload)["iat"]
    now, self._now = self._now, lambda: float(issued_at)
    try:
        return _verify(self, kind, token)
    finally:
        self._now = now


async def _refresh_of_others(self: Tokens, token: str) -> Account | None:
    kid = jws.extract_compact(token.encode()).headers()["kid"]
    if any(key.id == kid for key in self._signer._own):
        return await _refresh(self, token)
    self._login.check_authority()
    claims = await self._verify("refresh", token)
    return Account(claims.sub, claims.name, claims.how)


MUTANTS: Final = [
    Mutant(
        "largest-stamp-decides",
        "of concurrent versions of an account or a role the one with the largest stamp counts",
        [(SecurityDirectory, "get", _largest_stamp)],
        family=FAMILY,
    ),
    Mutant(
        "voters-unheeded",
        "a node logs in and renews tokens however long it has been without most voters",
        [(Login, "check_authority", lambda _: None)],
        family=FAMILY,
    ),
    Mutant(
        "tokens-for-ever",
        "the life of a token is not looked at",
        [(Signer, "verify", _ageless)],
        family=FAMILY,
    ),
    Mutant(
        "made-anew-under-the-old-id",
        "a user or robot that is deleted and made again has the id of the one before",
        [(Accounts, "_put", _put_under_the_old_id)],
        family=FAMILY,
    ),
    Mutant(
        "project-made-anew-is-the-same",
        "a token is good in a project that was made anew under the same name",
        [(Tokens, "is_of", lambda *_: True)],
        family=FAMILY,
    ),
    Mutant(
        "renewed-elsewhere-unasked",
        "a refresh token is held against the documents by the node alone that gave it out",
        [(Tokens, "refresh", _refresh_of_others)],
        family=FAMILY,
    ),
    Mutant(
        "door-remembers",
        "what the door has decided stands whatever document changes",
        [(Doorkeeper, "_forget_old", lambda _: None)],
        family=FAMILY,
    ),
]
