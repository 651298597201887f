"""
The limits of the edge: each with its number, whom it counts for, its setting, error and tests.

`docs/limits.md` has its table from here. What bounds the registry itself is beside the use cases.
"""

from dataclasses import dataclass
from typing import Any, Final

from node import errors
from node.http.limit import KIB, MIB, Counts, Limit, Unit
from node.http.rate_limits import ACCOUNT_RATE, ADDRESS_RATE, ANONYMOUS_PULLS, FORWARDED_HOPS
from node.identity import errors as identity

# --- connections ----------------------------------------------------------------------------------

CONNECTIONS: Final = Limit(
    what="client connections",
    number=10_000,
    unit=Unit.COUNT,
    counts=Counts.FAIR,
    beyond="connections without a request are closed, of the address that has the most first; if "
    "there is none, that address gives up a body; if it has no more than the newcomer's, the "
    "newcomer is refused. Fewer where the limit on open files is low",
    error=errors.TooManyConnections,
    setting="connections_max",
    tests=(
        "api/test_connections.py::test_idle_connections_make_room",
        "api/test_connections.py::test_the_address_with_the_most_connections_makes_room",
        "api/test_connections.py::test_a_connection_too_many_is_told_so",
    ),
)

ADMIN_CONNECTIONS: Final = Limit(
    # People, a few scrapers, and commands that wait. More would take files from clients.
    what="connections to the admin API's port",
    number=64,
    unit=Unit.COUNT,
    counts=Counts.FAIR,
    beyond="as of those of clients",
    error=errors.TooManyConnections,
    tests=("unit/shares/test_descriptors.py::test_the_admin_port_has_its_share",),
)

IDLE: Final = Limit(
    what="an idle connection; the head of a request from the answer before",
    number=75.0,
    unit=Unit.SECONDS,
    counts=Counts.CONNECTION,
    beyond="closed",
    tests=("api/test_connections.py::test_an_idle_connection_is_closed",),
)

AHEAD: Final = Limit(
    what="requests read ahead of the one that is answered, and what came in the same segment",
    number=1,
    unit=Unit.COUNT,
    counts=Counts.CONNECTION,
    beyond="the rest waits in the client's socket",
    tests=("api/test_connections.py::test_requests_are_not_read_far_ahead",),
)

READ_BUFFER: Final = Limit(
    what="received bytes of a body that wait for who reads it",
    number=1 * MIB,
    unit=Unit.BYTES,
    counts=Counts.CONNECTION,
    beyond="and the segment that passed it; the client has to wait, by its socket, until half of "
    "that is left",
    tests=("api/test_connections.py::test_a_body_that_nobody_reads_waits_in_the_socket",),
)

LINGER: Final = Limit(
    what="what a client sends behind a refusal that closes its connection, so that it sees that",
    number=5.0,
    unit=Unit.SECONDS,
    counts=Counts.CONNECTION,
    beyond="read away, then the connection is closed",
    tests=("api/test_wire.py::test_a_refusal_is_read_by_a_client_that_is_still_sending",),
)

STALL: Final = Limit(
    # Long enough for a laptop that changes networks; short enough that dead peers behind a firewall
    # do not pile up.
    what="a client that takes not one byte of its answers",
    number=60.0,
    unit=Unit.SECONDS,
    counts=Counts.CONNECTION,
    beyond="closed",
    tests=(
        "api/test_edge.py::test_a_client_that_does_not_read_is_dropped_whatever_the_answer",
        "api/test_edge.py::test_a_client_that_does_not_read_is_dropped",
    ),
)

# --- heads ----------------------------------------------------------------------------------------

LINE_BYTES: Final = Limit(
    # RFC 9112 asks for 8,000; a push with 50 tags has 7,000.
    what="the target of a request",
    number=8 * KIB,
    unit=Unit.BYTES,
    counts=Counts.REQUEST,
    beyond="connection closed",
    error=errors.UriTooLong,
    tests=("api/test_wire.py::test_a_long_target_is_a_414",),
)

HEAD_BYTES: Final = Limit(
    # Bearer tokens with many scopes or groups pass 16 KiB; more than 64 KiB would only let
    # strangers use more memory.
    what="header fields together",
    number=64 * KIB,
    unit=Unit.BYTES,
    counts=Counts.REQUEST,
    beyond="connection closed",
    error=errors.HeadersTooLarge,
    tests=(
        "api/test_wire.py::test_the_head_of_a_request_has_a_bound",
        "api/test_wire.py::test_a_head_that_never_ends_is_refused_when_it_is_too_large",
    ),
)

