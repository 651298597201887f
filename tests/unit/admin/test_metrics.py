"""What `/metrics` shows."""

from dataclasses import replace

from prometheus_client.parser import text_string_to_metric_families

from node.admin.figures import (
    ClockFigures,
    ClusterFigures,
    DiskFigures,
    MemberFigures,
    NodeFigures,
    StoreFigures,
)
from node.admin.metrics import Metrics
from node.attention.codes import GRADES
from node.attention.facts import CopyFacts
from node.desk.series import Tally
from node.lifetime.readiness import Readiness
from tests.unit.attention.snapshots import LEAST, WELL, Code, assessed

STORE = StoreFigures(
    uploads_open=1,
    blobs=2,
    blob_bytes=3,
    manifests=4,
    quarantined=5,
    index_paused=1,
    index_failed=0,
    index_recoveries=6,
    blobs_checked=6,
    blobs_damaged=7,
    blobs_restored=8,
    blobs_not_restored=9,
    blobs_set_aside=10,
    blobs_hidden=11,
    disk_failures=12,
)

CLUSTER = ClusterFigures(
    members_known=3,
    is_open=1,
    peers_connected=2,
    events_unpushed=5,
    blobs_fetching=1,
    copies_making=2,
    durability_degraded=6,
    health=2,
    reads_covered=21,
    reads_asked=22,
    reads_unconfirmed=23,
    reads_refused=24,
    covered=1,
    laggards=25,
    suspicions=7,
    refutations=8,
    deaths=9,
    stalls=10,
    restore_rows_left=11,
    restores=12,
    checkpoint_rows_served=13,
    events_trimmed=14,
    copies_repaired=16,
    index_damaged=1,
    index_differing=2,
    logs=26,
    logs_retired=27,
    events_refused=28,
    logs_standing=1,
    comparisons=15,
    differences=3,
    rows_checks=4,
    settings_differing=1,
    members=(
        MemberFigures("b", "eu", "alive", 3, -0.25),
        MemberFigures("c", "us", "dead", 9, None),
    ),
)


def scrape(metrics):
    """All samples: (name, labels) -> value."""
    body, content_type = metrics.render()
    assert content_type.startswith("text/plain")
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(body.decode())
        for sample in family.samples
    }


def test_requests():
    """Requests would be counted under the wrong labels, or lost."""
    metrics = Metrics()
    metrics.request("blob.read", "GET", 200, 0.003)
    metrics.request("blob.read", "GET", 200, 0.2)
    metrics.request("blob.read", "GET", 404, 0.001)
    samples = scrape(metrics)
    both = (("action", "blob.read"), ("method", "GET"))
    assert samples["atoll_http_requests_total", (*both, ("status", "200"))] == 2
    assert samples["atoll_http_requests_total", (*both, ("status", "404"))] == 1
    assert samples["atoll_http_request_duration_seconds_count", both] == 3
    bucket = tuple(sorted((*both, ("le", "0.005"))))
    assert samples["atoll_http_request_duration_seconds_bucket", bucket] == 2


def test_strange_methods_share_one_series():
    """A stranger could fill the memory by sending ever new methods."""
    metrics = Metrics()
    for i in range(100):
        metrics.request("unknown", f"M{i}", 405, 0.001)
    series = {key: v for key, v in scrape(metrics).items() if key[0] == "atoll_http_requests_total"}
    labels = (("action", "unknown"), ("method", "other"), ("status", "405"))
    assert series == {("atoll_http_requests_total", labels): 100}


def test_counters():
    metrics = Metrics()
    metrics.conflict("tag")
    metrics.received(10)
    metrics.received(5)
    metrics.sent(7)
    samples = scrape(metrics)
    assert samples["atoll_http_received_bytes_total", ()] == 15
    assert samples["atoll_http_sent_bytes_total", ()] == 7
    assert samples["atoll_conflicts_total", (("collection", "tag"),)] == 1


