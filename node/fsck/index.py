"""Checking the index against itself: the logs, the objects, and every row derived from them."""

from collections.abc import Callable, Iterator
from typing import TypeVar

import msgspec

from cluster import vectors
from cluster.model import Digest, Kind, Origin
from cluster.objects import Deletion, Presence, Register, decode_event
from node.errors import ManifestInvalid
from node.fsck.references import ReferenceCheck
from node.fsck.registers import RegisterCheck
from node.fsck.report import Report
from node.index import keys, rows
from node.index.journal import RESTORING, TOTALS
from node.index.merkle import Sums
from node.index.objects import SETTING
from node.index.rows import HolderRow, RepositoryRow, TotalsRow, UploadRow
from node.index.store import OrderedStore
from node.registry.manifests import Manifest, parse_manifest, referrer_descriptor
from node.registry.policy import KIND, project_of

_R = TypeVar("_R", bound=msgspec.Struct)
_END = b"\xff\xff"

Removed = set[tuple[str, str, str]]
"""(collection, repository, name) of everything that somebody deleted at some time."""


class IndexCheck:
    """
    One pass over the index.

    *advance* is called with the number of rows checked since the last call.
    """

    def __init__(
        self, store: OrderedStore, node: str, report: Report, advance: Callable[[int], None]
    ) -> None:
        self._store = store
        self._node = node
        self._report = report
        self._advance = advance
        self._derived: dict[str, dict[bytes, bytes]] = {
            family: {}
            for family in (
                "linked",
                "tagged",
                "conflicts",
                "referrers",
                "referrer_types",
                "repositories",
                "own",
            )
        }
        self._trimmed = False
        """Whether deletions may be gone from the logs, and with them the proof that they were."""
        self._projects: set[str] = set()
        """Those that had a policy at some time, by which an index may lack what it lists."""
        self._counts: dict[str, RepositoryRow] = {}

    def run(self) -> None:
        if self._store.get("meta", RESTORING) is not None:
            # The objects are half there by design; the node begins again when it starts.
            self._report.problem("index", "a checkpoint was being taken over: start the node")
            return
        removed = self._check_logs()
        self._check_blobs()
        self._check_holders()
        self._check_manifests(removed)
        self._check_tags(removed)
        RegisterCheck(
            self._store,
            self._report,
            self._advance,
            lambda repository, digest: self._trimmed or ("manifest", repository, digest) in removed,
        ).run()
        for _ in self._rows("deletions", Deletion):
            pass  # whether they can be read
        ReferenceCheck(self._store, self._report, self._advance).run()
        self._check_derived()
        self._check_totals()
        self._check_sums()
        self._check_quarantine()

    def held_by(self, node: str) -> dict[Digest, int]:
        """The blobs that *node* says it holds, with their sizes in bytes."""
        return {digest: row.size for digest, row in self._said_by(node)}

    def cached(self) -> dict[Digest, int]:
        """The blobs that are here without being told of, with their sizes in bytes."""
        return {
            Digest(keys.split(key)[0]): keys.read_u64(row)
            for key, row in self._store.scan("cached", b"", _END)
        }

    def uploads(self) -> dict[str, int]:
        """The open uploads, and the bytes that each has."""
        return {keys.split(key)[0]: row.offset for key, row in self._rows("uploads", UploadRow)}

    # --- passes ------------------------------------------------------------------------------

    def _check_logs(self) -> Removed:
        removed: Removed = set()
        ends = {
            keys.read_origin(key): keys.read_reach(value)
            for key, value in self._store.scan("vector", b"", _END)
        }
        for origin in vectors.stood_for(ends, ends):
            where = f"log of {origin.node}/{origin.epoch}"
            self._report.problem(where, "is retired, and is there all the same")
        floor = {
            keys.read_origin(key): keys.read_u64(value)
            for key, value in self._store.scan("floor", b"", _END)
        }
        self._trimmed = bool(floor) or bool(vectors.marks(ends))
        ends = dict(vectors.logs(ends))
        rests: dict[Origin, int] = {}
        found = {origin: floor.get(origin, 0) for origin in ends}
        for key, value in self._store.scan("log", b"", _END):
            self._advance(1)
            where = f"log {key!r}"
            try:
                event = decode_event(value)
            except msgspec.MsgspecError as exc:
                self._report.problem(where, f"does not decode: {exc}")
                continue
            where = f"event {event.dot}"
            if keys.log(event.origin, event.dot.seq) != key:
                self._report.problem(where, "stands under another event's key")
            elif event.dot.seq != found.get(event.origin, 0) + 1:
                self._report.problem(where, "follows a gap in its log")
            elif event.origin in rests and event.rest != rests[event.origin] - 1:
                self._report.problem(where, "cuts the change that the event before it is part of")
            found[event.origin] = event.dot.seq
            rests.pop(event.origin, None)
            if event.rest:
                rests[event.origin] = event.rest
            if event.key.collection == SETTING and event.key.repository == KIND:
                self._projects.add(event.key.name)
            if event.kind == Kind.REMOVE:
                removed.add((*event.key,))
        for origin in rests:
            where = f"log of {origin.node}/{origin.epoch}"
            self._report.problem(where, "ends in the middle of a change")
        for origin in found:
            end = ends.get(origin, 0)
            if found[origin] != end:
                self._report.problem(
                    f"log of {origin.node}/{origin.epoch}",
                    f"ends at {found[origin]}, but {end} are marked as applied",
                )
        return removed

    def _check_blobs(self) -> None:
        for key, state in self._rows("blobs", Presence):
            if state.latest is None:
                continue
            repository, digest = keys.split(key)
            where = f"blob {digest} in {repository}"
            self._report.checked["blob links"] += 1
            if not state.latest.note.isdecimal():
                self._report.problem(where, "has no size")
            if not self._is_held(digest):
                self._report.problem(where, "has no holder")
            self._derived["linked"][keys.join(digest, repository)] = b""
            self._count(repository, blobs=1)

    def _check_holders(self) -> None:
        for digest, row in self._said_by(self._node):
            self._derived["own"][keys.join(digest)] = rows.encode(row)

    def _check_manifests(self, removed: Removed) -> None:
        with_bytes = {key for key, _ in self._store.scan("manifest_bytes", b"", _END)}
        for key, state in self._rows("manifests", Presence):
            if state.latest is None:
                continue
            repository, digest = keys.split(key)
            where = f"manifest {digest} in {repository}"
            self._report.checked["manifests"] += 1
            self._count(repository, manifests=1)
            with_bytes.discard(key)
            body = self._store.get("manifest_bytes", key)
            if body is None:
                self._report.problem(where, "has no bytes")
            elif not Digest(digest).matches(body):
                self._report.problem(where, "does not hash to its digest")
            else:
                self._check_manifest(where, repository, Digest(digest), body, removed)
        for key in with_bytes:
            self._report.problem(f"manifest bytes {keys.split(key)}", "belong to no manifest")

    def _check_manifest(
        self,
        where: str,
        repository: str,
        digest: Digest,
        body: bytes,
        removed: Removed,
    ) -> None:
        try:
            manifest = parse_manifest(digest, body)
        except ManifestInvalid as exc:
            self._report.problem(where, f"cannot be read: {exc}")
            return
        if manifest.subject is not None:
            key = keys.join(repository, manifest.subject, digest)
            descriptor = referrer_descriptor(manifest, digest, len(body))
            self._derived["referrers"][key] = descriptor
            self._derived["referrer_types"][key] = (manifest.artifact_type or "").encode()
        self._check_needs(where, repository, manifest, removed)

    def _check_needs(
        self, where: str, repository: str, manifest: Manifest, removed: Removed
    ) -> None:
        for need in manifest.needs:
            key = keys.join(repository, need.digest)
            blob = self._latest("blobs", key)
            child = self._store.get("manifest_bytes", key) if need.may_be_manifest else None
            sizes = [] if blob is None else [int(blob)]
            sizes += [] if child is None else [len(child)]
            if need.size in sizes:
                continue
            if sizes:
                self._report.problem(where, f"{need.digest} has another size than it says")
            elif need.listed_for is not None and project_of(repository) in self._projects:
                self._report.note("manifests of indexes that are not kept")
            elif not self._trimmed and removed.isdisjoint(
                {("blob", repository, need.digest), ("manifest", repository, need.digest)}
            ):
                self._report.problem(where, f"names {need.digest}, which is not there")
            else:
                self._report.note("manifests that name deleted content")

    def _check_tags(self, removed: Removed) -> None:
        for key, state in self._rows("tags", Register):
            repository, tag = keys.split(key)
            winner = state.winner
            if winner is None or winner.value is None:
                continue
            if state.conflict:
                self._derived["conflicts"][key] = b""
                self._report.note("tags with a conflict")
            self._report.checked["tags"] += 1
            for head in state.heads:
                self._derived["tagged"][keys.join(repository, head.value or "", tag)] = b""
            if self._latest("manifests", keys.join(repository, winner.value)) is not None:
                continue
            if self._trimmed or ("manifest", repository, winner.value) in removed:
                self._report.note("tags of deleted manifests")
            else:
                self._report.problem(
                    f"tag {tag} in {repository}", f"points to {winner.value}, which is not there"
                )

    def _check_derived(self) -> None:
        for repository, count in self._counts.items():
            self._derived["repositories"][keys.join(repository)] = rows.encode(count)
        for family, expected in self._derived.items():
            found = dict(self._store.scan(family, b"", _END))
            for key in expected.keys() | found.keys():
                self._advance(1)
                if expected.get(key) != found.get(key):
                    self._report.problem(
                        f"{family} {keys.split(key)}", "does not agree with what it is derived from"
                    )

    def _check_totals(self) -> None:
        row = self._store.get("meta", TOTALS)
        totals = TotalsRow() if row is None else rows.decode(TotalsRow, row)
        expected = TotalsRow(sum(count.manifests for count in self._counts.values()))
        if totals != expected:
            self._report.problem("totals", f"say {totals}, but {expected} are there")

    def _check_sums(self) -> None:
        if Sums.load(self._store) != Sums.recompute(self._store):
            self._report.problem("sums", "do not agree with the rows that they are of")

    def _check_quarantine(self) -> None:
        for _, row in self._rows("quarantine", rows.QuarantineRow):
            event = decode_event(row.event)
            where = f"event {event.dot} of {'/'.join(event.key)!r}"
            self._report.problem(where, f"is in quarantine: {row.reason}")

    # --- rows --------------------------------------------------------------------------------

    def _rows(self, family: str, row_type: type[_R]) -> Iterator[tuple[bytes, _R]]:
        for key, value in self._store.scan(family, b"", _END):
            self._advance(1)
            try:
                yield key, rows.decode(row_type, value)
            except msgspec.MsgspecError as exc:
                self._report.problem(f"{family} {key!r}", f"does not decode: {exc}")

    def _said_by(self, node: str) -> Iterator[tuple[Digest, HolderRow]]:
        """The blobs that *node* says it holds, and what it says of each."""
        for key, row in self._rows("holders", HolderRow):
            digest, holder = keys.split(key)
            if holder == node and row.held:
                yield Digest(digest), row

    def _latest(self, family: str, key: bytes) -> str | None:
        row = self._store.get(family, key)
        try:
            latest = None if row is None else rows.decode(Presence, row).latest
        except msgspec.MsgspecError:
            return None  # told when its own turn came
        return None if latest is None else latest.note

    def _is_held(self, digest: str) -> bool:
        prefix = keys.join(digest)
        return any(
            rows.decode(HolderRow, row).held
            for _, row in self._store.scan("holders", prefix, keys.after(prefix))
        )

    def _count(self, repository: str, *, manifests: int = 0, blobs: int = 0) -> None:
        count = self._counts.get(repository, RepositoryRow())
        self._counts[repository] = RepositoryRow(count.manifests + manifests, count.blobs + blobs)