FIELDS: Final = Limit(
    what="header fields",
    number=128,
    unit=Unit.COUNT,
    counts=Counts.REQUEST,
    beyond="connection closed",
    error=errors.HeadersTooLarge,
    tests=("api/test_wire.py::test_too_many_fields_are_a_431",),
)

PARAMETERS: Final = Limit(
    what="query parameters",
    number=128,
    unit=Unit.COUNT,
    counts=Counts.REQUEST,
    beyond="",
    error=errors.QueryInvalid,
    tests=("unit/http/test_query.py::test_there_may_be_so_many_parameters",),
)

SEARCH_TEXT: Final = Limit(
    # A command with a digest has some 200.
    what="characters of a search",
    number=2000,
    unit=Unit.COUNT,
    counts=Counts.REQUEST,
    beyond="",
    error=errors.QueryInvalid,
    tests=("api/test_search.py::test_a_search_may_have_so_many_characters",),
)

IF_MATCH: Final = Limit(
    # A tag has a head for each write that no other replaced: with more nobody reads them all.
    what="events in an `If-Match`",
    number=64,
    unit=Unit.COUNT,
    counts=Counts.REQUEST,
    beyond="",
    error=errors.EventInvalid,
    tests=("api/test_rollback_if_match.py::test_what_names_no_events_is_refused",),
)

RANGES: Final = Limit(
    # What podman's partial pulls begin with. Beyond it the answer tells podman, the stargz and the
    # SOCI snapshotter to ask again with fewer. The whole blob, which HTTP allows too, is what they
    # wanted to avoid, and what an attacker wants to get.
    what="byte ranges",
    number=1024,
    unit=Unit.COUNT,
    counts=Counts.REQUEST,
    beyond="partial pulls then ask again with fewer",
    error=errors.TooManyRanges,
    tests=(
        "api/test_byte_ranges.py::test_more_ranges_than_there_may_be_are_a_400",
        "unit/http/test_ranges.py::test_the_number_of_ranges_is_bounded",
    ),
)

# --- bodies ---------------------------------------------------------------------------------------

MANIFEST_BYTES: Final = Limit(
    # The specification asks for 4 MiB at least.
    what="a manifest",
    number=4 * MIB,
    unit=Unit.BYTES,
    counts=Counts.REQUEST,
    beyond="not read further",
    error=errors.ManifestTooLarge,
    setting="manifest_max_bytes",
    tests=(
        "api/test_bad_input.py::test_a_large_manifest_is_refused_before_it_is_read",
        "api/test_bad_input.py::test_a_large_manifest_of_unknown_length_is_refused_while_reading",
    ),
)

DOCUMENT_BYTES: Final = Limit(
    what="a JSON body of the admin API",
    number=16 * KIB,
    unit=Unit.BYTES,
    counts=Counts.REQUEST,
    beyond="not read further",
    error=errors.DocumentTooLarge,
    tests=("api/test_admin.py::test_rollbacks_that_make_no_sense",),
)

HELD_BYTES: Final = Limit(
    # 16 of the largest manifests, thousands of usual ones.
    what="unfinished manifests in memory, together",
    number=64 * MIB,
    unit=Unit.BYTES,
    counts=Counts.FAIR,
    beyond="the oldest body of that address ends, connection closed",
    error=errors.TooManyBodies,
    tests=(
        "api/test_slow.py::test_unfinished_manifests_are_bounded_and_the_slow_ones_give_way",
        "api/test_slow.py::test_the_address_that_holds_the_most_gives_way",
    ),
)

BODY_RATE: Final = Limit(
    # Less holds an upload, a place and a connection for nothing; any link that can pull an image
    # has more.
    what="rate of a body, averaged over its longest pause",
    number=1 * KIB,
    unit=Unit.RATE,
    counts=Counts.REQUEST,
    beyond="a PATCH keeps what came before",
    error=errors.BodyStalled,
    tests=(
        "api/test_slow.py::test_a_body_that_drips_is_given_up",
        "api/test_slow.py::test_a_body_that_is_fast_enough_may_pause",
    ),
)

BODY_IDLE: Final = Limit(
    # Longer holds uploads of dead clients; shorter cuts off links that would have recovered.
    what="silence inside a body",
    number=60.0,
    unit=Unit.SECONDS,
    counts=Counts.REQUEST,
    beyond="a PATCH keeps what came before",
    error=errors.BodyStalled,
    setting="body_timeout_s",
    tests=("api/test_forwarder.py::test_a_client_that_stalls_is_told_so",),
)

