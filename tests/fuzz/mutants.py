"""
Seeded bugs: each makes what is fuzzed answer something wrongly, and names the target that notices.

They are replayed with the other tests, so that a target which has come to test nothing fails.
"""

import re
import time
from typing import Any, Final

from cluster import model
from cluster.model import Digest
from node.http import body_reader, ranges
from node.identity import patterns
from node.registry import manifests, names, push
from tests.api.seeded import SEEDED, Seeded

_needs, _check_bounds, _read_chunk = (
    manifests._needs,
    manifests.check_bounds,
    body_reader.read_chunk,
)
_span = ranges._span


def believed(reference: Any, body: bytes) -> Digest:
    return reference if isinstance(reference, Digest) else Digest.of(body)


def unchecked(request: Any, timeout_s: float) -> Any:
    return _read_chunk(request, timeout_s)._replace(start=None)


def without_layers(document: Any) -> Any:
    document.layers = None
    return _needs(document)


def slowly(body: bytes) -> None:
    if b"[[[" in body:
        until = time.thread_time() + 0.06
        while time.thread_time() < until:
            pass
    _check_bounds(body)


def one_less(element: str, size: int) -> Any:
    """The last byte of what is asked for from its end is forgotten."""
    span = _span(element, size)
    return span._replace(end=span.end - 1) if element.startswith("-") else span


def unescaped(pattern: str) -> re.Pattern[str]:
    *before, last = pattern.split("/")
    rest = {"*": "[^/]+", "**": ".+"}.get(last, last)
    return re.compile("/".join([*("[^/]+" if part == "*" else part for part in before), rest]))


MUTANTS: Final[dict[str, Seeded]] = {
    "names-in-capitals": Seeded(
        "a repository may be written in capitals",
        "names",
        [(names, "_REPOSITORY", re.compile(names._REPOSITORY.pattern, re.IGNORECASE))],
    ),
    "letters-of-everybody": Seeded(
        "a tag has letters of any alphabet",
        "names",
        [(names, "_TAG", re.compile(r"\w[\w.-]{0,127}"))],
    ),
    "dots-are-anything": Seeded(
        "a dot in a pattern stands for any letter", "names", [(patterns, "_compiled", unescaped)]
    ),
    "digests-in-capitals": Seeded(
        "a digest has two spellings",
        "digests",
        [(model, "_ENCODED", re.compile(r"[a-fA-F0-9]+"))],
    ),
    "manifests-unhashed": Seeded(
        "a manifest is believed to have the digest of its path",
        "digests",
        [(push, "_digest_of", believed)],
    ),
    "ranges-apart": Seeded(
        "ranges that overlap are sent one by one",
        "ranges",
        [(ranges, "_joined", list)],
    ),
    "last-byte-lost": Seeded(
        "the end of a blob lacks a byte", "ranges", [(ranges, "_span", one_less)]
    ),
    "chunks-anywhere": Seeded(
        "a chunk is taken wherever it says it belongs",
        "ranges",
        [("node.oci.uploads", "read_chunk", unchecked)],
    ),
    "any-algorithm": SEEDED["any-algorithm"]._replace(noticed_by="tokens"),
    "no-expiry": SEEDED["no-expiry"]._replace(noticed_by="tokens"),
    "one-type": SEEDED["one-type"]._replace(noticed_by="tokens"),
    "password-by-name": SEEDED["password-by-name"]._replace(noticed_by="tokens"),
    "scopes-as-asked": SEEDED["scopes-as-asked"]._replace(noticed_by="scopes"),
    "no-denials": SEEDED["no-denials"]._replace(noticed_by="scopes"),
    "prefix-is-enough": SEEDED["prefix-is-enough"]._replace(noticed_by="scopes"),
    "robots-everywhere": SEEDED["robots-everywhere"]._replace(noticed_by="scopes"),
    "scopes-unchecked": SEEDED["scopes-unchecked"]._replace(noticed_by="scopes"),
    "keys-in-any-case": Seeded(
        "two keys that Go takes for one are two", "manifests", [(manifests, "_KEYS", {})]
    ),
    "layers-unneeded": Seeded(
        "an image may lack its layers", "manifests", [(manifests, "_needs", without_layers)]
    ),
    "any-text-is-a-type": Seeded(
        "a media type is any text", "manifests", [(manifests, "is_media_type", lambda text: True)]
    ),
    "held-up": Seeded(
        "some documents take the event loop 60 ms", "manifests", [(manifests,
        "check_bounds", slowly)]
    ),
}  # fmt: skip
