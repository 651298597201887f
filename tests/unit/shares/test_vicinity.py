"""Who shares the clients of a region, and which addresses are nodes'."""

from cluster.model import Member, NodeId, Region
from node.shares.vicinity import Vicinity


def member(name: str, region: str, http: str, rpc: str) -> Member:
    return Member(node=NodeId(name), region=Region(region), rpc=rpc, http=http, epoch=1)


def test_the_region_shares_its_clients_and_no_loopback_is_a_node_s():
    living = [
        member("b", "eu", "10.0.0.2:5000", "10.1.0.2:6000"),
        member("c", "eu", "c.example:5000", "127.0.0.1:6000"),
        member("d", "us", "[2001:db8::4]:5000", "[::1]:6000"),
    ]
    seen = [tuple(living)]
    vicinity = Vicinity(Region("eu"), lambda: seen[0])
    assert vicinity.sharers() == 3
    assert vicinity.addresses() == {"10.0.0.2", "10.1.0.2", "2001:db8::4"}
    seen[0] = tuple(living[1:])
    assert vicinity.sharers() == 2, "who is gone leaves its share to the others"
    assert vicinity.addresses() == {"2001:db8::4"}
