"""Dividing the process's file descriptors."""

import resource
import subprocess
import sys

import pytest

from node.shares.descriptors import Descriptors, raise_limit


@pytest.mark.parametrize("limit", [600, 1024, 4096, 20_000, 65_536, 1 << 20])
def test_all_together_fit_below_the_limit(limit: int):
    """Broken: strangers use up what the index needs, and every write fails."""
    shares = Descriptors.divide(limit, 10_000, 64)
    assert 512 + 4 * (shares.connections + shares.admin) <= limit
    assert 0 < shares.connections <= 10_000


@pytest.mark.parametrize(("limit", "admin"), [(600, 2), (1024, 16), (4096, 64), (1 << 20, 64)])
def test_the_admin_port_has_its_share(limit: int, admin: int):
    """Broken: clients have all connections, and who wants to know why is turned away."""
    assert Descriptors.divide(limit, 10_000, 64).admin == admin


@pytest.mark.parametrize("limit", [1, 64, 512])
def test_there_is_always_something(limit: int):
    shares = Descriptors.divide(limit, 10_000, 64)
    assert (shares.connections, shares.admin) == (1, 1)


def test_enough_is_what_was_asked_for():
    assert Descriptors.divide(1 << 20, 10_000, 64).connections == 10_000


def test_the_soft_limit_becomes_the_hard_one():
    """Broken: a shell's 1,024 caps a node on a machine that allows a million."""
    program = (
        "import resource; from node.shares.descriptors import raise_limit;"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (300, 700)); print(raise_limit());"
        "print(*resource.getrlimit(resource.RLIMIT_NOFILE))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.split() == ["700", "700", "700"]
    assert raise_limit() <= resource.getrlimit(resource.RLIMIT_NOFILE)[1]
