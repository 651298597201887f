"""Every case of the OCI conformance suite, through one node of three."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conformance.suite import assert_nothing_is_left_out, may_run_suite, run_suite
from tests.e2e.administration import Administration
from tests.e2e.clients import require
from tests.e2e.up_cluster import UpCluster

pytestmark = [pytest.mark.conformance, pytest.mark.timeout(400)]

TESTS_MIN = 800
"""Fewer cases than this means that the suite stopped early or left parts out."""

RESULTS = Path(__file__).parents[2] / "results"


@pytest.fixture(scope="module", params=[True, False], ids=["open", "closed"])
def conformance_cluster(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[UpCluster]:
    """Three nodes that nothing else writes to: open, or such that everybody has to log in."""
    directory = tmp_path_factory.mktemp("conformance") / "data"
    with UpCluster(data_dir=directory, is_open=request.param) as cluster:
        yield cluster


@pytest.mark.parametrize("version", ["1.1", "dev"])
def test_the_suite_finds_nothing(conformance_cluster: UpCluster, version: str) -> None:
    """If this fails, Atoll breaks a rule of the distribution specification."""
    node = conformance_cluster.nodes[0 if version == "1.1" else 1]
    user = None
    if not conformance_cluster.is_open:
        user = may_run_suite(Administration(node=conformance_cluster.nodes[2]), version)
    results = RESULTS / f"conformance-{version}-{user or 'open'}"
    report = run_suite(require("conformance"), node.http, version, results, user=user)
    who = user or "everybody"
    print(f"\nOCI conformance {version} against {node.id} ({node.region}), as {who}: {report}")
    assert report.failures == 0
    assert report.errors == 0
    assert report.tests > TESTS_MIN
    assert_nothing_is_left_out(report, user)
