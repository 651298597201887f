"""
What names what: the rows by which deleted content stays readable while something names it.

An image names its config and layers, an index its children. Where such a parent is there, what it
names is there too, be it deleted (P5). A manifest is a *present* parent if somebody pushed it with
all that it names (`is_anchor`), or another present parent names it. What these name has rows in
`named`.

The bytes of a deleted manifest outlive that. Example: N1 deletes a child while N2, which has not
heard of it, pushes an index that names it. N1 needs the child's bytes when that index comes. So a
manifest is *kept* until its deletions are stable, and so forgotten (`objects.forget_deletions`):
before, somebody may have pushed what names it. What it names is kept along; that has rows in
`kept_named`.

Example: index Q names child C. C is deleted: its bytes go to `kept_bytes`, and `named` says that
Q names it, so it can be read by its digest. Q is deleted: Q and C are kept, and cannot be read. The
deletion of Q is stable: both are gone.

The rows follow from which manifests there are, which deletions and which bytes. `named` is the same
on all nodes that applied the same events, as long as what somebody could name was kept everywhere.
"""

from collections.abc import Sequence
from itertools import islice
from typing import Final, NamedTuple

from cluster.model import Digest, Dot
from cluster.objects import Presence
from node.errors import ManifestInvalid
from node.index import keys, rows
from node.index.journal import Journal, Transaction
from node.index.rows import HolderRow, Look, presence
from node.index.store import Mutation, OrderedStore
from node.registry.manifests import Need, stored_needs

NAMED: Final = "named"
KEPT_NAMED: Final = "kept_named"
KEPT_BYTES: Final = "kept_bytes"

CHILD: Final = "child"
"""Named by an index: most often a manifest, but blobs are listed as well."""

CONTENT: Final = "blob"
"""Named by an image: a blob. Sorts before the other."""

LIST_TYPE: Final = "application/vnd.atoll.referrers-list"
"""As what a list is pushed that a node wrote (`fallback`). Never served: its bytes say that it is
an index. It is no anchor: what it lists is not there for its sake."""

PARTIAL_TYPE: Final = "application/vnd.atoll.partial-index"
"""As what an index is pushed that lacks some of its children, or names one that is no present
parent. Never served: its bytes say that it is an index. It is no anchor: of what it lacks, one node
may have kept bytes that another has let go of."""

WRITTEN_TOGETHER: Final = 128
"""What a manifest names, in one batch: an image with as many layers is larger than any runtime
takes. What is more comes in further batches."""

PASSED_MAX: Final = 1000
"""Deleted manifests between all that one push names and what that is there for, each counted once.
Each takes the writer 50 us, in which it does nothing else."""

_TODO: Final = 64
"""Manifests that are read ahead of their turn."""

_NAMING: Final = "naming"
"""Rows of `meta`: manifests to look at. One that is half done has here how many of what it names
are done, and for which family."""

_PARENTS: Final = (NAMED, KEPT_NAMED)
_HOMES: Final = ("manifest_bytes", KEPT_BYTES)


class _Todo(NamedTuple):
    """A manifest to look at."""

    repository: str
    digest: str


def anchors(state: Presence) -> tuple[Dot, ...]:
    """The pushes of a manifest that make it a present parent by themselves."""
    return tuple(p.dot for p in state.live if p.note not in (LIST_TYPE, PARTIAL_TYPE))


def is_anchor(state: Presence) -> bool:
    return bool(anchors(state))


def is_named(look: Look, repository: str, digest: str, family: str = NAMED) -> bool:
    """Whether the manifest is named by a present parent; with *family*, by a kept one."""
    return look.first(family, keys.join(digest, repository, CHILD)) is not None


def named_size(look: Look, repository: str, digest: str) -> int | None:
    """
    Size in bytes of a blob that a present parent names; None if none does.

    What was measured, here or by another holder, comes before what the parent says: with a wrong
    size a reader would take a good copy for a damaged one.
    """
    found = look.first(NAMED, keys.join(digest, repository))
    if found is None:
        return None
    held, cached = look.get("own", keys.join(digest)), look.get("cached", keys.join(digest))
    if held is not None:
        return rows.decode(HolderRow, held).size
    if cached is not None:
        return keys.read_u64(cached)
    said = (rows.decode(HolderRow, row) for _, row in look.scan("holders", keys.join(digest)))
    declared = keys.read_u64(found[1]) if keys.split(found[0])[2] == CONTENT else None
    return next((row.size for row in said if row.held), declared)


def kept_body(look: Look, repository: str, digest: str) -> bytes | None:
    """The bytes of a deleted manifest that a present parent names."""
    if not is_named(look, repository, digest):
        return None
    return look.get(KEPT_BYTES, keys.join(repository, digest))


