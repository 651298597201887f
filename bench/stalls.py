"""
For how long does one manifest, or one request to delete one, stop a node?

Hypothesis: no manifest that is accepted keeps the event loop of any node from its work for more
than 50 ms, be it the node that takes it or one that hears of it.

Method: the worst manifests are looked for first, in this process. Each is one kind of JSON, as much
of it as the bounds on tokens and bytes allow, filled up to the bound on bytes with one kind of
string; they differ in what they cost to count, to decode and to check. Then each goes to one node
of a region of three, while a thread asks each node for `/healthz` again and again. What one of
those waits longer than on an idle node is how long the loop was held, the scheduling of five busy
processes on this machine included. Last comes a manifest that a great many tags name: it is deleted
while the nodes are asked likewise.
"""

import argparse
import hashlib
import threading
import time
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from bench.machine import describe_machine
from bench.raw_http import Connection, push_blob
from bench.scratch import scratch
from cluster.model import Digest
from node.errors import ManifestInvalid
from node.registry.manifests import parse_manifest
from node.registry.structure import TOKENS_MAX
from tests.e2e.serve_cluster import ServeCluster

_BYTES_MAX: Final = 4 << 20
_REPOSITORY: Final = "bench/stalls"
_CONFIG: Final = b"{}"
_CONFIG_DIGEST: Final = f"sha256:{hashlib.sha256(_CONFIG).hexdigest()}"
_SETTLE_S: Final = 1.0
_IDLE_S: Final = 3.0
_TRIES: Final = 5
"""Of which the shortest counts: a hold is there each time, what else the machine does is not."""

_HEAD: Final = (
    '{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json",'
    f'"config":{{"mediaType":"a/b","digest":"{_CONFIG_DIGEST}","size":2}}'
)
_KIND: Final = {"Content-Type": "application/vnd.oci.image.manifest.v1+json"}
_TAGS_TOGETHER: Final = 50
_ELSEWHERE: Final = "application/vnd.oci.image.layer.nondistributable.v1.tar"


class Shape(NamedTuple):
    """A field of a manifest that repeats one thing."""

    before: str
    unit: Callable[[int], str]
    after: str
    tokens: int
    """Of one unit and the comma behind it."""


_SHAPES: Final = {
    "empty arrays": Shape(',"layers":[],"x":[', lambda i: "[]", "]", 3),
    "empty objects": Shape(',"layers":[],"x":[', lambda i: "{}", "]", 3),
    "integers": Shape(',"layers":[],"x":[', lambda i: "1", "]", 2),
    "long numbers": Shape(',"layers":[],"x":[', lambda i: "1" * 18, "]", 2),
    "floats": Shape(',"layers":[],"x":[', lambda i: "1.2345678901e-30", "]", 2),
    "strings": Shape(',"layers":[],"x":[', lambda i: '""', "]", 2),
    "escaped strings": Shape(',"layers":[],"x":[', lambda i: '"\\u00e9\\""', "]", 2),
    "small objects": Shape(',"layers":[],"x":[', lambda i: '{"a":1}', "]", 6),
    "keys of one object": Shape(',"layers":[],"x":{', lambda i: f'"{i}":1', "}", 4),
    "keys of the manifest": Shape(',"layers":[]', lambda i: f',"{i}":1', "", 4),
    "long keys of the manifest": Shape(',"layers":[]', lambda i: f',"{i:060}":1', "", 4),
    "annotations": Shape(',"layers":[],"annotations":{', lambda i: f'"{i}":"{i}"', "}", 4),
    "layers": Shape(
        ',"layers":[',
        lambda i: f'{{"mediaType":"{_ELSEWHERE}","digest":"sha256:{i:064x}","size":1}}',
        "]",
        14,
    ),
    "layers with platforms": Shape(
        ',"layers":[',
        lambda i: (
            f'{{"mediaType":"{_ELSEWHERE}","digest":"sha256:{i:064x}","size":1,'
            '"platform":{"os":"linux","architecture":"amd64"}}'
        ),
        "]",
        26,
    ),
    "nothing": Shape(',"layers":[]', lambda i: "", "", 1),
}
_FILLINGS: Final = {
    "letters": "a",
    "line breaks": "\\n",
    "quotation marks": '\\"',
    "backslashes": "\\\\",
    "code points": "\\u0041",
    "accents": "\u00e9",
    "brackets": "[]{},:",
}


def bodies(field: str) -> Iterator[tuple[str, bytes]]:
    """The largest manifest of each kind; *field* takes the filling."""
    for shape_name, shape in _SHAPES.items():
        for filling_name, filling in _FILLINGS.items():
            yield f"{shape_name}, {filling_name}", _fill(shape, filling, field)