WHOLE_BODY: Final = Limit(
    # 14 KB/s for the largest manifest. It is in memory for so long.
    what="time of a manifest, or of the JSON of the admin API",
    number=300.0,
    unit=Unit.SECONDS,
    counts=Counts.REQUEST,
    beyond="",
    error=errors.BodyStalled,
    tests=("api/test_slow.py::test_a_manifest_has_a_time_to_be_whole",),
)

STREAMED_BODY: Final = Limit(
    # As long as an upload lives by default.
    what="time of a chunk",
    number=24 * 3600.0,
    unit=Unit.SECONDS,
    counts=Counts.REQUEST,
    beyond="a PATCH keeps what came before",
    error=errors.BodyStalled,
    tests=("api/test_slow.py::test_a_chunk_has_a_time_to_end",),
)

# --- answers --------------------------------------------------------------------------------------

ANSWER: Final = Limit(
    # More than all that a push waits for one after the other beside the copies of its blobs. Less
    # refuses what would have been done; more keeps who waits for what never comes to rest.
    what="the answer to a change, beside the time of its body and `copies_timeout_s`",
    number=600.0,
    unit=Unit.SECONDS,
    counts=Counts.REQUEST,
    beyond="whether it was done is not known",
    error=errors.RequestOverdue,
    tests=(
        "api/test_deadlines.py::test_a_change_is_answered_in_time",
        "api/test_deadlines.py::test_a_body_has_its_own_time",
    ),
)

# --- requests at once -----------------------------------------------------------------------------

FORWARDED: Final = Limit(
    # As many as uploads a node has by default. More use more memory, up to a few hundred KiB each;
    # fewer turn clients away.
    what="requests passed on to owners of uploads at once",
    number=1024,
    unit=Unit.COUNT,
    counts=Counts.NODE,
    beyond="",
    error=errors.TooManyUploads,
    setting="uploads_max",
    tests=("api/test_forwarder.py::test_requests_on_their_way_are_capped",),
)

HOPS: Final = Limit(
    what="nodes that pass a request on",
    number=1,
    unit=Unit.COUNT,
    counts=Counts.REQUEST,
    beyond="",
    error=errors.UploadUnknown,
    tests=("api/test_forwarder.py::test_a_forwarded_request_goes_no_further",),
)

OWNER_CONNECT: Final = Limit(
    # Above a few round trips and one lost SYN; longer only delays the client, which has to start
    # again anyway.
    what="connecting to the owner of an upload",
    number=3.0,
    unit=Unit.SECONDS,
    counts=Counts.REQUEST,
    beyond="the client starts again",
    error=errors.UploadUnknown,
    tests=("api/test_forwarder.py::test_an_owner_that_cannot_be_connected_is_an_unknown_upload",),
)

OWNER_SILENCE: Final = Limit(
    # It syncs a blob in that time; longer holds clients of a node that hangs.
    what="an owner of an upload that takes or says nothing",
    number=60.0,
    unit=Unit.SECONDS,
    counts=Counts.REQUEST,
    beyond="what it did is not known",
    error=errors.UploadOwnerSilent,
    tests=("api/test_forwarder.py::test_an_owner_that_hangs_is_a_503",),
)

OWNER_ANSWER: Final = Limit(
    # Answers of uploads are empty, or errors below a KiB.
    what="the answer of an owner of an upload",
    number=1 * MIB,
    unit=Unit.BYTES,
    counts=Counts.REQUEST,
    beyond="",
    error=errors.UploadUnknown,
    tests=("api/test_forwarder.py::test_an_answer_above_its_cap_is_not_read",),
)

PASSED_ON: Final = Limit(
    # Each takes two connections, and up to a few hundred KiB for what is on its way.
    what="requests that a node which is no store passes on to members at once",
    number=1024,
    unit=Unit.COUNT,
    counts=Counts.NODE,
    beyond="",
    error=errors.TooManyPassedOn,
    tests=("api/test_proxy.py::test_requests_on_their_way_are_capped",),
)

PROXIES: Final = Limit(
    what="such nodes that a request passes",
    number=1,
    unit=Unit.COUNT,
    counts=Counts.REQUEST,
    beyond="",
    error=errors.NobodyServes,
    tests=("api/test_proxy.py::test_two_proxies_do_not_play_ping_pong",),
)

SERVERS_TRIED: Final = Limit(
    # One that is dead is noticed within seconds. More would only keep the client waiting.
    what="members that such a request is offered to, as long as none could be connected",
    number=3,
    unit=Unit.COUNT,
    counts=Counts.REQUEST,
    beyond="",
    error=errors.NobodyServes,
    tests=("api/test_proxy.py::test_so_many_members_are_tried",),
)