class Anchors:
    """The pushes for whose sake content of one repository is there, while nothing changes."""

    def __init__(self, look: Look, repository: str) -> None:
        self._look = look
        self._repository = repository
        self._known: dict[str, tuple[Dot, ...]] = {}
        self._passed = 0

    def of_manifest(self, digest: str) -> tuple[Dot, ...]:
        """
        Pushes of the manifest that make it, or one that names it, a present parent; none if nothing
        does. Who has one of them has the manifest, and all that it names.

        Raises:
            ManifestInvalid: the way to them is too long.
        """
        way: list[str] = []
        while (dots := self._known.get(digest)) is None:
            way.append(digest)
            dots = anchors(presence(self._look, "manifests", self._repository, digest))
            parent = None if dots else self._parent(keys.join(digest, self._repository, CHILD))
            if parent is None:
                break
            self._passed += len(way) > 1
            if self._passed > PASSED_MAX:
                raise ManifestInvalid(
                    f"it names what is deleted, and is there for the sake of an index more than "
                    f"{PASSED_MAX} deleted ones above: push what it names first"
                )
            digest = parent
        self._known.update(dict.fromkeys(way, dots))
        return dots

    def of_blob(self, digest: str) -> tuple[Dot, ...]:
        """As `of_manifest`, of a present parent that names the blob."""
        parent = self._parent(keys.join(digest, self._repository))
        return () if parent is None else self.of_manifest(parent)

    def _parent(self, named: bytes) -> str | None:
        """A present parent, by the beginning of the row."""
        found = self._look.first(NAMED, named)
        return None if found is None else keys.split(found[0])[3]


def row_of(need: Need, repository: str, parent: str) -> tuple[bytes, bytes]:
    """The row of `named` or `kept_named` that says that *parent* names it, and what size it has."""
    kind = CHILD if need.may_be_manifest else CONTENT
    return keys.join(need.digest, repository, kind, parent), keys.u64(need.size)


def follow(txn: Transaction, *manifests: tuple[str, str]) -> None:
    """
    Bring the rows of *manifests* (repository, digest) in step with their pushes and deletions, and
    those of what they name. What does not fit into one batch is left to `follow_rest`.
    """
    _follow(txn, [_Todo(*manifest) for manifest in manifests])


def follow_rest(journal: Journal) -> None:
    """Do what `follow` has left. On the writer thread."""
    prefix = keys.join(_NAMING)
    while page := list(islice(journal.store.scan("meta", prefix, keys.after(prefix)), _TODO)):
        txn = Transaction(journal)
        _follow(txn, [_Todo(*keys.split(key)[1:]) for key, _ in page])
        txn.leaves_work = False
        txn.commit()


def waiting(repository: str, digest: str) -> Mutation:
    """What has `follow_rest` look at the manifest."""
    return Mutation("meta", keys.join(_NAMING, repository, digest), b"")


def has_rest(store: OrderedStore) -> bool:
    """Whether `follow_rest` has something to do."""
    prefix = keys.join(_NAMING)
    return next(store.scan("meta", prefix, keys.after(prefix)), None) is not None


def _follow(txn: Transaction, ahead: list[_Todo]) -> None:
    written = 0
    while ahead and written < WRITTEN_TOGETHER:
        written += _step(txn, ahead.pop(), ahead)
    for todo in ahead:
        mark = waiting(*todo)
        if txn.get("meta", mark.key) is None:
            txn.put(*mark)
        txn.leaves_work = True


def _step(txn: Transaction, todo: _Todo, ahead: list[_Todo]) -> int:
    """Do the next part of *todo*, and add what comes behind to *ahead*; returns how much it was."""
    repository, digest = todo
    key, waits = keys.join(repository, digest), waiting(repository, digest).key
    half_done = txn.get("meta", waits)
    if half_done is not None:
        txn.delete("meta", waits)
    body = next(filter(None, (txn.get(home, key) for home in _HOMES)), None)
    if body is None:
        return 1
    state = presence(txn, "manifests", repository, digest)
    family = _family_of(txn, repository, digest, state)
    needs = stored_needs(Digest(digest), body)
    goal = (family or "").encode()
    before, start = _families_with(txn, repository, digest, needs), 0
    if half_done:
        before, start = _PARENTS, keys.read_u64(half_done[:8]) if half_done[8:] == goal else 0
    changed = before != ((family,) if family else ())
    stop = start + WRITTEN_TOGETHER if changed else start
    for need in needs[start:stop]:
        name, size = row_of(need, repository, digest)
        for each in _PARENTS:
            if each == family or each in before:
                txn.put(each, name, size if each == family else None)
        if need.may_be_manifest and not is_anchor(
            presence(txn, "manifests", repository, need.digest)
        ):
            ahead.append(_Todo(repository, need.digest))
    rest = changed and stop < len(needs)
    if rest:
        txn.put("meta", waits, keys.u64(stop) + goal)
        ahead.append(todo)
    _put_body(txn, key, body, state.present, kept=rest or family is not None)
    return max(1, min(stop, len(needs)) - start)


def _put_body(txn: Transaction, key: bytes, body: bytes, present: bool, *, kept: bool) -> None:
    home = "manifest_bytes" if present else KEPT_BYTES if kept else None
    for each in _HOMES:
        there = txn.get(each, key) is not None
        if there != (each == home):
            txn.put(each, key, None if there else body)


def _family_of(txn: Transaction, repository: str, digest: str, state: Presence) -> str | None:
    """Where the rows of what the manifest names have to be."""
    if is_anchor(state) or is_named(txn, repository, digest):
        return NAMED
    deleted = txn.get("deletions", keys.join("manifest", repository, digest)) is not None
    return KEPT_NAMED if deleted or is_named(txn, repository, digest, KEPT_NAMED) else None


def _families_with(
    txn: Transaction, repository: str, digest: str, needs: Sequence[Need]
) -> tuple[str, ...]:
    """Where rows of what the manifest names are, if it is not half done."""
    first = [row_of(need, repository, digest)[0] for need in needs[:1]]
    return tuple(each for each in _PARENTS for row in first if txn.get(each, row) is not None)
