"""
How requests at the edge of the specification are answered, here and by the reference registry.

`test_reference_table.py` holds Atoll to it, and an end-to-end test CNCF Distribution, so that what
is said of that one is true. A row that differs says why. It imports nothing of what is tested.
"""

import hashlib
import json
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from yarl import URL

REPOSITORY: Final = "lib/app"
BLOB: Final = bytes(range(256)) * 20
CONFIG: Final = b"{}"
CHUNK: Final = b"0123"

MANIFEST_TYPE: Final = "application/vnd.oci.image.manifest.v1+json"


def digest_of(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


NAMES: Final = {
    "{blob}": digest_of(BLOB),
    "{empty}": digest_of(b""),
    "{chunk}": digest_of(CHUNK),
    "{none}": digest_of(b"nobody has it"),
}
"""What stands for what in the rows. `{upload}` is a session, as its Location has it."""

Call = Callable[..., Awaitable[Any]]
"""(method, path, data=, headers=) -> an answer with status, headers and body."""


@dataclass(frozen=True)
class Expected:
    """An answer: *headers* are patterns of the whole value; *body* is compared when given."""

    status: int | tuple[int, ...]
    """Several, where that depends on the Go that the reference registry is built with."""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None


@dataclass(frozen=True)
class Row:
    """One request; *reference* is what CNCF Distribution answers where it is not the same."""

    method: str
    path: str
    atoll: Expected
    reference: Expected | None = None
    why: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    data: bytes | None = None
    patched: bytes = b""
    """What the session has before."""

    def __str__(self) -> str:
        given = "".join(f" {name}: {value}" for name, value in self.headers.items())
        return f"{self.method} {self.path}{given}"[:90]


def ranged(path: str, ranges: str, *expected: Expected, why: str = "", method: str = "GET") -> Row:
    return Row(method, path, *expected, why=why, headers={"Range": ranges})


def tags(query: str, *expected: Expected, why: str = "") -> Row:
    return Row("GET", f"/v2/lib/app/tags/list?{query}", *expected, why=why)


def mount(query: str, *expected: Expected, why: str = "") -> Row:
    return Row("POST", f"/v2/lib/other/blobs/uploads/?{query}", *expected, why=why)


def moved(method: str, path: str, to: str, *expected: Expected, why: str = "") -> Row:
    there = Expected(301, {"Location": to.replace("?", r"\?")})
    return Row(method, path, *(expected or (there,)), why=why)


_BLOB: Final = "/v2/lib/app/blobs/{blob}"
_EMPTY: Final = "/v2/lib/app/blobs/{empty}"
_EMPTY_BLOB: Final = Expected(200, {"Content-Length": "0"}, b"")
_WHOLE: Final = Expected(200, {"Content-Length": "5120"}, BLOB)
_MULTIPART: Final = Expected(206, {"Content-Type": r"multipart/byteranges; boundary=\w+"})
_OUTSIDE: Final = Expected(416, {"Content-Range": r"bytes \*/5120"})
_ALL_TAGS: Final = Expected(200, body=b'{"name":"lib/app","tags":["v1","v2","v3"]}')
_NO_TAGS: Final = Expected(200, body=b'{"name":"lib/app","tags":[]}')
_BAD: Final = Expected(400)
_UPLOAD: Final = Expected(202, {"Location": "/v2/lib/other/blobs/uploads/.+", "Range": "0-0"})
_MOUNTED: Final = Expected(201, {"Location": "/v2/lib/other/blobs/{blob}"})
_CREATED: Final = Expected(201, {"Docker-Content-Digest": "{chunk}"})

_NO_SUCH_RANGE: Final = "no Content-Range can say that there are no bytes: 200 is the whole of it"
_ONLY_OFFSETS: Final = "an empty body has no range, so nothing can be wrong with it; the digest is"
_KEPT: Final = "301 makes clients send a GET; 308 keeps method and body"
_DIRECT: Final = "what was served without a redirect stays so"

ROWS: Final = (
    # Ranges of an empty blob.
    ranged(_EMPTY, "bytes=0-", _EMPTY_BLOB),
    ranged(_EMPTY, "bytes=0-99", _EMPTY_BLOB),
    ranged(
        _EMPTY,
        "bytes=-5",
        _EMPTY_BLOB,
        Expected(206, {"Content-Range": "bytes 0--1/0"}),
        why=_NO_SUCH_RANGE,
    ),
    ranged(_EMPTY, "bytes=x", Expected(416)),
    # One range, and several.
    ranged(_BLOB, "bytes=0-1", Expected(206, {"Content-Range": "bytes 0-1/5120"}, BLOB[:2])),
    ranged(_BLOB, "bytes=-2", Expected(206, {"Content-Range": "bytes 5118-5119/5120"}, BLOB[-2:])),
    ranged(
        _BLOB,
        "bytes=-0",
        _OUTSIDE,
        Expected(206, {"Content-Range": "bytes 5120-5119/5120"}, b""),
        why="RFC 9110 §14.1.2: a suffix of no bytes cannot be satisfied",
    ),
    ranged(_BLOB, "bytes=5120-", _OUTSIDE),
    ranged(_BLOB, "bytes=5-3", Expected(416)),
    ranged(_BLOB, "bytes=0-1,5-6", _MULTIPART),
    ranged(_BLOB, "bytes=5-6, 0-1", _MULTIPART),
    ranged(_BLOB, "bytes=0-1,9999-", Expected(206, {"Content-Range": "bytes 0-1/5120"}, BLOB[:2])),
    ranged(_BLOB, "bytes=8888-,9999-", _OUTSIDE),
    ranged(_BLOB, "bytes=0-1,x", Expected(416)),
    ranged(
        _BLOB,
        "bytes=0-5,3-8",
        Expected(206, {"Content-Range": "bytes 0-8/5120"}, BLOB[:9]),
        _MULTIPART,
        why="RFC 9110 §15.3.7.2: ranges that overlap may be joined; no byte is sent twice",
    ),
    ranged(
        _BLOB,
        "bytes=0-,0-",
        Expected(206, {"Content-Range": "bytes 0-5119/5120"}, BLOB),
        _WHOLE,
        why="joined, they are one range as any other",
    ),
    ranged(
        _BLOB,
        "bytes=" + ",".join(["0-0"] * 1025),
        _BAD,
        Expected((200, 206)),
        why="1,024 ranges are the most; 400 has partial pulls ask again with fewer",
    ),
    ranged(
        _BLOB,
        "lines=0-1",
        _WHOLE,
        Expected(416),
        why="RFC 9110 §14.2: a range unit that is not known is ignored",
    ),
    ranged(
        _BLOB,
        "bytes=,",
        Expected(416),
        _WHOLE,
        why="no range at all is malformed",
    ),
    ranged(
        _BLOB,
        "bytes=0-1",
        Expected(200, {"Content-Length": "5120"}),
        Expected(206, {"Content-Length": "2"}),
        why="RFC 9110 §14.2: ranges are for GET",
        method="HEAD",
    ),
    # Pages.
    tags("n=", _ALL_TAGS),
    tags("n=0", _NO_TAGS),
    tags("n=99999999999", _ALL_TAGS),
    tags("n=" + "9" * 5000, _ALL_TAGS, _BAD, why="more than there can be is all that there is"),
    tags("n=-1", _BAD),
    tags("n=x", _BAD),
    tags("n=1&n=2", _BAD, Expected(200), why="whoever reads the other one sees another request"),
    tags("n=01", Expected(200, body=b'{"name":"lib/app","tags":["v1"]}')),
    tags("last=.bad", _ALL_TAGS),
    tags("last=a/b", _ALL_TAGS),
    tags("last=v1!", Expected(200, body=b'{"name":"lib/app","tags":["v2","v3"]}')),
    tags("last=%ff", _NO_TAGS),
    tags("last=v1%00", Expected(200, body=b'{"name":"lib/app","tags":["v2","v3"]}'),
         Expected(500), why="NUL is no path here, but a character before all others"),
    Row("GET", "/v2/_catalog?n=", Expected(200, body=b'{"repositories":["lib/app"]}')),
    Row("GET", "/v2/_catalog?last=BAD..", Expected(200, body=b'{"repositories":["lib/app"]}')),
    Row("GET", "/v2/_catalog?n=99999999999",
        Expected(200, body=b'{"repositories":["lib/app"]}'), _BAD,
        why="clamped, as for tags"),
    # Uploads.
    Row("HEAD", "{upload}", Expected(204, {"Range": "0-0", "Location": "/v2/lib/app/.+"})),
    Row("HEAD", "{upload}", Expected(204, {"Range": "0-3"}), patched=CHUNK),
    Row("PUT", "{upload}digest={chunk}", _CREATED, data=b"", patched=CHUNK),
    Row("PUT", "{upload}digest={chunk}", _CREATED, Expected(416), why=_ONLY_OFFSETS,
        headers={"Content-Range": "0-3"}, data=b"", patched=CHUNK),
    Row("PUT", "{upload}digest={chunk}", _CREATED, _BAD, why=_ONLY_OFFSETS,
        headers={"Content-Range": "4-7"}, data=b"", patched=CHUNK),
    Row("PUT", "{upload}digest={chunk}", _CREATED, Expected(500), why=_ONLY_OFFSETS,
        headers={"Content-Range": "x"}, data=b"", patched=CHUNK),
    Row("PUT", "{upload}digest={chunk}", _CREATED, headers={"Content-Range": "2-3"}, data=b"23",
        patched=b"01"),
    Row("PUT", "{upload}digest={chunk}", Expected(416), headers={"Content-Range": "0-1"},
        data=b"23", patched=b"01"),
    # Mounts.
    mount("mount={blob}&from=lib/app", _MOUNTED),
    mount("mount={blob}", _MOUNTED, _UPLOAD, why="found in whichever repository may be pulled"),
    mount("mount={blob}&from=", _UPLOAD),
    mount("mount={blob}&from=BAD..", _UPLOAD),
    mount("mount={blob}&from=lib/none", _UPLOAD),
    mount("mount={none}&from=lib/app", _UPLOAD),
    mount("mount=&from=lib/app", _UPLOAD),
    mount("mount=x", _UPLOAD),
    mount("mount=x&from=lib/app", _UPLOAD),
    mount("mount=md5:" + "a" * 32 + "&from=lib/app", _UPLOAD),
    mount("mount={blob}&from=lib/app&from=x", _UPLOAD, _MOUNTED, why="which one is not said"),
    # Paths.
    Row("GET", "/", Expected(200)),
    Row("HEAD", "/", Expected(200)),
    Row("GET", "/v2/", Expected(200, body=b"{}")),
    Row("GET", "/v2", Expected(200), Expected(301, {"Location": "/v2/"}), why=_DIRECT),
    moved("GET", "//v2/", "/v2/"),
    moved("GET", "/v2//", "/v2/"),
    moved("GET", "/v2/lib//app/manifests/v1", "/v2/lib/app/manifests/v1"),
    moved("GET", "//v2//lib/app/tags/list?n=1", "/v2/lib/app/tags/list?n=1"),
    moved("GET", "/v2/lib/app/manifests/v1/", "/v2/lib/app/manifests/v1"),
    moved("HEAD", "/v2/lib/app/manifests/v1/", "/v2/lib/app/manifests/v1"),
    moved("GET", "/v2/lib/app/tags/list/?n=1", "/v2/lib/app/tags/list?n=1"),
    moved("GET", "/v2/_catalog/", "/v2/_catalog"),
    moved("GET", "/v2/lib/app/blobs/{blob}/", "/v2/lib/app/blobs/{blob}"),
    moved("PUT", "/v2/lib/app/manifests/v1/", "",
          Expected(308, {"Location": "/v2/lib/app/manifests/v1"}),
          Expected(301, {"Location": "/v2/lib/app/manifests/v1"}), why=_KEPT),
    moved("POST", "//v2/lib/app/blobs/uploads/", "",
          Expected(308, {"Location": "/v2/lib/app/blobs/uploads/"}),
          Expected(301, {"Location": "/v2/lib/app/blobs/uploads/"}), why=_KEPT),
    Row("POST", "/v2/lib/app/blobs/uploads", Expected(202), Expected(301), why=_DIRECT),
    Row("GET", "/v2/lib%2Fapp/manifests/v1", Expected(200)),
    Row("GET", "/v2/lib%2fapp/tags/list", _ALL_TAGS),
    Row("GET", "/v2/l%69b/app/tags/list", _ALL_TAGS),
    Row("GET", "/v2/lib%252Fapp/tags/list", _BAD, Expected(404), why="NAME_INVALID says more"),
    Row("GET", "/v2/x/../lib/app/tags/list", _BAD, Expected(301),
        why="RFC 3986 §5.2.4: dot segments are resolved by who sends; no client sends any"),
    Row("GET", "/v2/lib%2F..%2Fapp/tags/list", _BAD, Expected(301), why="nor these"),
    Row("GET", "/v2/lib/app/nope", Expected(404)),
    Row("GET", "/nope/", Expected(404)),
)  # fmt: skip


async def prepare(call: Call) -> None:
    """Push what the rows are about."""
    for data in (BLOB, b"", CONFIG):
        path = _under(await _opened(call, REPOSITORY), f"digest={digest_of(data)}")
        assert (await call("PUT", path, data=data)).status == 201
    config = {
        "mediaType": "application/vnd.oci.image.config.v1+json",
        "digest": digest_of(CONFIG),
        "size": len(CONFIG),
    }
    document = {"schemaVersion": 2, "mediaType": MANIFEST_TYPE, "config": config, "layers": []}
    body = json.dumps(document).encode()
    for tag in ("v1", "v2", "v3"):
        path, fields = f"/v2/{REPOSITORY}/manifests/{tag}", {"Content-Type": MANIFEST_TYPE}
        assert (await call("PUT", path, data=body, headers=fields)).status == 201


async def check(call: Call, row: Row, expected: Expected) -> None:
    """Send a row's request and compare the answer."""
    path = row.path
    if "{upload}" in path:
        upload = await _opened(call, REPOSITORY)
        if row.patched:
            patched = await call("PATCH", upload, data=row.patched)
            upload = _path(patched.headers["Location"])
        path = _under(upload, path.removeprefix("{upload}"))
    fields = {"Accept": MANIFEST_TYPE, **row.headers}
    answer = await call(row.method, _named(path), data=row.data, headers=fields)
    either = expected.status if isinstance(expected.status, tuple) else (expected.status,)
    assert answer.status in either, answer.body
    for name, pattern in expected.headers.items():
        value = answer.headers[name]
        found = _path(value) if name == "Location" else value
        assert re.fullmatch(_named(pattern), found), (name, value)
    if expected.body is not None:
        assert answer.body.strip() == expected.body.strip()


async def _opened(call: Call, repository: str) -> str:
    answer = await call("POST", f"/v2/{repository}/blobs/uploads/")
    assert answer.status == 202, answer.body
    return _path(answer.headers["Location"])


def _path(location: str) -> str:
    return URL(location, encoded=True).raw_path_qs


def _under(upload: str, query: str) -> str:
    if not query:
        return upload
    return f"{upload}{'&' if '?' in upload else '?'}{query}"


def _named(text: str) -> str:
    for name, digest in NAMES.items():
        text = text.replace(name, digest)
    return text
