"""Which versions work together, and what a cluster of several versions may use."""

import msgspec
import pytest

from cluster.errors import JoinRefused, WrongProtocol
from cluster.membership import precedence
from cluster.membership.versions import OLDEST_SPOKEN, check_protocol
from cluster.messages import Greeting
from cluster.model import (
    FEATURES,
    PROTOCOL,
    NodeId,
)
from cluster.rpc import codec
from tests.builders import a_member
from tests.fakes.fleet import Engine, Fleet, fleet

NEW = ("signed", "sparse")


@pytest.mark.parametrize(
    ("protocol", "works"),
    [
        (0, False),
        (OLDEST_SPOKEN - 1, False),
        (OLDEST_SPOKEN, True),
        (PROTOCOL, True),
        (PROTOCOL + 1, True),
        (PROTOCOL + 2, False),
    ],
)
def test_a_version_works_with_those_beside_it(protocol: int, works: bool):
    if works:
        check_protocol(NodeId("a"), NodeId("b"), protocol)
    else:
        with pytest.raises(WrongProtocol, match=f"'b' speaks version {protocol} of"):
            check_protocol(NodeId("a"), NodeId("b"), protocol)


def test_the_version_before_is_spoken_unless_it_was_broken_with():
    """Broken: a rolling upgrade is impossible without anybody having decided so."""
    assert OLDEST_SPOKEN in (PROTOCOL - 1, PROTOCOL)


def test_features_are_listed_in_order():
    """Broken: two members that can do the same are not equal."""
    assert list(FEATURES) == sorted(set(FEATURES))


def test_all_agree_which_of_two_words_about_a_run_counts():
    """A relay of an earlier version may lose what it does not know."""
    full, lost = (precedence.first_word(a_member("a", features=names)) for names in (NEW, ()))
    assert precedence.merge(full, lost) == precedence.merge(lost, full) == full


@pytest.mark.parametrize(
    "names", [("one", "not a name"), tuple(f"f{n}" for n in range(codec.FEATURES_MAX + 1))]
)
def test_what_cannot_be_the_features_of_a_version_is_malformed(names: tuple[str, ...]):
    """Broken: a peer that invents features fills the memory of all."""
    message = codec.MEMBER.write(a_member("a", features=names[:2]))
    codec.MEMBER.read(codec.MEMBER.write(a_member("a", features=NEW)))
    message.features[:] = names
    with pytest.raises(ValueError, match="features"):
        codec.MEMBER.read(message)


def greeting_of(engine: Engine, protocol: int) -> Greeting:
    newcomer = msgspec.structs.replace(engine.member, node=NodeId("z"), rpc="z:1", http="z:2")
    return Greeting("test", newcomer, (), {}, engine.clock.now_ms(), protocol=protocol)


@pytest.mark.parametrize("protocol", [0, PROTOCOL + 2])
async def test_a_greeting_of_a_distant_version_is_refused(protocol: int):
    """Broken: it is sent events that it takes for something else."""
    async with fleet() as ships:
        a, _ = await ships.pair()
        with pytest.raises(WrongProtocol, match="'z' speaks version"):
            await a.cluster.service.hello(greeting_of(a, protocol))
        assert {m.node for m in a.statistics.members} == {"b"}
        await a.cluster.service.hello(greeting_of(a, PROTOCOL + 1))
        assert {m.node for m in a.statistics.members} == {"b", "z"}


class OtherVersion:
    """A seed that answers greetings as another version would."""

    def __init__(self, engine: Engine, protocol: int) -> None:
        self._greeting = msgspec.structs.replace(greeting_of(engine, protocol), joined=True)

    async def hello(self, greeting: Greeting) -> Greeting:
        return self._greeting


async def test_a_node_whose_seeds_are_of_a_distant_version_stops_and_says_why():
    """Broken: it goes on alone beside a cluster that it was meant to be part of."""
    async with fleet() as ships:
        a = ships.add("a", seeds=("z:1",))
        ships.network.services.update({a.address: a.cluster.service, "z:1": OtherVersion(a, 0)})
        with pytest.raises(JoinRefused, match="'z' speaks version 0 of the protocol"):
            await a.cluster.run()
        assert a.statistics.members == ()


def upgrade(ships: Fleet, engine: Engine) -> None:
    """Start an engine that was killed, of a later version now."""
    engine.member = msgspec.structs.replace(engine.member, features=NEW)
    ships.next_run(engine)


async def test_a_cluster_uses_what_the_last_one_has_learnt():
    """Broken: it is used while one is away that cannot do it, or never."""
    async with fleet() as ships:
        engines = a, b, c = await ships.trio()
        for engine in (a, b):
            await ships.kill(engine)
            upgrade(ships, engine)
        await ships.until(lambda: all(len(engine.connected()) == 2 for engine in engines))
        await ships.kill(c)
        await ships.until(lambda: a.connected() == {"b"} and b.connected() == {"a"})
        assert not any(engine.cluster.uses("signed") for engine in engines)
        upgrade(ships, c)
        await ships.until(lambda: all(engine.cluster.uses("signed") for engine in engines))


async def test_who_has_not_joined_does_not_know_what_the_members_can_do():
    """Broken: a node that knows nobody yet takes itself for the whole cluster."""
    async with fleet() as ships:
        a = ships.add("a", seeds=("nobody:1",))
        upgrade(ships, a)
        assert not a.cluster.uses("signed")
