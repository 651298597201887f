"""Every case of the OCI conformance suite, through one node of three."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conformance.suite import run_suite
from tests.e2e.clients import require
from tests.e2e.up_cluster import UpCluster

pytestmark = [pytest.mark.conformance, pytest.mark.timeout(400)]

TESTS_MIN = 800
"""Fewer cases than this means that the suite stopped early or left parts out."""

RESULTS = Path(__file__).parents[2] / "results"


@pytest.fixture(scope="module")
def conformance_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[UpCluster]:
    """Three nodes that nothing else writes to."""
    with UpCluster(data_dir=tmp_path_factory.mktemp("conformance") / "data") as cluster:
        yield cluster


@pytest.mark.parametrize("version", ["1.1", "dev"])
def test_the_suite_finds_nothing(conformance_cluster: UpCluster, version: str) -> None:
    """If this fails, Atoll breaks a rule of the distribution specification."""
    node = conformance_cluster.nodes[0 if version == "1.1" else 1]
    results = RESULTS / f"conformance-{version}"
    report = run_suite(require("conformance"), node.http, version, results)
    print(f"\nOCI conformance {version} against {node.id} ({node.region}): {report}")
    assert report.failures == 0
    assert report.errors == 0
    assert report.tests > TESTS_MIN
    # A skipped case is an optional feature that the suite tried and did not find.
    assert not report.skipped