def test_snapshots_are_read_at_each_scrape():
    """The gauges would show the figures of the start for ever."""
    metrics, cluster = Metrics(), [CLUSTER]
    metrics.watch_store(lambda: STORE)
    metrics.watch_cluster(lambda: cluster[0])
    samples = scrape(metrics)
    assert samples["atoll_uploads_open", ()] == 1
    assert samples["atoll_blobs_stored", ()] == 2
    assert samples["atoll_blob_stored_bytes", ()] == 3
    assert samples["atoll_manifests_stored", ()] == 4
    assert samples["atoll_cluster_members", ()] == 3
    assert samples["atoll_cluster_events_unpushed", ()] == 5
    assert samples["atoll_cluster_blobs_fetching", ()] == 1
    assert samples["atoll_durability_degraded_total", ()] == 6
    assert samples["atoll_cluster_health", ()] == 2
    assert samples["atoll_reads_covered_total", ()] == 21
    assert samples["atoll_reads_unconfirmed_total", ()] == 23
    assert samples["atoll_covered", ()] == 1
    assert samples["atoll_cluster_suspicions_total", ()] == 7
    assert samples["atoll_cluster_refutations_total", ()] == 8
    assert samples["atoll_cluster_deaths_total", ()] == 9
    assert samples["atoll_cluster_stalls_total", ()] == 10
    assert samples["atoll_restore_rows_left", ()] == 11
    assert samples["atoll_restores_total", ()] == 12
    assert samples["atoll_checkpoint_rows_served_total", ()] == 13
    assert samples["atoll_events_trimmed_total", ()] == 14
    assert samples["atoll_cluster_logs", ()] == 26
    assert samples["atoll_logs_retired_total", ()] == 27
    assert samples["atoll_events_refused_total", ()] == 28
    assert samples["atoll_copies_repaired_total", ()] == 16
    assert samples["atoll_index_damaged", ()] == 1
    assert samples["atoll_index_differing_members", ()] == 2
    assert samples["atoll_index_comparisons_total", ()] == 15
    assert samples["atoll_index_differences_total", ()] == 3
    assert samples["atoll_index_rows_checks_total", ()] == 4
    assert samples["atoll_events_quarantined", ()] == 5
    assert samples["atoll_index_paused", ()] == 1
    assert samples["atoll_index_failed", ()] == 0
    assert samples["atoll_index_recoveries_total", ()] == 6
    assert samples["atoll_blobs_checked_total", ()] == 6
    assert samples["atoll_blobs_damaged_total", ()] == 7
    assert samples["atoll_blobs_restored_total", ()] == 8
    assert samples["atoll_blobs_not_restored_total", ()] == 9
    assert samples["atoll_blobs_set_aside", ()] == 10
    assert samples["atoll_blobs_hidden", ()] == 11
    assert samples["atoll_blob_disk_failures_total", ()] == 12
    assert samples["atoll_copies_making", ()] == 2
    b, c = (("member", "b"), ("member_region", "eu")), (("member", "c"), ("member_region", "us"))
    assert samples["atoll_cluster_member_status", (*b, ("status", "alive"))] == 1
    assert samples["atoll_cluster_member_status", (*c, ("status", "dead"))] == 1
    assert samples["atoll_cluster_member_lag_events", c] == 9
    assert samples["atoll_cluster_member_clock_ahead_seconds", b] == -0.25
    assert ("atoll_cluster_member_clock_ahead_seconds", c) not in samples, "it was not heard lately"
    cluster[0] = replace(CLUSTER, peers_connected=0)
    assert scrape(metrics)["atoll_cluster_peers_connected", ()] == 0


def test_nodes_in_one_process_do_not_share():
    """Simulated nodes in one process would count into each other's figures."""
    one, other = Metrics(), Metrics()
    one.sent(1)
    assert scrape(other)["atoll_http_sent_bytes_total", ()] == 0


def test_process_and_collector_figures():
    """Memory, CPU and garbage collection of the process would be missing."""
    names = {name for name, _ in scrape(Metrics())}
    assert {"python_info", "python_gc_collections_total"} <= names


def test_whether_the_node_takes_traffic_and_writes():
    """An alarm on a node that takes no pushes would have to ask `/readyz` itself."""
    metrics, readiness = Metrics(), Readiness("cluster")
    missing: list[str | None] = [None]
    readiness.watch_writes("copies", lambda: missing[0])
    metrics.watch_health(lambda: readiness)

    def seen():
        samples = scrape(metrics)
        return samples["atoll_ready", ()], samples["atoll_writable", ()]

    assert seen() == (0, 0)
    readiness.meet("cluster")
    assert seen() == (1, 1)
    missing[0] = "us-1 is missing"
    assert seen() == (1, 0)


def test_what_needs_attention_is_counted_by_code_and_severity():
    """Broken: an alarm is about something else than what `atoll doctor` tells."""
    metrics, facts = Metrics(), [WELL]
    metrics.watch_attention(lambda: assessed(facts[0]))

    def counted() -> dict[tuple[str, str], float]:
        labels = {key[1]: value for key, value in scrape(metrics).items() if key[0] == NAME}
        return {(dict(each)["code"], dict(each)["severity"]): v for each, v in labels.items()}

    nothing = {(str(code), str(grade.severity)): 0.0 for code, grade in GRADES.items()}
    assert counted() == nothing, "each is there, so that who watches sees that it is watched"
    facts[0] = LEAST[Code.NODE_DEAD]
    assert counted() == {**nothing, ("node-dead", "warning"): 1.0}
    facts[0] = replace(facts[0], copies=LEAST[Code.BLOBS_GONE].copies)
    expected = {**nothing, ("node-dead", "critical"): 1.0}
    assert counted() == expected, "the cause alone, as bad as what it explains"