def _fill(shape: Shape, filling: str, field: str) -> bytes:
    separator = "" if shape.before.endswith('"layers":[]') else ","
    units, size = [], len(_HEAD) + len(shape.before) + len(shape.after) + 100 + _TRIES
    for number in range((TOKENS_MAX - 100) // shape.tokens):
        unit = shape.unit(number)
        size += len(unit) + len(separator)
        if size > _BYTES_MAX:
            break
        units.append(unit)
    text = _HEAD + shape.before + separator.join(units) + shape.after
    repeat = max(0, _BYTES_MAX - size) // len(filling.encode())
    return f'{text},"{field}":"{filling * repeat}"}}'.encode()


def main() -> None:
    parser = argparse.ArgumentParser(description="Look for manifests that stop a node.")
    parser.add_argument("--worst", type=int, default=12, help="how many go to a cluster")
    parser.add_argument("--tags", type=int, default=20_000, help="of the manifest that is deleted")
    given = parser.parse_args()
    for name, value in describe_machine().items():
        print(f"- {name}: {value}")
    chosen = _search()[: given.worst]
    print("\n| manifest | alone, ms | status | taker, ms | the others, ms |\n|---|---|---|---|---|")
    with (
        scratch("stalls") as directory,
        ServeCluster(directory=directory, regions=("eu",)) as cluster,
    ):
        addresses = [node.http for node in cluster.nodes]
        with Connection(addresses[0]) as connection:
            push_blob(connection, _REPOSITORY, _CONFIG_DIGEST, _CONFIG)
            for number, (name, alone_ms, body) in enumerate([("idle", 0.0, b""), *chosen]):
                taker, others, status = 1e9, 1e9, 0
                for again in range(_TRIES):
                    # Not the same bytes twice: those are remembered.
                    other = body[:-1] + b" " * again + body[-1:]
                    status, waits = _put(connection, addresses, f"t{number}", other[:_BYTES_MAX])
                    taker, others = min(taker, waits[0]), min(others, max(waits[1:]))
                print(f"| {name} | {alone_ms:.0f} | {status} | {taker:.0f} | {others:.0f} |")
            print("\n" + _delete(connection, addresses, given.tags))


def _search() -> list[tuple[str, float, bytes]]:
    found = []
    for field in ("filling", "artifactType"):
        for name, body in bodies(field):
            digest = Digest.of(body)
            begin = time.thread_time()  # others may use this core as well
            try:
                parse_manifest(digest, body)
            except ManifestInvalid as exc:
                print(f"{name}: {exc}")
            ms = (time.thread_time() - begin) * 1000
            found.append((f"{name} in {field}", ms, body))
    return sorted(found, key=lambda each: -each[1])


def _put(
    connection: Connection, addresses: list[str], tag: str, body: bytes
) -> tuple[int, list[float]]:
    """Push a manifest; returns the status and the longest wait at each node, in milliseconds."""

    def put() -> int:
        if not body:
            time.sleep(_IDLE_S)
            return 0
        target = f"/v2/{_REPOSITORY}/manifests/{tag}"
        return connection.request("PUT", target, None, body=body, headers=_KIND).status

    return _watched(put, addresses)


def _delete(connection: Connection, addresses: list[str], tags: int) -> str:
    """Delete a manifest with that many tags; returns a line about it."""
    body = (_HEAD + ',"layers":[]}').encode()
    for start in range(0, tags, _TAGS_TOGETHER):
        some = "&".join(f"tag=t{number}" for number in range(start, start + _TAGS_TOGETHER))
        target = f"/v2/{_REPOSITORY}/manifests/{Digest.of(body)}"
        connection.request("PUT", f"{target}?{some}", 201, body=body, headers=_KIND)
    begin = time.perf_counter()
    status, waits = _watched(lambda: connection.request("DELETE", target, None).status, addresses)
    took_s = time.perf_counter() - begin - _SETTLE_S
    return (
        f"Deleting a manifest with {tags} tags: {status} after {took_s:.1f} s, "
        f"longest wait {waits[0]:.0f} ms at the node that is asked, "
        f"{max(waits[1:]):.0f} ms at the others"
    )


def _watched(request: Callable[[], int], addresses: list[str]) -> tuple[int, list[float]]:
    """Make a request; returns its status and the longest wait at each node, in milliseconds."""
    over = threading.Event()
    waits = [0.0] * len(addresses)

    def watch(number: int) -> None:
        with Connection(addresses[number]) as own:
            while not over.is_set():
                begin = time.perf_counter()
                own.request("GET", "/healthz", 200)
                waits[number] = max(waits[number], (time.perf_counter() - begin) * 1000)
                time.sleep(0.001)

    watches = [threading.Thread(target=watch, args=[number]) for number in range(len(addresses))]
    for thread in watches:
        thread.start()
    status = request()
    time.sleep(_SETTLE_S)
    over.set()
    for thread in watches:
        thread.join()
    return status, waits


if __name__ == "__main__":
    main()