SERVER_CONNECT: Final = Limit(
    what="connecting to a member that is to answer",
    number=3.0,
    unit=Unit.SECONDS,
    counts=Counts.REQUEST,
    beyond="the next one is asked",
    error=errors.NobodyServes,
    tests=("api/test_proxy.py::test_a_member_that_cannot_be_connected_is_passed_over",),
)

READ_SILENCE: Final = Limit(
    # It may fetch a blob from another region before it answers.
    what="a member that was asked to read, and says nothing",
    number=60.0,
    unit=Unit.SECONDS,
    counts=Counts.REQUEST,
    beyond="the connection is closed where the answer has begun",
    error=errors.AnswerLost,
    tests=("api/test_proxy.py::test_a_member_that_hangs_is_a_502",),
)

WRITE_SILENCE: Final = Limit(
    # The member says by itself that it was too long; this is for one that is gone.
    what="a member that was asked to write and is silent, beside the time of a change",
    number=30.0,
    unit=Unit.SECONDS,
    counts=Counts.REQUEST,
    beyond="what it did is not known",
    error=errors.AnswerLost,
    tests=("api/test_proxy.py::test_a_member_that_hangs_is_a_502",),
)

REGIONS: Final = Limit(
    what="regions that one request waits for",
    number=64,
    unit=Unit.COUNT,
    counts=Counts.REQUEST,
    beyond="",
    error=errors.QueryInvalid,
    tests=("api/test_admin.py::test_waits_that_make_no_sense",),
)

CREDENTIALS: Final = Limit(
    # A name of 128 characters, and a password of 256 that is not ASCII.
    what="name and password of a request, in base64",
    number=4 * KIB,
    unit=Unit.BYTES,
    counts=Counts.REQUEST,
    beyond="as wrong ones",
    error=identity.Unauthenticated,
    tests=("api/test_login.py::test_credentials_that_are_none",),
)

FORM_FIELDS: Final = Limit(
    # Six are known of who asks for a token; a page has a dozen at the most.
    what="fields of a form",
    number=16,
    unit=Unit.COUNT,
    counts=Counts.REQUEST,
    beyond="",
    error=errors.DocumentInvalid,
    tests=("api/test_login.py::test_forms_that_are_none",),
)

# --- what is remembered ---------------------------------------------------------------------------

REMEMBERED: Final = Limit(
    # Of manifests some ten thousand, each for a few kinds of callers.
    what="answers that may be given again without looking anything up, and what was asked",
    number=64 * MIB,
    unit=Unit.BYTES,
    counts=Counts.NODE,
    beyond="those that nobody asked for lately are forgotten",
    setting="remembered_bytes",
    tests=("api/test_remembered_wire.py::test_what_is_remembered_has_a_bound",),
)

REMEMBERED_ANSWER: Final = Limit(
    # Beyond it, sending takes most of the time, and few would fit in.
    what="the body of one of these",
    number=256 * KIB,
    unit=Unit.BYTES,
    counts=Counts.REQUEST,
    beyond="looked up each time",
    tests=("api/test_remembered_wire.py::test_large_answers_are_not_remembered",),
)

LIMITS: Final[tuple[Limit[Any], ...]] = (
    CONNECTIONS, ADMIN_CONNECTIONS, IDLE, AHEAD, READ_BUFFER, LINGER, STALL,
    LINE_BYTES, HEAD_BYTES, FIELDS, PARAMETERS, SEARCH_TEXT, IF_MATCH, RANGES,
    MANIFEST_BYTES, DOCUMENT_BYTES, HELD_BYTES, BODY_RATE, BODY_IDLE, WHOLE_BODY, STREAMED_BODY,
    ANSWER, FORWARDED_HOPS, ADDRESS_RATE, ACCOUNT_RATE, ANONYMOUS_PULLS,
    FORWARDED, HOPS, OWNER_CONNECT, OWNER_SILENCE, OWNER_ANSWER,
    PASSED_ON, PROXIES, SERVERS_TRIED, SERVER_CONNECT, READ_SILENCE, WRITE_SILENCE, REGIONS,
    CREDENTIALS, FORM_FIELDS,
    REMEMBERED, REMEMBERED_ANSWER,
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiLimits:
    """Those of the limits on requests that differ between nodes, and between tests."""

    manifest_bytes: int = MANIFEST_BYTES.number
    document_bytes: int = DOCUMENT_BYTES.number
    body_idle_s: float = BODY_IDLE.number
    whole_body_s: float = WHOLE_BODY.number
    streamed_body_s: float = STREAMED_BODY.number
    answer_s: float = ANSWER.number
    chunk_min_bytes: int = 0
    """Advised as OCI-Chunk-Min-Length when not 0. Larger chunks mean fewer requests."""