def test_what_was_counted_is_there_from_the_first_count_on():
    """Broken: a node that has just started says that no copies lack, and nobody has looked."""
    metrics, facts = Metrics(), [replace(WELL, counted_at=None)]
    metrics.watch_attention(lambda: assessed(facts[0]))
    names = {"atoll_blobs_short", "atoll_tags_in_conflict", "atoll_counted_timestamp_seconds"}
    assert not names & {name for name, _ in scrape(metrics)}
    facts[0] = replace(WELL, counted_at=1e9, conflicts=2, copies=CopyFacts(9, 90, 3, 30, 1, 10))
    samples = scrape(metrics)
    assert samples["atoll_blobs_known", ()] == 9
    assert samples["atoll_blobs_short", ()] == 3
    assert samples["atoll_blob_short_bytes", ()] == 30
    assert samples["atoll_blobs_gone", ()] == 1
    assert samples["atoll_blob_gone_bytes", ()] == 10
    assert samples["atoll_tags_in_conflict", ()] == 2
    assert samples["atoll_counted_timestamp_seconds", ()] == 1e9
    facts[0] = replace(facts[0], copies=None)
    assert not names & {name for name, _ in scrape(metrics)}, "it could not be counted"


def test_which_node_it_is_and_how_it_stands():
    metrics, queues = Metrics(), {"index": 3, "fetches": 0}
    metrics.watch_node(NodeFigures("c", "eu-1", "eu", "a", "1.2.3"))
    metrics.watch_disk(lambda: DiskFigures(size_bytes=100, free_bytes=40, reserve_bytes=10))
    metrics.watch_clock(lambda: ClockFigures(clock_offset_s=-0.7))
    metrics.watch_queues(lambda: queues)
    samples = scrape(metrics)
    assert samples["atoll_build_info", (("version", "1.2.3"),)] == 1
    who = (("cluster", "c"), ("node", "eu-1"), ("region", "eu"), ("zone", "a"))
    assert samples["atoll_node_info", who] == 1
    assert samples["atoll_disk_size_bytes", ()] == 100
    assert samples["atoll_disk_free_bytes", ()] == 40
    assert samples["atoll_disk_reserve_bytes", ()] == 10
    assert samples["atoll_clock_offset_seconds", ()] == -0.7
    assert samples["atoll_queue_length", (("queue", "index"),)] == 3
    assert samples["atoll_queue_length", (("queue", "fetches"),)] == 0


def test_a_disk_that_does_not_say_is_not_an_empty_one():
    """Broken: an alarm on a full disk, as `statvfs` failed once."""
    metrics = Metrics()
    metrics.watch_disk(lambda: None)
    assert not {name for name, _ in scrape(metrics) if name.startswith("atoll_disk")}


def test_the_lag_of_events_is_told_by_where_they_are_from():
    metrics = Metrics()
    for region, seconds in (("us", 0.2), ("us", 400.0), ("ap", -0.1)):
        metrics.lag(region, seconds)
    samples = scrape(metrics)
    us, ap = ("origin_region", "us"), ("origin_region", "ap")
    assert samples["atoll_event_lag_seconds_count", (us,)] == 2
    assert samples["atoll_event_lag_seconds_bucket", (("le", "0.25"), us)] == 1
    assert samples["atoll_event_lag_seconds_bucket", (("le", "600.0"), us)] == 2
    assert samples["atoll_event_lag_seconds_sum", (ap,)] == 0, "a clock that is ahead is no lag"


NAME = "atoll_attention"


def test_the_tally_is_of_manifests_errors_and_bytes():
    """Broken: the desk takes each blob of a pull for a pull, or a refusal for a push."""
    metrics = Metrics()
    assert metrics.tally() == Tally()
    for action, method, status in (
        ("manifest.write", "PUT", 201),
        ("manifest.write", "PUT", 400),
        ("manifest.write", "PUT", 503),
        ("manifest.read", "GET", 200),
        ("manifest.read", "GET", 200),
        ("manifest.read", "HEAD", 200),
        ("manifest.read", "GET", 404),
        ("blob.read", "GET", 200),
        ("blob.read", "GET", 500),
    ):
        metrics.request(action, method, status, 0.01)
    metrics.sent(700)
    assert metrics.tally() == Tally(pushes=1, pulls=2, errors=2, bytes_out=700)
