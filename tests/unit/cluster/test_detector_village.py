"""3 to 50 failure detectors on a simulated network: deaths, stalls, partitions, loss."""

import pytest

from cluster.model import Status
from tests.fakes.members import Village

REGION = ["eu"]
SEEDS = range(12)


def settled(village: Village, name: str, status: Status) -> float:
    """When the last living observer came to see *name* so."""
    return max(at for at, _, member, now in village.changes if (member, now) == (name, status))


@pytest.mark.parametrize("size", [2, 3, 5, 9, 25])
def test_a_silent_death_is_noticed_by_all_within_8_seconds(size: int):
    """Acknowledgements would wait for the dead longer than the design allows."""
    worst = 0.0
    for seed in SEEDS:
        village = Village(REGION * size, seed)
        village.run(20 + seed * 0.37)
        died = village.now
        village.kill("n0")
        village.run(8)
        assert village.disagreements() == [], f"seed {seed}"
        worst = max(worst, settled(village, "n0", Status.DEAD) - died)
    assert 4.0 <= worst <= 8.0


def test_fifty_nodes_notice_a_death_within_8_seconds():
    village = Village(REGION * 50, 1)
    village.run(10)
    village.kill("n7")
    village.run(8)
    assert village.disagreements() == []


@pytest.mark.parametrize("size", [3, 5, 9])
@pytest.mark.parametrize("stall_s", [0.3, 10.0, 30.0])
def test_a_stalled_observer_kills_nobody(size: int, stall_s: float):
    """A node whose own loop stood still would declare everybody else dead."""
    for seed in SEEDS:
        village = Village(REGION * size, seed)
        village.run(10 + seed * 0.41)
        sick = village.nodes["n1"]
        sick.stalled_until = village.now + stall_s
        village.run(stall_s + 40)
        false = {
            (o, m) for _, o, m, status in village.changes if status is Status.DEAD and m != "n1"
        }
        assert not false, f"seed {seed}"
        assert village.disagreements() == [], f"seed {seed}"
        if stall_s >= 10:
            assert sick.counters.stalls >= 1
            assert sick.counters.refutations >= 1


def test_a_node_that_stalls_again_and_again_kills_nobody():
    for seed in SEEDS:
        village = Village(REGION * 5, seed)
        for _ in range(6):
            village.nodes["n1"].stalled_until = village.now + 2.0 + seed / 10
            village.run(5.0)
        false = [m for _, _, m, status in village.changes if status is Status.DEAD and m != "n1"]
        assert not false, f"seed {seed}"


@pytest.mark.parametrize("loss", [0.02, 0.1])
def test_lost_packets_kill_nobody(loss: float):
    """Every lost answer would be a death."""
    for seed in range(4):
        village = Village(REGION * 7, seed, loss=loss)
        village.run(120)
        assert not [c for c in village.changes if c[3] is Status.DEAD], f"seed {seed}"


def test_a_death_is_noticed_by_probes_alone():
    """Heartbeats of links bound the time; without them it is a matter of luck, but not of much."""
    for seed in SEEDS:
        village = Village(REGION * 9, seed)
        village.run(20 + seed * 0.37)
        village.kill("n0", beats=False)
        village.run(12)
        assert village.disagreements() == [], f"seed {seed}"


def test_a_death_is_noticed_though_packets_are_lost():
    for seed in SEEDS:
        village = Village(REGION * 7, seed, loss=0.05)
        village.run(20)
        village.kill("n0")
        village.run(30)
        assert not [n for n, m in village.disagreements() if m == "n0"], f"seed {seed}"


@pytest.mark.parametrize("regions", [["eu"] * 3 + ["us"] * 3, ["eu", "us", "ap"] * 3])
def test_a_partition_between_regions_heals(regions: list[str]):
    """After a heal some node would go on leaving a living one out."""
    for seed in range(5):
        village = Village(regions, seed)
        village.run(20)
        region = {name: str(node.member.region) for name, node in village.nodes.items()}
        village.split(lambda a, b, r=region: (r[a] == "eu") != (r[b] == "eu"))
        village.run(200)
        wrong = village.disagreements()
        assert wrong, f"seed {seed}: nobody noticed"
        assert all((region[a] == "eu") != (region[b] == "eu") for a, b in wrong), f"seed {seed}"
        village.heal()
        village.run(6)
        assert village.disagreements() == [], f"seed {seed}"


def test_trouble_between_regions_kills_nobody_inside_one():
    """A region behind a bad line would lose its own acknowledgements."""
    village = Village(["eu"] * 3 + ["us"] * 3, 3)
    village.run(10)
    region = {name: str(node.member.region) for name, node in village.nodes.items()}
    # One way only: us hears eu, and eu never hears us.
    village.cut = lambda a, b: region[a] == "us" and region[b] == "eu"
    village.run(120)
    dead = {(o, m) for _, o, m, s in village.changes if s is Status.DEAD and region[o] == region[m]}
    assert not dead


def test_a_node_cut_off_alone_and_back():
    for seed in SEEDS:
        village = Village(REGION * 5, seed)
        village.run(10)
        village.split(lambda a, b: "n2" in (a, b))
        village.run(40)
        assert all(n.status("n2") is Status.DEAD for k, n in village.nodes.items() if k != "n2")
        village.heal()
        village.run(6)
        assert village.disagreements() == [], f"seed {seed}"
