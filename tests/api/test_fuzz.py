"""No request, however odd, makes a 5xx or leaves the registry unable to answer the next one."""

import asyncio
import json

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cluster.model import Digest
from node.registry.media_types import DOCKER_LIST, DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST
from tests.api.conftest import Registry

DIGESTS = st.one_of(
    st.binary(max_size=4).map(lambda data: Digest.of(data, "sha256")),
    st.binary(max_size=4).map(lambda data: Digest.of(data, "sha512")),
    st.sampled_from(["sha256:", "sha256:zz", "md5:00", ":", "sha256:" + "A" * 64]),
)
SEGMENTS = st.one_of(
    st.sampled_from(
        ["", "a", "lib", "v2", "manifests", "blobs", "uploads", "tags", "list", "referrers",
         "_catalog", "..", ".", "%2f", "%00", "%ff", "%", "~", "latest", "A", "sha256"]
    ),
    DIGESTS,
    st.text("az09._-%/:@", max_size=12),
)  # fmt: skip
PATHS = st.one_of(
    st.lists(SEGMENTS, max_size=7).map(lambda parts: "/" + "/".join(parts)),
    st.builds(
        lambda name, tail, last: f"/v2/{name}/{tail}/{last}",
        st.sampled_from(["a", "a/b", "A", "..", "a//b"]),
        st.sampled_from(["manifests", "blobs", "blobs/uploads", "tags", "referrers"]),
        st.one_of(SEGMENTS, DIGESTS),
    ),
)
QUERIES = st.lists(
    st.builds(
        lambda name, value: f"{name}={value}",
        st.sampled_from(["n", "last", "digest", "mount", "from", "tag", "artifactType",
                         "digest-algorithm", "x"]),
        st.one_of(
            DIGESTS,
            st.sampled_from(["", "0", "-1", "9" * 30, "%00", "%zz", "a", "+", "sha512"]),
        ),
    ),
    max_size=3,
).map("&".join)  # fmt: skip
HEADERS = st.dictionaries(
    st.sampled_from(["Range", "If-None-Match", "If-Range", "Content-Range", "Content-Type",
                     "Accept", "X-Request-Id", "Content-Encoding"]),
    st.one_of(
        st.sampled_from(
            ["bytes=0-", "bytes=-", "bytes=5-1", "bytes=0-0,1-1", "0-0", "0-9", "5-1", "*", '"x"',
             OCI_MANIFEST, OCI_INDEX, DOCKER_MANIFEST, DOCKER_LIST, "*/*", "a/b; charset=x", "gzip"]
        ),
        st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=30),
    ),
    max_size=3,
)  # fmt: skip
JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-5, 5), st.text(max_size=5), DIGESTS),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(["schemaVersion", "mediaType", "config", "layers", "manifests",
                             "subject", "digest", "size", "annotations", "platform"]),
            inner,
            max_size=4,
        ),
    ),
    max_leaves=12,
)  # fmt: skip
BODIES = st.one_of(
    st.just(b""),
    st.binary(max_size=60),
    JSON.map(lambda document: json.dumps(document).encode()),
)
METHODS = st.sampled_from(["GET", "HEAD", "PUT", "POST", "PATCH", "DELETE", "OPTIONS", "QUERY"])


async def test_no_request_makes_a_5xx(registry: Registry):
    loop = asyncio.get_running_loop()
    await registry.push_image("a", "latest")

    async def check(
        method: str, path: str, query: str, headers: dict[str, str], body: bytes
    ) -> None:
        target = f"{path}?{query}" if query else path
        answer = await registry.call(method, target, headers=headers, data=body or None)
        assert answer.status < 500, (method, target, headers, body, answer.body)
        if (
            answer.status >= 400
            and method != "HEAD"
            and answer.headers.get("Content-Type") == ("application/json")
        ):
            assert answer.json["errors"][0]["message"]

    @settings(
        max_examples=400,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    )
    @given(METHODS, PATHS, QUERIES, HEADERS, BODIES)
    def every_request(
        method: str, path: str, query: str, headers: dict[str, str], body: bytes
    ) -> None:
        coroutine = check(method, path, query, headers, body)
        asyncio.run_coroutine_threadsafe(coroutine, loop).result(timeout=30)

    await loop.run_in_executor(None, every_request)
    answer = await registry.call("GET", "/v2/a/manifests/latest")
    assert answer.status == 200
