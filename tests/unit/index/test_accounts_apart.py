"""Accounts that are changed on two sides of a partition, and what holds when it ends."""

from collections.abc import AsyncIterator, Callable

import pytest

from cluster.model import Key
from cluster.objects.events import Write
from node.identity.actions import Action, Role, Verb
from node.identity.documents import Deny, ProjectAccess, RoleGrant, encode
from node.identity.service import Identity
from node.identity.signatures import KeyNotKnown
from node.index.index import Index
from node.registry.values import PutSetting
from tests.fakes.identity import identity_over
from tests.fakes.replicator import SoloReplicator
from tests.unit.index.conftest import OpenIndex
from tests.unit.index.nodes import exchange, foreign, hear

PASSWORD = "correct horse battery"


class Side:
    """One side of a partition."""

    def __init__(self, index: Index) -> None:
        self.index = index
        self.identity: Identity = identity_over(
            index.metadata, SoloReplicator(), node=index.replica.origin.node
        )
        self.accounts = self.identity.accounts

    def may(self, name: str, action: Action, repository: str = "lib/app") -> bool:
        subject = self.identity.login.named(name)
        return subject is not None and (
            self.identity.authorizer.decide(subject, action, repository).allowed
        )

    async def logs_in(self, name: str, password: str = PASSWORD) -> bool:
        return await self.identity.login.log_in(name, password) is not None


@pytest.fixture
async def sides(open_node: OpenIndex) -> AsyncIterator[tuple[Side, Side]]:
    """Two nodes that know ann, a pusher of lib, and bob, and will not hear from each other."""
    one, other = Side(open_node("a")), Side(open_node("b"))
    for name in ("ann", "bob"):
        await one.accounts.put_user(name, password=PASSWORD, disabled=False, create=True)
    await one.accounts.put_project("lib", public=False, denies=())
    await one.accounts.grant("lib", "ann", Role.PUSHER, (), 0.0)
    await exchange(one.index, other.index)
    assert other.may("ann", Action.MANIFEST_WRITE)
    yield one, other
    for side in (one, other):
        side.identity.passwords.close()


async def healed(sides: tuple[Side, Side], check: Callable[[Side], bool]) -> bool:
    """What *check* says of both, which have to say the same, once the partition has ended."""
    await exchange(*(side.index for side in sides))
    first, second = map(check, sides)
    assert first == second
    return first


async def test_a_role_that_one_side_took_away_stays_away(sides: tuple[Side, Side]):
    one, other = sides
    await one.accounts.revoke("lib", "ann")
    await other.accounts.grant("lib", "ann", Role.ADMIN, (), 0.0)  # later, and larger
    assert not await healed(sides, lambda side: side.may("ann", Action.MANIFEST_READ))
    await other.accounts.grant("lib", "ann", Role.PULLER, (), 0.0)  # by who has seen both
    assert await healed(sides, lambda side: side.may("ann", Action.MANIFEST_READ))
    assert not sides[0].may("ann", Action.MANIFEST_WRITE)


async def test_a_zombie_grant_does_not_undo_a_revocation(sides: tuple[Side, Side]):
    """Interleaving 6: it was never acknowledged, and surfaces with a stamp of its own."""
    one, other = sides
    await one.accounts.revoke("lib", "bob")
    user, project = one.identity.directory.user("bob"), one.identity.directory.project("lib")
    assert user is not None
    assert project is not None
    zombie = Write((), encode(RoleGrant(user.id, "bob", Role.ADMIN)))
    key = Key("setting", "grant", f"{project.id}/{user.id}")
    late = foreign(one.index, 1, key, zombie)
    for side in sides:
        await side.index.replica.apply([late])
    await hear(other.index, one.index)
    assert not one.may("bob", Action.MANIFEST_READ)
    assert not other.may("bob", Action.MANIFEST_READ)


async def test_what_both_sides_give_to_different_people_holds(sides: tuple[Side, Side]):
    """Broken: two admins who each add somebody have added nobody."""
    one, other = sides
    await one.accounts.grant("lib", "bob", Role.PULLER, (), 0.0)
    await other.accounts.create_group("ops")
    await other.accounts.set_member("ops", "ann", is_member=True)
    await other.accounts.grant("lib", "@ops", Role.MAINTAINER, (), 0.0)
    assert await healed(
        sides,
        lambda side: (
            side.may("bob", Action.MANIFEST_READ) and side.may("ann", Action.MANIFEST_DELETE)
        ),
    )


