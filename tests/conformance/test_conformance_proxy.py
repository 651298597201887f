"""
Every case of the OCI conformance suite through a round-robin proxy over three nodes.

Goal: no client of a load balancer needs sticky sessions. Method: three `atoll serve` in one
region, a proxy that gives each request to the next of them, and the unchanged suite, which then
opens an upload on one node, sends its chunks to another and reads from a third.
`CONFORMANCE_RUNS` sets how often, each time on new repositories of the same cluster.
"""

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.conformance.suite import (
    Report,
    assert_nothing_is_left_out,
    may_run_suite,
    run_suite,
)
from tests.conformance.test_conformance import RESULTS, TESTS_MIN
from tests.e2e.administration import Administration
from tests.e2e.clients import require
from tests.e2e.processes import ANY_ADMIN, OPEN
from tests.e2e.serve_cluster import ServeCluster
from tests.faults.round_robin import round_robin

RUNS = int(os.environ.get("CONFORMANCE_RUNS", "1"))

pytestmark = [pytest.mark.conformance, pytest.mark.timeout(300 + 120 * RUNS)]


@pytest.mark.parametrize(("version", "doors"), [("1.1", OPEN), ("dev", ANY_ADMIN)])
async def test_the_suite_finds_nothing_behind_a_proxy(
    tmp_path: Path, version: str, doors: Sequence[str]
) -> None:
    """If this fails, a load balancer over Atoll needs sticky sessions."""
    program = require("conformance")
    faulty: dict[int, Report] = {}
    for number in range(RUNS):
        # A cluster per run: the suite counts on repositories that start empty.
        directory = tmp_path / str(number)
        directory.mkdir()
        with ServeCluster(directory=directory, regions=("eu",), doors=doors) as cluster:
            user = None
            if doors is not OPEN:
                user = may_run_suite(Administration(node=cluster.nodes[0]), version)
            results = RESULTS / f"conformance-proxy-{version}-{user or 'open'}"
            async with round_robin([node.http for node in cluster.nodes]) as proxy:
                report = await asyncio.to_thread(
                    run_suite, program, proxy.address, version, results, user=user
                )
        who = f"{version} as {user or 'everybody'}"
        print(f"\nrun {number + 1} of {RUNS}, {who}: {report}; {sorted(proxy.served.values())}")
        assert min(proxy.served.values()) > TESTS_MIN / 3, "the proxy did not spread the requests"
        assert report.tests > TESTS_MIN
        assert_nothing_is_left_out(report, user)
        if report.failures or report.errors:
            faulty[number] = report
    assert not faulty, f"{len(faulty)} of {RUNS} runs failed"
