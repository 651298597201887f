"""Checking which deleted content is readable, and kept, because something names it."""

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import msgspec

from cluster.model import Digest
from cluster.objects import Presence
from node.fsck.report import Report
from node.index import keys, references, rows
from node.index.references import KEPT_BYTES, KEPT_NAMED, NAMED
from node.index.store import END, OrderedStore
from node.registry.manifests import stored_needs

_NOT_DERIVED = "does not agree with what it is derived from"


class _Manifest(NamedTuple):
    children: list[bytes]
    """Keys of the manifests that it may name."""

    anchor: bool
    deleted: bool


class ReferenceCheck:
    """One pass over the bytes of all manifests, and two over what follows from them."""

    def __init__(self, store: OrderedStore, report: Report, advance: Callable[[int], None]) -> None:
        self._store = store
        self._report = report
        self._advance = advance
        self._manifests: dict[bytes, _Manifest] = {}

    def run(self) -> None:
        if references.has_rest(self._store):
            self._report.note("manifests whose references the next start goes on with")
            return
        self._check_kept_bytes()
        for key, body in self._bodies():
            self._manifests[key] = self._read(key, body)
        named = self._closure(key for key, found in self._manifests.items() if found.anchor)
        deleted = (key for key, found in self._manifests.items() if found.deleted)
        kept = self._closure(deleted) - named
        for key, _ in self._store.scan(KEPT_BYTES, b"", END):
            if key not in named | kept:
                self._report.problem(f"{KEPT_BYTES} {keys.split(key)}", "are kept for nobody")
        self._check_rows({NAMED: named, KEPT_NAMED: kept})

    def _check_kept_bytes(self) -> None:
        for key, body in self._store.scan(KEPT_BYTES, b"", END):
            where = f"{KEPT_BYTES} {keys.split(key)}"
            if self._store.get("manifest_bytes", key) is not None:
                self._report.problem(where, "are those of a manifest that is not deleted")
            if not Digest(keys.split(key)[1]).matches(body):
                self._report.problem(where, "do not hash to their digest")

    def _bodies(self) -> Iterator[tuple[bytes, bytes]]:
        for family in ("manifest_bytes", KEPT_BYTES):
            for key, body in self._store.scan(family, b"", END):
                self._advance(1)
                yield key, body

    def _read(self, key: bytes, body: bytes) -> _Manifest:
        repository, digest = keys.split(key)
        children = [
            keys.join(repository, need.digest)
            for need in stored_needs(Digest(digest), body)
            if need.may_be_manifest
        ]
        row = self._store.get("manifests", key)
        try:
            state = Presence() if row is None else rows.decode(Presence, row)
        except msgspec.MsgspecError:
            state = Presence()  # told when its own turn came
        deletion = keys.join("manifest", repository, digest)
        deleted = self._store.get("deletions", deletion) is not None
        return _Manifest(children, references.is_anchor(state), deleted)

    def _closure(self, begin: Iterable[bytes]) -> set[bytes]:
        """Those, and whatever they name, directly or not."""
        found, ahead = set[bytes](), list(begin)
        while ahead:
            key = ahead.pop()
            if key in self._manifests and key not in found:
                found.add(key)
                ahead += self._manifests[key].children
        return found

    def _check_rows(self, parents: dict[str, set[bytes]]) -> None:
        expected = dict.fromkeys(parents, 0)
        for key, body in self._bodies():
            repository, digest = keys.split(key)
            for family in (family for family, has in parents.items() if key in has):
                for need in stored_needs(Digest(digest), body):
                    name, size = references.row_of(need, repository, digest)
                    expected[family] += 1
                    if self._store.get(family, name) != size:
                        self._report.problem(f"{family} {keys.split(name)}", _NOT_DERIVED)
        for family, count in expected.items():
            for name, _ in self._store.scan(family, b"", END):
                self._advance(1)
                _, repository, _, digest = keys.split(name)
                count -= 1
                if keys.join(repository, digest) not in parents[family]:
                    self._report.problem(f"{family} {keys.split(name)}", _NOT_DERIVED)
            if count < 0:
                self._report.problem(family, f"has {-count} rows more than manifests name")