async def test_who_is_disabled_on_one_side_is_so(sides: tuple[Side, Side]):
    one, other = sides
    await one.accounts.put_user("ann", password=None, disabled=True, create=False)
    await other.accounts.put_user("ann", password=None, disabled=False, create=False)
    assert not await healed(sides, lambda side: side.may("ann", Action.MANIFEST_READ))


async def test_a_user_made_on_both_sides_is_nobody(sides: tuple[Side, Side]):
    one, other = sides
    for side in sides:
        await side.accounts.put_user("eve", password=PASSWORD, disabled=False, create=True)
        await side.accounts.grant("lib", "eve", Role.PUSHER, (), 0.0)
    assert not await healed(sides, lambda side: side.may("eve", Action.MANIFEST_READ))
    assert not await one.logs_in("eve")
    await other.accounts.put_user("eve", password=PASSWORD, disabled=False, create=True)
    await exchange(one.index, other.index)
    assert await one.logs_in("eve")
    assert not one.may("eve", Action.MANIFEST_READ)


async def test_two_passwords_are_none(sides: tuple[Side, Side]):
    one, other = sides
    await one.accounts.set_password("ann", "the first of them")
    await other.accounts.set_password("ann", "the second of them")
    await exchange(one.index, other.index)
    for password in (PASSWORD, "the first of them", "the second of them"):
        assert not await one.logs_in("ann", password)
    await one.accounts.set_password("ann", PASSWORD)
    await exchange(one.index, other.index)
    assert await other.logs_in("ann")


async def test_a_deleted_user_stays_deleted(sides: tuple[Side, Side]):
    one, other = sides
    await one.accounts.delete_user("ann")
    await other.accounts.set_password("ann", "another password")
    await other.accounts.put_user("ann", password=None, disabled=False, create=False)
    await exchange(one.index, other.index)
    for side in sides:
        assert not await side.logs_in("ann", "another password")


async def test_denials_of_both_sides_hold_and_a_project_is_private(sides: tuple[Side, Side]):
    one, other = sides
    await one.accounts.put_project("lib", public=True, denies=[Deny("ann", Verb.PULL, "lib/a")])
    await other.accounts.put_project("lib", public=False, denies=[Deny("ann", Verb.PUSH, "lib/b")])
    await exchange(one.index, other.index)
    for side in sides:
        assert not side.may("bob", Action.MANIFEST_READ)
        assert not side.may("ann", Action.MANIFEST_READ, "lib/a")
        assert not side.may("ann", Action.MANIFEST_WRITE, "lib/b")
        assert side.may("ann", Action.MANIFEST_WRITE)


async def test_a_change_takes_the_place_of_what_its_author_has_seen(sides: tuple[Side, Side]):
    """Broken: who changes one thing takes away what arrived while they did."""
    one, other = sides
    await one.accounts.put_project("lib", public=False, denies=[Deny("ann", Verb.PULL, "lib/app")])
    seen = other.index.metadata.setting_heads("access", "lib")
    await hear(other.index, one.index)
    assert other.index.metadata.setting_heads("access", "lib") != seen
    # It was made of what was there before: written behind what has come meanwhile.
    access = other.identity.directory.project("lib")
    assert access is not None
    change = PutSetting(
        "access",
        "lib",
        encode(ProjectAccess(access.id, access.created)),
        tuple(head.dot for head in seen),
    )
    await other.index.metadata.put(change)
    await exchange(one.index, other.index)
    assert not other.may("ann", Action.MANIFEST_READ)


async def test_a_token_of_one_node_is_good_at_the_other(sides: tuple[Side, Side]):
    one, other = sides
    await one.identity.ensure_key()
    account = await one.identity.login.log_in("ann", PASSWORD)
    assert account is not None
    token = one.identity.tokens.issue(account, []).token
    with pytest.raises(KeyNotKnown):
        await other.identity.tokens.verify(token)
    await hear(other.index, one.index)
    assert (await other.identity.tokens.verify(token)).account == account
